/** Whether iSales may have executed the request. */
export type Sent = 'no' | 'unknown'

interface ProblemKind {
  readonly status: number
  readonly title: string
  readonly sent: Sent
}

/** Every way in which a request can fail here, once: code, status, and what the caller may conclude. */
export const PROBLEMS = {
  'no-token': { status: 503, title: 'iSales cannot be logged in to', sent: 'no' },
  overloaded: { status: 503, title: 'Too many requests at once', sent: 'no' },
  'shutting-down': { status: 503, title: 'The proxy is shutting down', sent: 'no' },
  'out-of-time': {
    status: 503,
    title: 'No time was left to send the request',
    sent: 'no',
  },
  'upstream-unreachable': { status: 502, title: 'iSales cannot be reached', sent: 'no' },
  'upstream-tls': { status: 502, title: 'No trusted TLS connection to iSales', sent: 'no' },
  'upstream-broken': {
    status: 502,
    title: 'The answer of iSales was cut or malformed',
    sent: 'unknown',
  },
  'upstream-timeout': { status: 504, title: 'iSales did not answer in time', sent: 'unknown' },
  'bad-request': { status: 400, title: 'The request is not valid HTTP', sent: 'no' },
  'not-allowed': { status: 403, title: 'The request is not allowed here', sent: 'no' },
  'not-logged-in': { status: 401, title: 'Log in first', sent: 'no' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', sent: 'no' },
  'too-large': { status: 413, title: 'The body is too large', sent: 'no' },
  'expectation-failed': { status: 417, title: 'The expectation is not known', sent: 'no' },
  misdirected: { status: 421, title: 'The request names another host', sent: 'no' },
  'headers-too-large': { status: 431, title: 'The header fields are too large', sent: 'no' },
  'not-implemented': { status: 501, title: 'The transfer coding is not known', sent: 'no' },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]

const PROBLEM_TYPE = 'application/problem+json'

/** The body of an answer of our own (RFC 9457): nothing of iSales' text, no stack, no secret. */
export function problemBody(code: ProblemCode, requestId: string | undefined): string {
  const { status, title, sent } = PROBLEMS[code]
  const type = `urn:isales-auth-proxy:problem:${code}`
  return JSON.stringify({ type, title, status, code, sent, requestId })
}

/** The header fields of that answer. `retryAfter` in milliseconds; at least one second is told. */
export function problemHeaders(
  code: ProblemCode,
  body: string,
  extra: { readonly requestId?: string | undefined; readonly retryAfter?: number | undefined } = {},
): string[] {
  const fields = ['Content-Type', PROBLEM_TYPE, 'Content-Length', String(body.length)]
  fields.push('Cache-Control', 'no-store')
  if (extra.requestId !== undefined) fields.push('X-Request-Id', extra.requestId)
  if (PROBLEMS[code].status === 503) {
    fields.push('Retry-After', String(Math.max(1, Math.ceil((extra.retryAfter ?? 1000) / 1000))))
  }
  return fields
}
