import {
  causeOfError,
  codeOf,
  connectFailureOf,
  type Cause,
  type CertificateSeen,
  type ConnectFailure,
} from '../causes.ts'

/** No connection was opened. Nothing of a request was written. */
export class ConnectError extends Error {
  readonly why: Cause
  /** Node's or OpenSSL's error code, or one of `CODES`. */
  readonly code: string
  /** The certificate that was not accepted, where that is why. */
  readonly certificate: CertificateSeen | undefined

  constructor(why: Cause, code: string, cause?: unknown, certificate?: CertificateSeen) {
    super('no connection', { cause })
    this.why = why
    this.code = code
    this.certificate = certificate
  }

  get reason(): ConnectFailure {
    return connectFailureOf(this.why)
  }
}

/**
 * Why a request failed. `unreachable` and `tls`: there was no connection. `broken`: the connection or the response
 * broke. `invalid`: the request cannot be written as HTTP. `closed`: the pool was shut down.
 */
export type UpstreamFailure = 'unreachable' | 'tls' | 'broken' | 'timeout' | 'invalid' | 'closed'

/** What is known of a request that failed. */
export interface Failed {
  readonly failure: UpstreamFailure
  readonly cause: Cause
  readonly code: string
  readonly certificate?: CertificateSeen
}

/**
 * Names a failure by its class and code, never by message text.
 *
 * @param plain iSales is spoken to without TLS. Default: false.
 */
export function classify(error: unknown, plain = false): Failed {
  const code = codeOf(error)
  if (error instanceof ConnectError) {
    const { why, reason, certificate } = error
    const failure = reason === 'tls' ? 'tls' : 'unreachable'
    return { failure, cause: why, code, ...(certificate && { certificate }) }
  }
  const cause = causeOfError(code, { side: 'isales', plain })
  const { code: what } = cause
  const isNamed = what === 'timeout' || what === 'invalid' || what === 'closed'
  return { failure: isNamed ? what : 'broken', cause, code }
}
