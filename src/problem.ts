import { METHODS, type ServerResponse } from 'node:http'
import { PROBLEMS, REFUSALS, type ProblemCode, type Refusal } from './causes.ts'

/** The documentation of this project: `type` of a problem and the run-book of a state are pages below it. */
export const DOCUMENTATION = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs'

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
  const detail = refusal === undefined ? undefined : REFUSALS[refusal][1]
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
