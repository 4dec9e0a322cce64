/**
 * What went wrong between two machines, or with the disk, as a closed set: an error code, a status or a reply goes in, a cause comes out.
 * Metrics, log, status page, problem responses, commands and exit codes take what they say from it; `words/` has what
 * happened and what to do for each. Nothing is judged by the text of a message.
 */

/** Who is at the other end. `disk`: that of `STATE_DIR`. */
export type Side = 'isales' | 'egress' | 'store' | 'client' | 'disk'

/** How far it came. `connect`: TCP. `request`: nothing of it was written. `response`: something may have been. */
export type Stage = 'dns' | 'connect' | 'tls' | 'request' | 'response' | 'login' | 'reply' | 'write'

/** Every code, and the stage at which it is met. */
const STAGES = {
  'name-unknown': 'dns',
  'dns-down': 'dns',
  'connection-refused': 'connect',
  'no-route': 'connect',
  'connect-timeout': 'connect',
  /** Closed while TLS was negotiated. */
  'connection-closed': 'connect',
  untrusted: 'tls',
  expired: 'tls',
  'not-yet-valid': 'tls',
  'other-name': 'tls',
  /** The other side does not speak TLS; of a client that spoke HTTP `plain-http`. */
  'no-tls': 'tls',
  'plain-http': 'tls',
  /** The other side speaks TLS, or may do so, and we do not. */
  'plain-refused': 'tls',
  /** It accepts no certificate of ours, or wants one. */
  'own-certificate': 'tls',
  'no-certificate': 'tls',
  /** No version or cipher in common, or something else of TLS. */
  handshake: 'tls',
  'egress-login': 'connect',
  'egress-refused': 'connect',
  /** No token, place or connection was free in time. */
  'no-token': 'request',
  overloaded: 'request',
  'no-connection': 'request',
  /** The proxy itself failed. */
  internal: 'request',
  closed: 'request',
  invalid: 'request',
  timeout: 'response',
  lost: 'response',
  /** Of a call: cut off, or malformed. */
  broken: 'response',
  /** iSales responded 500 to a call. */
  'call-refused': 'response',
  'path-unknown': 'response',
  'proxy-login': 'response',
  throttled: 'response',
  maintenance: 'response',
  gateway: 'response',
  'server-error': 'response',
  'page-refused': 'response',
  'not-isales': 'response',
  account: 'login',
  password: 'login',
  values: 'login',
  business: 'login',
  result: 'login',
  /** A refresh carries neither user nor password. */
  'refresh-refused': 'login',
  /** A refresh gave the token again that iSales rejects. */
  'same-token': 'login',
  'disk-full': 'write',
  'disk-denied': 'write',
  'disk-readonly': 'write',
  /** No hard links: another process could not be kept from writing the same version of the book. */
  'disk-no-links': 'write',
  /** It takes longer than the proxy waits. */
  'disk-slow': 'write',
  /** There is a file, and it is none of ours. */
  'disk-foreign': 'write',
  'disk-failed': 'write',
} as const satisfies Readonly<Record<string, Stage>>

export type CauseCode = keyof typeof STAGES
export interface Cause {
  readonly stage: Stage
  readonly code: CauseCode
  readonly side: Side
}

/** The certificate that was not accepted: whose it is, and its dates, in milliseconds since 1970. */
export interface CertificateSeen {
  /** The common name; empty when it is not one that can be shown. */
  readonly name: string
  readonly from: number
  readonly to: number
}

export function cause(code: CauseCode, side: Side = 'isales'): Cause {
  return { stage: STAGES[code], code, side }
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
  /** `STATE_DIR` is on a disk without hard links. */
  noLinks: 'ERR_NO_HARD_LINKS',
} as const

/** Of Node, OpenSSL and undici; the first word of an error reply of a store is its code, too. */
const BY_CODE: Readonly<Record<string, CauseCode>> = {
  ENOTFOUND: 'name-unknown',
  EAI_AGAIN: 'dns-down',
  ECONNREFUSED: 'connection-refused',
  EHOSTUNREACH: 'no-route',
  ENETUNREACH: 'no-route',
  EHOSTDOWN: 'no-route',
  EACCES: 'no-route',
  EPERM: 'no-route',
  ETIMEDOUT: 'connect-timeout',
  [CODES.proxyAuth]: 'egress-login',
  [CODES.proxyRefused]: 'egress-refused',

  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other-name',
  HOSTNAME_MISMATCH: 'other-name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no-tls',
  ERR_SSL_HTTP_REQUEST: 'plain-http',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no-certificate',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',

  ECONNRESET: 'lost',
  EPIPE: 'lost',
  UND_ERR_SOCKET: 'lost',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_INVALID_ARG: 'invalid',
  UND_ERR_NOT_SUPPORTED: 'invalid',
  UND_ERR_DESTROYED: 'closed',
  UND_ERR_CLOSED: 'closed',
  [CODES.closed]: 'closed',
}

/** Families of codes, the first that fits. */
const BY_FAMILY: readonly (readonly [RegExp, CauseCode])[] = [
  // X.509 verification results of a chain that ends at no authority that is known.
  [/^(?:UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED)/, 'untrusted'],
  // Alerts of RFC 8446 section 6.2 about a certificate, as OpenSSL names them; the words before them differ between its
  // versions.
  [
    /^ERR_SSL_.*_ALERT_(?:(?:BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA)$/,
    'own-certificate',
  ],
  [
    /^(?:ERR_(?:TLS|SSL|OSSL)_|CERT_|CRL_|UNABLE_TO_|INVALID_(?:CA|PURPOSE)|DEPTH_ZERO_|EPROTO$)/,
    'handshake',
  ],
]

/** Alerts of a server that are about our certificate, too, when we connect to it. */
const REFUSED_BY_ALERT = /^ERR_SSL_.*_ALERT_(?:ACCESS_DENIED|DECRYPT_ERROR|HANDSHAKE_FAILURE)$/

/** Where the error was met. `plain`: plain HTTP was spoken. */
export interface Met {
  readonly side: Side
  /** How far it had come. Default: the request was written. */
  readonly stage?: 'dns' | 'connect' | 'tls' | undefined
  readonly plain?: boolean | undefined
}

/** What a code means that is not known, or says no more than that the connection is gone. */
const AT_STAGE = { dns: 'dns-down', connect: 'no-route', tls: 'handshake' } as const

/** The cause behind an error code. A code that is not known says at least how far it had come. */
export function causeOfError(code: string, { side, stage, plain = false }: Met): Cause {
  if (side !== 'client' && REFUSED_BY_ALERT.test(code)) return cause('own-certificate', side)
  const known = BY_CODE[code] ?? BY_FAMILY.find(([family]) => family.test(code))?.[1]
  if (stage === undefined) {
    const isLost = known === undefined || STAGES[known] === 'connect' || known === 'lost'
    // To plain HTTP a server that speaks TLS sends an alert, or closes the connection.
    return cause(isLost ? (plain ? 'plain-refused' : 'lost') : known, side)
  }
  if (stage === 'dns' && known === 'connect-timeout') return cause('dns-down', side)
  if (known === 'lost') return cause('connection-closed', side)
  return cause(known ?? AT_STAGE[stage], side)
}

const BY_DISK: Readonly<Record<string, CauseCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EACCES: 'disk-denied',
  EPERM: 'disk-denied',
  EROFS: 'disk-readonly',
  [CODES.noLinks]: 'disk-no-links',
}

/** Why `STATE_DIR` cannot be used, by the code of the error. */
export function causeOfDisk(code: string): Cause {
  return cause(BY_DISK[code] ?? 'disk-failed', 'disk')
}

/** What is wrong with a response, apart from its body. */
export interface StatusSeen {
  readonly status: number
  /** The body has the shape of iSales, with a `result` other than 0. */
  readonly shaped?: boolean
  /** The body is a web page. */
  readonly page?: boolean
  readonly plain?: boolean | undefined
}

const BY_STATUS: Readonly<Record<number, CauseCode>> = {
  404: 'path-unknown',
  405: 'path-unknown',
  407: 'proxy-login',
  408: 'timeout',
  429: 'throttled',
  502: 'gateway',
  503: 'maintenance',
  504: 'gateway',
}

/** What iSales refuses with, by its published list. */
const REFUSALS: Readonly<Record<number, CauseCode>> = {
  200: 'result',
  400: 'values',
  401: 'account',
  403: 'password',
  500: 'business',
}

/** The cause behind a response that is no success. */
export function causeOfStatus({ status, shaped, page, plain }: StatusSeen): Cause {
  const known = BY_STATUS[status]
  if (known !== undefined) return cause(known)
  const refused = REFUSALS[status]
  const isUnauthorized = status === 401 || status === 403
  if (page === true) {
    if (isUnauthorized) return cause('page-refused')
  } else if (refused !== undefined && (shaped === true || isUnauthorized)) return cause(refused)
  if (status >= 500) return cause('server-error')
  // nginx responds so to plain HTTP on a port that speaks TLS.
  return cause(status === 400 && plain === true ? 'plain-refused' : 'not-isales')
}

/**
 * True for a web page of something before iSales, as far as its body has come: by the character that it begins with, else
 * by its media type. Some servers call their JSON HTML, and some give a page no type.
 */
export function isWebPage(contentType = '', body = ''): boolean {
  const [first] = body.trimStart()
  return first === '<' || (first !== '{' && /^\s*text\/html\b/i.test(contentType))
}

/** True for a status that sends a client elsewhere. A 304 is what a client with a copy asks for. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304
}

/** True for a status of gateways and servers, which says nothing about credentials or a token. */
export function isOfGateway(status: number): boolean {
  return status in BY_STATUS
}

/** Why no connection came about: label values of `upstream_connect_failures_total`. `proxy`: anything of the egress proxy. */
export const CONNECT_FAILURES = ['dns', 'refused', 'timeout', 'tls', 'proxy'] as const
export type ConnectFailure = (typeof CONNECT_FAILURES)[number]

export function connectFailureOf({ stage, code, side }: Cause): ConnectFailure {
  if (side === 'egress') return 'proxy'
  if (stage === 'dns' || stage === 'tls') return stage
  return code === 'connect-timeout' ? 'timeout' : 'refused'
}

/**
 * Why a token request gave no token: label values of `auth_failures_total`.
 *
 * - `rejected`: 401 or 403 that is no page, 400 in the shape of iSales, or a refresh that gave the rejected token again.
 * - `result`: status 200 or 500 with a `result` other than 0.
 * - `throttled`: 429.
 * - `unavailable`: no connection, connection lost, or another 5xx.
 * - `timeout`: no whole response within the limit, or 408.
 * - `tls`: the certificate or the handshake failed.
 * - `malformed`: a response that the interface does not describe (HTML, a redirect, 404, a body over 64 KiB,
 *   a token that cannot be a header value).
 */
export const AUTH_FAILURES = [
  'rejected',
  'result',
  'throttled',
  'unavailable',
  'timeout',
  'tls',
  'malformed',
] as const
export type AuthFailureReason = (typeof AUTH_FAILURES)[number]

const MALFORMED: ReadonlySet<CauseCode> = new Set([
  'path-unknown',
  'proxy-login',
  'page-refused',
  'not-isales',
])

export function authFailureOf({ stage, code, side }: Cause): AuthFailureReason {
  if (stage === 'login') return code === 'business' || code === 'result' ? 'result' : 'rejected'
  if (code === 'timeout' || code === 'throttled') return code
  if (MALFORMED.has(code)) return 'malformed'
  return stage === 'tls' && side !== 'egress' && code !== 'plain-refused' ? 'tls' : 'unavailable'
}

/**
 * Why the store did not do what it was asked to: label values of `session_store_failures_total`. After `timeout` the
 * operation may have been executed. `refused`: the store said so, with a code of its own.
 */
export const STORE_FAILURES = ['unreachable', 'timeout', 'tls', 'malformed', 'refused'] as const
export type StoreFailureReason = (typeof STORE_FAILURES)[number]

/** @param isReply the store itself said so. */
export function storeFailureOf(code: string, isReply: boolean): StoreFailureReason {
  if (isReply) return 'refused'
  const { stage } = causeOfError(code, { side: 'store', stage: 'connect' })
  return stage === 'tls' ? 'tls' : 'unreachable'
}

/** Why the TLS handshake of a client failed: label values of `client_handshake_failures_total`. */
export const HANDSHAKE_FAILURES = [
  'plain-http',
  'no-certificate',
  'unknown-ca',
  'bad-certificate',
  'other-name',
  'not-trusted',
  'protocol',
  'timeout',
  'closed',
] as const
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number]

const HANDSHAKES: Partial<Readonly<Record<CauseCode, HandshakeFailure>>> = {
  'plain-http': 'plain-http',
  'no-certificate': 'no-certificate',
  'own-certificate': 'not-trusted',
  'connection-closed': 'closed',
  timeout: 'timeout',
}

/**
 * @param code of the error, of Node or OpenSSL.
 * @param certificate what is wrong with the client's certificate, as OpenSSL names it; undefined: nothing.
 */
export function handshakeFailureOf(code = '', certificate?: string): HandshakeFailure {
  const met = causeOfError(certificate ?? code, { side: 'client', stage: 'tls' })
  if (certificate !== undefined) return met.code === 'untrusted' ? 'unknown-ca' : 'bad-certificate'
  return HANDSHAKES[met.code] ?? 'protocol'
}

/** The code of an error, of the first address, or of its cause; `unknown` without one. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Happy Eyeballs fails with one error for all addresses.
  return codeOf(error instanceof AggregateError ? error.errors[0] : error.cause)
}
