// oxlint-disable max-lines -- one table of everything that can be set
import * as z from 'zod'
import { isLocal } from './address.ts'
import {
  authScheme,
  headerName,
  hostName,
  listenAddress,
  noProxy,
  origin,
  path,
  proxyUrl,
  serverName,
  storeUrl,
  url,
} from './formats-net.ts'
import {
  boolean,
  choice,
  count,
  duration,
  filePath,
  FORMATS,
  list,
  octalMode,
  orOff,
  ratio,
  rejectionStatus,
  sampling,
  secret,
  size,
  text,
  type Format,
} from './formats.ts'

const PUBLISHED_PREFIX = '/rest/isales/v1/openapi/obs/'
export const PUBLISHED_REFRESH_PATH = `${PUBLISHED_PREFIX}auth/refresh`

/** What documents, `check` and the chart say of a setting, besides its format. */
interface About {
  /** What it does, and why an operator sets it. */
  readonly doc: string
  /** A text that the format accepts. Default: the default of the setting. */
  readonly example?: string
  /** The default depends on other settings: in words. `withDerived` fills it in. */
  readonly derived?: string
  /** The value comes from `NAME_FILE` alone. */
  readonly fileOnly?: true
  /** The lower-case variable is read too, and wins, as with curl. */
  readonly lowerCaseToo?: true
}

const ABOUT = z.registry<About>()

/** A setting is required, has a default (`prefault`, a text as in the environment), or is `optional`. */
function setting<S extends z.ZodType>(schema: S, about: About): S {
  ABOUT.add(schema, about)
  return schema
}

/** `NAME_FILE`: the path of a file that holds the value of `NAME`. */
function valueFile() {
  return z.string().optional()
}

/** The path of a file that a setting asks for by itself. */
function file(doc: string, example: string) {
  return setting(filePath().optional(), { doc, example })
}

const MS = 1
const S = 1000 * MS
const M = 60 * S
const H = 60 * M
const KIB = 1024
const GIB = 1024 ** 3

const TOKENS = ['token', 'refreshToken'] as const

const isales = {
  isalesUrl: setting(origin(), {
    doc: 'Where CC-iSales is: scheme, host and port. Plain http is accepted for loopback only, unless `ISALES_ALLOW_HTTP=true`.',
    example: 'https://service.besclouds.com',
  }),
  isalesAllowHttp: setting(boolean().prefault('false'), {
    doc: 'Accept an `http://` address that is not loopback. Set it for a test bed without TLS: password and token cross the network in the clear.',
  }),
  isalesUser: setting(text(49), {
    doc: 'The user that logs in to CC-iSales. Use one that nobody else logs in with: iSales may end the session of the other.',
    example: 'obs-proxy',
  }),
  isalesUserFile: valueFile(),
  isalesPassword: setting(secret(), {
    doc: 'The password of that user. Prefer the file: it is watched, and a changed password is taken over without a restart.',
    example: 'change-me',
  }),
  isalesPasswordFile: valueFile(),
  isalesLoginPath: setting(path().prefault(`${PUBLISHED_PREFIX}auth/login`), {
    doc: 'The path of the login call. Change it when your iSales stands behind a gateway that adds a prefix: the interface is called beside it.',
    example: '/gateway/rest/isales/v1/openapi/obs/auth/login',
  }),
  isalesRefreshPath: setting(orOff(path()).prefault(PUBLISHED_REFRESH_PATH), {
    doc: 'The path of the refresh call. Set `off`, which always logs in, for an iSales without a working refresh, or the path that `discover` finds.',
  }),
  isalesTokenHeaders: setting(list(headerName()).prefault('Authorization'), {
    doc: 'The header fields that carry the token on business calls. The English edition of the interface asks for `Authorization`, the Chinese one for `Authentication`; both may be listed.',
    example: 'Authorization,Authentication',
  }),
  isalesTokenScheme: setting(authScheme().prefault('Bearer'), {
    doc: 'The word before the token in those fields. Set it to nothing for an iSales that wants the bare token.',
  }),
  isalesTokenField: setting(choice(...TOKENS).prefault('token'), {
    doc: 'Which of the two tokens of a login goes into the header fields. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  }),
  isalesRefreshHeaderToken: setting(orOff(choice(...TOKENS)).prefault('token'), {
    doc: 'Which token the refresh call carries in `Authentication`; `off` sends none. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  }),
  isalesRejectedStatuses: setting(list(rejectionStatus()).prefault('401,403'), {
    doc: 'The statuses of a business call that mean that its token is bad: the token is replaced and the call sent once more. Add what your iSales responds with, as `discover` finds it.',
    example: '401,403,400',
  }),
  isalesRejectedResults: setting(list(text(64), { emptyAllowed: true }).prefault(''), {
    doc: 'Values of `result` in a 200 that mean the same. Set it only when your iSales responds so: responses up to 64 KiB are then inspected, which costs time.',
    example: '100401,100403',
  }),
  isalesCaFile: file(
    'PEM file with the certificate authorities to trust for iSales, instead of the public ones: for an iSales with a certificate of your own authority. Read again when it changes.',
    '/etc/isales/ca.pem',
  ),
  isalesTlsServerName: setting(serverName().optional(), {
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
  isalesLoginTimeout: setting(duration({ min: 100 * MS, max: 60 * S }).prefault('5s'), {
    doc: 'How long a whole login or refresh may take. Raise it when iSales is known to log in slowly.',
    example: '10s',
  }),
  isalesKeepAlive: setting(duration({ min: 100 * MS, max: 10 * M }).prefault('4s'), {
    doc: 'How long an idle connection to iSales is kept. Keep it below what iSales, or a load balancer in front of it, keeps.',
    example: '30s',
  }),
  isalesMaxConnections: setting(count({ min: 1, max: 10_000 }).prefault('256'), {
    doc: 'Most connections to iSales; further requests wait for one. Lower it when iSales or a firewall limits the connections of one client.',
    example: '64',
  }),
  httpsProxy: setting(proxyUrl().optional(), {
    doc: 'The HTTP proxy through which an https iSales is reached, where your network demands one. It may hold a user and a password, and is treated as a secret.',
    example: 'http://egress.example:3128',
    lowerCaseToo: true,
  }),
  noProxy: setting(noProxy().optional(), {
    doc: 'Hosts that are reached without that proxy, where `HTTPS_PROXY` is set for all programs: names (with their subdomains), addresses, networks such as `10.0.0.0/8`, or `*`; a `:port` may follow.',
    example: '.svc,10.0.0.0/8,service.besclouds.com',
    lowerCaseToo: true,
  }),
}

const token = {
  tokenRenewAt: setting(ratio(0.1, 0.95).prefault('0.8'), {
    doc: 'The share of its life after which a token is renewed (with a jitter of ±5 %). Lower it to have more time for an iSales that is down.',
    example: '0.5',
  }),
  tokenIdleAfter: setting(orOff(duration({ min: 10 * S, max: 24 * H })).prefault('off'), {
    doc: 'Without a business call for so long the token is not renewed, and the next call logs in first; readiness then means that the last login worked. For the standby of a pair with one user, where each login ends the session of the other. `off` always renews.',
    example: '5m',
  }),
  stateDir: file(
    'A directory for what must outlive a restart: how often iSales refused which credentials (a keyed hash of them, never they), so that restarts with a wrong password do not lock the account, and the request of `renew`. An `emptyDir` will do. Unset: memory only.',
    '/var/lib/isales-auth-proxy',
  ),
  loginRejectedAttempts: setting(count({ min: 1, max: 100 }).prefault('3'), {
    doc: 'After so many refusals of the same credentials there is one attempt after 15 min, then one each 4 h, so that the account is not locked. Keep it below the number of wrong passwords that lock yours.',
    example: '2',
  }),
}

const sharing = {
  sessionStoreUrl: setting(storeUrl().optional(), {
    doc: 'The Valkey or Redis through which replicas share one token, or its Sentinels. Unset: each replica logs in by itself, and nothing of it is loaded.',
    example: 'valkeys://isales-auth-proxy@valkey.example:6379',
  }),
  sessionStoreUrlFile: valueFile(),
  sessionStoreKey: setting(secret(32).optional(), {
    doc: 'The key that seals the shared token, the same for all replicas: `openssl rand -base64 32`. Whoever has it and the store has the token. Required with `SESSION_STORE_URL`.',
    example: '/etc/isales/store-key',
    fileOnly: true,
  }),
  sessionStoreKeyFile: valueFile(),
  sessionStorePassword: setting(secret().optional(), {
    doc: 'The password at the store; wins over the URL. Prefer the file, or whoever sees the settings sees it.',
    example: 'change-me',
  }),
  sessionStorePasswordFile: valueFile(),
  sessionStoreSentinel: setting(text(256).optional(), {
    doc: 'The name of the primary, where Sentinels watch over the store. The hosts of the URL are then the Sentinels, with port 26379 unless given.',
    example: 'mymaster',
  }),
  sessionStoreSentinelPassword: setting(secret().optional(), {
    doc: 'The password of the Sentinels, when they have one.',
    example: 'change-me',
  }),
  sessionStoreSentinelPasswordFile: valueFile(),
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
  listen: setting(listenAddress({ unix: true }).prefault('127.0.0.1:8080'), {
    doc: 'Where CTI-OBS connects to. Anything but loopback or a Unix socket demands `OBS_LOGIN=require` or `LISTEN_CLIENT_CA_FILE`. Port 0 takes a free port and logs it.',
    example: 'unix:/run/isales/proxy.sock',
  }),
  listenSocketMode: setting(octalMode().prefault('0600'), {
    doc: 'Permissions of the Unix socket. Set 0660 when CTI-OBS runs as another user of the same group.',
    example: '0660',
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
  unsafeListen: setting(boolean().prefault('false'), {
    doc: 'Serve anybody who reaches a `LISTEN` that is not loopback. Whoever does may then call iSales as `ISALES_USER`; only for networks that are closed by other means.',
  }),
  allowedHosts: setting(list(hostName(), { emptyAllowed: true }).prefault(''), {
    doc: 'Further names that may stand in the `Host` field of a request, for the proxy and the status page. Addresses of the listeners, loopback names and, for the status page, the name of the machine always may; list here the name that `obsUrl` has when it is another, or the one by which a browser opens the status page.',
    example: 'isales-auth-proxy.telephony.svc',
  }),
  allowedPaths: setting(list(path()).optional(), {
    doc: 'Path prefixes that are forwarded; other paths get 403. Set it when your iSales names paths elsewhere. `/` opens all. The tree above, `/rest/isales/`, holds the campaign interface, too.',
    example: '/rest/isales/v1/openapi/obs/,/rest/other/',
    derived:
      'what stands before `auth/login` in `ISALES_LOGIN_PATH`: `/rest/isales/v1/openapi/obs/`',
  }),
  listenMaxConnections: setting(count({ min: 1, max: 100_000 }).prefault('1024'), {
    doc: 'Most connections of clients, and half as many from one address unless `LISTEN` is local. For one above it the oldest without an accepted request is closed; if there is none, the new one gets a 503. Raise it where strangers can reach the port.',
  }),
  maxInFlight: setting(count({ min: 1, max: 100_000 }).prefault('1024'), {
    doc: 'Most requests in flight; more get a 503 with `Retry-After`. Lower it to what the memory limit holds (docs/sizing.md).',
  }),
  bodyIdleTimeout: setting(duration({ min: 100 * MS, max: 1 * H }).prefault('30s'), {
    doc: 'How long a body of a response may stand still, and how long a body of a request may take for 1 KiB or its end, before the request is given up. Raise it when iSales pauses within a response.',
  }),
  maxBodySize: setting(size({ min: 1 * KIB, max: 100 * GIB }).prefault('100MiB'), {
    doc: 'The largest body of a request; a larger one gets a 413. Lower it where clients are not trusted.',
  }),
  replayBodySize: setting(size({ min: 0, max: 1024 * KIB }).prefault('64KiB'), {
    doc: 'The largest body that is kept, so that the request can be sent once more with a new token. So much of a body is read before a connection to iSales is taken for it. Raise it when `replays_total` counts `not-kept`; each request in flight may hold so much memory.',
  }),
  clientDeadline: setting(
    duration({ min: 100 * MS, max: 1 * H, zero: 'turns it off' }).prefault('2.8s'),
    {
      doc: 'Within this time the client gets a response, whatever happens. Keep it below the `timeout` of the OBS URL resource (3 s unless changed).',
      example: '9.5s',
    },
  ),
  drainDelay: setting(duration({ min: 0, max: 10 * M }).prefault('0s'), {
    doc: 'After SIGTERM, how long new connections are still accepted while readiness is off already. Raise it to 5 s behind a Kubernetes Service.',
  }),
  drainTimeout: setting(duration({ min: 0, max: 1 * H }).prefault('25s'), {
    doc: 'How long requests in flight may take to finish after that. Raise it when calls take longer; delay and limit together must fit into `terminationGracePeriodSeconds`.',
  }),
}

const obs = {
  obsLogin: setting(choice('answer', 'require', 'forward').optional(), {
    doc: 'What happens when CTI-OBS logs in; set it to decide who may use the token of iSales. `answer`: whoever asks gets a ticket. `require`: only `OBS_USER` with `OBS_PASSWORD` does, and every call must carry a valid ticket. `forward`: login calls are refused, calls need no ticket.',
    example: 'require',
    derived: '`answer` on loopback and Unix sockets, `require` elsewhere',
  }),
  obsUser: setting(text(49).optional(), {
    doc: 'The user that CTI-OBS is configured with (`userName` of its OBS URL resource); required with `OBS_LOGIN=require`.',
    example: 'cti-obs',
  }),
  obsUserFile: valueFile(),
  obsPassword: setting(secret().optional(), {
    doc: 'The password that CTI-OBS is configured with. It is not the one of `ISALES_USER`; required with `OBS_LOGIN=require`.',
    example: 'change-me-too',
  }),
  obsPasswordFile: valueFile(),
  obsTicketKey: setting(secret(32).optional(), {
    doc: 'A key for the tickets; replicas that share it and `OBS_PASSWORD` accept the tickets of all. Without it the key is derived from `OBS_PASSWORD` alone, or is a new one at each start. Make one with `openssl rand -base64 32`.',
    example: '/etc/isales/obs/ticket-key',
    fileOnly: true,
  }),
  obsTicketKeyFile: valueFile(),
  obsNumbers: setting(choice('number', 'string').prefault('number'), {
    doc: 'How `result` and lifetimes are written in our responses to login and refresh; the interface documents strings and shows numbers. Set it when CTI-OBS wants text.',
  }),
}

const admin = {
  adminListen: setting(listenAddress({ unix: false }).prefault(':9090'), {
    doc: 'Where metrics, probes and the status page are served, by default on all interfaces, IPv4 and IPv6. Set loopback when nothing scrapes from elsewhere. It gives no access to iSales.',
    example: '127.0.0.1:9090',
  }),
  instance: setting(text(64).optional(), {
    doc: 'What people call this proxy: it stands at the top of the status page and in `isales_proxy_info`. Unset, it is the user and the host name.',
    example: 'site-a-active',
  }),
  logLevel: setting(choice('trace', 'debug', 'info', 'warn', 'error', 'fatal').prefault('info'), {
    doc: 'The least severe lines that are written; `debug` while you look for a cause.',
  }),
  logFormat: setting(choice('auto', 'json', 'pretty').prefault('auto'), {
    doc: 'One JSON object a line, or lines for people; `auto` is pretty on a terminal and JSON elsewhere. Set it when people read the log of a service.',
  }),
  accessLog: setting(sampling().prefault('off'), {
    doc: 'Log each request (`full`) or a share of them, to see what CTI-OBS calls. Lines hold neither headers nor bodies nor queries.',
    example: '0.01',
  }),
  otelExporterOtlpEndpoint: setting(url().optional(), {
    doc: 'Where traces are exported to, by OTLP over HTTP, when you collect them. Unset: no tracing, and nothing of it is loaded.',
    example: 'http://127.0.0.1:4318',
  }),
}
/** The tables of docs/configuration.md, in order. */
const GROUPS = [
  ['CC-iSales', isales],
  ['Token life', token],
  ['One token for many replicas', sharing],
  ['Listener', listener],
  ['CTI-OBS', obs],
  ['Metrics, health and log', admin],
] as const

/**
 * Every setting, once: the program, its documentation, config/example.env and the chart are made from this. The key
 * `isalesUrl` is read from the variable `ISALES_URL`.
 */
export const SETTINGS = z.object({ ...isales, ...token, ...sharing, ...listener, ...obs, ...admin })

type Given = Required<z.infer<typeof SETTINGS>>

/**
 * The whole configuration. Durations are milliseconds, sizes bytes; what is unset and has no default is undefined, and
 * so is `off` where a path or a header can be off.
 */
export type Config = Readonly<Given> & {
  readonly [Key in Derived]: NonNullable<Given[Key]>
} & Readonly<Following>

/** Of what can be set. */
export type ConfigKey = keyof Given

/** What follows from settings, and cannot be set. Durations in milliseconds. */
interface Following {
  isalesInterfacePath: string
  /** How long connecting may take, TLS included: so short that it can be tried again before `CLIENT_DEADLINE`. */
  isalesConnectTimeout: number
}

/** Of a setting that is the path of a file. */
export type FileKey = Extract<ConfigKey, `${string}File`>

/** Their defaults depend on other settings. */
type Derived = 'obsLogin' | 'allowedPaths'

/** Fills in those defaults. Without a value for the other settings, there is none. */
export function withDerived(given: Partial<Given>): Partial<Config> {
  const config: { -readonly [Key in keyof Config]?: Config[Key] } = {
    ...(given as Partial<Config>),
  }
  const { listen, isalesLoginPath, clientDeadline: deadline } = config
  if (listen !== undefined) config.obsLogin ??= isLocal(listen) ? 'answer' : 'require'
  if (isalesLoginPath !== undefined) {
    const prefix = prefixOf(isalesLoginPath)
    config.allowedPaths ??= [prefix]
    config.isalesInterfacePath = `${prefix}business/interface`
  }
  if (deadline !== undefined)
    config.isalesConnectTimeout = deadline === 0 ? 3 * S : Math.ceil(deadline / 3)
  return config
}

/** Where the calls of the interface are: `/rest/isales/v1/openapi/obs/`, or the same behind a gateway's prefix. */
function prefixOf(loginPath: string): string {
  const [, prefix] = /^(.*\/)auth\/login$/.exec(loginPath) ?? []
  return prefix ?? PUBLISHED_PREFIX
}

/** A setting as plain data. */
export interface Setting extends Format, About {
  readonly example: string
  readonly key: ConfigKey
  /** The environment variable. */
  readonly name: string
  readonly group: string
  /** The text that stands in for an unset variable. */
  readonly default: string | undefined
  readonly required: boolean
  /** `NAME_FILE`, if it may name a file that holds the value. */
  readonly fileName: string | undefined
  /** What the value is read from: `NAME`, `NAME_FILE` or both. */
  readonly variables: readonly string[]
}

/** All settings in the order of the documentation. */
export const SETTING_LIST: readonly Setting[] = GROUPS.flatMap(([group, shape]) =>
  Object.keys(shape).flatMap((key) => settingOf(key as ConfigKey, group) ?? []),
)

/** The variables that hold, or may hold, a secret. `main.ts` deletes them from the environment of the process. */
export const SECRET_VARIABLES = SETTING_LIST.filter(({ redact }) => redact).flatMap(
  ({ name, lowerCaseToo }) => (lowerCaseToo === true ? [name, name.toLowerCase()] : [name]),
)

/** Every variable that a setting is read from, and of a secret that is read from a file alone not its own name. */
export function variablesOf({ name, variables, lowerCaseToo }: Setting): readonly string[] {
  return lowerCaseToo === true ? [name, name.toLowerCase()] : variables
}

/** `ISALES_URL` of `isalesUrl`. */
export function nameOf(key: ConfigKey): string {
  return key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()
}

/** The variable that can be set: of a secret that is read from a file alone, the one that names the file. */
export function variableOf(key: ConfigKey): string {
  return SETTING_LIST.find((one) => one.key === key)?.variables[0] ?? nameOf(key)
}

function settingOf(key: ConfigKey, group: string): Setting | undefined {
  const schema: z.ZodType = SETTINGS.shape[key]
  const about = ABOUT.get(schema)
  if (about === undefined) return undefined
  const prefault = schema instanceof z.ZodPrefault ? schema : undefined
  const optional = schema instanceof z.ZodOptional ? schema : undefined
  const inner = (prefault ?? optional)?.unwrap() as z.ZodType | undefined
  const { type = '', limits = '', ...format } = FORMATS.get(inner ?? schema) ?? {}
  const name = nameOf(key)
  const fileName = `${key}File` in SETTINGS.shape ? `${name}_FILE` : undefined
  const given = prefault?.def.defaultValue as string | undefined
  const variables = [about.fileOnly === true ? undefined : name, fileName]
  return {
    ...format,
    ...about,
    key,
    name,
    group,
    type,
    limits,
    example: about.example ?? given ?? '',
    default: given,
    required: inner === undefined,
    fileName,
    variables: variables.filter((one) => one !== undefined),
  }
}
