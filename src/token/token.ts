import { Secret, type Config } from '../config/index.ts'
import type { Grant } from './protocol.ts'

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
  /** As of a grant. */
  readonly isText: boolean
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
    isText: grant.isText === true,
    adopted: grant.adopted === true,
    refreshToken,
    refreshExpiresAt,
  }
}

/** What a header carries: scheme, space, token; without a scheme the token alone. */
export function withScheme(scheme: string, token: string): string {
  return scheme === '' ? token : `${scheme} ${token}`
}

/** When a token that was requested at `sentAt` is sent for the last time. */
export function usableUntil(sentAt: number, lifetime: number): number {
  return sentAt + lifetime - Math.min(MAX_MARGIN, lifetime * MARGIN_SHARE)
}

/** True while the refresh token may be tried. */
export function refreshable(token: Token, now: number): boolean {
  return token.refreshToken !== undefined && now < (token.refreshExpiresAt ?? Infinity)
}
