import { Secret } from '../../src/config/secret.ts'
import type { AuthFailure, Grant, Operation } from '../../src/token/protocol.ts'
import { next, step, type NextStep } from '../../src/token/renewal.ts'
import {
  firstRenewal,
  type Renewal,
  type RenewalEvent,
  type RenewalRules,
} from '../../src/token/state.ts'

/** The defaults of the settings. */
export const RULES: RenewalRules = {
  tokenScheme: 'Bearer',
  tokenField: 'token',
  renewAt: 0.8,
  refreshing: true,
  backoff: 500,
  backoffMax: 30_000,
  rejectedBackoff: 5000,
  rejectedBackoffMax: 300_000,
  rejectedAttempts: 3,
  rejectedPause: 900_000,
  replacePause: 30_000,
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
    ...(refreshToken === null ? {} : { refreshToken: new Secret(refreshToken) }),
    ...(refreshToken === null || refreshLives === undefined
      ? {}
      : { refreshLifetime: { ms: refreshLives * 1000, assumed: false } }),
  }
}

export const REFUSED: AuthFailure = { reason: 'rejected', status: 403, detail: 'status 403' }
export const DOWN: AuthFailure = { reason: 'unavailable', detail: 'ECONNREFUSED' }

/** Drives the pure rules by hand: time stands still unless `at` or `after` moves it. */
export interface Life {
  readonly state: () => Renewal
  readonly now: () => number
  /** Milliseconds from now until the next exchange may begin. */
  readonly wait: () => number
  readonly next: () => NextStep
  after(ms: number): Life
  /** The random number of the steps to come; 0.5 unless set: no jitter in a renewal. */
  random(value: number): Life
  does(event: RenewalEvent): Life
  /** A login, at the earliest time that is allowed, and answered at once. */
  login(outcome: Grant | AuthFailure): Life
  refresh(outcome: Grant | AuthFailure): Life
  rejected(generation?: number): Life
  accepted(generation?: number): Life
}

export function live(rules: Partial<RenewalRules> = {}): Life {
  const all = { ...RULES, ...rules }
  let state = firstRenewal(START)
  let now = START
  let random = 0.5
  const current = (): number => state.session?.generation ?? 0
  const exchange = (operation: Operation, outcome: Grant | AuthFailure): Life => {
    now = Math.max(now, state.nextAt)
    return life.does({ type: 'started', operation }).does(answered(outcome))
  }
  const life: Life = {
    state: () => state,
    now: () => now,
    wait: () => state.nextAt - now,
    next: () => next(state, all, now),
    after(ms) {
      now += ms
      return life
    },
    random(value) {
      random = value
      return life
    },
    does(event) {
      state = step(state, event, all, { now, random })
      return life
    },
    login: (outcome) => exchange('login', outcome),
    refresh: (outcome) => exchange('refresh', outcome),
    rejected: (generation = current()) => life.does({ type: 'rejected', generation }),
    accepted: (generation = current()) => life.does({ type: 'accepted', generation }),
  }
  return life
}

export function answered(outcome: Grant | AuthFailure): RenewalEvent {
  return { type: 'answered', outcome }
}
