import { METHODS, type ServerResponse } from 'node:http'
import { en } from '../words/index.ts'

/** The documentation of this project: `type` of a problem and the run-book of a state are pages below it. */
export const DOCUMENTATION = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs'

/** Whether iSales may have executed the request. */
export type Sent = 'no' | 'unknown'

interface ProblemKind {
  readonly status: number
  readonly sent: Sent
}

/** Every failure of a request here, once: code, status, and what the caller may conclude. */
export const PROBLEMS = {
  'no-token': { status: 503, sent: 'no' },
  overloaded: { status: 503, sent: 'no' },
  'shutting-down': { status: 503, sent: 'no' },
  'out-of-time': { status: 503, sent: 'no' },
  'upstream-unreachable': { status: 502, sent: 'no' },
  'upstream-tls': { status: 502, sent: 'no' },
  'upstream-broken': {
    status: 502,
    sent: 'unknown',
  },
  'upstream-timeout': { status: 504, sent: 'unknown' },
  internal: { status: 500, sent: 'unknown' },
  'bad-request': { status: 400, sent: 'no' },
  'not-allowed': { status: 403, sent: 'no' },
  'method-not-allowed': { status: 405, sent: 'no' },
  'not-logged-in': { status: 401, sent: 'no' },
  'request-timeout': { status: 408, sent: 'no' },
  'too-large': { status: 413, sent: 'no' },
  'expectation-failed': { status: 417, sent: 'no' },
  misdirected: { status: 421, sent: 'no' },
  'headers-too-large': { status: 431, sent: 'no' },
  'loop-detected': { status: 508, sent: 'no' },
  'not-implemented': {
    status: 501,
    sent: 'no',
  },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]

/** Why a request was refused before it was forwarded: a closed set, with the code and the `detail` of RFC 9457. */
export const REFUSALS = {
  'http-version': { code: 'bad-request', detail: 'Only HTTP/1.0 and HTTP/1.1 are spoken here' },
  method: { code: 'method-not-allowed', detail: 'CONNECT and TRACE are not forwarded' },
  host: { code: 'bad-request', detail: 'Host is missing, repeated or malformed' },
  'content-length': {
    code: 'bad-request',
    detail: 'Content-Length is repeated, not a number, or beside a Transfer-Encoding',
  },
  'transfer-encoding': {
    code: 'bad-request',
    detail:
      'Transfer-Encoding is repeated, empty, beside a Content-Length, or in a request of HTTP/1.0',
  },
  coding: { code: 'not-implemented', detail: 'The only transfer coding known here is chunked' },
  expectation: {
    code: 'expectation-failed',
    detail: 'The only expectation known here is 100-continue',
  },
  headers: {
    code: 'headers-too-large',
    detail: 'There are too many headers, or they are too long',
  },
  'body-size': { code: 'too-large', detail: 'The body is longer than MAX_BODY_SIZE' },
  browser: {
    code: 'not-allowed',
    detail: 'Origin and Sec-Fetch headers are of a browser, which must not use the token',
  },
  target: { code: 'bad-request', detail: 'The request target is malformed' },
  scheme: {
    code: 'misdirected',
    detail: 'The request target has another scheme than the listener',
  },
  'other-host': { code: 'misdirected', detail: 'Host is not this proxy, nor in ALLOWED_HOSTS' },
  loop: {
    code: 'loop-detected',
    detail: 'Via names this proxy: ISALES_URL leads back to it',
  },
  'double-slash': {
    code: 'not-allowed',
    detail: 'The path has an empty segment (//), as an obsUrl that ends with a slash makes it',
  },
  'ambiguous-path': {
    code: 'not-allowed',
    detail:
      'Segments of a path are made of letters, digits and . _ ~ -, and neither begin nor end with a dot',
  },
  'other-path': { code: 'not-allowed', detail: 'The path is outside ALLOWED_PATHS' },
  'auth-path': {
    code: 'not-allowed',
    detail: 'The path is like that of login or refresh, whose response would be the real token',
  },
  connections: {
    code: 'overloaded',
    detail: 'There were too many connections, and this one was idle for longest',
  },
  pipelined: {
    code: 'overloaded',
    detail: 'More than 32 KiB of requests came on one connection before the response to the first',
  },
  ticket: { code: 'not-logged-in', detail: 'The request has no valid ticket of this proxy' },
  tls: {
    code: 'bad-request',
    detail:
      'The client spoke TLS, and this port speaks plain HTTP: use http there, or set LISTEN_TLS_CERT_FILE',
  },
  parser: {
    code: 'bad-request',
    detail:
      'A line, header, length, coding or chunk is malformed, or the method is not known: the HTTP parser does not accept it',
  },
  'chunk-extensions': { code: 'too-large', detail: 'The chunk extensions are too long' },
  timeout: { code: 'request-timeout', detail: 'The request did not arrive in time' },
  'in-flight': { code: 'overloaded', detail: 'More requests than MAX_IN_FLIGHT are in flight' },
} as const satisfies Record<string, { readonly code: ProblemCode; readonly detail: string }>

export type Refusal = keyof typeof REFUSALS
export const REFUSAL_REASONS = Object.keys(REFUSALS) as readonly Refusal[]

/** What Node's parser knows and the proxy lets in. */
const ALLOW = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE').join(', ')

export interface ProblemDetails {
  readonly requestId: string
  /** Milliseconds, for a 503; default and least 1 s. */
  readonly retryAfter?: number | undefined
  /** Of a request that was refused; gives the `detail`. */
  readonly refusal?: Refusal | undefined
}

/** RFC 9457: nothing of iSales' text, no stack, no secret. The headers are name, value, name, value. */
function problem(code: ProblemCode, { requestId, retryAfter = 1000, refusal }: ProblemDetails) {
  const { status, sent } = PROBLEMS[code]
  const title = en.problems[code]
  const detail = refusal === undefined ? undefined : REFUSALS[refusal].detail
  const type = `${DOCUMENTATION}/errors.md#${code}`
  const body = JSON.stringify({ type, title, status, detail, code, sent, requestId })
  const headers = ['Content-Type', 'application/problem+json', 'Content-Length', `${body.length}`]
  headers.push('Cache-Control', 'no-store', 'X-Request-Id', requestId)
  if (status === 503) headers.push('Retry-After', `${Math.max(1, Math.ceil(retryAfter / 1000))}`)
  // RFC 9110 section 15.5.6.
  if (status === 405) headers.push('Allow', ALLOW)
  return { status, headers, body }
}

/** Responds with a problem. */
export function writeProblem(
  response: ServerResponse,
  code: ProblemCode,
  details: ProblemDetails,
): void {
  const { status, headers, body } = problem(code, details)
  response.writeHead(status, headers).end(body)
}

/** The same as bytes, for a connection whose request could not be read. It is to be closed behind them. */
export function problemBytes(code: ProblemCode, details: ProblemDetails): string {
  const { status, headers, body } = problem(code, details)
  headers.push('Date', new Date().toUTCString(), 'Connection', 'close')
  return `HTTP/1.1 ${status} ${en.problems[code]}\r\n${headerText(headers)}\r\n${body}`
}

/** Headers (name, value, name, value) as they are written on the wire, each with its line end. */
function headerText(headers: readonly string[]): string {
  return headers.map((part, index) => part + (index % 2 === 0 ? ': ' : '\r\n')).join('')
}
