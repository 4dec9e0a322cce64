import { isGrant, isRefusal, type AuthFailure, type Grant } from './protocol.ts'
import { refused, transient } from './backoff.ts'
import { isRejected } from './rejection.ts'
import { openSession, sameCredential, type Token } from './token.ts'
import type { Attempt, Moment, Renewal, RenewalRules } from './state.ts'

/** However short the life, at most one exchange a second. */
const SHORTEST_RENEWAL = 1000
const JITTER = 0.05

/** A refresh that gives back what was rejected cures nothing: it counts as refused, and a login follows at once. */
export const REJECTED_TOKEN_CAME_BACK: AuthFailure = {
  reason: 'rejected',
  detail: 'the rejected token came back',
}

/** The state after an exchange has ended. */
export function answered(
  state: Renewal,
  outcome: Grant | AuthFailure,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  const { exchange } = state
  if (exchange === undefined) return state
  const idle = { ...state, exchange: undefined }
  if (!isGrant(outcome)) return failed({ state: idle, exchange }, outcome, rules, moment)
  const session = openSession(outcome, rules, {
    sentAt: exchange.startedAt,
    previous: state.session,
    operation: exchange.operation,
  })
  return curesNothing(state, session, exchange)
    ? failed({ state: idle, exchange }, REJECTED_TOKEN_CAME_BACK, rules, moment)
    : granted({ state: idle, exchange }, session, rules, moment)
}

/** An attempt that has ended, and the state without it. */
interface Ended {
  readonly state: Renewal
  readonly exchange: Attempt
}

/** A refresh may give the rejected token back; what a login gives is taken as it is. */
function curesNothing(state: Renewal, session: Token, exchange: Attempt): boolean {
  const previous = state.session
  return (
    exchange.operation === 'refresh' &&
    previous !== undefined &&
    isRejected(state, previous) &&
    sameCredential(session, previous)
  )
}

function granted(
  { state, exchange }: Ended,
  session: Token,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const previous = state.session
  const bought = previous !== undefined && isRejected(state, previous)
  const outdated = exchange.credentials !== state.credentials
  return {
    ...state,
    session,
    refreshSpent: outdated,
    nextAt: outdated ? now : session.obtainedAt + renewAfter(session, rules, random),
    backoff: 'none',
    failures: 0,
    refusals: 0,
    rejectedGeneration: 0,
    heldGeneration: 0,
    boughtAt: bought ? now : state.boughtAt,
    lastSuccessAt: now,
  }
}

function failed(
  { state, exchange }: Ended,
  failure: AuthFailure,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  // The secret changed meanwhile: this failure says nothing about the new one.
  if (exchange.credentials !== state.credentials) return state
  const after =
    exchange.operation === 'refresh'
      ? refreshFailed(state, failure, rules, moment)
      : isRefusal(failure)
        ? refused(state, rules, moment)
        : transient(state, failure, rules, moment)
  // A hold-off that began while the attempt was under way is not cut short by its failure.
  return { ...after, nextAt: Math.max(after.nextAt, state.nextAt) }
}

/** Not later than the token's last use, whatever the share and the jitter. */
function renewAfter(session: Token, rules: RenewalRules, random: number): number {
  const jitter = 1 + (random * 2 - 1) * JITTER
  const due = Math.min(
    session.lifetime * rules.renewAt * jitter,
    session.usableUntil - session.obtainedAt,
  )
  return Math.max(SHORTEST_RENEWAL, due)
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
