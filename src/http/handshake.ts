/** Why the TLS handshake of a client failed, in words. A closed set: each is a label value of a metric. */
export const HANDSHAKE_FAILURES = {
  'plain-http': 'The client spoke plain HTTP, and this port speaks TLS: use https there',
  'no-certificate': 'It presented no certificate, and LISTEN_CLIENT_CA_FILE demands one',
  'unknown-ca': 'Its certificate is not of LISTEN_CLIENT_CA_FILE',
  'bad-certificate': 'Its certificate has expired, or is not valid for another reason',
  'not-trusted': 'It does not trust the certificate of this proxy',
  protocol: 'It spoke no TLS, or there is no version or cipher in common',
  timeout: 'It did not finish within 5 s',
  closed: 'It closed the connection first, as a port scan or a TCP probe does, or lost it at a cap',
} as const
export type HandshakeFailure = keyof typeof HANDSHAKE_FAILURES

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
