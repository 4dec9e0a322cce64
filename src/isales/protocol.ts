import { Secret } from '../config/secret.ts'

/** The two exchanges that authenticate: `auth/login` and `auth/refresh`. */
export type Operation = 'login' | 'refresh'

/**
 * Why an exchange gave no token. A closed set: each is a label value of `auth_failures_total`.
 *
 * - `rejected`: iSales answered 400, 401, 403 or 404 (any 4xx but 408 and 429).
 * - `result`: iSales answered 200 with a `result` other than 0.
 * - `throttled`: 429.
 * - `unavailable`: no connection, connection lost, or 5xx.
 * - `timeout`: no whole answer within the limit, or 408.
 * - `tls`: the certificate or the handshake failed.
 * - `malformed`: an answer that the interface does not describe (HTML, a redirect, a body over 64 KiB,
 *   a token that could not be a header value).
 */
export const AUTH_FAILURE_REASONS = [
  'rejected',
  'result',
  'throttled',
  'unavailable',
  'timeout',
  'tls',
  'malformed',
] as const
export type AuthFailureReason = (typeof AUTH_FAILURE_REASONS)[number]

export interface AuthFailure {
  readonly reason: AuthFailureReason
  /** HTTP status, where there was an answer. */
  readonly status?: number
  /** What `Retry-After` asked for, milliseconds from the answer. */
  readonly retryAfter?: number
  /** One of our own sentences or an error code; never text from the answer. */
  readonly detail: string
}

/** A lifetime in milliseconds; `assumed` when the answer gave none that can be believed. */
export interface Lifetime {
  readonly ms: number
  readonly assumed: boolean
}

/** What a login or a refresh that succeeded answered. */
export interface Grant {
  readonly token: Secret
  readonly lifetime: Lifetime
  readonly refreshToken?: Secret
  readonly refreshLifetime?: Lifetime
}
