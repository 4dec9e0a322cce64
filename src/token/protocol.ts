import { Secret } from '../config/secret.ts'
import { isObject, parseObject } from '../http/json.ts'

/** The two token requests: `auth/login` and `auth/refresh`. */
export type Operation = 'login' | 'refresh'

/**
 * What a failed token request may have done to the account.
 *
 * - `refused`: iSales judged the credentials and refused them.
 * - `unclear`: the request was written, and nothing says how iSales judged it.
 * - `unreached`: iSales was not reached.
 * - `egress`: the egress proxy refused its own user and password (407). iSales was not reached.
 */
export type FailureKind = 'refused' | 'unclear' | 'unreached' | 'egress'

/**
 * Why a token request gave no token, in words. A closed set: each is a label value of `auth_failures_total`.
 *
 * - `rejected`: a 4xx in the shape of iSales, or 401 or 403 without a body, or a refresh that gave the rejected token
 *   again.
 * - `result`: status 200 or 500 with a `result` other than 0.
 * - `throttled`: 429.
 * - `unavailable`: no connection, connection lost, or another 5xx.
 * - `timeout`: no whole response within the limit, or 408.
 * - `tls`: the certificate or the handshake failed.
 * - `malformed`: a response that the interface does not describe (HTML, a redirect, 404, a body over 64 KiB,
 *   a token that cannot be a header value).
 */
export const AUTH_FAILURES = {
  rejected: 'user or password refused (4xx)',
  result: '200 with a result other than 0',
  throttled: 'too many logins (429)',
  unavailable: 'no connection, or 5xx',
  timeout: 'no response in time',
  tls: 'certificate or handshake failed',
  malformed: 'response not understood',
} as const
export type AuthFailureReason = keyof typeof AUTH_FAILURES

export interface AuthFailure {
  readonly kind: FailureKind
  readonly reason: AuthFailureReason
  /** The HTTP status; undefined: there was no response. */
  readonly status?: number
  /** What `Retry-After` asked for, milliseconds from the response. Never with `refused`. */
  readonly retryAfter?: number | undefined
  /** Our own text or an error code; never text from the response. */
  readonly detail: string
}

/** What a successful login or refresh gives. Lifetimes are in milliseconds. */
export interface Grant {
  readonly token: Secret
  /** `assumed`: the response gave none that can be believed. */
  readonly lifetime: { readonly ms: number; readonly assumed: boolean }
  readonly refreshToken?: Secret | undefined
  /** Undefined: none that can be believed was given, and the refresh token serves until it is refused. */
  readonly refreshLifetime?: number | undefined
}

/** Milliseconds. No lifetime that is believed is longer, or shorter than the next. */
export const LONGEST_LIFETIME = 24 * 3600 * 1000
/** The interface counts in seconds: less than one is an error of iSales, and obeying it would be a hot loop. */
export const SHORTEST_LIFETIME = 1000
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
 * @param assumedLifetime milliseconds; stands in for a lifetime that cannot be believed.
 * @param wallNow milliseconds since 1970, for a `Retry-After` that is a date.
 */
export function parseResponse(
  response: TokenResponse,
  assumedLifetime: number,
  wallNow: number,
): Grant | AuthFailure {
  const { status, body } = response
  if (status < 200 || status >= 300) {
    const failure = judgeStatus(response)
    if (failure.kind === 'refused') return failure
    return { ...failure, retryAfter: parseRetryAfter(response.retryAfter, wallNow) }
  }
  if (body === undefined) return malformed(status, 'body over 64 KiB')
  const json = parseObject(body)
  if (json === undefined) return malformed(status, 'body is not a JSON object')
  const { result, resultData } = json
  if (result === undefined || result === null) return malformed(status, 'result is missing')
  if (isFailure(result)) return refused('result', status, resultText(result))
  if (!isObject(resultData)) return malformed(status, 'resultData is missing')
  const token = parseToken(resultData['token'])
  if (token === undefined) {
    return malformed(status, 'token is missing or could not be a header value')
  }
  const lifetime = parseLifetime(resultData['tokenExpirationTime'])
  return {
    token,
    lifetime: { ms: lifetime ?? assumedLifetime, assumed: lifetime === undefined },
    refreshToken: parseToken(resultData['refreshToken']),
    refreshLifetime: parseLifetime(resultData['refreshExpirationTime']),
  }
}

/** True for a grant. */
export function isGrant(outcome: Grant | AuthFailure): outcome is Grant {
  return 'token' in outcome
}

/** True when there is no such path: an iSales without refresh. */
export function isMissing({ status }: AuthFailure): boolean {
  return status === 404 || status === 405
}

/**
 * RFC 9110 section 10.2.3: seconds or an HTTP date. Milliseconds from `wallNow`, never negative;
 * undefined when it is neither.
 */
export function parseRetryAfter(value: string | undefined, wallNow: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  // An HTTP date names its month. Date.parse would take `1.5` and `-5` for dates, too.
  const instant = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(instant) ? undefined : Math.max(0, instant - wallNow)
}

/** Statuses of gateways and servers that say nothing about credentials, whatever the body is. */
const WITHOUT_VERDICT: Readonly<Record<number, Omit<AuthFailure, 'status'>>> = {
  404: { kind: 'unclear', reason: 'malformed', detail: 'status 404: nothing at this path' },
  405: { kind: 'unclear', reason: 'malformed', detail: 'status 405: no POST at this path' },
  407: { kind: 'unclear', reason: 'malformed', detail: 'status 407: a proxy in between' },
  408: { kind: 'unclear', reason: 'timeout', detail: 'status 408' },
  429: { kind: 'unclear', reason: 'throttled', detail: 'status 429' },
  502: { kind: 'unreached', reason: 'unavailable', detail: 'status 502' },
  503: { kind: 'unreached', reason: 'unavailable', detail: 'status 503' },
  504: { kind: 'unreached', reason: 'unavailable', detail: 'status 504' },
}

/**
 * A status that is no success. A refusal is recognized by the shape of iSales: a JSON object whose `result` is not 0.
 * iSales documents 500 for wrong parameters, so a wrong password may be a 500.
 */
function judgeStatus({ status, body }: TokenResponse): AuthFailure {
  const known = WITHOUT_VERDICT[status]
  if (known !== undefined) return { ...known, status }
  if (status < 400) return malformed(status, status < 300 ? 'informational response' : 'redirect')
  const result = parseObject(body ?? '')?.['result']
  if (result !== undefined && result !== null && isFailure(result)) {
    return status < 500
      ? refused('rejected', status, `status ${status}`)
      : refused('result', status, `status ${status}, ${resultText(result)}`)
  }
  if ((status === 401 || status === 403) && body?.trim() === '') {
    return refused('rejected', status, `status ${status}`)
  }
  const detail = `status ${status}, not in the shape of iSales`
  return status < 500
    ? malformed(status, detail)
    : { kind: 'unclear', reason: 'unavailable', status, detail }
}

function isFailure(result: unknown): boolean {
  return result !== 0 && result !== '0'
}

function resultText(result: unknown): string {
  const code = typeof result === 'number' || typeof result === 'string' ? String(result) : ''
  return /^-?\d{1,9}$/.test(code) ? `result ${code}` : 'result is not 0'
}

export function parseToken(value: unknown): Secret | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_TOKEN) return undefined
  return HEADER_SAFE.test(value) ? new Secret(value) : undefined
}

/** From seconds as a number or a decimal string: 1 s to 24 h in milliseconds. Undefined: cannot be believed. */
function parseLifetime(value: unknown): number | undefined {
  const text = typeof value === 'string' ? value.trim() : undefined
  const seconds = text !== undefined && DECIMAL.test(text) ? Number(text) : value
  if (typeof seconds !== 'number' || !(seconds * 1000 >= SHORTEST_LIFETIME)) return undefined
  return Math.min(seconds * 1000, LONGEST_LIFETIME)
}

function refused(reason: AuthFailureReason, status: number, detail: string): AuthFailure {
  return { kind: 'refused', reason, status, detail }
}

function malformed(status: number, detail: string): AuthFailure {
  return { kind: 'unclear', reason: 'malformed', status, detail }
}
