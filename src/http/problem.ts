import { METHODS, type ServerResponse } from 'node:http'
import { en, refusals } from '../words/index.ts'

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
  'upstream-broken': { status: 502, sent: 'unknown' },
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
  'not-implemented': { status: 501, sent: 'no' },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]

/** Why a request was refused before it was forwarded: a closed set, with the code. `words` has the `detail` of each. */
export const REFUSALS = {
  'http-version': 'bad-request',
  method: 'method-not-allowed',
  host: 'bad-request',
  'content-length': 'bad-request',
  'transfer-encoding': 'bad-request',
  coding: 'not-implemented',
  expectation: 'expectation-failed',
  headers: 'headers-too-large',
  'body-size': 'too-large',
  browser: 'not-allowed',
  target: 'bad-request',
  scheme: 'misdirected',
  'other-host': 'misdirected',
  loop: 'loop-detected',
  'double-slash': 'not-allowed',
  'ambiguous-path': 'not-allowed',
  'other-path': 'not-allowed',
  'auth-path': 'not-allowed',
  connections: 'overloaded',
  pipelined: 'overloaded',
  ticket: 'not-logged-in',
  tls: 'bad-request',
  parser: 'bad-request',
  'chunk-extensions': 'too-large',
  timeout: 'request-timeout',
  'in-flight': 'overloaded',
} as const satisfies Readonly<Record<keyof typeof refusals, ProblemCode>>

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
  const detail = refusal === undefined ? undefined : refusals[refusal]
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
  return `HTTP/1.1 ${status} ${en.problems[code]}\r\n${headerText(headers)}\r\n${body}`
}

/** Headers (name, value, name, value) as they are written on the wire, each with its line end. */
function headerText(headers: readonly string[]): string {
  return headers.map((part, index) => part + (index % 2 === 0 ? ': ' : '\r\n')).join('')
}
