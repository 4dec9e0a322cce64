// Every closed set of codes that the proxy itself uses: its errors and refusals, classes of requests, settings, commands and
// headlines. Every code, and every cause in causes.ts, has one section in docs/ per language, and no other explanation.
import {
  CAUSE_CODES,
  FAILED_CALLS,
  HANDSHAKES,
  STORE_FAILURES,
  toCauseCode,
  toStoreCode,
  type ExplainedCause,
  type RequestTraits,
} from './causes.ts'

interface Problem extends RequestTraits {
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
  'no-token': { status: 503, sent: 'no', failed: 'itself', stalls: true, title: 'No token arrived in time' },
  overloaded: { status: 503, sent: 'no', failed: 'itself', title: 'Too many requests in flight' },
  'shutting-down': { status: 503, sent: 'no', failed: 'itself', title: 'The proxy is shutting down' },
  'out-of-time': { status: 503, sent: 'no', failed: 'cause', stalls: true, title: 'No time was left to send the request' },
  'upstream-unreachable': { status: 502, sent: 'no', failed: 'cause', title: 'iSales cannot be reached' },
  'upstream-tls': { status: 502, sent: 'no', failed: 'cause', title: 'No trusted TLS connection to iSales' },
  'upstream-broken': { status: 502, sent: 'unknown', failed: 'cause', title: "iSales's response was cut or malformed" },
  'upstream-timeout': { status: 504, sent: 'unknown', failed: 'itself', stalls: true, setting: 'clientDeadline', title: 'iSales did not respond in time' },
  internal: { status: 500, sent: 'unknown', failed: 'itself', title: 'The proxy failed' },
  'bad-request': { status: 400, sent: 'no', title: 'The request is not valid HTTP' },
  'not-allowed': { status: 403, sent: 'no', title: 'The request is not allowed here' },
  'method-not-allowed': { status: 405, sent: 'no', title: 'The method is not allowed' },
  'not-logged-in': { status: 401, sent: 'no', title: 'The call has no valid ticket' },
  'request-timeout': { status: 408, sent: 'no', title: 'The request did not arrive in time' },
  'too-large': { status: 413, sent: 'no', setting: 'maxBodySize', title: 'The body is too large' },
  'expectation-failed': { status: 417, sent: 'no', title: 'The expectation is unknown' },
  misdirected: { status: 421, sent: 'no', title: 'The request names another host' },
  'headers-too-large': { status: 431, sent: 'no', title: 'The headers are too large' },
  'loop-detected': { status: 508, sent: 'no', failed: 'itself', title: 'The request came from this proxy' },
  'not-implemented': { status: 501, sent: 'no', title: 'The transfer coding is unknown' },
} as const satisfies Readonly<Record<string, Problem>>
export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]
export const problemRow = (code: ProblemCode): Problem => PROBLEMS[code]

interface RefusalRow extends RequestTraits {
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
  'tls-to-http': { problem: 'bad-request', own: true, turnedAway: true, setting: 'listen', detail: 'The client sent TLS to a plain HTTP port: use http, or set LISTEN_TLS_CERT_FILE' },
  parser: { problem: 'bad-request', detail: 'The HTTP parser refused the request: a line, header, length, coding or chunk is malformed, or the method is unknown' },
  'half-sent': { problem: 'bad-request', is: 'stray', own: true, turnedAway: true, detail: 'The client left before all of the request arrived' },
  method: { problem: 'method-not-allowed', detail: 'CONNECT and TRACE are not forwarded' },
  coding: { problem: 'not-implemented', detail: 'The only supported transfer coding is chunked' },
  expectation: { problem: 'expectation-failed', detail: 'The only supported expectation is 100-continue' },
  headers: { problem: 'headers-too-large', detail: 'There are too many headers, or they are too long' },
  'body-size': { problem: 'too-large', detail: 'The body is longer than MAX_BODY_SIZE' },
  'chunk-extensions': { problem: 'too-large', detail: 'The chunk extensions are too long' },
  browser: { problem: 'not-allowed', own: true, turnedAway: true, detail: 'Origin and Sec-Fetch-Site come from a browser, which must not use the token' },
  'double-slash': { problem: 'not-allowed', own: true, detail: 'The path has an empty segment (//) after its beginning' },
  'ambiguous-path': { problem: 'not-allowed', own: true, detail: 'A path segment has letters, digits and . _ ~ - only, and neither begins nor ends with a dot' },
  'other-path': { problem: 'not-allowed', own: true, setting: 'allowedPaths', detail: 'The path is outside ALLOWED_PATHS' },
  'auth-path': { problem: 'not-allowed', own: true, detail: 'The path resembles login or refresh, whose response would contain the real token' },
  scheme: { problem: 'misdirected', detail: 'The scheme of the request target differs from the listener' },
  'other-host': { problem: 'misdirected', own: true, setting: 'allowedHosts', detail: 'Host is neither this proxy nor in ALLOWED_HOSTS' },
  loop: { problem: 'loop-detected', detail: 'Via names this proxy: ISALES_URL leads back to it' },
  'admin-port': { problem: 'method-not-allowed', is: 'stray', own: true, turnedAway: true, setting: 'listen', detail: 'This is the admin port, which serves no calls: send them to LISTEN' },
  connections: { problem: 'overloaded', turnedAway: true, detail: 'Too many connections were open, and this one was idle for longest' },
  descriptors: { problem: 'overloaded', own: 'no-descriptors', turnedAway: true, detail: 'Too many connections were open for the limit of open files, and this one was idle for longest' },
  pipelined: { problem: 'overloaded', own: true, detail: 'The request arrived before the previous response had ended' },
  'in-flight': { problem: 'overloaded', is: 'failed', detail: 'More requests than MAX_IN_FLIGHT are in flight' },
  'bodies-full': { problem: 'overloaded', is: 'failed', own: true, detail: 'The bodies of all requests take more than 32 MiB' },
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
  /** Its codes need no explanation: the request succeeded. */
  readonly fine?: true
  /** Its codes besides refusals, problems and causes. */
  readonly codes: Readonly<Record<string, RequestTraits>>
  /** Share of the calls from which its finding is `degraded`; lost calls are added up. */
  readonly share?: number
}

/** Every class of requests; docs/metrics.md explains them. A request has the first class that fits. */
// oxfmt-ignore
export const CLASSES = {
  handshake: { is: 'no-call', alert: 'IsalesProxyNoClientGetsThrough', fact: 'turnedAway', codes: HANDSHAKES },
  granted: { is: 'no-call', fine: true, codes: { login: {}, refresh: {} } },
  refused: { is: 'lost', alert: 'IsalesProxyCallsRefused', fact: 'lostCalls', codes: { 'obs-login': {} } },
  stray: { is: 'no-call', alert: 'IsalesProxyNoClientGetsThrough', fact: 'turnedAway', codes: {} },
  abandoned: { is: 'lost', alert: 'IsalesProxyCallsLost', fact: 'lostCalls', codes: { 'gave-up': { stalls: true, setting: 'clientDeadline' } } },
  failed: { is: 'lost', alert: 'IsalesProxyCallsLost', fact: 'lostCalls', codes: { 'call-failed': {} } },
  rejected: { is: 'lost', alert: 'IsalesProxyCallsRejected', fact: 'lostCalls', codes: { 'call-rejected': {}, 'call-throttled': {}, 'call-page': {} } },
  declined: { is: 'answered', alert: 'IsalesProxyCallsRejected', fact: 'declinedCalls', share: 0.5, codes: { 'call-declined': {}, 'call-result': {}, 'not-json': {} } },
  slow: { is: 'answered', alert: 'IsalesProxyLatency', fact: 'slowCalls', share: 0.05, fine: true, codes: { slow: { stalls: true } } },
  answered: { is: 'answered', fine: true, codes: { answered: {} } },
} as const satisfies Readonly<Record<string, ClassRow>>
type Classes = typeof CLASSES
export type Outcome = keyof Classes
export const OUTCOMES = Object.keys(CLASSES) as readonly Outcome[]

type OwnCode<Class extends Outcome> = { [Each in Class]: keyof Classes[Each]['codes'] }[Class]
type FineClass = 'granted' | 'slow' | 'answered'
/** Codes of requests that need no explanation. */
type Fine = OwnCode<FineClass>
export type RequestCause = Code | Fine

/** States of the proxy, explained in docs/metrics.md, and their tone on the status page. `bad` needs an operator. */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  'login-rejected': 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type ProxyState = keyof typeof STATES

interface HeadlineRow<Name> extends Pick<RequestTraits, 'setting'> {
  readonly finding: Name
  readonly state: ProxyState
}

/**
 * Headlines of the status page: states, and alerts by name. A headline has one finding, with one effect on the state, unless
 * the finding itself says otherwise: a finding about calls has the name of their class.
 */
// oxfmt-ignore
const HEADLINES = {
  draining: { finding: 'draining', state: 'draining' },
  IsalesProxySessionConflict: { finding: 'conflict', state: 'conflict' },
  'logging-in': { finding: 'waiting', state: 'starting' },
  IsalesProxyNotAuthenticated: { finding: 'login', state: 'unauthenticated' },
  IsalesProxyLoginRejected: { finding: 'login', state: 'login-rejected' },
  IsalesProxyAuthenticationFailing: { finding: 'login', state: 'degraded' },
  'refreshes-only': { finding: 'refreshes-only', state: 'degraded' },
  IsalesProxyClockWrong: { finding: 'clock', state: 'unauthenticated' },
  IsalesProxyCallsFailing: { finding: 'failed', state: 'failing' },
  IsalesProxyCallsRejected: { finding: 'token-rejected', state: 'failing' },
  IsalesProxyCallsRefused: { finding: 'refused', state: 'degraded' },
  IsalesProxyCallsLost: { finding: 'failed', state: 'degraded' },
  IsalesProxyLatency: { finding: 'slow', state: 'degraded', setting: 'clientDeadline' },
  IsalesProxyNoClientGetsThrough: { finding: 'stray', state: 'degraded' },
  IsalesProxyClientLoginsRefused: { finding: 'refused', state: 'degraded' },
  IsalesProxyRefreshFailing: { finding: 'refresh', state: 'degraded' },
  IsalesProxyLifetimeDoubtful: { finding: 'lifetime', state: 'degraded' },
  IsalesProxyStateUnusable: { finding: 'state', state: 'degraded' },
  impaired: { finding: 'process', state: 'degraded' },
  IsalesProxyReloadFailed: { finding: 'files', state: 'degraded' },
  IsalesProxySessionAlone: { finding: 'store', state: 'degraded' },
  'certificate-expired': { finding: 'certificate', state: 'degraded' },
  IsalesProxyCertificateExpiresSoon: { finding: 'certificate', state: 'healthy' },
  'no-calls-yet': { finding: 'healthy', state: 'healthy', setting: 'listen' },
  healthy: { finding: 'healthy', state: 'healthy' },
} as const satisfies Readonly<Record<string, HeadlineRow<string>>>
export type Headline = keyof typeof HEADLINES
/** Label value of `finding`. */
export type FindingName =
  | (typeof HEADLINES)[Headline]['finding']
  | Exclude<Outcome, 'granted' | 'answered'>
export const headlineRow = (code: Headline): HeadlineRow<FindingName> => HEADLINES[code]
export const FINDING_NAMES: readonly FindingName[] = [
  ...new Set([
    ...Object.values(HEADLINES).map(({ finding }) => finding),
    ...OUTCOMES.filter((each): each is FindingName & Outcome => 'alert' in CLASSES[each]),
  ]),
]

/** Codes outside of the sets above. */
// oxfmt-ignore
const OTHERS = {
  /** Causes of findings: every call is rejected, the process or its machine disturbs calls, or logins fail. */
  finding: [
    'token-rejected', 'token-unsteady', 'stood-still', 'log-unwritable', 'logins-paused', 'business-later', 'changed-here', 'renew-waits', 'other-key-or-program', 'other-status',
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
    'address-in-use', 'already-running', 'port-not-permitted', 'address-not-here', 'cannot-listen',
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
} as const
type Others = typeof OTHERS
export type SettingCode = Others['setting'][number]

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
  | OwnCode<Exclude<Outcome, FineClass>>
  | Headline
  | ReturnType<typeof toStoreCode>
  | Others[keyof Others][number]

export const ALL_CODES: readonly Code[] = [
  ...new Set<Code>([
    ...CAUSE_CODES.flatMap((code) =>
      (['login', 'refresh', 'call'] as const).map((asked) => toCauseCode({ code }, asked)),
    ),
    ...PROBLEM_CODES,
    ...OUTCOMES.flatMap(codesOf).flatMap(({ section }) => section ?? []),
    ...STORE_FAILURES.map(toStoreCode),
    ...(Object.keys(HEADLINES) as Headline[]),
    ...Object.values(OTHERS).flat(),
  ]),
]

/** A class with a code: `outcome` and `cause` in the metric and in `/status.json`. */
export interface ClassCode {
  readonly outcome: Outcome
  readonly cause: RequestCause
  /** Undefined if it needs no explanation. */
  readonly section: Code | undefined
  readonly traits: RequestTraits
}

export function codesOf(outcome: Outcome): readonly ClassCode[] {
  const { fine, codes }: ClassRow = CLASSES[outcome]
  const byDefault = outcome === 'refused' || outcome === 'stray' ? outcome : undefined
  const refusals = REFUSAL_REASONS.filter((each) => (refusalRow(each).is ?? byDefault) === outcome)
  const problems = PROBLEM_CODES.map((code) => [code, problemRow(code)] as const)
  const failedProblems = problems.filter(([, { failed }]) => failed !== undefined)
  const rows: readonly (readonly [string, RequestTraits])[] = [
    ...refusals.map((each) => {
      const row = refusalRow(each)
      return [toRefusalCode(each), { ...problemRow(row.problem), ...row }] as const
    }),
    ...(outcome === 'failed' ? [...failedProblems, ...FAILED_CALLS] : []),
    ...Object.entries(codes),
  ]
  return [...new Map(rows)].map(([name, traits]) => {
    const cause = name as Code
    return { outcome, cause, section: fine === true ? undefined : cause, traits }
  })
}
