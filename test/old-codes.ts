// oxlint-disable max-lines -- every closed set
// Every closed set of codes, and the rules that classify an error code, a status or a response. Every code has one
// section in docs/ per language, and no other explanation. Classification never uses the text of a message.

/** Peer of an exchange. `disk` is the disk of `STATE_DIR`. */
export type Peer = 'isales' | 'egress' | 'store' | 'client' | 'disk'

/** Progress at the failure. `request`: no byte was written. `response`: a byte may have been written. */
export type FailureStage = 'dns' | 'connect' | 'tls' | 'request' | 'response' | 'login' | 'write'

/** Every cause, by the stage at which it occurs. */
// oxfmt-ignore
const CAUSES = {
  dns: ['name-unknown', 'dns-down'],
  connect: [
    'connection-refused', 'no-route', 'no-descriptors', 'no-ports', 'connect-timeout',
    'connection-closed', 'egress-login', 'egress-rejected',
  ],
  tls: [
    'untrusted', 'expired', 'not-yet-valid', 'other-name', 'no-tls', 'plain-http',
    'tls-expected', 'own-certificate', 'no-certificate', 'handshake',
  ],
  request: ['closed', 'invalid'],
  response: [
    'timeout', 'connection-lost', 'path-unknown', 'proxy-login', 'throttled', 'maintenance', 'gateway',
    'server-error', 'login-page', 'not-isales',
  ],
  login: [
    'account', 'password', 'values', 'business', 'result', 'refresh-rejected',
  ],
  write: [
    'disk-full', 'disk-denied', 'disk-readonly', 'disk-no-links', 'disk-slow', 'disk-foreign',
    'disk-failed',
  ],
} as const satisfies Readonly<Record<FailureStage, readonly string[]>>

export type CauseCode = (typeof CAUSES)[FailureStage][number]
const STAGES = inverted<FailureStage, CauseCode>(CAUSES) as Readonly<
  Record<CauseCode, FailureStage>
>

/** Maps every member of the lists to the key of its list. */
function inverted<Key extends string, Member extends string>(
  lists: Readonly<Partial<Record<Key, readonly Member[]>>>,
): Readonly<Partial<Record<Member, Key>>> {
  const all = Object.entries(lists) as [Key, readonly Member[]][]
  const pairs = all.flatMap(([key, members]) => members.map((member) => [member, key] as const))
  return Object.fromEntries(pairs) as Partial<Record<Member, Key>>
}

export type RequestKind = 'login' | 'refresh' | 'call'

/** Causes whose remedy depends on the kind of request. */
const BY_REQUEST_KIND = {
  timeout: { login: 'login-timeout', refresh: 'login-timeout', call: 'upstream-timeout' },
  // oxfmt-ignore
  'path-unknown': { login: 'login-path-unknown', refresh: 'refresh-path-unknown', call: 'call-declined' },
  'login-page': { login: 'login-page', refresh: 'login-page', call: 'call-page' },
} as const satisfies Partial<Record<CauseCode, Readonly<Record<RequestKind, string>>>>

type ByRequestKind = typeof BY_REQUEST_KIND
type ExplainedCause =
  | Exclude<CauseCode, keyof ByRequestKind>
  | ByRequestKind[keyof ByRequestKind][RequestKind]

/** Returns the code that explains a cause. */
export function toCauseCode({ code }: Cause, requestKind: RequestKind): ExplainedCause {
  if (code in BY_REQUEST_KIND) return BY_REQUEST_KIND[code as keyof ByRequestKind][requestKind]
  return code as ExplainedCause
}

export interface Cause {
  readonly stage: FailureStage
  readonly code: CauseCode
  readonly side: Peer
}

export function cause(code: CauseCode, side: Peer = 'isales'): Cause {
  return { stage: STAGES[code], code, side }
}

/** Codes of errors that the program itself creates. */
const NODE_ERROR_CODES = {
  timeout: 'ETIMEDOUT',
  closed: 'ERR_POOL_CLOSED',
  proxyAuth: 'ERR_EGRESS_PROXY_AUTH',
  proxyRejected: 'ERR_EGRESS_PROXY_REJECTED',
  noLinks: 'ERR_NO_HARD_LINKS',
} as const

/** Codes of Node, OpenSSL and undici. */
// oxfmt-ignore
const BY_CODE: Readonly<Record<string, CauseCode>> = inverted<CauseCode, string>({
  'name-unknown': ['ENOTFOUND'],
  'dns-down': ['EAI_AGAIN'],
  'connection-refused': ['ECONNREFUSED'],
  'no-route': ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EACCES', 'EPERM'],
  'no-descriptors': ['EMFILE', 'ENFILE'],
  'no-ports': ['EADDRNOTAVAIL'],
  'connect-timeout': ['ETIMEDOUT'],
  'egress-login': [NODE_ERROR_CODES.proxyAuth],
  'egress-rejected': [NODE_ERROR_CODES.proxyRejected],
  expired: ['CERT_HAS_EXPIRED'],
  'not-yet-valid': ['CERT_NOT_YET_VALID'],
  'other-name': ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'],
  'no-tls': ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
  'plain-http': ['ERR_SSL_HTTP_REQUEST'],
  'no-certificate': ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
  timeout: ['ERR_TLS_HANDSHAKE_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
  'connection-lost': ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'],
  invalid: ['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'],
  closed: ['UND_ERR_DESTROYED', 'UND_ERR_CLOSED', NODE_ERROR_CODES.closed],
}) as Readonly<Record<string, CauseCode>>

/** Families of codes; the first match wins. */
const BY_FAMILY: readonly (readonly [RegExp, CauseCode])[] = [
  // X.509 verification results of a chain that does not end at a known authority.
  [/^(?:UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED)/, 'untrusted'],
  // Alerts about a certificate (RFC 8446 section 6.2), by OpenSSL's names, whose beginnings differ by version.
  [
    /^ERR_SSL_.*_ALERT_(?:(?:BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA)$/,
    'own-certificate',
  ],
  [
    /^(?:ERR_(?:TLS|SSL|OSSL)_|CERT_|CRL_|UNABLE_TO_|INVALID_(?:CA|PURPOSE)|DEPTH_ZERO_|EPROTO$)/,
    'handshake',
  ],
]

/** Alerts of a server that also concern our certificate if we are the client. */
const REJECTED_BY_ALERT = /^ERR_SSL_.*_ALERT_(?:ACCESS_DENIED|DECRYPT_ERROR|HANDSHAKE_FAILURE)$/

/** Context of an error. `plain`: the connection used plain HTTP. */
export interface ErrorContext {
  readonly side: Peer
  /** Progress at the error. Default: the request was written. */
  readonly stage?: 'dns' | 'connect' | 'tls' | undefined
  readonly plain?: boolean | undefined
}

/** Causes of unknown codes, and of codes that only mean that the connection is gone. */
const AT_STAGE = { dns: 'dns-down', connect: 'no-route', tls: 'handshake' } as const

/** Classifies an error code. An unknown code is classified by the progress. */
export function classifyError(code: string, { side, stage, plain = false }: ErrorContext): Cause {
  if (side !== 'client' && REJECTED_BY_ALERT.test(code)) return cause('own-certificate', side)
  const known = BY_CODE[code] ?? BY_FAMILY.find(([family]) => family.test(code))?.[1]
  if (stage === undefined) {
    const isLost = known === undefined || STAGES[known] === 'connect' || known === 'connection-lost'
    // A TLS server answers plain HTTP by an alert, or closes the connection.
    return cause(isLost ? (plain ? 'tls-expected' : 'connection-lost') : known, side)
  }
  if (stage === 'dns' && known === 'connect-timeout') return cause('dns-down', side)
  if (known === 'connection-lost') return cause('connection-closed', side)
  return cause(known ?? AT_STAGE[stage], side)
}

const BY_DISK = inverted<CauseCode, string>({
  'disk-full': ['ENOSPC', 'EDQUOT'],
  'disk-denied': ['EACCES', 'EPERM'],
  'disk-readonly': ['EROFS'],
  'disk-no-links': [NODE_ERROR_CODES.noLinks],
})

export function classifyDiskError(code: string): Cause {
  return cause(BY_DISK[code] ?? 'disk-failed', 'disk')
}

export interface ResponseInfo {
  readonly status: number
  /** The body has iSales's shape, with a `result` other than 0. */
  readonly shaped?: boolean
  readonly page?: boolean
  readonly plain?: boolean | undefined
}

const BY_STATUS = inverted<CauseCode, `${number}`>({
  'path-unknown': ['404', '405'],
  'proxy-login': ['407'],
  timeout: ['408'],
  throttled: ['429'],
  maintenance: ['503'],
  gateway: ['502', '504'],
})

/** Statuses with which iSales rejects a login, by its published list. */
// oxfmt-ignore
const BY_REJECTED_STATUS: Readonly<Record<number, CauseCode>> = {
  200: 'result', 400: 'values', 401: 'account', 403: 'password', 500: 'business',
}

/** Classifies a response that is not a success. */
export function classifyStatus({ status, shaped, page, plain }: ResponseInfo): Cause {
  const known = BY_STATUS[`${status}`]
  if (known !== undefined) return cause(known)
  const rejected = BY_REJECTED_STATUS[status]
  const isUnauthorized = status === 401 || status === 403
  if (page === true) {
    if (isUnauthorized) return cause('login-page')
  } else if (rejected !== undefined && (shaped === true || isUnauthorized)) return cause(rejected)
  if (status >= 500) return cause('server-error')
  // nginx answers plain HTTP on a TLS port by 400.
  return cause(status === 400 && plain === true ? 'tls-expected' : 'not-isales')
}

/** Returns true for a status of a gateway, a failing server or a wrong path: it says nothing about a token. */
export function isOfGateway(status: number): boolean {
  return status in BY_STATUS
}

/** Reasons for a failed connection: label values of `upstream_connect_failures_total`. `proxy`: the egress proxy. */
export const CONNECT_FAILURES = ['dns', 'connect', 'timeout', 'tls', 'proxy'] as const
export type ConnectFailure = (typeof CONNECT_FAILURES)[number]

export function toConnectFailure({ stage, code, side }: Cause): ConnectFailure {
  if (side === 'egress') return 'proxy'
  if (stage === 'dns' || stage === 'tls') return stage
  return code === 'connect-timeout' ? 'timeout' : 'connect'
}

/**
 * Reasons for a failed token request: label values of `auth_failures_total`. `malformed` is a response that the
 * interface does not describe: HTML, a redirect, a body over 64 KiB, a token that cannot be a header value.
 */
// oxfmt-ignore
export const AUTH_FAILURES = [
  'rejected', 'result', 'throttled', 'unavailable', 'timeout', 'tls', 'malformed',
] as const
export type AuthFailureReason = (typeof AUTH_FAILURES)[number]

// oxfmt-ignore
const MALFORMED: ReadonlySet<CauseCode> = new Set([
  'path-unknown', 'proxy-login', 'login-page', 'not-isales',
])

export function toAuthFailure({ stage, code, side }: Cause): AuthFailureReason {
  if (stage === 'login') return code === 'business' || code === 'result' ? 'result' : 'rejected'
  if (code === 'timeout' || code === 'throttled') return code
  if (MALFORMED.has(code)) return 'malformed'
  return stage === 'tls' && side !== 'egress' && code !== 'tls-expected' ? 'tls' : 'unavailable'
}

/**
 * Reasons for a failed store operation: label values of `session_store_failures_total`. After `timeout`, the operation
 * may have been executed. `rejected`: the store returned an error code of its own.
 */
export const STORE_FAILURES = ['unreachable', 'timeout', 'tls', 'malformed', 'rejected'] as const
export type StoreFailureReason = (typeof STORE_FAILURES)[number]

/** @param isReply the error is a reply of the store. */
export function classifyStoreError(code: string, isReply: boolean): StoreFailureReason {
  if (isReply) return 'rejected'
  const { stage } = classifyError(code, { side: 'store', stage: 'connect' })
  return stage === 'tls' ? 'tls' : 'unreachable'
}

export function toStoreCode(reason: StoreFailureReason) {
  return `store-${reason}` as const
}

// oxfmt-ignore
export const HANDSHAKE_FAILURES = [
  'plain-http', 'no-certificate', 'unknown-ca', 'bad-certificate', 'client-name', 'not-trusted',
  'protocol', 'request-timeout', 'half-sent',
] as const
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number]

const HANDSHAKES: Partial<Readonly<Record<CauseCode, HandshakeFailure>>> = {
  'plain-http': 'plain-http',
  'no-certificate': 'no-certificate',
  'own-certificate': 'not-trusted',
  'connection-closed': 'half-sent',
  timeout: 'request-timeout',
}

/**
 * @param code of the error, by Node or OpenSSL.
 * @param certificate OpenSSL's verdict on the client's certificate; undefined if it is valid.
 */
export function classifyHandshakeError(code = '', certificate?: string): HandshakeFailure {
  const met = classifyError(certificate ?? code, { side: 'client', stage: 'tls' })
  if (certificate !== undefined) return met.code === 'untrusted' ? 'unknown-ca' : 'bad-certificate'
  return HANDSHAKES[met.code] ?? 'protocol'
}

/**
 * Errors that the proxy itself responds with: `code` of a problem response. `sent` is whether iSales may have executed the
 * request. Titles are in English only and may change; codes do not.
 */
export const PROBLEMS = {
  'no-token': { status: 503, sent: 'no', title: 'No token arrived in time' },
  overloaded: { status: 503, sent: 'no', title: 'Too many requests in flight' },
  'shutting-down': { status: 503, sent: 'no', title: 'The proxy is shutting down' },
  'out-of-time': { status: 503, sent: 'no', title: 'No time was left to send the request' },
  'upstream-unreachable': { status: 502, sent: 'no', title: 'iSales cannot be reached' },
  'upstream-tls': { status: 502, sent: 'no', title: 'No trusted TLS connection to iSales' },
  'upstream-broken': {
    status: 502,
    sent: 'unknown',
    title: "iSales's response was cut or malformed",
  },
  'upstream-timeout': { status: 504, sent: 'unknown', title: 'iSales did not respond in time' },
  internal: { status: 500, sent: 'unknown', title: 'The proxy failed' },
  'bad-request': { status: 400, sent: 'no', title: 'The request is not valid HTTP' },
  'not-allowed': { status: 403, sent: 'no', title: 'The request is not allowed here' },
  'method-not-allowed': { status: 405, sent: 'no', title: 'The method is not allowed' },
  'not-logged-in': { status: 401, sent: 'no', title: 'Log in first' },
  'request-timeout': { status: 408, sent: 'no', title: 'The request did not arrive in time' },
  'too-large': { status: 413, sent: 'no', title: 'The body is too large' },
  'expectation-failed': { status: 417, sent: 'no', title: 'The expectation is unknown' },
  misdirected: { status: 421, sent: 'no', title: 'The request names another host' },
  'headers-too-large': { status: 431, sent: 'no', title: 'The headers are too large' },
  'loop-detected': { status: 508, sent: 'no', title: 'The request came from this proxy' },
  'not-implemented': { status: 501, sent: 'no', title: 'The transfer coding is unknown' },
} as const
export type ProblemCode = keyof typeof PROBLEMS
const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]

/** Reasons for refusing a request before forwarding it, with the code and the English `detail` of the response. */
// oxfmt-ignore
export const REFUSALS = {
  'http-version': ['bad-request', 'Only HTTP/1.0 and HTTP/1.1 are supported'],
  host: ['bad-request', 'Host is missing, repeated or malformed'],
  'content-length': ['bad-request', 'Content-Length is repeated, not a number, or next to a Transfer-Encoding'],
  'transfer-encoding': ['bad-request', 'Transfer-Encoding is repeated, empty, next to a Content-Length, or in an HTTP/1.0 request'],
  target: ['bad-request', 'The request target is malformed'],
  'tls-to-http': ['bad-request', 'The client sent TLS to a plain HTTP port: use http, or set LISTEN_TLS_CERT_FILE'],
  parser: ['bad-request', 'The HTTP parser refused the request: a line, header, length, coding or chunk is malformed, or the method is unknown'],
  'half-sent': ['bad-request', 'The client left before all of the request arrived'],
  method: ['method-not-allowed', 'CONNECT and TRACE are not forwarded'],
  coding: ['not-implemented', 'The only supported transfer coding is chunked'],
  expectation: ['expectation-failed', 'The only supported expectation is 100-continue'],
  headers: ['headers-too-large', 'There are too many headers, or they are too long'],
  'body-size': ['too-large', 'The body is longer than MAX_BODY_SIZE'],
  'chunk-extensions': ['too-large', 'The chunk extensions are too long'],
  browser: ['not-allowed', 'Origin and Sec-Fetch-Site come from a browser, which must not use the token'],
  'double-slash': ['not-allowed', 'The path has an empty segment (//) after its beginning'],
  'ambiguous-path': ['not-allowed', 'A path segment has letters, digits and . _ ~ - only, and neither begins nor ends with a dot'],
  'other-path': ['not-allowed', 'The path is outside ALLOWED_PATHS'],
  'auth-path': ['not-allowed', 'The path resembles login or refresh, whose response would contain the real token'],
  scheme: ['misdirected', 'The scheme of the request target differs from the listener'],
  'other-host': ['misdirected', 'Host is neither this proxy nor in ALLOWED_HOSTS'],
  loop: ['loop-detected', 'Via names this proxy: ISALES_URL leads back to it'],
  connections: ['overloaded', 'Too many connections were open, and this one was idle for longest'],
  pipelined: ['overloaded', 'The request arrived before the previous response had ended'],
  'in-flight': ['overloaded', 'More requests than MAX_IN_FLIGHT are in flight, or their bodies take more than 32 MiB'],
  ticket: ['not-logged-in', 'The request has no valid ticket of this proxy'],
  timeout: ['request-timeout', 'The request did not arrive in time'],
} as const satisfies Readonly<Record<string, readonly [ProblemCode, string]>>
export type Refusal = keyof typeof REFUSALS
export const REFUSAL_REASONS = Object.keys(REFUSALS) as readonly Refusal[]

/** Refusals with a remedy of their own, besides those that are not allowed. */
// oxfmt-ignore
const EXPLAINED: ReadonlySet<Refusal> = new Set(['tls-to-http', 'other-host', 'pipelined', 'half-sent'])

/** Returns the code that explains a refusal: its own, or the code of its problem. */
export function toRefusalCode(refusal: Refusal): Refusal | ProblemCode {
  const [code] = REFUSALS[refusal]
  return code === 'not-allowed' || EXPLAINED.has(refusal) ? refusal : code
}

export function toHandshakeCode(failure: HandshakeFailure) {
  return failure
}

/** Codes outside of the sets above. */
// oxfmt-ignore
const OTHERS = {
  /** Results of calls that reached iSales, or a gateway in front of it. */
  call: [
    'call-failed', 'call-declined', 'call-result', 'call-throttled', 'call-rejected',
    'call-page', 'token-rejected', 'gave-up',
  ],
  login: ['obs-login', 'logins-paused', 'business-later'],
  setting: [
    'not-accepted', 'typing', 'own-name', 'is-path', 'not-set', 'set-twice', 'not-utf8',
    'unknown-setting', 'file-unreadable', 'empty-file', 'not-pem', 'encrypted-key', 'other-key',
    'weak-certificate', 'certificate-dates', 'http-not-allowed', 'http-allowed',
    'same-path', 'no-refresh-path', 'incomplete', 'store-without-tls',
    'plain-store', 'same-port', 'open-listener', 'open-allowed', 'plain-listener', 'any-client',
    'weak-secret', 'long-deadline', 'unused-for-http', 'other-paths', 'insecure-node',
    'exposed-directory',
  ],
  listen: [
    'address-in-use', 'port-not-permitted', 'address-not-here', 'cannot-listen',
    'socket-elsewhere', 'socket-several',
  ],
  command: [
    'serve', 'check', 'status', 'renew', 'exit-codes', 'unknown-command', 'unknown-flag',
    'unknown-code', 'no-argument', 'flag-value', 'no-instance', 'any-port',
    'not-ready', 'not-responding', 'other-program', 'odd-response', 'not-here',
    'not-signalled', 'check-sound', 'check-works', 'check-blind', 'check-differs', 'check-store',
    'check-calls', 'check-rejected', 'check-no-login', 'check-deferred', 'check-doubts',
    'no-lifetime', 'long-lifetime', 'short-lifetime', 'no-refresh', 'rejected-by-result', 'single-session',
    'not-shared',
  ],
  /** Headlines of the status page: states, and alerts by name. */
  headline: [
    'healthy', 'no-calls-yet', 'idle', 'logging-in', 'draining', 'certificate-expired', 'refreshes-only',
    'IsalesProxyNotAuthenticated', 'IsalesProxyCallsFailing', 'IsalesProxyCallsRejected', 'IsalesProxyCallsRefused',
    'IsalesProxyAuthenticationFailing', 'IsalesProxyLoginRejected',
    'IsalesProxyRefreshFailing', 'IsalesProxySessionConflict', 'IsalesProxySessionAlone',
    'IsalesProxyCallsLost', 'IsalesProxyLatency', 'IsalesProxyReloadFailed',
    'IsalesProxyClockWrong', 'IsalesProxyLifetimeDoubtful', 'IsalesProxyStateUnusable',
    'IsalesProxyClientLoginsRefused', 'IsalesProxyNoClientGetsThrough',
    'IsalesProxyCertificateExpiresSoon',
  ],
} as const
type Others = typeof OTHERS

const BY_LISTEN = inverted<Others['listen'][number], string>({
  'address-in-use': ['EADDRINUSE'],
  'port-not-permitted': ['EACCES'],
  'address-not-here': ['EADDRNOTAVAIL', 'ENOTFOUND'],
})

export function toListenCode(code: string) {
  return BY_LISTEN[code] ?? 'cannot-listen'
}

/** Every code with a section in docs/. */
export type Code =
  | ReturnType<typeof toCauseCode>
  | ProblemCode
  | ReturnType<typeof toRefusalCode>
  | ReturnType<typeof toHandshakeCode>
  | ReturnType<typeof toStoreCode>
  | Others[keyof Others][number]

export const ALL_CODES: readonly Code[] = [
  ...new Set<Code>([
    ...(Object.keys(STAGES) as CauseCode[]).flatMap((code) =>
      (['login', 'refresh', 'call'] as const).map((asked) => toCauseCode(cause(code), asked)),
    ),
    ...PROBLEM_CODES,
    ...REFUSAL_REASONS.map(toRefusalCode),
    ...HANDSHAKE_FAILURES.map(toHandshakeCode),
    ...STORE_FAILURES.map(toStoreCode),
    ...Object.values(OTHERS).flat(),
  ]),
]
