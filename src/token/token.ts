import { Secret } from '../config/index.ts'
import {
  withScheme,
  type AuthFailure,
  type Credentials,
  type Grant,
  type Operation,
} from './isales-client.ts'
import type { AttemptRecord, BackoffState, Rules } from './login-guard.ts'

// A token, the request for the next one and its result, and the events of a token's life.

/** A token of the account. A refresh passes its `of` on, so that it extends only the credentials of its own login. */
export interface Token extends Grant {
  /** Name of the credentials of the original login. */
  readonly of: string
}

/** The token in use. Instants are on the monotonic clock, in milliseconds; the lifetime begins when the request is sent. */
export interface CurrentToken extends Token {
  /** 1 for the first token; every new token adds one. */
  readonly generation: number
  /** Value of the token headers: scheme, space, token. */
  readonly headerValue: Secret
  readonly expiresAt: number
  /** End of use: the expiry less min(5 s, 10 % of the lifetime). */
  readonly usableUntil: number
  /** Undefined if unknown; the refresh token is then used until iSales rejects it. */
  readonly refreshExpiresAt: number | undefined
  /** Another replica obtained the token. */
  readonly adopted: boolean
}

export type RefreshableToken = CurrentToken & { readonly refreshToken: Secret }

/** A request may be in flight for 5 s before iSales checks its token. */
const MAX_MARGIN = 5000
const MARGIN_SHARE = 0.1

/**
 * @param generation of the previous token; 0 if there is none.
 * @param adopted another replica obtained the token. Default: false.
 */
export function createToken(
  given: Token,
  rules: Rules,
  generation: number,
  adopted = false,
): CurrentToken {
  const { token, sentAt, lifetime, refreshToken, refreshLifetime } = given
  const { scheme, field } = rules.isalesTokenHeader
  const carried = field === 'refreshToken' ? refreshToken : undefined
  return {
    ...given,
    generation: generation + 1,
    headerValue: new Secret(withScheme(scheme, (carried ?? token).reveal())),
    expiresAt: sentAt + lifetime.ms,
    usableUntil: usableUntil(given),
    refreshExpiresAt: refreshLifetime === undefined ? undefined : sentAt + refreshLifetime,
    adopted,
  }
}

/** Returns until when a token may be sent. */
export function usableUntil({ sentAt, lifetime: { ms } }: Grant): number {
  return sentAt + ms - Math.min(MAX_MARGIN, ms * MARGIN_SHARE)
}

/** True while the refresh token may be tried. */
export function refreshable(token: CurrentToken, now: number): token is RefreshableToken {
  return token.refreshToken !== undefined && now < (token.refreshExpiresAt ?? Infinity)
}

/** `current`: the token in use, which a refresh renews; possibly expired. Default: none. */
export type PlannedRequest =
  | { readonly operation: 'login'; readonly current?: CurrentToken | undefined }
  | { readonly operation: 'refresh'; readonly current: RefreshableToken }

/** A token request and its circumstances. */
export type TokenRequest = PlannedRequest & {
  readonly credentials: Credentials
  readonly signal: AbortSignal
  /** Called before the request is sent to iSales; not if it is postponed. */
  readonly onSending?: () => void
  /** Since when iSales rejects business calls with `current`, on the monotonic clock. Default: never. */
  readonly rejectedAt?: number | undefined
  /** No login with these credentials has succeeded yet, as far as this process knows. */
  readonly loginDue: boolean
  /** An operator ended the pause: one login may pass the guard, unless it might be the fifth in 15 min. Default: false. */
  readonly forced?: boolean
}

/** `record` is undefined while another process changes it. */
export type WithRecord = Readonly<{ record: AttemptRecord | undefined }>

/**
 * `name`: of the current credentials. `adopted`: another replica obtained the token. `durationMs`: from the sending to the
 * response; undefined if adopted.
 */
export type Granted = WithRecord &
  Readonly<{ token: Token; name: string; adopted: boolean; durationMs?: number | undefined }>

/** No request was sent. */
export interface Postponed extends WithRecord {
  /** `busy`: another process asks iSales, or might while the store is unavailable. `login-pause`: a login is too early. */
  readonly postponed: 'busy' | 'login-pause'
  /** Milliseconds until the next attempt. */
  readonly ms: number
}

export interface FailedTokenRequest extends WithRecord {
  readonly failure: AuthFailure
  /** `record` counts the failure, and decides the pause. */
  readonly counted: boolean
  /** From the sending to the response. */
  readonly durationMs: number
}

export type TokenResult = Granted | FailedTokenRequest | Postponed

/** Changes in the life of the token, in order, for metrics, log and status page. */
export type TokenEvent = { readonly at: number } & (
  | { readonly type: 'request-started'; readonly operation: Operation }
  | {
      readonly type: 'granted'
      readonly operation: Operation
      readonly durationMs: number
      readonly token: CurrentToken
      readonly failuresBefore: number
      readonly sameToken: boolean
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
      /** Milliseconds that calls continue to succeed; 0 without a usable token. */
      readonly usableFor: number
    }
  | {
      /** Rejected calls trigger a renewal, or iSales's rejection is relayed because no newer token helps. */
      readonly type: 'token-rejected' | 'rejection-relayed'
      readonly generation: number
      /** HTTP status of the latest call. */
      readonly status: number
    }
  | { readonly type: 'adopted'; readonly token: CurrentToken }
  | { readonly type: 'deferred'; readonly because: Postponed['postponed']; readonly ms: number }
  /** SIGHUP. `endsPause`: a login follows. */
  | { readonly type: 'renew-asked'; readonly endsPause: boolean }
  /** Another client logs in as this user: three tokens ended early within a minute, and renewals helped. */
  | { readonly type: 'conflict' }
)
