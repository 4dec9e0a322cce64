import { METHODS, type ServerResponse } from 'node:http'
import { PROBLEMS, REFUSALS, type ProblemCode, type Refusal } from './codes.ts'

/** URL of the documentation. The `type` of a problem and the run-book of a state are pages below it. */
export const DOCUMENTATION = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs'

/** Methods that Node's parser knows and the proxy admits. */
const ALLOW = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE').join(', ')

export interface ProblemDetails {
  readonly requestId: string
  /** Milliseconds, for a 503; default and minimum 1 s. */
  readonly retryAfter?: number | undefined
  /** Reason of a refused request, which determines `detail`. */
  readonly refusal?: Refusal | undefined
}

/** Builds a problem (RFC 9457) without iSales's text, a stack or a secret. The headers are name, value, name, value. */
function problem(code: ProblemCode, { requestId, retryAfter = 1000, refusal }: ProblemDetails) {
  const { status, sent, title } = PROBLEMS[code]
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

/** Responds with a problem. Closes the connection if the request has not ended: the rest is not the next request. */
export function writeProblem(
  response: ServerResponse,
  code: ProblemCode,
  details: ProblemDetails,
): void {
  const { status, headers, body } = problem(code, details)
  if (!response.req.complete) response.shouldKeepAlive = false
  response.writeHead(status, headers).end(body)
}

/** Returns a problem as bytes for a connection whose request is unreadable; the caller then closes the connection. */
export function problemBytes(code: ProblemCode, details: ProblemDetails): string {
  const { status, headers, body } = problem(code, details)
  headers.push('Date', new Date().toUTCString(), 'Connection', 'close')
  const lines = headers.map((part, index) => part + (index % 2 === 0 ? ': ' : '\r\n'))
  return `HTTP/1.1 ${status} ${PROBLEMS[code].title}\r\n${lines.join('')}\r\n${body}`
}
