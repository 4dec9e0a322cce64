import { Secret } from '../config/secret.ts'

/** The two token requests: `auth/login` and `auth/refresh`. */
export type Operation = 'login' | 'refresh'

/**
 * Why a token request gave no token. A closed set: each is a label value of `auth_failures_total`.
 *
 * - `rejected`: status 400, 401, 403 or 404 (any 4xx but 408 and 429), or a refresh that gave the rejected token
 *   again.
 * - `result`: status 200 with a `result` other than 0.
 * - `throttled`: 429.
 * - `unavailable`: no connection, connection lost, or 5xx.
 * - `timeout`: no whole response within the limit, or 408.
 * - `tls`: the certificate or the handshake failed.
 * - `malformed`: a response that the interface does not describe (HTML, a redirect, a body over 64 KiB,
 *   a token that cannot be a header value).
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
  /** HTTP status, where there was an response. */
  readonly status?: number
  /** What `Retry-After` asked for, milliseconds from the response. */
  readonly retryAfter?: number
  /** One of our own sentences or an error code; never text from the response. */
  readonly detail: string
}

/** A lifetime in milliseconds; `assumed` when the response gave none that can be believed. */
export interface Lifetime {
  readonly ms: number
  readonly assumed: boolean
}

/** What a successful login or refresh gives. */
export interface Grant {
  readonly token: Secret
  readonly lifetime: Lifetime
  readonly refreshToken?: Secret
  /** Absent when the response gave none that can be believed: the refresh token then serves until it is refused. */
  readonly refreshLifetime?: Lifetime
}

/** Milliseconds; what is believed of a lifetime, and what stands in for one that cannot be. */
export interface LifetimeRules {
  /** Used when none can be believed. Default 300 s. */
  readonly assumed: number
}

const LONGEST_LIFETIME = 24 * 3600 * 1000
/** The interface counts in seconds: less than one is an error of iSales, and obeying it would be a hot loop. */
const SHORTEST_LIFETIME = 1000
/** A header value over this would not pass iSales' own limits; no token is so long. */
const LONGEST_TOKEN = 8192
/** RFC 9110 section 5.5, VCHAR only: nothing that ends or splits a header value. */
const HEADER_SAFE = /^[\x21-\x7e]+$/
const DECIMAL = /^\d+(?:\.\d+)?$/

/** The body of `auth/login`, as published. */
export function loginBody(user: string, password: Secret): string {
  return JSON.stringify({ user, passwd: password.reveal() })
}

/** The body of `auth/refresh`, as published. */
export function refreshBody(refreshToken: Secret): string {
  return JSON.stringify({ refreshToken: refreshToken.reveal() })
}

/** A response of iSales; a body over 64 KiB is `undefined`. */
export interface TokenResponse {
  readonly status: number
  /** The `Retry-After` header. */
  readonly retryAfter?: string | undefined
  readonly body: string | undefined
}

/**
 * Judges the response to a login or a refresh. It never throws: whatever came has a reason.
 *
 * @param wallNow milliseconds since 1970, for a `Retry-After` that is a date.
 */
export function parseResponse(
  response: TokenResponse,
  rules: LifetimeRules,
  wallNow: number,
): Grant | AuthFailure {
  const refusal = judgeStatus(response, wallNow)
  if (refusal !== undefined) return refusal
  if (response.body === undefined) return malformed(response.status, 'body over 64 KiB')
  const json = parseJson(response.body)
  if (!isRecord(json)) return malformed(response.status, 'body is not a JSON object')
  const { result, resultData } = json
  if (result !== 0 && result !== '0') return judgeResult(response.status, result)
  if (!isRecord(resultData)) return malformed(response.status, 'resultData is missing')
  return parseGrant(response.status, resultData, rules)
}

/** True for a grant. */
export function isGrant(outcome: Grant | AuthFailure): outcome is Grant {
  return 'token' in outcome
}

/** True when the credentials were refused, so that trying them again soon could lock the account. */
export function isRefusal(failure: AuthFailure): boolean {
  return failure.reason === 'rejected' || failure.reason === 'result'
}

/**
 * RFC 9110 section 10.2.3: seconds or an HTTP date. Milliseconds from `wallNow`, never negative;
 * undefined when it is neither.
 */
export function parseRetryAfter(value: string | undefined, wallNow: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  // Only a date that names a zone or month is one: Date.parse would read "7x" too.
  const instant = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(instant) ? undefined : Math.max(0, instant - wallNow)
}

function judgeStatus(response: TokenResponse, wallNow: number): AuthFailure | undefined {
  const { status } = response
  if (status >= 200 && status < 300) return undefined
  if (status < 400) return malformed(status, status >= 300 ? 'redirect' : 'informational response')
  const reason = reasonOf(status)
  const retryAfter =
    reason === 'rejected' ? undefined : parseRetryAfter(response.retryAfter, wallNow)
  const detail = `status ${status}`
  return retryAfter === undefined
    ? { reason, status, detail }
    : { reason, status, detail, retryAfter }
}

function reasonOf(status: number): AuthFailureReason {
  if (status === 429) return 'throttled'
  if (status === 408) return 'timeout'
  return status >= 500 ? 'unavailable' : 'rejected'
}

function judgeResult(status: number, result: unknown): AuthFailure {
  if (result === undefined || result === null) return malformed(status, 'result is missing')
  const code = typeof result === 'number' || typeof result === 'string' ? String(result) : ''
  const shown = /^-?\d{1,9}$/.test(code) ? `result ${code}` : 'result is not 0'
  return { reason: 'result', status, detail: shown }
}

function parseGrant(
  status: number,
  data: Readonly<Record<string, unknown>>,
  rules: LifetimeRules,
): Grant | AuthFailure {
  const token = parseToken(data['token'])
  if (token === undefined)
    return malformed(status, 'token is missing or could not be a header value')
  const lifetime = parseLifetime(data['tokenExpirationTime'])
  const refreshToken = parseToken(data['refreshToken'])
  const refreshLifetime = parseLifetime(data['refreshExpirationTime'])
  return {
    token,
    lifetime: lifetime ?? { ms: rules.assumed, assumed: true },
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(refreshLifetime === undefined ? {} : { refreshLifetime }),
  }
}

function parseToken(value: unknown): Secret | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_TOKEN) return undefined
  return HEADER_SAFE.test(value) ? new Secret(value) : undefined
}

/** Seconds as a number or a decimal string; 1 s and more, at most 24 h. Undefined: cannot be believed. */
function parseLifetime(value: unknown): Lifetime | undefined {
  const text = typeof value === 'string' ? value.trim() : undefined
  const seconds = text !== undefined && DECIMAL.test(text) ? Number(text) : value
  if (typeof seconds !== 'number' || !(seconds * 1000 >= SHORTEST_LIFETIME)) return undefined
  return { ms: Math.min(seconds * 1000, LONGEST_LIFETIME), assumed: false }
}

function malformed(status: number, detail: string): AuthFailure {
  return { reason: 'malformed', status, detail }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
