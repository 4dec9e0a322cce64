import {
  isGrant,
  isRefusal,
  type AuthFailure,
  type Grant,
  type Operation,
} from '../isales/protocol.ts'
import { refused, transient } from './backoff.ts'
import { isRejected, rejected } from './rejection.ts'
import { openSession, refreshable } from './session.ts'
import type { Attempt, Moment, Renewal, RenewalEvent, RenewalRules } from './state.ts'

/** However short the life, at most one exchange a second. */
const SHORTEST_RENEWAL = 1000
const JITTER = 0.05

/** What to do now: begin an exchange, or wait until an instant (Infinity: until something happens). */
export type NextStep =
  | { readonly do: 'exchange'; readonly operation: Operation }
  | { readonly do: 'wait'; readonly until: number }

/** Refresh token first; login when there is none, it has ended, or it failed. */
export function next(state: Renewal, rules: RenewalRules, now: number): NextStep {
  if (state.exchange !== undefined) return { do: 'wait', until: Infinity }
  if (now < state.nextAt) return { do: 'wait', until: state.nextAt }
  const { session } = state
  const refresh =
    rules.refreshing &&
    !state.refreshSpent &&
    !state.refreshMissing &&
    session !== undefined &&
    refreshable(session, now)
  return { do: 'exchange', operation: refresh ? 'refresh' : 'login' }
}

/** The one transition function of the token's life. */
export function step(
  state: Renewal,
  event: RenewalEvent,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  switch (event.type) {
    case 'started':
      return {
        ...state,
        exchange: {
          operation: event.operation,
          startedAt: moment.now,
          credentials: state.credentials,
        },
      }
    case 'answered':
      return answered(state, event.outcome, rules, moment)
    case 'rejected':
      return rejected(state, event.generation, rules, moment)
    case 'accepted':
      return state.session?.generation === event.generation && !state.session.proved
        ? { ...state, session: { ...state.session, proved: true } }
        : state
    case 'credentials-changed':
      return {
        ...state,
        credentials: state.credentials + 1,
        refreshSpent: true,
        nextAt: moment.now,
        backoff: 'none',
        failures: 0,
        refusals: 0,
      }
  }
}

function answered(
  state: Renewal,
  outcome: Grant | AuthFailure,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  const { exchange } = state
  if (exchange === undefined) return state
  const idle = { ...state, exchange: undefined }
  if (isGrant(outcome))
    return granted({ state: idle, attempt: exchange, grant: outcome }, rules, moment)
  // The secret changed meanwhile: this failure says nothing about the new one.
  if (exchange.credentials !== state.credentials) return { ...idle, nextAt: moment.now }
  return exchange.operation === 'refresh'
    ? refreshFailed(idle, outcome, rules, moment)
    : isRefusal(outcome)
      ? refused(idle, rules, moment)
      : transient(idle, outcome, rules, moment)
}

interface Granted {
  readonly state: Renewal
  readonly attempt: Attempt
  readonly grant: Grant
}

function granted(
  { state, attempt, grant }: Granted,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const previous = state.session
  // A refresh that gives the rejected token back cures nothing: log in.
  if (attempt.operation === 'refresh' && previous !== undefined && isRejected(state, previous)) {
    if (grant.token.reveal() === previous.token.reveal()) {
      return { ...state, refreshSpent: true, nextAt: now }
    }
  }
  const session = openSession(grant, rules, {
    sentAt: attempt.startedAt,
    previous,
    operation: attempt.operation,
  })
  const outdated = attempt.credentials !== state.credentials
  const jitter = 1 + (random * 2 - 1) * JITTER
  const renewAfter = Math.max(SHORTEST_RENEWAL, session.lifetime * rules.renewAt * jitter)
  return {
    ...state,
    session,
    refreshSpent: outdated,
    nextAt: outdated ? now : session.obtainedAt + renewAfter,
    backoff: 'none',
    failures: 0,
    refusals: 0,
    rejectedGeneration: 0,
    heldGeneration: 0,
    lastSuccessAt: now,
  }
}

function refreshFailed(
  state: Renewal,
  failure: AuthFailure,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  const spent = {
    ...state,
    refreshSpent: true,
    refreshMissing: state.refreshMissing || failure.status === 404 || failure.status === 405,
  }
  return isRefusal(failure)
    ? { ...spent, nextAt: moment.now }
    : transient(spent, failure, rules, moment)
}
