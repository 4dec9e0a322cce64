/** The stage at which connecting failed. `refused`: TCP; `proxy`: anything of the egress proxy. */
export const CONNECT_FAILURES = ['dns', 'refused', 'timeout', 'tls', 'proxy'] as const
export type ConnectFailure = (typeof CONNECT_FAILURES)[number]

/** No connection came about. Nothing of a request was written. */
export class ConnectError extends Error {
  readonly reason: ConnectFailure
  /** Node's or OpenSSL's error code, or one of `CODES`. */
  readonly code: string

  constructor(reason: ConnectFailure, code: string, cause?: unknown) {
    super('no connection', { cause })
    this.reason = reason
    this.code = code
  }
}

/** Codes of our own. */
export const CODES = {
  timeout: 'ETIMEDOUT',
  /** The pool was closed before the request was sent. */
  closed: 'ERR_POOL_CLOSED',
  /** The egress proxy responded 407 (RFC 9110 section 15.5.8). */
  proxyAuth: 'ERR_EGRESS_PROXY_AUTH',
  /** The egress proxy responded with another status that is not 2xx. */
  proxyRefused: 'ERR_EGRESS_PROXY_REFUSED',
} as const

/**
 * Why a request failed. `unreachable` and `tls`: there was no connection. `broken`: the connection or the response
 * broke. `invalid`: the request cannot be written as HTTP. `closed`: the pool was shut down.
 */
export type UpstreamFailure = 'unreachable' | 'tls' | 'broken' | 'timeout' | 'invalid' | 'closed'

const FAILURES: Readonly<Record<string, UpstreamFailure>> = {
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_INVALID_ARG: 'invalid',
  UND_ERR_NOT_SUPPORTED: 'invalid',
  UND_ERR_DESTROYED: 'closed',
  UND_ERR_CLOSED: 'closed',
  [CODES.closed]: 'closed',
}

/** Which side speaks TLS, where an error tells. */
const TLS_SIDES: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server there speaks no TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server there speaks no TLS',
  HPE_INVALID_CONSTANT: 'the server there speaks TLS',
}

/**
 * Which side speaks TLS, when it is not the one that `origin` says. To plain HTTP a server that speaks TLS sends an
 * alert, closes the connection, or responds with 400.
 */
export function tlsSideOf(origin: string, code: string | number): string | undefined {
  if (!origin.startsWith('http:')) return TLS_SIDES[code]
  const isClosed = code === 400 || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'
  return isClosed ? 'perhaps the server there speaks TLS' : TLS_SIDES[code]
}

/** Names a failure by its class and code, never by message text. */
export function classify(error: unknown): { failure: UpstreamFailure; code: string } {
  const code = codeOf(error)
  if (error instanceof ConnectError)
    return { failure: error.reason === 'tls' ? 'tls' : 'unreachable', code }
  return { failure: FAILURES[code] ?? 'broken', code }
}

/**
 * Alerts of RFC 8446 section 6.2 about a client's certificate, as OpenSSL names them; the words before them differ
 * between its versions.
 */
const CERTIFICATE_ALERT =
  /^ERR_SSL_.*_ALERT_(?:(?:BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR|HANDSHAKE_FAILURE)$/

/** The server refused our certificate. */
export function isCertificateAlert(error: unknown): boolean {
  return CERTIFICATE_ALERT.test(codeOf(error))
}

export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Happy Eyeballs fails with one error for all addresses.
  return codeOf(error instanceof AggregateError ? error.errors[0] : error.cause)
}
