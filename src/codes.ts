// Every closed set of codes that the proxy itself uses: its errors and refusals, classes of requests, settings, commands and
// headlines. Every code, and every cause in causes.ts, has one section in docs/ per language, and no other explanation.
import {
  CAUSE_CODES,
  FAILED_CALLS,
  HANDSHAKE_FAILURES,
  STORE_FAILURES,
  toCauseCode,
  toStoreCode,
  type ExplainedCause,
} from './causes.ts'

interface Problem {
  readonly status: number
  readonly sent: 'no' | 'unknown'
  readonly failed?: 'itself' | 'cause'
  readonly title: string
}

/**
 * Errors that the proxy itself responds with: `code` of a problem response. `sent` is whether iSales may have executed the
 * request. `failed`: a call that ends so has failed, and this code explains it, or its cause if one is known. Titles are in
 * English only and may change; codes do not.
 */
// oxfmt-ignore
export const PROBLEMS = {
  'no-token': { status: 503, sent: 'no', failed: 'itself', title: 'No token arrived in time' },
  overloaded: { status: 503, sent: 'no', failed: 'itself', title: 'Too many requests in flight' },
  'shutting-down': { status: 503, sent: 'no', failed: 'itself', title: 'The proxy is shutting down' },
  'out-of-time': { status: 503, sent: 'no', failed: 'itself', title: 'No time was left to send the request' },
  'upstream-unreachable': { status: 502, sent: 'no', failed: 'cause', title: 'iSales cannot be reached' },
  'upstream-tls': { status: 502, sent: 'no', failed: 'cause', title: 'No trusted TLS connection to iSales' },
  'upstream-broken': { status: 502, sent: 'unknown', failed: 'cause', title: "iSales's response was cut or malformed" },
  'upstream-timeout': { status: 504, sent: 'unknown', failed: 'itself', title: 'iSales did not respond in time' },
  internal: { status: 500, sent: 'unknown', failed: 'itself', title: 'The proxy failed' },
  'bad-request': { status: 400, sent: 'no', title: 'The request is not valid HTTP' },
  'not-allowed': { status: 403, sent: 'no', title: 'The request is not allowed here' },
  'method-not-allowed': { status: 405, sent: 'no', title: 'The method is not allowed' },
  'not-logged-in': { status: 401, sent: 'no', title: 'The call has no valid ticket' },
  'request-timeout': { status: 408, sent: 'no', title: 'The request did not arrive in time' },
  'too-large': { status: 413, sent: 'no', title: 'The body is too large' },
  'expectation-failed': { status: 417, sent: 'no', title: 'The expectation is unknown' },
  misdirected: { status: 421, sent: 'no', title: 'The request names another host' },
  'headers-too-large': { status: 431, sent: 'no', title: 'The headers are too large' },
  'loop-detected': { status: 508, sent: 'no', failed: 'itself', title: 'The request came from this proxy' },
  'not-implemented': { status: 501, sent: 'no', title: 'The transfer coding is unknown' },
} as const satisfies Readonly<Record<string, Problem>>
export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]
export const problemRow = (code: ProblemCode): Problem => PROBLEMS[code]

interface RefusalRow {
  /** The response. */
  readonly problem: ProblemCode
  /** Class of the request. Default: a POST is refused, because only CTI-OBS sends one, and any other request is stray. */
  readonly is?: 'refused' | 'stray' | 'failed'
  /** True if it has a section of its own, besides its problem; or the code of that section. */
  readonly own?: true | 'no-descriptors'
  /** English `detail` of the response. */
  readonly detail: string
}

/** Reasons for refusing a request before forwarding it. */
// oxfmt-ignore
export const REFUSALS = {
  'http-version': { problem: 'bad-request', detail: 'Only HTTP/1.0 and HTTP/1.1 are supported' },
  host: { problem: 'bad-request', detail: 'Host is missing, repeated or malformed' },
  'content-length': { problem: 'bad-request', detail: 'Content-Length is repeated, not a number, or next to a Transfer-Encoding' },
  'transfer-encoding': { problem: 'bad-request', detail: 'Transfer-Encoding is repeated, empty, next to a Content-Length, or in an HTTP/1.0 request' },
  target: { problem: 'bad-request', detail: 'The request target is malformed' },
  'tls-to-http': { problem: 'bad-request', own: true, detail: 'The client sent TLS to a plain HTTP port: use http, or set LISTEN_TLS_CERT_FILE' },
  parser: { problem: 'bad-request', detail: 'The HTTP parser refused the request: a line, header, length, coding or chunk is malformed, or the method is unknown' },
  'half-sent': { problem: 'bad-request', is: 'stray', own: true, detail: 'The client left before all of the request arrived' },
  method: { problem: 'method-not-allowed', detail: 'CONNECT and TRACE are not forwarded' },
  coding: { problem: 'not-implemented', detail: 'The only supported transfer coding is chunked' },
  expectation: { problem: 'expectation-failed', detail: 'The only supported expectation is 100-continue' },
  headers: { problem: 'headers-too-large', detail: 'There are too many headers, or they are too long' },
  'body-size': { problem: 'too-large', detail: 'The body is longer than MAX_BODY_SIZE' },
  'chunk-extensions': { problem: 'too-large', detail: 'The chunk extensions are too long' },
  'chunk-framing': { problem: 'bad-request', detail: 'The chunks of the body are too small' },
  browser: { problem: 'not-allowed', is: 'stray', own: true, detail: 'Origin and Sec-Fetch-Site come from a browser, which must not use the token' },
  'double-slash': { problem: 'not-allowed', own: true, detail: 'The path has an empty segment (//) after its beginning' },
  'ambiguous-path': { problem: 'not-allowed', own: true, detail: 'A path segment has letters, digits and . _ ~ - only, and neither begins nor ends with a dot' },
  'other-path': { problem: 'not-allowed', own: true, detail: 'The path is outside ALLOWED_PATHS' },
  'auth-path': { problem: 'not-allowed', own: true, detail: 'The path resembles login or refresh, whose response would contain the real token' },
  scheme: { problem: 'misdirected', detail: 'The scheme of the request target differs from the listener' },
  'other-host': { problem: 'misdirected', own: true, detail: 'Host is neither this proxy nor in ALLOWED_HOSTS' },
  loop: { problem: 'loop-detected', detail: 'Via names this proxy: ISALES_URL leads back to it' },
  'admin-port': { problem: 'method-not-allowed', is: 'stray', own: true, detail: 'This is the admin port, which serves no calls: send them to LISTEN' },
  connections: { problem: 'overloaded', detail: 'Too many connections were open, and this one was idle for longest' },
  descriptors: { problem: 'overloaded', own: 'no-descriptors', detail: 'Too many connections were open for the limit of open files, and this one was idle for longest' },
  pipelined: { problem: 'overloaded', own: true, detail: 'The request arrived before the previous response had ended' },
  'in-flight': { problem: 'overloaded', is: 'failed', detail: 'More requests than MAX_IN_FLIGHT are in flight, or their bodies take more than 32 MiB' },
  ticket: { problem: 'not-logged-in', detail: 'The request has no valid ticket of this proxy' },
  timeout: { problem: 'request-timeout', detail: 'The request did not arrive in time' },
} as const satisfies Readonly<Record<string, RefusalRow>>
export type Refusal = keyof typeof REFUSALS
export const REFUSAL_REASONS = Object.keys(REFUSALS) as readonly Refusal[]

export const refusalRow = (refusal: Refusal): RefusalRow => REFUSALS[refusal]

type RefusalCode = {
  [Each in Refusal]: (typeof REFUSALS)[Each] extends { readonly own: true }
    ? Each
    : (typeof REFUSALS)[Each] extends { readonly own: infer Own }
      ? Own
      : (typeof REFUSALS)[Each]['problem']
}[Refusal]

/** Returns the code that explains a refusal: its own, or the code of its problem. */
export function toRefusalCode(refusal: Refusal): RefusalCode {
  const { own, problem } = refusalRow(refusal)
  return (own === true ? refusal : (own ?? problem)) as RefusalCode
}

interface ClassRow {
  /** `lost`: CTI-OBS got no response from iSales. `no-call`: it is not counted among the calls. */
  readonly is: 'lost' | 'answered' | 'no-call'
  /** Headline of its finding, unless most calls are lost. */
  readonly alert?: Headline
  /** Name of the fact with its count. */
  readonly fact?: 'lostCalls' | 'declinedCalls' | 'slowCalls' | 'turnedAway'
  /** Its codes besides refusals, problems and causes. */
  readonly codes: readonly string[]
  /** Share of the calls from which its finding is `degraded`; lost calls are added up. */
  readonly share?: number
}

/** Every class of requests; docs/metrics.md explains them. A request has the first class that fits. */
// oxfmt-ignore
export const CLASSES = {
  handshake: { is: 'no-call', alert: 'IsalesProxyNoClientGetsThrough', fact: 'turnedAway', codes: HANDSHAKE_FAILURES },
  granted: { is: 'no-call', codes: ['login', 'refresh'] },
  refused: { is: 'lost', alert: 'IsalesProxyCallsRefused', fact: 'lostCalls', codes: ['obs-login'] },
  stray: { is: 'no-call', alert: 'IsalesProxyNoClientGetsThrough', fact: 'turnedAway', codes: [] },
  abandoned: { is: 'lost', alert: 'IsalesProxyCallsLost', fact: 'lostCalls', codes: ['gave-up'] },
  failed: { is: 'lost', alert: 'IsalesProxyCallsLost', fact: 'lostCalls', codes: ['call-failed'] },
  rejected: { is: 'lost', alert: 'IsalesProxyCallsRejected', fact: 'lostCalls', codes: ['call-rejected', 'call-throttled', 'call-page'] },
  declined: { is: 'answered', alert: 'IsalesProxyCallsRejected', fact: 'declinedCalls', share: 0.5, codes: ['call-declined', 'call-result'] },
  slow: { is: 'answered', alert: 'IsalesProxyLatency', fact: 'slowCalls', share: 0.05, codes: ['slow'] },
  answered: { is: 'answered', codes: ['answered'] },
} as const satisfies Readonly<Record<string, ClassRow>>
export type Outcome = keyof typeof CLASSES
export const OUTCOMES = Object.keys(CLASSES) as readonly Outcome[]

/** Codes of requests that need no explanation. */
type Fine = 'login' | 'refresh' | 'slow' | 'answered'
export type RequestCause = Code | Fine

/** Returns true for the code of a request that did not succeed: it has a section. */
export function isExplained(code: RequestCause): code is Code {
  return !['login', 'refresh', 'slow', 'answered'].includes(code)
}

/** Codes outside of the sets above. */
// oxfmt-ignore
const OTHERS = {
  /** Causes of findings: every call is rejected, the process or its machine disturbs calls, or logins fail. */
  finding: [
    'token-rejected', 'stood-still', 'log-unwritable', 'logins-paused', 'business-later', 'other-key-or-program',
  ],
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
    'healthy', 'no-calls-yet', 'logging-in', 'draining', 'certificate-expired', 'refreshes-only', 'impaired',
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
export type SettingCode = Others['setting'][number]
export type Headline = Others['headline'][number]

const BY_LISTEN: ReadonlyMap<string, Others['listen'][number]> = new Map([
  ['EADDRINUSE', 'address-in-use'],
  ['EACCES', 'port-not-permitted'],
  ['EADDRNOTAVAIL', 'address-not-here'],
  ['ENOTFOUND', 'address-not-here'],
])

export function toListenCode(code: string) {
  return BY_LISTEN.get(code) ?? 'cannot-listen'
}

/** Every code with a section in docs/. */
export type Code =
  | ExplainedCause
  | ProblemCode
  | RefusalCode
  | Exclude<(typeof CLASSES)[Outcome]['codes'][number], Fine>
  | ReturnType<typeof toStoreCode>
  | Others[keyof Others][number]

export const ALL_CODES: readonly Code[] = [
  ...new Set<Code>([
    ...CAUSE_CODES.flatMap((code) =>
      (['login', 'refresh', 'call'] as const).map((asked) => toCauseCode({ code }, asked)),
    ),
    ...PROBLEM_CODES,
    ...REFUSAL_REASONS.map(toRefusalCode),
    ...OUTCOMES.flatMap((each): readonly RequestCause[] => CLASSES[each].codes).filter(isExplained),
    ...STORE_FAILURES.map(toStoreCode),
    ...Object.values(OTHERS).flat(),
  ]),
]

export function codesOf(outcome: Outcome): readonly RequestCause[] {
  const isFailed = outcome === 'failed'
  const isRefused = outcome === 'refused' || outcome === 'stray'
  const refusals = REFUSAL_REASONS.filter((each) => (refusalRow(each).is ?? outcome) === outcome)
  const problems = PROBLEM_CODES.filter((code) => problemRow(code).failed !== undefined)
  const causes = FAILED_CALLS.map((code) => toCauseCode({ code }, 'call'))
  const all: readonly RequestCause[] = [
    ...(isRefused ? refusals.map(toRefusalCode) : []),
    ...(isFailed ? [...problems, ...causes] : []),
    ...CLASSES[outcome].codes,
  ]
  return [...new Set(all)]
}
