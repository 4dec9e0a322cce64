import type { AuthFailure, Grant, Operation } from './protocol.ts'
import type { BackoffState } from './events.ts'
import { usable, type Token, type SessionRules } from './token.ts'

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

/** All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock. */
export interface Renewal {
  readonly session: Token | undefined
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
  /** When the last replacement came that a rejection had bought. */
  readonly boughtAt: number
  /** Somebody else is taken to log in as this user until a minute after the last hold-off has ended. */
  readonly conflictUntil: number
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
    conflictUntil: -Infinity,
    earlyRejections: [],
    lastSuccessAt: undefined,
  }
}

/** The session to send, or undefined when none may be sent. */
export function sendable(state: Renewal, now: number): Token | undefined {
  const { session } = state
  if (session === undefined || !usable(session, now)) return undefined
  return session.generation === state.rejectedGeneration ? undefined : session
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: Renewal, now: number): number {
  const session = sendable(state, now)
  return session === undefined ? 0 : session.usableUntil - now
}
