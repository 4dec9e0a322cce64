import { Secret } from '../config/secret.ts'
import type { Grant, Operation } from './protocol.ts'

/**
 * One token and its ends. Instants are milliseconds on the monotonic clock, counted from the moment the
 * request that obtained it was sent: iSales cannot have started the life earlier.
 */
export interface Token {
  /** 1 for the first; each new session adds one. A rejection names the generation it is about. */
  readonly generation: number
  /** The field value that goes into the token headers: scheme, space, token. */
  readonly headerValue: Secret
  readonly token: Secret
  readonly obtainedAt: number
  /** The lifetime that iSales gave, milliseconds. */
  readonly lifetime: number
  readonly expiresAt: number
  /** Never sent from here on: the end less min(5 s, 10 % of the life). */
  readonly usableUntil: number
  readonly refreshToken?: Secret
  /** Undefined: not known; the refresh token is used until it is refused. */
  readonly refreshExpiresAt?: number
  /** True once a business call with it was answered with anything but a rejection. */
  readonly accepted: boolean
}

export interface SessionRules {
  /** Before the token in the field value; may be empty. */
  readonly tokenScheme: string
  /** Which of the two tokens goes into the field value. */
  readonly tokenField: 'token' | 'refreshToken'
}

/** A token is not sent in its last 5 s: the request may be under way that long before iSales judges it. */
const LARGEST_MARGIN = 5000
const MARGIN_SHARE = 0.1

/** Where a new session comes from. */
export interface SessionOrigin {
  /** When the request that was granted left, on the monotonic clock. */
  readonly sentAt: number
  readonly previous: Token | undefined
  readonly operation: Operation
}

export function openSession(grant: Grant, rules: SessionRules, origin: SessionOrigin): Token {
  const { sentAt, previous } = origin
  const renewed = refreshPart(grant, origin)
  const carried = rules.tokenField === 'refreshToken' ? renewed : undefined
  const text = (carried?.refreshToken ?? grant.token).reveal()
  // When the refresh token goes into the header, the session cannot outlive it.
  const lifetime = Math.min(grant.lifetime.ms, (carried?.refreshExpiresAt ?? Infinity) - sentAt)
  const expiresAt = sentAt + lifetime
  return {
    generation: (previous?.generation ?? 0) + 1,
    headerValue: new Secret(rules.tokenScheme === '' ? text : `${rules.tokenScheme} ${text}`),
    token: grant.token,
    obtainedAt: sentAt,
    lifetime,
    expiresAt,
    usableUntil: expiresAt - Math.min(LARGEST_MARGIN, lifetime * MARGIN_SHARE),
    accepted: false,
    ...renewed,
  }
}

/** True while the token may be sent. */
export function usable(session: Token, now: number): boolean {
  return now < session.usableUntil
}

/** True while the refresh token may be tried. */
export function refreshable(session: Token, now: number): boolean {
  return session.refreshToken !== undefined && now < (session.refreshExpiresAt ?? Infinity)
}

/** True when both would put the same text into the token headers. */
export function sameCredential(one: Token, other: Token): boolean {
  return one.headerValue.reveal() === other.headerValue.reveal()
}

/** A refresh that answers no refresh token leaves the one it was asked with in force (RFC 6749 section 6). */
function refreshPart(
  grant: Grant,
  { sentAt, previous, operation }: SessionOrigin,
): Pick<Token, 'refreshToken' | 'refreshExpiresAt'> {
  if (grant.refreshToken === undefined) {
    if (operation === 'login' || previous?.refreshToken === undefined) return {}
    const { refreshToken, refreshExpiresAt } = previous
    return { refreshToken, ...(refreshExpiresAt === undefined ? {} : { refreshExpiresAt }) }
  }
  const { refreshToken, refreshLifetime } = grant
  return {
    refreshToken,
    ...(refreshLifetime === undefined ? {} : { refreshExpiresAt: sentAt + refreshLifetime.ms }),
  }
}
