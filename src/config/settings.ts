// oxlint-disable max-lines -- one table of everything that can be set
import { isLoopback, type ListenAddress } from './address.ts'
import * as net from './formats-net.ts'
import * as is from './formats.ts'

const PUBLISHED_PREFIX = '/rest/isales/v1/openapi/obs/'
export const PUBLISHED_REFRESH_PATH = `${PUBLISHED_PREFIX}auth/refresh`

/** What documents, `check` and the chart say of a setting, besides its format. */
interface About {
  /** What it does, and why an operator sets it. */
  readonly doc: string
  /** A text that the format accepts. Default: the default of the setting. */
  readonly example?: string
  /** The default depends on other settings: in words. */
  readonly derived?: string
  /** That default; undefined where what it depends on could not be read. */
  readonly derive?: (basis: Basis) => string | readonly string[] | undefined
  /** `NAME_FILE` may name a file that holds the value, or is the only way to give it. */
  readonly inFile?: 'too' | 'only'
  /** The lower-case variable is read too, and wins, as with curl. */
  readonly lowerCaseToo?: true
}

interface Basis {
  readonly listen?: ListenAddress
  readonly isalesLoginPath?: string
}

function required<T, const A extends About>(format: is.Format<T>, about: A): is.Format<T> & A {
  return { ...format, ...about, required: true }
}

function optional<T, const A extends About>(
  format: is.Format<T>,
  about: A,
): is.Format<T | undefined> & A {
  return { ...format, ...about }
}

/** Read from the text when it is not set; without a text, what `derive` gives. */
function preset<T, const A extends About>(
  text: string | undefined,
  format: is.Format<T>,
  about: A,
): is.Format<T> & A {
  return { ...format, ...about, default: text }
}

/** The path of a file that a setting asks for by itself. */
function file(doc: string, example: string) {
  return optional(is.filePath, { doc, example })
}

const TOKENS = ['token', 'refreshToken'] as const

const isales = {
  isalesUrl: required(net.origin, {
    doc: 'Where CC-iSales is: scheme, host and port. Plain http is accepted for loopback only, unless `ISALES_ALLOW_HTTP=true`.',
    example: 'https://service.besclouds.com',
  }),
  isalesAllowHttp: preset('false', is.boolean, {
    doc: 'Accept an `http://` address that is not loopback. Set it for a test bed without TLS: password and token cross the network in the clear.',
  }),
  isalesUser: required(is.text(49), {
    doc: 'The user that logs in to CC-iSales. Use one that nobody else logs in with: iSales may end the session of the other.',
    example: 'obs-proxy',
    inFile: 'too',
  }),
  isalesPassword: required(is.secret(), {
    doc: 'The password of that user. Prefer the file: it is watched, and a changed password is taken over without a restart.',
    example: 'change-me',
    inFile: 'too',
  }),
  isalesLoginPath: preset(`${PUBLISHED_PREFIX}auth/login`, net.path, {
    doc: 'The path of the login call. Change it when your iSales stands behind a gateway that adds a prefix: the interface is called beside it.',
    example: '/gateway/rest/isales/v1/openapi/obs/auth/login',
  }),
  isalesRefreshPath: preset(PUBLISHED_REFRESH_PATH, is.orOff(net.path), {
    doc: 'The path of the refresh call. Set `off`, which always logs in, for an iSales without a working refresh, or the path that `discover` finds.',
  }),
  isalesTokenHeaders: preset('Authorization', is.list(net.headerName), {
    doc: 'The header fields that carry the token on business calls. The English edition of the interface asks for `Authorization`, the Chinese one for `Authentication`; both may be listed.',
    example: 'Authorization,Authentication',
  }),
  isalesTokenScheme: preset('Bearer', net.authScheme, {
    doc: 'The word before the token in those fields. Set it to nothing for an iSales that wants the bare token.',
  }),
  isalesTokenField: preset('token', is.choice(...TOKENS), {
    doc: 'Which of the two tokens of a login goes into the header fields. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  }),
  isalesRefreshHeaderToken: preset('token', is.orOff(is.choice(...TOKENS)), {
    doc: 'Which token the refresh call carries in `Authentication`; `off` sends none. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  }),
  isalesRejectedStatuses: preset('401,403', is.list(is.rejectionStatus), {
    doc: 'The statuses of a business call that mean that its token is bad: the token is replaced and the call sent once more. Add what your iSales responds with, as `discover` finds it.',
    example: '401,403,400',
  }),
  isalesRejectedResults: preset('', is.list(is.text(64), { emptyAllowed: true }), {
    doc: 'Values of `result` in a 200 that mean the same. Set it only when your iSales responds so: responses up to 64 KiB are then inspected, which costs time.',
    example: '100401,100403',
  }),
  isalesCaFile: file(
    'PEM file with the certificate authorities to trust for iSales, instead of the public ones: for an iSales with a certificate of your own authority. Read again when it changes.',
    '/etc/isales/ca.pem',
  ),
  isalesTlsServerName: optional(net.serverName, {
    doc: 'The name that is sent in the TLS handshake (SNI) and that the certificate of iSales is checked for. Set it when `ISALES_URL` holds an address, or a name of a private network that the certificate does not have.',
    example: 'service.besclouds.com',
  }),
  isalesClientCertFile: file(
    'PEM file with the client certificate (and its chain) to show to iSales, where it or a gateway asks for one. Read again when it changes.',
    '/etc/isales/client.pem',
  ),
  isalesClientKeyFile: file(
    'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
    '/etc/isales/client-key.pem',
  ),
  isalesLoginTimeout: preset('5s', is.duration({ min: '100ms', max: '1m' }), {
    doc: 'How long a whole login or refresh may take. Raise it when iSales is known to log in slowly.',
    example: '10s',
  }),
  isalesKeepAlive: preset('4s', is.duration({ min: '100ms', max: '10m' }), {
    doc: 'How long an idle connection to iSales is kept. Keep it below what iSales, or a load balancer in front of it, keeps.',
    example: '30s',
  }),
  isalesMaxConnections: preset('256', is.count({ min: '1', max: '10000' }), {
    doc: 'Most connections to iSales; further requests wait for one. Lower it when iSales or a firewall limits the connections of one client.',
    example: '64',
  }),
  httpsProxy: optional(net.proxyUrl, {
    doc: 'The HTTP proxy through which an https iSales is reached, where your network demands one. It may hold a user and a password, and is treated as a secret.',
    example: 'http://egress.example:3128',
    lowerCaseToo: true,
  }),
  noProxy: optional(net.noProxy, {
    doc: 'Hosts that are reached without that proxy, where `HTTPS_PROXY` is set for all programs: names (with their subdomains), addresses, networks such as `10.0.0.0/8`, or `*`; a `:port` may follow.',
    example: '.svc,10.0.0.0/8,service.besclouds.com',
    lowerCaseToo: true,
  }),
}

const token = {
  tokenRenewAt: preset('0.8', is.ratio({ min: '0.1', max: '0.95' }), {
    doc: 'The share of its life after which a token is renewed (with a jitter of ±5 %). Lower it to have more time for an iSales that is down.',
    example: '0.5',
  }),
  tokenIdleAfter: preset('off', is.orOff(is.duration({ min: '10s', max: '24h' })), {
    doc: 'Without a business call for so long the token is not renewed, and the next call logs in first; readiness then means that the last login worked. For the standby of a pair with one user, where each login ends the session of the other. `off` always renews.',
    example: '5m',
  }),
  stateDir: optional(is.filePath, {
    doc: 'A directory that outlives a restart, for the book of logins: how often iSales refused which credentials (a slow hash of them, never they). With it, restarts and other processes with a wrong password do not lock the account. An `emptyDir` will do. Unset: memory only.',
    example: '/var/lib/isales-auth-proxy',
  }),
  loginRejectedAttempts: preset('3', is.count({ min: '1', max: '100' }), {
    doc: 'After so many refusals of the same credentials there is one attempt after 15 min, then one each 4 h, so that the account is not locked. Keep it below the number of wrong passwords that lock yours.',
    example: '2',
  }),
}

const sharing = {
  sessionStoreUrl: optional(net.storeUrl, {
    doc: 'The Valkey or Redis through which replicas share one token. Unset: each replica logs in by itself, and nothing of it is loaded.',
    example: 'valkeys://isales-auth-proxy@valkey.example:6379',
    inFile: 'too',
  }),
  sessionStoreKey: optional(is.secret(32), {
    doc: 'The key that seals the shared token, the same for all replicas: `openssl rand -base64 32`. Whoever has it and the store has the token. Required with `SESSION_STORE_URL`.',
    example: '/etc/isales/store-key',
    inFile: 'only',
  }),
  sessionStorePassword: optional(is.secret(), {
    doc: 'The password at the store; wins over the URL. Prefer the file, or whoever sees the settings sees it.',
    example: 'change-me',
    inFile: 'too',
  }),
  sessionStoreCaFile: file(
    'PEM file with the certificate authorities to trust for the store, instead of the public ones: for a store with a certificate of your own authority. Read again at each connection.',
    '/etc/isales/store-ca.pem',
  ),
  sessionStoreClientCertFile: file(
    'PEM file with the client certificate (and its chain) to show to the store, where it asks for one. Read again at each connection.',
    '/etc/isales/store-client.pem',
  ),
  sessionStoreClientKeyFile: file(
    'PEM file with the private key of that certificate, not encrypted. Read again at each connection.',
    '/etc/isales/store-client-key.pem',
  ),
}

const listener = {
  listen: preset('127.0.0.1:8080', net.listenAddress, {
    doc: 'Where CTI-OBS connects to. Anything but loopback demands `OBS_LOGIN=require` or `LISTEN_CLIENT_CA_FILE`. Port 0 takes a free port and logs it.',
    example: '0.0.0.0:8443',
  }),
  listenTlsCertFile: file(
    'PEM file with the certificate (and its chain) to serve HTTPS with, when CTI-OBS connects over a network. Read again when it changes, without dropping a connection.',
    '/etc/isales/tls/tls.crt',
  ),
  listenTlsKeyFile: file(
    'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
    '/etc/isales/tls/tls.key',
  ),
  listenClientCaFile: file(
    'PEM file with the certificate authorities of clients. Set it when CTI-OBS has a client certificate: a client without one of theirs is not served.',
    '/etc/isales/tls/ca.crt',
  ),
  unsafeListen: preset('false', is.boolean, {
    doc: 'Serve anybody who reaches a `LISTEN` that is not loopback. Whoever does may then call iSales as `ISALES_USER`; only for networks that are closed by other means.',
  }),
  allowedHosts: preset('', is.list(net.hostName, { emptyAllowed: true }), {
    doc: 'Further names that may stand in the `Host` field of a request, for the proxy and the status page. Addresses of the listeners, loopback names and, for the status page, the name of the machine always may; list here the name that `obsUrl` has when it is another, or the one by which a browser opens the status page.',
    example: 'isales-auth-proxy.telephony.svc',
  }),
  allowedPaths: preset(undefined, is.list(net.path), {
    doc: 'Path prefixes that are forwarded; other paths get 403. Set it when your iSales names paths elsewhere. `/` opens all. The tree above, `/rest/isales/`, holds the campaign interface, too.',
    example: '/rest/isales/v1/openapi/obs/,/rest/other/',
    derived:
      'what stands before `auth/login` in `ISALES_LOGIN_PATH`: `/rest/isales/v1/openapi/obs/`',
    derive: ({ isalesLoginPath: login }) => (login === undefined ? login : [prefixOf(login)]),
  }),
  listenMaxConnections: preset('1024', is.count({ min: '1', max: '100000' }), {
    doc: 'Most connections of clients. For one above it, the one is closed that has been without a call in flight for longest. Where the process may open too few descriptors, less is taken, and the log says so.',
  }),
  maxInFlight: preset('1000', is.count({ min: '1', max: '100000' }), {
    doc: 'Most calls in flight, which are those whose body, or its first 64 KiB, has come; more get a 503 with `Retry-After`. Lower it to what the memory limit holds (docs/sizing.md).',
  }),
  bodyIdleTimeout: preset('30s', is.duration({ min: '100ms', max: '1h' }), {
    doc: 'How long a body of a response may stand still, and how long a body of a request may take for 1 KiB or its end, before the request is given up. Raise it when iSales pauses within a response.',
  }),
  maxBodySize: preset('100MiB', is.size({ min: '1KiB', max: '100GiB' }), {
    doc: 'The largest body of a request; a larger one gets a 413. Lower it where clients are not trusted.',
  }),
  replayBodySize: preset('64KiB', is.size({ min: '0', max: '1MiB' }), {
    doc: 'The largest body that is kept, so that the request can be sent once more with a new token. So much of a body is read before a connection to iSales is taken for it. Raise it when `replays_total` counts `not-kept`; each request in flight may hold so much memory.',
  }),
  clientDeadline: preset('2.8s', is.duration({ min: '100ms', max: '1h', zero: 'turns it off' }), {
    doc: 'Within this time the client gets a response, whatever happens. Keep it below the `timeout` of the OBS URL resource (3 s unless changed).',
    example: '9.5s',
  }),
  drainDelay: preset('0s', is.duration({ min: '0s', max: '10m' }), {
    doc: 'After SIGTERM, how long new connections are still accepted while readiness is off already. Raise it to 5 s behind a Kubernetes Service.',
  }),
  drainTimeout: preset('25s', is.duration({ min: '0s', max: '1h' }), {
    doc: 'How long requests in flight may take to finish after that. Raise it when calls take longer; delay and limit together must fit into `terminationGracePeriodSeconds`.',
  }),
}

const obs = {
  obsLogin: preset(undefined, is.choice('answer', 'require', 'forward'), {
    doc: 'What happens when CTI-OBS logs in; set it to decide who may use the token of iSales. `answer`: whoever asks gets a ticket. `require`: only `OBS_USER` with `OBS_PASSWORD` does, and every call must carry a valid ticket. `forward`: login calls are refused, calls need no ticket.',
    example: 'require',
    derived: '`answer` on loopback, `require` elsewhere',
    derive: ({ listen }) => listen && (isLoopback(listen.host) ? 'answer' : 'require'),
  }),
  obsUser: optional(is.text(49), {
    doc: 'The user that CTI-OBS is configured with (`userName` of its OBS URL resource); required with `OBS_LOGIN=require`.',
    example: 'cti-obs',
    inFile: 'too',
  }),
  obsPassword: optional(is.secret(), {
    doc: 'The password that CTI-OBS is configured with. It is not the one of `ISALES_USER`; required with `OBS_LOGIN=require`.',
    example: 'change-me-too',
    inFile: 'too',
  }),
  obsTicketKey: optional(is.secret(32), {
    doc: 'A key for the tickets; replicas that share it and `OBS_PASSWORD` accept the tickets of all. Without it the key is derived from `OBS_PASSWORD` alone, or is a new one at each start. Make one with `openssl rand -base64 32`.',
    example: '/etc/isales/obs/ticket-key',
    inFile: 'only',
  }),
  obsNumbers: preset('number', is.choice('number', 'string'), {
    doc: 'How `result` and lifetimes are written in our responses to login and refresh; the interface documents strings and shows numbers. Set it when CTI-OBS wants text.',
  }),
}

const admin = {
  adminListen: preset(':9090', net.adminAddress, {
    doc: 'Where metrics, probes and the status page are served, by default on all interfaces, IPv4 and IPv6. Set loopback when nothing scrapes from elsewhere. It gives no access to iSales.',
    example: '127.0.0.1:9090',
  }),
  instance: optional(is.text(64), {
    doc: 'What people call this proxy: it stands at the top of the status page and in `isales_proxy_info`. Unset, it is the user and the host name.',
    example: 'site-a-active',
  }),
  logLevel: preset('info', is.choice('trace', 'debug', 'info', 'warn', 'error', 'fatal'), {
    doc: 'The least severe lines that are written; `debug` while you look for a cause.',
  }),
  logFormat: preset('auto', is.choice('auto', 'json', 'pretty'), {
    doc: 'One JSON object a line, or lines for people; `auto` is pretty on a terminal and JSON elsewhere. Set it when people read the log of a service.',
  }),
  accessLog: preset('off', is.sampling, {
    doc: 'Log each request (`full`) or a share of them, to see what CTI-OBS calls. Lines hold neither headers nor bodies nor queries.',
    example: '0.01',
  }),
}
/** The tables of docs/configuration.md, in order. */
const GROUPS = {
  'CC-iSales': isales,
  'Token life': token,
  'One token for many replicas': sharing,
  Listener: listener,
  'CTI-OBS': obs,
  'Metrics, health and log': admin,
}

type Definitions = typeof isales &
  typeof token &
  typeof sharing &
  typeof listener &
  typeof obs &
  typeof admin

type Given = {
  readonly [Key in keyof Definitions]: ReturnType<Definitions[Key]['read']>
} & {
  readonly [
    Key in keyof Definitions as Definitions[Key] extends { readonly inFile: string }
      ? `${Key}File`
      : never
  ]: string | undefined
}

/** What follows from settings, and cannot be set. Durations in milliseconds. */
interface Following {
  readonly isalesInterfacePath: string
  /** How long connecting may take, TLS included: so short that it can be tried again before `CLIENT_DEADLINE`. */
  readonly isalesConnectTimeout: number
}

/**
 * The whole configuration. Durations are milliseconds, sizes bytes; what is unset and has no default is undefined, and
 * so is `off` where a path or a header can be off. The key `isalesUrl` is read from the variable `ISALES_URL`.
 */
export type Config = Given & Following

/** Of what can be set. */
export type ConfigKey = keyof Given

/** Of a setting that is the path of a file. */
export type FileKey = Extract<ConfigKey, `${string}File`>

/** Where the calls of the interface are: `/rest/isales/v1/openapi/obs/`, or the same behind a gateway's prefix. */
function prefixOf(loginPath: string): string {
  const [, prefix] = /^(.*\/)auth\/login$/.exec(loginPath) ?? []
  return prefix ?? PUBLISHED_PREFIX
}

/** Adds what follows from what could be read. */
export function withFollowing(given: Partial<Given>): Partial<Config> {
  const { isalesLoginPath: path, clientDeadline: deadline } = given
  return {
    ...given,
    ...(path !== undefined && { isalesInterfacePath: `${prefixOf(path)}business/interface` }),
    ...(deadline !== undefined && {
      isalesConnectTimeout: deadline === 0 ? 3000 : Math.ceil(deadline / 3),
    }),
  }
}

/** A setting as plain data. */
export interface Setting extends is.Format, About {
  readonly example: string
  readonly key: ConfigKey
  /** The environment variable. */
  readonly name: string
  readonly group: string
  /** The text that stands in for an unset variable. */
  readonly default?: string | undefined
  readonly required?: true
  /** `NAME_FILE`, if it may name a file that holds the value. */
  readonly fileName: string | undefined
  /** What it is read from: `NAME`, `NAME_FILE`, `name`. */
  readonly variables: readonly string[]
}

/** Every setting, once, in the order of the documentation. */
export const SETTING_LIST: readonly Setting[] = Object.entries(GROUPS).flatMap(([group, table]) =>
  Object.entries(table).map(([key, about]) => settingOf(group, key as ConfigKey, about)),
)

function settingOf(
  group: string,
  key: ConfigKey,
  about: is.Format & About & Pick<Partial<Setting>, 'default' | 'required'>,
): Setting {
  const name = nameOf(key)
  const fileName = about.inFile && `${name}_FILE`
  const lower = about.lowerCaseToo && name.toLowerCase()
  const variables = [about.inFile === 'only' ? undefined : name, fileName, lower]
  return {
    ...about,
    key,
    name,
    group,
    example: about.example ?? about.default ?? '',
    fileName,
    variables: variables.filter((variable) => variable !== undefined),
  }
}

/** The variables that hold, or may hold, a secret. `main.ts` deletes them from the environment of the process. */
export const SECRET_VARIABLES = SETTING_LIST.filter(({ redact }) => redact).flatMap(
  ({ name, lowerCaseToo }) => (lowerCaseToo === true ? [name, name.toLowerCase()] : [name]),
)

/** `ISALES_URL` of `isalesUrl`. */
export function nameOf(key: string): string {
  return key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()
}

/** Where CTI-OBS refreshes, even when the proxy does not refresh with iSales. */
export function refreshPathOf({ isalesRefreshPath }: Pick<Config, 'isalesRefreshPath'>): string {
  return isalesRefreshPath ?? PUBLISHED_REFRESH_PATH
}

/** The variable that can be set: of a secret that is read from a file alone, the one that names the file. */
export function variableOf(key: ConfigKey): string {
  return SETTING_LIST.find((one) => one.key === key)?.variables[0] ?? nameOf(key)
}
