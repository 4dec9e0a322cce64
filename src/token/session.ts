import { Secret } from '../config/secret.ts'
import type { Grant, Operation } from './protocol.ts'

/**
 * One token and its ends. Instants are milliseconds on the monotonic clock, counted from the moment the
 * request that obtained it was sent: iSales cannot have started the life earlier.
 */
export interface Session {
  /** 1 for the first; each new session adds one. A rejection names the generation it is about. */
  readonly generation: number
  /** The field value that goes into the token headers: scheme, space, token. */
  readonly credential: Secret
  readonly token: Secret
  readonly obtainedAt: number
  /** The lifetime that iSales gave, milliseconds. */
  readonly lifetime: number
  readonly endsAt: number
  /** Never sent from here on: the end less min(5 s, 10 % of the life). */
  readonly usableUntil: number
  readonly refreshToken?: Secret
  /** Undefined: not known; the refresh token is used until it is refused. */
  readonly refreshEndsAt?: number
  /** True once a business call with it was answered with anything but a rejection. */
  readonly proved: boolean
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
  readonly previous: Session | undefined
  readonly operation: Operation
}

export function openSession(grant: Grant, rules: SessionRules, origin: SessionOrigin): Session {
  const { sentAt, previous } = origin
  const renewed = refreshPart(grant, origin)
  const carried = rules.tokenField === 'refreshToken' ? renewed : undefined
  const text = (carried?.refreshToken ?? grant.token).reveal()
  // When the refresh token goes into the header, the session cannot outlive it.
  const lifetime = Math.min(grant.lifetime.ms, (carried?.refreshEndsAt ?? Infinity) - sentAt)
  const endsAt = sentAt + lifetime
  return {
    generation: (previous?.generation ?? 0) + 1,
    credential: new Secret(rules.tokenScheme === '' ? text : `${rules.tokenScheme} ${text}`),
    token: grant.token,
    obtainedAt: sentAt,
    lifetime,
    endsAt,
    usableUntil: endsAt - Math.min(LARGEST_MARGIN, lifetime * MARGIN_SHARE),
    proved: false,
    ...renewed,
  }
}

/** True while the token may be sent. */
export function usable(session: Session, now: number): boolean {
  return now < session.usableUntil
}

/** True while the refresh token may be tried. */
export function refreshable(session: Session, now: number): boolean {
  return session.refreshToken !== undefined && now < (session.refreshEndsAt ?? Infinity)
}

/** True when both would put the same text into the token headers. */
export function sameCredential(one: Session, other: Session): boolean {
  return one.credential.reveal() === other.credential.reveal()
}

/** A refresh that answers no refresh token leaves the one it was asked with in force (RFC 6749 section 6). */
function refreshPart(
  grant: Grant,
  { sentAt, previous, operation }: SessionOrigin,
): Pick<Session, 'refreshToken' | 'refreshEndsAt'> {
  if (grant.refreshToken === undefined) {
    if (operation === 'login' || previous?.refreshToken === undefined) return {}
    const { refreshToken, refreshEndsAt } = previous
    return { refreshToken, ...(refreshEndsAt === undefined ? {} : { refreshEndsAt }) }
  }
  const { refreshToken, refreshLifetime } = grant
  return {
    refreshToken,
    ...(refreshLifetime === undefined ? {} : { refreshEndsAt: sentAt + refreshLifetime.ms }),
  }
}
