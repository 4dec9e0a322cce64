// Every cause: what iSales, another peer or the way to it did. A row has all that is known of a cause; the functions below
// read the rows. Classification never uses the text of a message.

/** Peer of an exchange. `disk` is the disk of `STATE_DIR`. */
export type Peer = 'isales' | 'egress' | 'store' | 'client' | 'disk'

/** Progress at the failure. `request`: no byte was written. `response`: a byte may have been written. */
export type FailureStage = 'dns' | 'connect' | 'tls' | 'request' | 'response' | 'login' | 'write'

export type RequestKind = 'login' | 'refresh' | 'call'

/**
 * Reasons for a failed token request: label values of `auth_failures_total`. `malformed` is a response that the
 * interface does not describe: HTML, a redirect, a body over 64 KiB, a token that cannot be a header value.
 */
// oxfmt-ignore
export type AuthFailureReason =
  'rejected' | 'result' | 'throttled' | 'unavailable' | 'timeout' | 'tls' | 'malformed'

/** Properties of the code of a request, besides its section. */
export interface RequestTraits {
  /** Setting that decides whether a request ends so. */
  readonly setting?: 'allowedHosts' | 'allowedPaths' | 'maxBodySize' | 'listen' | 'clientDeadline'
  /** Calls end so if the process stands still. */
  readonly stalls?: true
  /** Every connection ends so if CTI-OBS, a gateway in front of the proxy, or our certificate is misconfigured. */
  readonly turnedAway?: true
}

interface Row extends RequestTraits {
  readonly stage: FailureStage
  /** Codes of Node, OpenSSL and undici, or families of codes. Default: none. */
  readonly codes?: readonly (string | RegExp)[]
  /** Statuses of responses. At the stage `login`, only iSales itself sends them, by its published list. */
  readonly statuses?: readonly number[]
  /** Reason if a token request ends so. Default: unavailable. */
  readonly auth?: AuthFailureReason
  /** A call that ends so has failed, and the cause explains it. */
  readonly call?: 'failed'
  /** Codes whose sections explain the cause instead of its own, by kind of request; `client`: its TLS handshake. */
  readonly instead?: Readonly<Partial<Record<RequestKind | 'client', string>>>
}

/** Codes of errors that the program itself creates. */
export const NODE_ERROR_CODES = {
  timeout: 'ETIMEDOUT',
  closed: 'ERR_POOL_CLOSED',
  proxyAuth: 'ERR_EGRESS_PROXY_AUTH',
  proxyRejected: 'ERR_EGRESS_PROXY_REJECTED',
  noLinks: 'ERR_NO_HARD_LINKS',
  noStore: 'ERR_STORE_PROTOCOL',
} as const
const OWN = NODE_ERROR_CODES

const NAME = { stage: 'dns', call: 'failed' } as const
const UNREACHABLE = { stage: 'connect', call: 'failed' } as const
const TLS = { stage: 'tls', auth: 'tls', call: 'failed' } as const
const RESPONSE = { stage: 'response', call: 'failed' } as const
const LOGIN = { stage: 'login', auth: 'rejected' } as const
const DISK = { stage: 'write' } as const

/** The first row with a matching code decides, and the first of equally frequent causes is shown. */
// oxfmt-ignore
const CAUSES = {
  'name-unknown': { ...NAME, codes: ['ENOTFOUND'] },
  'dns-down': { ...NAME, codes: ['EAI_AGAIN'] },
  'connection-refused': { ...UNREACHABLE, codes: ['ECONNREFUSED'] },
  'no-route': { ...UNREACHABLE, codes: ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EACCES', 'EPERM'] },
  'no-descriptors': { ...UNREACHABLE, codes: ['EMFILE', 'ENFILE'] },
  'no-ports': { ...UNREACHABLE, codes: ['EADDRNOTAVAIL'] },
  'connect-timeout': { ...UNREACHABLE, codes: ['ETIMEDOUT'], stalls: true },
  'connection-closed': { ...UNREACHABLE, instead: { client: 'half-sent' } },
  'egress-login': { ...UNREACHABLE, codes: [OWN.proxyAuth] },
  'egress-rejected': { ...UNREACHABLE, codes: [OWN.proxyRejected] },
  // X.509 verification results of a chain that does not end at a known authority.
  untrusted: { ...TLS, codes: [/^(?:UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED)/] },
  expired: { ...TLS, codes: ['CERT_HAS_EXPIRED'] },
  'not-yet-valid': { ...TLS, codes: ['CERT_NOT_YET_VALID'] },
  'other-name': { ...TLS, codes: ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'] },
  'no-tls': { ...TLS, codes: ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'] },
  'plain-http': { stage: 'tls', auth: 'tls', codes: ['ERR_SSL_HTTP_REQUEST'], instead: { client: 'plain-http' } },
  'tls-expected': { stage: 'tls', call: 'failed' },
  // Alerts about a certificate (RFC 8446 section 6.2), by OpenSSL's names, whose beginnings differ by version.
  'own-certificate': {
    ...TLS,
    codes: [/^ERR_SSL_.*_ALERT_(?:(?:BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA)$/],
    instead: { client: 'not-trusted' },
  },
  'no-certificate': {
    stage: 'tls', auth: 'tls', codes: ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'], instead: { client: 'no-certificate' },
  },
  'http1-required': { ...TLS, codes: [/^ERR_SSL_.*_ALERT_NO_APPLICATION_PROTOCOL$/] },
  handshake: {
    ...TLS, codes: [/^(?:ERR_(?:TLS|SSL|OSSL)_|CERT_|CRL_|UNABLE_TO_|INVALID_(?:CA|PURPOSE)|DEPTH_ZERO_|EPROTO$)/],
  },
  closed: { stage: 'request', codes: ['UND_ERR_DESTROYED', 'UND_ERR_CLOSED', OWN.closed] },
  invalid: { stage: 'request', codes: ['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'] },
  timeout: {
    stage: 'response', auth: 'timeout', statuses: [408],
    codes: ['ERR_TLS_HANDSHAKE_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
    instead: { login: 'login-timeout', refresh: 'login-timeout', call: 'upstream-timeout', client: 'request-timeout' },
  },
  'connection-lost': { ...RESPONSE, codes: ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'], stalls: true },
  'path-unknown': {
    stage: 'response', auth: 'malformed', statuses: [404, 405],
    instead: { login: 'login-path-unknown', refresh: 'refresh-path-unknown', call: 'call-declined' },
  },
  'proxy-login': { stage: 'response', auth: 'malformed', statuses: [407] },
  throttled: { stage: 'response', auth: 'throttled', statuses: [429] },
  maintenance: { ...RESPONSE, statuses: [503] },
  gateway: { ...RESPONSE, statuses: [502, 504] },
  'server-error': RESPONSE,
  'login-page': { stage: 'response', auth: 'malformed', instead: { call: 'call-page' } },
  'not-isales': { stage: 'response', auth: 'malformed' },
  'other-members': { stage: 'response', auth: 'malformed' },
  unreadable: { stage: 'response', auth: 'malformed' },
  'token-too-long': { stage: 'response', auth: 'malformed' },
  account: { ...LOGIN, statuses: [401] },
  password: { ...LOGIN, statuses: [403] },
  values: { ...LOGIN, statuses: [400] },
  business: { ...LOGIN, auth: 'result', statuses: [500] },
  result: { ...LOGIN, auth: 'result', statuses: [200] },
  'refresh-rejected': LOGIN,
  'disk-full': { ...DISK, codes: ['ENOSPC', 'EDQUOT'] },
  'disk-denied': { ...DISK, codes: ['EACCES', 'EPERM'] },
  'disk-readonly': { ...DISK, codes: ['EROFS'] },
  'disk-no-links': { ...DISK, codes: [OWN.noLinks] },
  'disk-slow': DISK,
  'disk-foreign': DISK,
  'disk-failed': DISK,
} as const satisfies Readonly<Record<string, Row>>

type Rows = typeof CAUSES
export type CauseCode = keyof Rows
export const CAUSE_CODES = Object.keys(CAUSES) as readonly CauseCode[]
type ExplainedAs<Code extends CauseCode, Kind extends RequestKind> = Rows[Code] extends {
  readonly instead: Readonly<Record<Kind, infer By>>
}
  ? By
  : Code
/** Codes whose sections explain causes. */
export type ExplainedCause = {
  [Kind in RequestKind]: { [Code in CauseCode]: ExplainedAs<Code, Kind> }[CauseCode]
}[RequestKind]

const row = (code: CauseCode): Row => CAUSES[code]

/** Codes that explain failed calls, with their traits. */
export const FAILED_CALLS = CAUSE_CODES.filter((code) => row(code).call === 'failed').map(
  (code): readonly [ExplainedCause, RequestTraits] => [toCauseCode({ code }, 'call'), row(code)],
)

/** Returns the stage of a cause; undefined for a code of something else. */
export function stageOf(code: string): FailureStage | undefined {
  return isCauseCode(code) ? row(code).stage : undefined
}

/** True for the code of a cause, as a file or a store has it. */
export function isCauseCode(value: unknown): value is CauseCode {
  return typeof value === 'string' && Object.hasOwn(CAUSES, value)
}

export interface Cause {
  readonly stage: FailureStage
  readonly code: CauseCode
  readonly side: Peer
}

/** A certificate that was not accepted: its name, and its dates in milliseconds since 1970. */
export interface PeerCertificate {
  /** The common name; empty if it cannot be shown. */
  readonly name: string
  readonly from: number
  readonly to: number
  /** Common name of the issuer that the chain lacks, or of its untrusted root. */
  readonly issuer?: string
  /** `alone`: the peer sent no other certificate. `root`: the chain ends at a root. */
  readonly chain?: 'alone' | 'part' | 'root'
}

export function cause(code: CauseCode, side: Peer = 'isales'): Cause {
  return { stage: row(code).stage, code, side }
}

/** Returns the code that explains a cause. */
export function toCauseCode({ code }: Pick<Cause, 'code'>, kind: RequestKind): ExplainedCause {
  return (row(code).instead?.[kind] ?? code) as ExplainedCause
}

/** Finds the row whose code this is, among the stages of the disk or the others. */
function findCode(code: string, isDisk = false): CauseCode | undefined {
  const own = CAUSE_CODES.filter((each) => (row(each).stage === 'write') === isDisk)
  const isOfFamily = (known: string | RegExp) => known instanceof RegExp && known.test(code)
  const named = own.find((each) => row(each).codes?.includes(code) === true)
  return named ?? own.find((each) => row(each).codes?.some(isOfFamily) === true)
}

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
  const known = findCode(code)
  const isLost = known === 'connection-lost'
  if (stage === undefined) {
    if (known !== undefined && !isLost && row(known).stage !== 'connect') return cause(known, side)
    // A TLS server answers plain HTTP by an alert, or closes the connection.
    return cause(plain ? 'tls-expected' : 'connection-lost', side)
  }
  if (stage === 'dns' && known === 'connect-timeout') return cause('dns-down', side)
  return cause(isLost ? 'connection-closed' : (known ?? AT_STAGE[stage]), side)
}

export function classifyDiskError(code: string): Cause {
  return cause(findCode(code, true) ?? 'disk-failed', 'disk')
}

export interface ResponseInfo {
  readonly status: number
  /** The body has iSales's shape, with a `result` other than 0. */
  readonly shaped?: boolean
  readonly page?: boolean
  readonly plain?: boolean | undefined
}

/** @param isLogin for the statuses with which iSales rejects a login; otherwise for statuses of any server. */
function findStatus(status: number, isLogin: boolean): CauseCode | undefined {
  return CAUSE_CODES.find(
    (each) =>
      (row(each).stage === 'login') === isLogin && row(each).statuses?.includes(status) === true,
  )
}

/** Returns true for a status of a gateway, a failing server or a wrong path: it says nothing about a token. */
export function isOfGateway(status: number): boolean {
  return findStatus(status, false) !== undefined
}

/** Classifies a response that is not a success. */
export function classifyStatus({ status, shaped, page, plain }: ResponseInfo): Cause {
  const known = findStatus(status, false)
  if (known !== undefined) return cause(known)
  const rejected = findStatus(status, true)
  const isUnauthorized = status === 401 || status === 403
  if (page === true && isUnauthorized) return cause('login-page')
  if (page !== true && rejected !== undefined && (shaped === true || isUnauthorized))
    return cause(rejected)
  if (status >= 500) return cause('server-error')
  // nginx answers plain HTTP on a TLS port by 400.
  return cause(status === 400 && plain === true ? 'tls-expected' : 'not-isales')
}

/**
 * Returns true for a web page from a gateway in front of iSales, as far as the body has arrived: by its first
 * character, otherwise by its media type. Some servers label JSON as HTML, and some pages have no type.
 */
export function isWebPage(contentType = '', body = ''): boolean {
  const [first] = body.trimStart()
  return first === '<' || (first !== '{' && /^\s*text\/html\b/i.test(contentType))
}

/** Returns true for a redirect. A 304 is the answer to a client that has a copy. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304
}

/** Reasons for a failed connection: label values of `upstream_connect_failures_total`. `proxy`: the egress proxy. */
export const CONNECT_FAILURES = ['dns', 'connect', 'timeout', 'tls', 'proxy'] as const
export type ConnectFailure = (typeof CONNECT_FAILURES)[number]

export function toConnectFailure({ stage, code, side }: Cause): ConnectFailure {
  if (side === 'egress') return 'proxy'
  if (stage === 'dns' || stage === 'tls') return stage
  return code === 'connect-timeout' ? 'timeout' : 'connect'
}

export function toAuthFailure({ code, side }: Cause): AuthFailureReason {
  const { auth = 'unavailable' } = row(code)
  return auth === 'tls' && side === 'egress' ? 'unavailable' : auth
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
  if (code === OWN.noStore) return 'malformed'
  const { stage } = classifyError(code, { side: 'store', stage: 'connect' })
  return stage === 'tls' ? 'tls' : 'unreachable'
}

export function toStoreCode(reason: StoreFailureReason) {
  return `store-${reason}` as const
}

/** Why a client's TLS handshake failed. The codes are also names of sections. */
export const HANDSHAKES = {
  'plain-http': { turnedAway: true, setting: 'listen' },
  'no-certificate': { turnedAway: true },
  'unknown-ca': { turnedAway: true },
  'bad-certificate': { turnedAway: true },
  'client-name': { turnedAway: true },
  'not-trusted': { turnedAway: true },
  protocol: {},
  'request-timeout': {},
  // Possibly a load balancer's probe.
  'half-sent': {},
} as const satisfies Readonly<Record<string, RequestTraits>>
export type HandshakeFailure = keyof typeof HANDSHAKES

/**
 * @param code of the error, by Node or OpenSSL.
 * @param certificate OpenSSL's verdict on the client's certificate; undefined if it is valid.
 */
export function classifyHandshakeError(code = '', certificate?: string): HandshakeFailure {
  const met = classifyError(certificate ?? code, { side: 'client', stage: 'tls' })
  if (certificate !== undefined) return met.code === 'untrusted' ? 'unknown-ca' : 'bad-certificate'
  return (row(met.code).instead?.client ?? 'protocol') as HandshakeFailure
}

/** Returns the code of an error, of the first address's error, or of its cause; otherwise `unknown`. */
export function readErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Happy Eyeballs fails with one error for all addresses.
  return readErrorCode(error instanceof AggregateError ? error.errors[0] : error.cause)
}
