import type { HeldBecause } from './obtain.ts'
import type { AuthFailure, Operation } from './protocol.ts'
import type { Verdict } from './rejections.ts'
import type { Token } from './token.ts'

/**
 * Why the next token request waits, in words.
 *
 * - `none`: nothing; the next token request is an ordinary renewal.
 * - `transient`: a failure that says nothing about the credentials (network, TLS, timeout, 429, 5xx, malformed).
 * - `rejected`: iSales refused the credentials; 5 s, then 10 s.
 * - `guarded`: refused 3 times; one attempt after 15 min, then each 4 h, so that the account is not locked.
 * - `conflict`: somebody else logs in as this user; a hold-off with jitter.
 */
export const BACKOFFS = {
  none: 'none',
  transient: 'waiting to retry',
  rejected: 'credentials refused',
  guarded: 'guarding the account',
  conflict: 'waiting: another login',
} as const
export type BackoffState = keyof typeof BACKOFFS

/** Each change in the life of the token, in order. Metrics, log, traces and the status page read nothing else. */
export type TokenEvent =
  | { readonly type: 'request-started'; readonly operation: Operation; readonly at: number }
  | {
      readonly type: 'granted'
      readonly operation: Operation
      readonly at: number
      readonly durationMs: number
      readonly session: Token
      /** How many attempts had failed in a row before this one. */
      readonly failuresBefore: number
      readonly sameToken: boolean
      readonly lifetimeAssumed: boolean
    }
  | {
      readonly type: 'failed'
      readonly operation: Operation
      readonly at: number
      readonly durationMs: number
      readonly failure: AuthFailure
      readonly failuresInRow: number
      readonly backoff: BackoffState
      /** Milliseconds until the next attempt. */
      readonly retryIn: number
      /** How long requests go on working, milliseconds; 0 when no token is usable. */
      readonly outageBudget: number
    }
  /** iSales rejected a business call; each verdict is reported once a generation at most. */
  | {
      readonly type: 'token-rejected'
      readonly at: number
      readonly generation: number
      readonly status: number
      readonly verdict: Verdict
    }
  /** The token of another replica is used. */
  | {
      readonly type: 'adopted'
      readonly at: number
      readonly session: Token
      readonly failuresBefore: number
    }
  /** iSales is not asked for so many milliseconds. */
  | {
      readonly type: 'held'
      readonly at: number
      readonly because: HeldBecause
      readonly ms: number
    }
  | { readonly type: 'conflict'; readonly at: number; readonly holdOff: number }
  | { readonly type: 'credentials-changed'; readonly at: number }

/** The token and its renewal now; read at each scrape and by the status page. Instants are on the monotonic clock. */
export interface TokenSnapshot {
  readonly now: number
  readonly session: Token | undefined
  readonly usable: boolean
  readonly exchange: Operation | undefined
  readonly backoff: BackoffState
  /** When the next token request begins; undefined while one is in flight or none is planned. */
  readonly nextExchangeAt: number | undefined
  /** No business call has come for `TOKEN_IDLE_AFTER`: the token is renewed by the next one. */
  readonly idle: boolean
  readonly lastSuccessAt: number | undefined
  /** How long requests would go on working if every login failed from now, milliseconds. */
  readonly outageBudget: number
  readonly waiters: number
  readonly failuresInRow: number
  readonly lastFailure:
    | { readonly at: number; readonly operation: Operation; readonly failure: AuthFailure }
    | undefined
}
