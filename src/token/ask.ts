import type { Secret } from '../config/secret.ts'
import type { AuthFailure, Grant } from './protocol.ts'
import type { Token } from './token.ts'

// What the token source asks for, and what it gets.

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

export interface RefreshTokens {
  readonly token: Secret
  readonly refreshToken: Secret
}

/** What a token request is made for. */
export interface Ask {
  /** Aborted: nobody waits for the outcome any more. */
  readonly signal: AbortSignal
  /** The token at hand; it may have ended. */
  readonly current: Token | undefined
  /** Since when business calls find it rejected, on the monotonic clock; undefined: they do not. */
  readonly rejectedAt: number | undefined
  /** An operator asks: no pause counts. */
  readonly forced: boolean
  /** Called when the request is sent to iSales. */
  readonly onSent: () => void
  /** What is known of the credentials beyond this process. Default: nothing. */
  readonly known?: Entry | undefined
  /** Failed token requests in a row, whoever made them. Default: those that the book has seen. */
  readonly failures?: number | undefined
  /** As how many refusals one counts, when others may each try as well. Default: 1. */
  readonly weight?: number | undefined
}

/**
 * What is known of logins with some credentials. Instants are milliseconds on the monotonic clock. Credentials are
 * proven when iSales has granted them a token within 24 h and has not refused them since.
 */
export interface Entry {
  /** Logins since the last grant that iSales may have counted as a wrong password, one in flight included. */
  readonly attempts: number
  /** Those of them that it refused. */
  readonly refusals: number
  /** No login is sent before. */
  readonly notBefore: number
  readonly provenUntil: number
}

/**
 * Why the next token request waits, in words.
 *
 * - `none`: nothing; the next token request is an ordinary renewal.
 * - `transient`: a failure that says nothing about the credentials (network, TLS, timeout, 429, 5xx, malformed).
 * - `rejected`: iSales refused the credentials; 5 s, then 10 s.
 * - `guarded`: after 3 attempts; the next ones come so rarely that the account is not locked.
 */
export const BACKOFFS = {
  none: 'none',
  transient: 'waiting to retry',
  rejected: 'credentials refused',
  guarded: 'guarding the account',
} as const
export type BackoffState = keyof typeof BACKOFFS

/** Why iSales was not asked. */
export type DeferredReason =
  /** The account is spared: too early after an attempt that failed. */
  | 'guarded'
  /** Another replica asks iSales. */
  | 'busy'
  /** The pause after a failure that another replica met. */
  | 'held'
  /** The other replicas cannot be reached, and the token at hand is good. */
  | 'alone'

/** iSales was not asked; `ms` until the next look. */
export interface Deferred {
  readonly deferred: DeferredReason
  readonly ms: number
  /** Why the next token request waits. Undefined: nothing has changed. */
  readonly backoff?: BackoffState | undefined
}

/** A token request that gave no token, and what follows. */
export interface Failed {
  readonly failure: AuthFailure
  /** What is known of the credentials now. */
  readonly entry: Entry
  /** Milliseconds until the next token request. */
  readonly pause: number
  /** The login stands in the book: the pause spares the account, and a refresh does not wait for it. */
  readonly counted: boolean
  readonly backoff: BackoffState
}

export type Outcome = Grant | Failed | Deferred

/** What the token source asks. Wrappers of one another: the book of attempts, then what several replicas share. */
export interface TokenClient {
  readonly login: (credentials: Credentials, ask: Ask) => Promise<Outcome>
  readonly refresh: (tokens: RefreshTokens, credentials: Credentials, ask: Ask) => Promise<Outcome>
}
