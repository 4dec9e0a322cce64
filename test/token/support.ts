import { Secret } from '../../src/config/secret.ts'
import { afterFailure, backoffOf, granted, NO_ENTRY } from '../../src/token/attempts.ts'
import type { Entry, Outcome } from '../../src/token/attempts.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import {
  credentialsChanged,
  ended,
  initialState,
  next,
  plan,
  started,
  type Rules,
  type State,
  type Step,
} from '../../src/token/lifecycle.ts'
import {
  isGrant,
  isMissing,
  type AuthFailure,
  type Grant,
  type Operation,
} from '../../src/token/protocol.ts'

/** The defaults of the settings. */
export const RULES: Rules = {
  isalesTokenScheme: 'Bearer',
  isalesTokenField: 'token',
  isalesRefreshPath: '/auth/refresh',
  tokenRenewAt: 0.8,
  tokenIdleAfter: undefined,
}

export const START = 1_000_000

export interface GrantOptions {
  readonly token?: string
  /** When it was requested. Default: the start. */
  readonly sentAt?: number
  /** Seconds; undefined: assumed 300. */
  readonly lives?: number | undefined
  /** Null: none. */
  readonly refreshToken?: string | null
  /** Seconds; undefined: not known. */
  readonly refreshLives?: number | undefined
}

export function grant(options: GrantOptions = {}): Grant {
  const { token = 't1', refreshToken = 'r1' } = options
  const lives = 'lives' in options ? options.lives : 300
  const refreshLives = 'refreshLives' in options ? options.refreshLives : 3600
  return {
    token: new Secret(token),
    sentAt: options.sentAt ?? START,
    lifetime: lives === undefined ? { ms: 300_000, doubt: 'missing' } : { ms: lives * 1000 },
    refreshToken: refreshToken === null ? undefined : new Secret(refreshToken),
    refreshLifetime: refreshLives === undefined ? undefined : refreshLives * 1000,
  }
}

export const REFUSED: AuthFailure = {
  kind: 'refused',
  reason: 'rejected',
  status: 403,
  detail: 'status 403',
}
export const DOWN: AuthFailure = {
  kind: 'untouched',
  reason: 'unavailable',
  detail: 'ECONNREFUSED',
}

/** A response that says nothing about the credentials, such as a page of a gateway. */
export function unclear(status: number): AuthFailure {
  return { kind: 'unclear', reason: 'malformed', status, detail: `status ${status}` }
}

export function throttled(retryAfter: number): AuthFailure {
  return { kind: 'untouched', reason: 'throttled', status: 429, retryAfter, detail: 'status 429' }
}

/** Drives the pure rules by hand: time stands still unless `after` moves it. */
export interface Life {
  readonly state: () => State
  readonly now: () => number
  /** Milliseconds from now until the next token request may begin. */
  readonly wait: () => number
  readonly next: () => ReturnType<typeof next>
  /** What the last step gave to log and metrics. */
  readonly event: () => TokenEvent | undefined
  after(ms: number): Life
  /** The random number of the steps to come; 0.5 unless set: no jitter in a renewal. */
  random(value: number): Life
  does<Happening>(step: Step<Happening>, happening: Happening): Life
  begins(operation: Operation): Life
  /** The token request in flight ends; a grant is of when it was sent. */
  ends(outcome: Grant | AuthFailure): Life
  /** A login, as soon as it is allowed, with its outcome. */
  login(outcome: Grant | AuthFailure): Life
  refresh(outcome: Grant | AuthFailure): Life
}

/** @param entry what the book knows of the credentials. Default: nothing. */
export function live(
  changes: Partial<Rules & { readonly loginRejectedAttempts: number }> = {},
): Life {
  const { loginRejectedAttempts = 3, ...rules } = changes
  const all = { ...RULES, ...rules }
  let state = initialState(START)
  let entry: Entry = NO_ENTRY
  let event: TokenEvent | undefined
  let now = START
  let random = 0.5
  const request = (operation: Operation, outcome: Grant | AuthFailure): Life => {
    now = Math.max(now, plan(state, all, now).at)
    return life.begins(operation).ends(outcome)
  }
  const booked = (outcome: Grant | AuthFailure): Outcome => {
    const refresh = state.request?.operation === 'refresh'
    if (isGrant(outcome)) {
      entry = granted(now)
      return { ...outcome, sentAt: state.request?.startedAt ?? now }
    }
    const isFinal = refresh && (outcome.kind === 'refused' || isMissing(outcome))
    const backoff = entry.attempts > 0 ? backoffOf(entry, { loginRejectedAttempts }) : 'none'
    if (isFinal) return { failure: outcome, pause: 0, counted: false, backoff }
    const given = {
      rules: { loginRejectedAttempts },
      failures: state.failuresInRow,
      now,
      random,
    }
    const { entry: after, ...verdict } = afterFailure(entry, outcome, given)
    entry = after
    return { failure: outcome, ...verdict }
  }
  const life: Life = {
    state: () => state,
    now: () => now,
    wait: () => Math.max(0, plan(state, all, now).at - now),
    next: () => next(state, all, now),
    event: () => event,
    after(ms) {
      now += ms
      return life
    },
    random(value) {
      random = value
      return life
    },
    does(step, happening) {
      if ((step as unknown) === credentialsChanged) entry = NO_ENTRY
      const transition = step(state, happening, { rules: all, now, random })
      ;({ state, event } = { event: undefined, ...transition })
      return life
    },
    begins: (operation) => life.does(started, operation),
    ends: (outcome) => life.does(ended, booked(outcome)),
    login: (outcome) => request('login', outcome),
    refresh: (outcome) => request('refresh', outcome),
  }
  return life
}
