/**
 * Where it failed. `unreachable` and `tls`: no connection came about. `invalid`: the request could not be written as
 * HTTP. `closed`: the pool was shut down.
 */
export type UpstreamFailure = 'unreachable' | 'tls' | 'broken' | 'timeout' | 'invalid' | 'closed'

const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ERR_EGRESS_REFUSED',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
])
const INVALID: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])
const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED'])
/** OpenSSL's verification results as Node names them, and its alerts. */
const TLS_CODE =
  /^(?:ERR_(?:TLS|SSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|HOSTNAME_MISMATCH|EPROTO$)/

/** Names a failure by its error code, never by message text. */
export function classify(error: unknown): { failure: UpstreamFailure; code: string } {
  const code = codeOf(error)
  if (TIMEOUTS.has(code)) return { failure: 'timeout', code }
  if (UNREACHABLE.has(code)) return { failure: 'unreachable', code }
  if (INVALID.has(code)) return { failure: 'invalid', code }
  if (CLOSED.has(code)) return { failure: 'closed', code }
  if (TLS_CODE.test(code)) return { failure: 'tls', code }
  return { failure: 'broken', code }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Happy Eyeballs gives one error for all the addresses it tried.
  return codeOf(error instanceof AggregateError ? error.errors[0] : error.cause)
}
