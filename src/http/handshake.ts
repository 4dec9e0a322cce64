/**
 * Why the TLS handshake of a client failed.
 *
 * - `plain-http`: the client spoke plain HTTP.
 * - `no-certificate`: it presented no certificate, and `LISTEN_CLIENT_CA_FILE` demands one.
 * - `unknown-ca`: its certificate is not of `LISTEN_CLIENT_CA_FILE`.
 * - `bad-certificate`: its certificate has expired, or is not valid for another reason.
 * - `not-trusted`: it does not trust the certificate of this proxy.
 * - `protocol`: it spoke no TLS, or there is no version or cipher in common.
 * - `timeout`: it did not finish within 5 s.
 * - `closed`: it closed the connection first, as a port scan or a TCP probe does, or lost it at a cap.
 */
export const HANDSHAKE_FAILURES = [
  'plain-http',
  'no-certificate',
  'unknown-ca',
  'bad-certificate',
  'not-trusted',
  'protocol',
  'timeout',
  'closed',
] as const
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number]

const BY_CODE: Readonly<Record<string, HandshakeFailure>> = {
  ERR_SSL_HTTP_REQUEST: 'plain-http',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no-certificate',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
}

/** Alerts of RFC 8446 section 6.2 about our certificate, as OpenSSL names them. */
const DISTRUST = /^ERR_SSL_(?:TLSV1|SSLV3)_ALERT_(?:UNKNOWN_CA|(?:BAD_|UNSUPPORTED_)?CERTIFICATE)/
/** X.509 verification results of a chain that ends at no authority that is known. */
const UNKNOWN_CA = /^(?:UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED)/

/**
 * @param code of the error, of Node or OpenSSL.
 * @param certificate what is wrong with the client's certificate, as OpenSSL names it; undefined: nothing.
 */
export function handshakeFailure(code = '', certificate?: string): HandshakeFailure {
  if (certificate !== undefined) {
    return UNKNOWN_CA.test(certificate) ? 'unknown-ca' : 'bad-certificate'
  }
  return BY_CODE[code] ?? (DISTRUST.test(code) ? 'not-trusted' : 'protocol')
}
