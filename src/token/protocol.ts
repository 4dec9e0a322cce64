import { Secret } from '../config/secret.ts'
import { isObject, parseObject } from '../http/json.ts'

/** The two token requests: `auth/login` and `auth/refresh`. */
export type Operation = 'login' | 'refresh'

/**
 * What a failed token request says of the credentials, and may have done to the account.
 *
 * - `refused`: iSales judged the credentials and refused them.
 * - `ambiguous`: refused, or iSales is ill: its published 500. Whether the credentials are proven decides.
 * - `unclear`: the request was written, and nothing says how iSales judged it.
 * - `untouched`: nothing of the account was touched.
 * - `egress`: the egress proxy refused its own user and password (407). iSales was not reached.
 */
export type FailureKind = 'refused' | 'ambiguous' | 'unclear' | 'untouched' | 'egress'

/**
 * Why a token request gave no token, in words. A closed set: each is a label value of `auth_failures_total`.
 *
 * - `rejected`: 401 or 403 that is no page, 400 in the shape of iSales, or a refresh that gave the rejected token again.
 * - `result`: status 200 or 500 with a `result` other than 0.
 * - `throttled`: 429.
 * - `unavailable`: no connection, connection lost, or another 5xx.
 * - `timeout`: no whole response within the limit, or 408.
 * - `tls`: the certificate or the handshake failed.
 * - `malformed`: a response that the interface does not describe (HTML, a redirect, 404, a body over 64 KiB,
 *   a token that cannot be a header value).
 */
export const AUTH_FAILURES = {
  rejected: 'refused by iSales (400, 401 or 403)',
  result: 'a result other than 0 (200 or 500)',
  throttled: 'too many requests (429)',
  unavailable: 'no connection, or 5xx',
  timeout: 'no response in time',
  tls: 'certificate or handshake failed',
  malformed: 'response not understood',
} as const
export type AuthFailureReason = keyof typeof AUTH_FAILURES

/** What the vendor's list of statuses says of a token request that is refused so; 200 has a `result` other than 0. */
const REFUSALS: Readonly<Record<number, string>> = {
  200: 'iSales processed the request and refused it',
  400: 'incorrect request',
  401: 'service not purchased, or the status of the account is not normal',
  403: 'authentication failed',
  500: 'business failure: check the values of the parameters',
}

export interface AuthFailure {
  readonly kind: FailureKind
  readonly reason: AuthFailureReason
  /** The HTTP status; undefined: there was no response. */
  readonly status?: number
  /** What `Retry-After` asked for, milliseconds from the response. Never with `refused`. */
  readonly retryAfter?: number | undefined
  /** Our own text or an error code; never text from the response. */
  readonly detail: string
  /** Which side speaks TLS, when that is why it failed. */
  readonly tlsSide?: string | undefined
}

/** What a successful login or refresh gives. Lifetimes are in milliseconds. */
export interface Grant {
  readonly token: Secret
  /** When the request that gave it was sent, on the monotonic clock: iSales cannot have counted earlier. */
  readonly sentAt: number
  readonly lifetime: Lifetime
  readonly refreshToken?: Secret | undefined
  /** Undefined: none that can be believed was given, and the refresh token serves until it is refused. */
  readonly refreshLifetime?: number | undefined
  /** Another replica obtained it. Default: this process did. */
  readonly adopted?: boolean | undefined
  /** It was obtained with other credentials: log in with ours once, so that a wrong password shows. Default: false. */
  readonly loginDue?: boolean | undefined
}

export interface Lifetime {
  readonly ms: number
  /**
   * What is wrong with what iSales gave.
   *
   * - `missing`: none that can be believed; `DEFAULT_LIFETIME` stands in.
   * - `too-long`: over 24 h, probably milliseconds; 24 h is believed.
   */
  readonly doubt?: 'missing' | 'too-long' | undefined
}

/** Milliseconds. No lifetime that is believed is longer, or shorter than the next. */
export const MAX_LIFETIME = 24 * 3600 * 1000
/** The interface counts in seconds: less than one is an error of iSales, and obeying it would be a hot loop. */
export const MIN_LIFETIME = 1000
/** The published example. */
const DEFAULT_LIFETIME = 300_000
/** A header value over this would not pass iSales' own limits; no token is so long. */
const MAX_TOKEN = 8192
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
  /** The `Content-Type` header. */
  readonly contentType?: string | undefined
  readonly body: string | undefined
}

/**
 * Judges the response to a login or a refresh. It never throws: whatever came has a reason.
 *
 * @param sentAt when the request was sent, on the monotonic clock.
 * @param wallNow milliseconds since 1970, for a `Retry-After` that is a date.
 */
export function parseResponse(
  response: TokenResponse,
  sentAt: number,
  wallNow: number,
): Grant | AuthFailure {
  const { status } = response
  const judged = status >= 200 && status < 300 ? judgeBody(response, sentAt) : judgeStatus(response)
  if (isGrant(judged) || judged.kind === 'refused') return judged
  return { ...judged, retryAfter: parseRetryAfter(response.retryAfter, wallNow) }
}

function judgeBody(response: TokenResponse, sentAt: number): Grant | AuthFailure {
  const { status, body } = response
  if (body === undefined) return malformed(status, 'body over 64 KiB')
  if (isPage(response)) return page(status)
  const json = parseObject(body)
  if (json === undefined) return malformed(status, 'body is not a JSON object')
  const { result, resultData } = json
  if (result === undefined || result === null) return malformed(status, 'result is missing')
  if (isFailure(result)) {
    return {
      kind: 'refused',
      reason: 'result',
      status,
      detail: meaning(status, resultText(result)),
    }
  }
  if (!isObject(resultData)) return malformed(status, 'resultData is missing')
  const token = parseToken(resultData['token'])
  if (token === undefined) {
    return malformed(status, 'token is missing or could not be a header value')
  }
  const refresh = parseLifetime(resultData['refreshExpirationTime'])
  return {
    token,
    sentAt,
    lifetime: parseLifetime(resultData['tokenExpirationTime']),
    refreshToken: parseToken(resultData['refreshToken']),
    refreshLifetime: refresh.doubt === 'missing' ? undefined : refresh.ms,
  }
}

/** True for a grant. */
export function isGrant(outcome: Grant | AuthFailure): outcome is Grant {
  return 'token' in outcome
}

/** True when iSales refused, as far as its response alone says. */
export function isRefusal({ kind }: AuthFailure): boolean {
  return kind === 'refused' || kind === 'ambiguous'
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
  404: { kind: 'untouched', reason: 'malformed', detail: 'status 404: nothing at this path' },
  405: { kind: 'untouched', reason: 'malformed', detail: 'status 405: no POST at this path' },
  407: { kind: 'untouched', reason: 'malformed', detail: 'status 407: a proxy in between' },
  408: { kind: 'unclear', reason: 'timeout', detail: 'status 408' },
  429: { kind: 'untouched', reason: 'throttled', detail: 'status 429' },
  502: { kind: 'untouched', reason: 'unavailable', detail: 'status 502' },
  503: { kind: 'untouched', reason: 'unavailable', detail: 'status 503' },
  504: { kind: 'untouched', reason: 'unavailable', detail: 'status 504' },
}

/** False for a status of gateways and servers, which says nothing about a token. */
export function hasVerdict(status: number): boolean {
  return !(status in WITHOUT_VERDICT)
}

/** A status that is no success. 401 and 403 say it themselves; of others the shape of iSales does: `result` is not 0. */
function judgeStatus(response: TokenResponse): AuthFailure {
  const { status, body } = response
  const known = WITHOUT_VERDICT[status]
  if (known !== undefined) return { ...known, status }
  if (status < 400) {
    const detail = status < 300 ? 'informational response' : 'redirect'
    return { kind: 'untouched', reason: 'malformed', status, detail }
  }
  if (isPage(response)) return page(status)
  const result = parseObject(body ?? '')?.['result']
  const isShaped = result !== undefined && result !== null && isFailure(result)
  const detail = isShaped ? `status ${status}, ${resultText(result)}` : `status ${status}`
  if (status === 401 || status === 403 || (status === 400 && isShaped)) {
    return { kind: 'refused', reason: 'rejected', status, detail: meaning(status, detail) }
  }
  if (status === 500 && isShaped)
    return { kind: 'ambiguous', reason: 'result', status, detail: meaning(status, detail) }
  const foreign = isShaped ? detail : `status ${status}, not in the shape of iSales`
  if (status < 500) return malformed(status, foreign)
  const kind = isShaped ? 'unclear' : 'untouched'
  return { kind, reason: 'unavailable', status, detail: foreign }
}

/** A gateway's. JSON that a server calls HTML is no page. */
function isPage({ contentType = '', body = '' }: TokenResponse): boolean {
  const isHtml = /^\s*text\/html\b/i.test(contentType) && parseObject(body) === undefined
  return isHtml || body.trimStart().startsWith('<')
}

/** iSales may be behind a page that says 401 or 403; any other is of somebody who has not looked at the account. */
function page(status: number): AuthFailure {
  const kind = status === 401 || status === 403 ? 'unclear' : 'untouched'
  const reason = status >= 500 ? 'unavailable' : 'malformed'
  return { kind, reason, status, detail: `status ${status}, a page` }
}

function isFailure(result: unknown): boolean {
  return result !== 0 && result !== '0'
}

function resultText(result: unknown): string {
  const code = typeof result === 'number' || typeof result === 'string' ? String(result) : ''
  return /^-?\d{1,9}$/.test(code) ? `result ${code}` : 'result is not 0'
}

export function parseToken(value: unknown): Secret | undefined {
  if (typeof value !== 'string' || value.length > MAX_TOKEN) return undefined
  return HEADER_SAFE.test(value) ? new Secret(value) : undefined
}

/** From seconds as a number or a decimal string: 1 s to 24 h is believed. */
function parseLifetime(value: unknown): Lifetime {
  const text = typeof value === 'string' ? value.trim() : undefined
  const seconds = text !== undefined && DECIMAL.test(text) ? Number(text) : value
  if (typeof seconds !== 'number' || !(seconds * 1000 >= MIN_LIFETIME)) {
    return { ms: DEFAULT_LIFETIME, doubt: 'missing' }
  }
  const ms = seconds * 1000
  return ms > MAX_LIFETIME ? { ms: MAX_LIFETIME, doubt: 'too-long' } : { ms }
}

/** Our text, never one of the response. */
function meaning(status: number, detail: string): string {
  const means = REFUSALS[status]
  return means === undefined ? detail : `${detail}: ${means}`
}

function malformed(status: number, detail: string): AuthFailure {
  return { kind: 'unclear', reason: 'malformed', status, detail }
}
