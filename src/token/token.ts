import { Secret, type Config } from '../config/index.ts'
import {
  withScheme,
  type AuthFailure,
  type Credentials,
  type Grant,
  type Lifetime,
  type Operation,
  type Sending,
} from './isales-client.ts'
import type { AttemptRecord, BackoffState } from './login-guard.ts'

// A token, what the source asks for to get the next one, what comes of that, and what is reported of it.

/**
 * One token and its lifetime. Instants are milliseconds on the monotonic clock, counted from the moment the
 * token request was sent: iSales cannot have started the lifetime earlier.
 */
export interface Token {
  /** 1 for the first; each new token adds one. A rejection names the generation it is about. */
  readonly generation: number
  /** The value of the token headers: scheme, space, token. */
  readonly headerValue: Secret
  readonly token: Secret
  readonly obtainedAt: number
  /** The lifetime that counts, milliseconds. */
  readonly lifetime: number
  readonly expiresAt: number
  /** Never sent from here on: the end less min(5 s, 10 % of the lifetime). */
  readonly usableUntil: number
  /** Another replica obtained it. */
  readonly adopted: boolean
  readonly refreshToken?: Secret | undefined
  /** Undefined: not known; the refresh token serves until it is refused. */
  readonly refreshExpiresAt?: number | undefined
}

export type TokenRules = Pick<Config, 'isalesTokenHeader'>

/** A token is not sent in its last 5 s: the request may be in flight that long before iSales judges it. */
const MAX_MARGIN = 5000
const MARGIN_SHARE = 0.1

/** @param generation of the token before; 0 for none. */
export function createToken(grant: Grant, rules: TokenRules, generation: number): Token {
  const { token, sentAt, refreshToken, refreshLifetime } = grant
  const refreshExpiresAt = refreshLifetime === undefined ? undefined : sentAt + refreshLifetime
  const { scheme, field } = rules.isalesTokenHeader
  const carried = field === 'refreshToken' ? refreshToken : undefined
  // When the header carries the refresh token, the token cannot outlive it.
  const limit = carried === undefined ? Infinity : (refreshLifetime ?? Infinity)
  const lifetime = Math.min(grant.lifetime.ms, limit)
  return {
    generation: generation + 1,
    headerValue: new Secret(withScheme(scheme, (carried ?? token).reveal())),
    token,
    obtainedAt: sentAt,
    lifetime,
    expiresAt: sentAt + lifetime,
    usableUntil: usableUntil(sentAt, lifetime),
    adopted: grant.adopted === true,
    refreshToken,
    refreshExpiresAt,
  }
}

/** When a token that was requested at `sentAt` is sent for the last time. */
export function usableUntil(sentAt: number, lifetime: number): number {
  return sentAt + lifetime - Math.min(MAX_MARGIN, lifetime * MARGIN_SHARE)
}

/** True while the refresh token may be tried. */
export function refreshable(token: Token, now: number): boolean {
  return token.refreshToken !== undefined && now < (token.refreshExpiresAt ?? Infinity)
}

// What the token source asks for, and what it gets.

/** A token request, and what it is made for. */
export interface TokenRequest extends Sending {
  readonly operation: Operation
  readonly credentials: Credentials
  /** The token in use; it may have expired. A refresh is of this one. Default: none. */
  readonly current?: Token | undefined
  /** Since when business calls are rejected with it, on the monotonic clock. Default: they are not. */
  readonly rejectedAt?: number | undefined
  /** The credentials have given no token yet. A token that they gave to another replica will do. */
  readonly loginDue: boolean
  /** An operator ended the pause: one login may pass the guard, unless it may be the fifth in 15 min. Default: false. */
  readonly forced?: boolean
  /** Failed token requests in a row before this one. */
  readonly failures: number
}

/** `record`: what is known of logins with the credentials. Undefined: another process is changing it. */
type WithRecord = Readonly<{ record: AttemptRecord | undefined }>

export type Granted = WithRecord & Readonly<{ grant: Grant }>

/** iSales was not asked. */
export interface Postponed extends WithRecord {
  /**
   * - `busy`: another process asks iSales. Or it may, since the store is unavailable, and there is time to find out.
   * - `guarded`: a login would be too early.
   */
  readonly postponed: 'busy' | 'guarded'
  /** Milliseconds until the next look. */
  readonly ms: number
}

/** A token request that gave no token. */
export interface FailedTokenRequest extends WithRecord {
  readonly failure: AuthFailure
  /** Milliseconds until the next token request; of a refresh that iSales refused, until the next refresh. 0: the record says. */
  readonly pause: number
}

export type TokenResult = Granted | FailedTokenRequest | Postponed

// What is reported.

/** Each change in the life of the token, in order: what metrics, log and status page count and remember. */
export type TokenEvent = { readonly at: number } & (
  | { readonly type: 'request-started'; readonly operation: Operation }
  | {
      readonly type: 'granted'
      readonly operation: Operation
      readonly durationMs: number
      readonly token: Token
      /** How many attempts had failed in a row before this one. */
      readonly failuresBefore: number
      /** A login is due all the same: the secret changed, and none with the new one has succeeded yet. */
      readonly loginDue: boolean
      readonly sameToken: boolean
      readonly lifetimeDoubt: Lifetime['doubt']
    }
  | {
      readonly type: 'failed'
      readonly operation: Operation
      readonly durationMs: number
      readonly failure: AuthFailure
      readonly failuresInRow: number
      readonly backoff: BackoffState
      /** Milliseconds until the next attempt. */
      readonly retryIn: number
      /** How long requests go on working, milliseconds; 0 when no token is usable. */
      readonly outageBudget: number
    }
  | {
      /** Rejected calls ask for a newer token. Or: one gets the response of iSales, as no newer token cures it. */
      readonly type: 'token-rejected' | 'rejection-relayed'
      readonly generation: number
      /** Of the latest call. */
      readonly status: number
    }
  /** The token of another replica is used. */
  | { readonly type: 'adopted'; readonly token: Token; readonly failuresBefore: number }
  /** iSales is not asked for so many milliseconds. */
  | { readonly type: 'deferred'; readonly because: Postponed['postponed']; readonly ms: number }
  /** SIGHUP. `endsPause` false: nothing was paused, and iSales is asked for nothing. */
  | { readonly type: 'renew-asked'; readonly endsPause: boolean }
  /** Somebody else logs in as this user: three tokens in a minute ended early, and renewals cured that. */
  | { readonly type: 'conflict' }
  | { readonly type: 'credentials-changed' }
)
