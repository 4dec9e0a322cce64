import type { Secret } from '../config/secret.ts'

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
  readonly refreshEndsAt?: number
  /** True once a business call with it was answered with anything but a rejection. */
  proved: boolean
}
