import {
  isGrant,
  isRefusal,
  type AuthFailure,
  type Grant,
  type Operation,
} from '../isales/protocol.ts'
import type { BackoffState } from './events.ts'
import { openSession, refreshable, usable, type Session, type SessionRules } from './session.ts'

/** Milliseconds, unless said otherwise; the defaults stand in `config/settings.ts`. */
export interface RenewalRules extends SessionRules {
  /** The share of the lifetime after which the token is renewed, before jitter of ±5 %. */
  readonly renewAt: number
  /** False: never refresh, always log in. */
  readonly refreshing: boolean
  readonly backoff: number
  readonly backoffMax: number
  readonly rejectedBackoff: number
  readonly rejectedBackoffMax: number
  /** After so many rejections of the same credentials only one attempt each `rejectedPause`. */
  readonly rejectedAttempts: number
  readonly rejectedPause: number
  /** A brand-new token that is rejected buys no second login for so long. */
  readonly replacePause: number
}

/** However short the life, at most one exchange a second. */
const SHORTEST_RENEWAL = 1000
const JITTER = 0.05
const LONGEST_RETRY_AFTER = 300_000
/** Somebody else logs in as this user when so many tokens a minute are rejected before their end. */
const CONFLICT_REJECTIONS = 3
const CONFLICT_WINDOW = 60_000
const HOLD_OFF_MIN = 5000
const HOLD_OFF_MAX = 60_000

/** All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock. */
export interface Renewal {
  readonly session: Session | undefined
  readonly exchange: Attempt | undefined
  /** When the next exchange may begin. */
  readonly nextAt: number
  readonly backoff: BackoffState
  /** Failed attempts in a row. */
  readonly failures: number
  /** Logins in a row that refused the present credentials. */
  readonly refusals: number
  /** Counts up when the secret changes; an attempt remembers which it used. */
  readonly credentials: number
  /** The refresh token at hand is of no use: it failed once, or the credentials are newer than it. */
  readonly refreshSpent: boolean
  /** The refresh path answered 404 or 405: not asked again by this process. */
  readonly refreshMissing: boolean
  /** The generation that a business call found rejected and that is not sent any more. */
  readonly rejectedGeneration: number
  /** The generation whose rejection is known but whose replacement is held off; it is still sent. */
  readonly heldGeneration: number
  /** When a rejection last bought a replacement. */
  readonly boughtAt: number
  /** When tokens were rejected before their end, within the last minute. */
  readonly earlyRejections: readonly number[]
  readonly lastSuccessAt: number | undefined
}

export interface Attempt {
  readonly operation: Operation
  readonly startedAt: number
  readonly credentials: number
}

export type RenewalEvent =
  | { readonly type: 'started'; readonly operation: Operation }
  | { readonly type: 'answered'; readonly outcome: Grant | AuthFailure }
  | { readonly type: 'rejected'; readonly generation: number }
  | { readonly type: 'accepted'; readonly generation: number }
  | { readonly type: 'credentials-changed' }

/** What to do now: begin an exchange, or wait until an instant (Infinity: until something happens). */
export type NextStep =
  | { readonly do: 'exchange'; readonly operation: Operation }
  | { readonly do: 'wait'; readonly until: number }

/** The instant and the random number in [0, 1) that a step may use; passed in, so that the rules are pure. */
export interface Moment {
  readonly now: number
  readonly random: number
}

export function firstRenewal(now: number): Renewal {
  return {
    session: undefined,
    exchange: undefined,
    nextAt: now,
    backoff: 'none',
    failures: 0,
    refusals: 0,
    credentials: 1,
    refreshSpent: false,
    refreshMissing: false,
    rejectedGeneration: 0,
    heldGeneration: 0,
    boughtAt: -Infinity,
    earlyRejections: [],
    lastSuccessAt: undefined,
  }
}

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

/** The session to send, or undefined when none may be sent. */
export function sendable(state: Renewal, now: number): Session | undefined {
  const { session } = state
  if (session === undefined || !usable(session, now)) return undefined
  return session.generation === state.rejectedGeneration ? undefined : session
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: Renewal, now: number): number {
  const session = sendable(state, now)
  return session === undefined ? 0 : session.usableUntil - now
}

/**
 * What a rejection by a business call means.
 *
 * - `stale`: it is about a token that has been replaced already.
 * - `known`: this generation was reported before, and its replacement is under way or held off.
 * - `relay`: a brand-new token, soon after another was replaced: a login would not cure it.
 * - `hold`: tokens are rejected so often that somebody else must be logging in; replaced after a hold-off.
 * - `replace`: replaced now.
 */
export type RejectionVerdict = 'stale' | 'known' | 'relay' | 'hold' | 'replace'

export function judgeRejection(
  state: Renewal,
  generation: number,
  rules: RenewalRules,
  now: number,
): RejectionVerdict {
  const { session } = state
  if (session === undefined || session.generation !== generation) return 'stale'
  if (generation === state.rejectedGeneration || generation === state.heldGeneration) return 'known'
  if (!session.proved && now - state.boughtAt < rules.replacePause) return 'relay'
  return recent(state, now).length + 1 >= CONFLICT_REJECTIONS ? 'hold' : 'replace'
}

function rejected(
  state: Renewal,
  generation: number,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const verdict = judgeRejection(state, generation, rules, now)
  if (verdict !== 'hold' && verdict !== 'replace') return state
  const known = { ...state, boughtAt: now, earlyRejections: [...recent(state, now), now] }
  // A back-off that protects the account or a struggling iSales is not cut short by a business call.
  const free = state.backoff === 'none' || state.backoff === 'conflict'
  if (verdict === 'replace') {
    return { ...known, rejectedGeneration: generation, nextAt: free ? now : state.nextAt }
  }
  const holdOff = HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
  return {
    ...known,
    heldGeneration: generation,
    nextAt: free ? now + holdOff : Math.max(state.nextAt, now + holdOff),
    backoff: free ? 'conflict' : state.backoff,
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
  if (isGrant(outcome)) return granted(idle, exchange, outcome, rules, moment)
  // The secret changed meanwhile: this failure says nothing about the new one.
  if (exchange.credentials !== state.credentials) return { ...idle, nextAt: moment.now }
  return exchange.operation === 'refresh'
    ? refreshFailed(idle, outcome, rules, moment)
    : loginFailed(idle, outcome, rules, moment)
}

function granted(
  state: Renewal,
  attempt: Attempt,
  grant: Grant,
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

function loginFailed(
  state: Renewal,
  failure: AuthFailure,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  if (!isRefusal(failure)) return transient(state, failure, rules, moment)
  const refusals = state.refusals + 1
  return {
    ...state,
    refusals,
    failures: state.failures + 1,
    backoff: refusals >= rules.rejectedAttempts ? 'guarded' : 'rejected',
    nextAt: moment.now + refusalDelay(refusals, rules),
  }
}

/** Full jitter: a random delay up to a cap that doubles. `Retry-After` is obeyed instead, up to 5 min. */
function transient(
  state: Renewal,
  failure: AuthFailure,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const cap = doubled(rules.backoff, state.failures, rules.backoffMax)
  const asked = failure.retryAfter
  const delay = asked === undefined ? random * cap : Math.min(asked, LONGEST_RETRY_AFTER)
  // Credentials that were refused before are not tried sooner because an attempt went astray in between.
  const floor = state.refusals === 0 ? 0 : refusalDelay(state.refusals, rules)
  return {
    ...state,
    failures: state.failures + 1,
    backoff: state.refusals === 0 ? 'transient' : state.backoff,
    nextAt: now + Math.max(delay, floor),
  }
}

function refusalDelay(refusals: number, rules: RenewalRules): number {
  return refusals >= rules.rejectedAttempts
    ? rules.rejectedPause
    : doubled(rules.rejectedBackoff, refusals - 1, rules.rejectedBackoffMax)
}

function doubled(base: number, times: number, max: number): number {
  return Math.min(max, base * 2 ** times)
}

function isRejected(state: Renewal, session: Session): boolean {
  return (
    session.generation === state.rejectedGeneration || session.generation === state.heldGeneration
  )
}

function recent(state: Renewal, now: number): readonly number[] {
  return state.earlyRejections.filter((at) => now - at < CONFLICT_WINDOW)
}
