import type { Config } from '../config/settings.ts'
import { Secret } from '../config/secret.ts'
import type { Grant, Operation } from './protocol.ts'

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
  /** The lifetime that iSales gave, milliseconds. */
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

export type TokenRules = Pick<Config, 'isalesTokenScheme' | 'isalesTokenField'>

/** A token is not sent in its last 5 s: the request may be in flight that long before iSales judges it. */
const MAX_MARGIN = 5000
const MARGIN_SHARE = 0.1

/** The token request that gave the grant. */
export interface TokenOrigin {
  readonly operation: Operation
  readonly previous: Token | undefined
}

export function createToken(grant: Grant, rules: TokenRules, origin: TokenOrigin): Token {
  const { isalesTokenScheme: scheme, isalesTokenField } = rules
  const { previous } = origin
  const { sentAt } = grant
  const refresh = refreshPart(grant, origin)
  const carried = isalesTokenField === 'refreshToken' ? refresh : undefined
  const text = (carried?.refreshToken ?? grant.token).reveal()
  // When the header carries the refresh token, the token cannot outlive it.
  const lifetime = Math.min(grant.lifetime.ms, (carried?.refreshExpiresAt ?? Infinity) - sentAt)
  return {
    generation: (previous?.generation ?? 0) + 1,
    headerValue: new Secret(withScheme(scheme, text)),
    token: grant.token,
    obtainedAt: sentAt,
    lifetime,
    expiresAt: sentAt + lifetime,
    usableUntil: usableUntil(sentAt, lifetime),
    adopted: grant.adopted === true,
    ...refresh,
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

/** True while the token may be sent. */
export function usable(token: Token, now: number): boolean {
  return now < token.usableUntil
}

/** True while the refresh token may be tried. */
export function refreshable(token: Token, now: number): boolean {
  return token.refreshToken !== undefined && now < (token.refreshExpiresAt ?? Infinity)
}

/** True when both give the same header value. */
export function sameCredential(one: Token, other: Token): boolean {
  return one.headerValue.reveal() === other.headerValue.reveal()
}

/** A refresh that gives no refresh token leaves the former one in force (RFC 6749 section 6). */
export function refreshPart(
  { refreshToken, refreshLifetime, sentAt }: Grant,
  { previous, operation }: TokenOrigin,
): Pick<Token, 'refreshToken' | 'refreshExpiresAt'> {
  if (refreshToken !== undefined) {
    const refreshExpiresAt = refreshLifetime === undefined ? undefined : sentAt + refreshLifetime
    return { refreshToken, refreshExpiresAt }
  }
  const kept = operation === 'refresh' ? previous : undefined
  return { refreshToken: kept?.refreshToken, refreshExpiresAt: kept?.refreshExpiresAt }
}
