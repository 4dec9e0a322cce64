import { Secret } from '../../src/config/secret.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { Before } from '../../src/token/obtain.ts'
import { next, step, type NextRequest } from '../../src/token/lifecycle.ts'
import {
  dueAt,
  initialState,
  type LifecycleEvent,
  type PastRefusals,
  type Rules,
  type State,
} from '../../src/token/state.ts'
import type { AuthFailure, Grant, Operation } from '../../src/token/protocol.ts'

/** The defaults of the settings. */
export const RULES: Rules = {
  isalesTokenScheme: 'Bearer',
  isalesTokenField: 'token',
  isalesRefreshPath: '/auth/refresh',
  tokenRenewAt: 0.8,
  loginBackoff: 500,
  loginBackoffMax: 30_000,
  loginRejectedBackoff: 5000,
  loginRejectedBackoffMax: 300_000,
  loginRejectedAttempts: 3,
  loginRejectedPause: 900_000,
  loginReplacePause: 30_000,
  tokenIdleAfter: undefined,
}

export const START = 1_000_000

export interface GrantOptions {
  readonly token?: string
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
    lifetime: { ms: (lives ?? 300) * 1000, assumed: lives === undefined },
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
  kind: 'unreached',
  reason: 'unavailable',
  detail: 'ECONNREFUSED',
}

/** A response that says nothing about the credentials, such as a page of a gateway. */
export function unclear(status: number): AuthFailure {
  return { kind: 'unclear', reason: 'malformed', status, detail: `status ${status}` }
}

export function throttled(retryAfter: number): AuthFailure {
  return { kind: 'unclear', reason: 'throttled', status: 429, retryAfter, detail: 'status 429' }
}

/** Drives the pure rules by hand: time stands still unless `after` moves it. */
export interface Life {
  readonly state: () => State
  readonly now: () => number
  /** Milliseconds from now until the next token request may begin. */
  readonly wait: () => number
  readonly next: () => NextRequest
  /** What the last step gave to log and metrics. */
  readonly events: () => readonly TokenEvent[]
  after(ms: number): Life
  /** The random number of the steps to come; 0.5 unless set: no jitter in a renewal. */
  random(value: number): Life
  does(event: LifecycleEvent): Life
  /** A token request that is sent now. */
  begins(operation: Operation, before?: Before): Life
  /** A login, as soon as it is allowed, with its outcome. */
  login(outcome: Grant | AuthFailure): Life
  refresh(outcome: Grant | AuthFailure): Life
  /** A call on this path, with this token, that was sent and rejected now; `again`: with an older token before, too. */
  rejected(generation?: number, path?: string, again?: boolean): Life
  /** A call that was sent now. */
  accepted(generation?: number, path?: string): Life
}

export function live(rules: Partial<Rules> = {}, refused?: PastRefusals): Life {
  const all = { ...RULES, ...rules }
  let state = initialState(START, all, refused)
  let events: readonly TokenEvent[] = []
  let now = START
  let random = 0.5
  const current = (): number => state.token?.generation ?? 0
  const request = (operation: Operation, outcome: Grant | AuthFailure): Life => {
    now = Math.max(now, dueAt(state))
    return life.begins(operation).does(ended(outcome))
  }
  const life: Life = {
    state: () => state,
    now: () => now,
    wait: () => Math.max(0, dueAt(state) - now),
    next: () => next(state, all, now),
    events: () => events,
    after(ms) {
      now += ms
      return life
    },
    random(value) {
      random = value
      return life
    },
    does(event) {
      ;({ state, events } = step(state, event, { rules: all, now, random }))
      return life
    },
    begins: (operation, before) =>
      life.does({ type: 'wanted', operation }).does({ type: 'request-started', before }),
    login: (outcome) => request('login', outcome),
    refresh: (outcome) => request('refresh', outcome),
    rejected: (generation = current(), path = '/tasks', again = false) =>
      life.does({ type: 'rejected', generation, status: 401, path, sentAt: now, again }),
    accepted: (generation = current(), path = '/tasks') =>
      life.does({ type: 'accepted', generation, path, sentAt: now }),
  }
  return life
}

export function ended(outcome: Grant | AuthFailure): LifecycleEvent {
  return { type: 'request-ended', outcome }
}
