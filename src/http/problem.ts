import { METHODS, type ServerResponse } from 'node:http'
import { PROBLEMS, type ProblemCode, type Refusal } from '../causes.ts'

/** The documentation of this project: `type` of a problem and the run-book of a state are pages below it. */
export const DOCUMENTATION = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs'

/** `detail` of a problem response, for each reason why a request is refused; in English in every language. */
export const DETAILS: Readonly<Record<Refusal, string>> = {
  'http-version': 'Only HTTP/1.0 and HTTP/1.1 are spoken here',
  method: 'CONNECT and TRACE are not forwarded',
  host: 'Host is missing, repeated or malformed',
  'content-length': 'Content-Length is repeated, not a number, or beside a Transfer-Encoding',
  'transfer-encoding':
    'Transfer-Encoding is repeated, empty, beside a Content-Length, or in a request of HTTP/1.0',
  coding: 'The only transfer coding known here is chunked',
  expectation: 'The only expectation known here is 100-continue',
  headers: 'There are too many headers, or they are too long',
  'body-size': 'The body is longer than MAX_BODY_SIZE',
  browser: 'Origin and Sec-Fetch headers are of a browser, which must not use the token',
  target: 'The request target is malformed',
  scheme: 'The request target has another scheme than the listener',
  'other-host': 'Host is not this proxy, nor in ALLOWED_HOSTS',
  loop: 'Via names this proxy: ISALES_URL leads back to it',
  'double-slash': 'The path has an empty segment (//) behind its beginning',
  'ambiguous-path':
    'Segments of a path are made of letters, digits and . _ ~ -, and neither begin nor end with a dot',
  'other-path': 'The path is outside ALLOWED_PATHS',
  'auth-path': 'The path is like that of login or refresh, whose response would be the real token',
  connections: 'There were too many connections, and this one was idle for longest',
  pipelined: 'More than 16 requests came on one connection before the response to the first',
  ticket: 'The request has no valid ticket of this proxy',
  tls: 'The client spoke TLS, and this port speaks plain HTTP: use http there, or set LISTEN_TLS_CERT_FILE',
  parser:
    'A line, header, length, coding or chunk is malformed, or the method is not known: the HTTP parser does not accept it',
  'chunk-extensions': 'The chunk extensions are too long',
  timeout: 'The request did not arrive in time',
  'in-flight':
    'More requests than MAX_IN_FLIGHT are in flight, or their bodies take more than 32 MiB',
}

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
  const { status, sent, title } = PROBLEMS[code]
  const detail = refusal === undefined ? undefined : DETAILS[refusal]
  const type = `${DOCUMENTATION}/errors.md#${code}`
  const body = JSON.stringify({ type, title, status, detail, code, sent, requestId })
  const headers = ['Content-Type', 'application/problem+json', 'Content-Length', `${body.length}`]
  headers.push('Cache-Control', 'no-store', 'X-Request-Id', requestId)
  if (status === 503) headers.push('Retry-After', `${Math.max(1, Math.ceil(retryAfter / 1000))}`)
  // RFC 9110 section 15.5.6.
  if (status === 405) headers.push('Allow', ALLOW)
  return { status, headers, body }
}

/** Responds with a problem. Before the end of the request it closes the connection: the rest is not the next request. */
export function writeProblem(
  response: ServerResponse,
  code: ProblemCode,
  details: ProblemDetails,
): void {
  const { status, headers, body } = problem(code, details)
  if (!response.req.complete) response.shouldKeepAlive = false
  response.writeHead(status, headers).end(body)
}

/** The same as bytes, for a connection whose request could not be read. It is to be closed behind them. */
export function problemBytes(code: ProblemCode, details: ProblemDetails): string {
  const { status, headers, body } = problem(code, details)
  headers.push('Date', new Date().toUTCString(), 'Connection', 'close')
  return `HTTP/1.1 ${status} ${PROBLEMS[code].title}\r\n${headerText(headers)}\r\n${body}`
}

/** Headers (name, value, name, value) as they are written on the wire, each with its line end. */
function headerText(headers: readonly string[]): string {
  return headers.map((part, index) => part + (index % 2 === 0 ? ': ' : '\r\n')).join('')
}
