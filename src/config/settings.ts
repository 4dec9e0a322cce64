import { isLoopback, type ListenAddress } from './address.ts'
import type { SettingWords } from './config-error.ts'
import * as net from './formats-net.ts'
import * as is from './formats.ts'

const PUBLISHED_PREFIX = '/rest/isales/v1/openapi/obs/'
export const PUBLISHED_REFRESH_PATH = `${PUBLISHED_PREFIX}auth/refresh`

/** What documents, `check` and the chart say of a setting, besides its format and what it does. */
interface About {
  /** A text that the format accepts. Default: the default of the setting. */
  readonly example?: string
  /** The default, where it depends on other settings. Undefined where these could not be read. */
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
  about?: A,
): is.Format<T> & A {
  return { ...format, ...(about as A), default: text }
}

/** The path of a file that a setting asks for by itself. */
function file(example: string) {
  return optional(is.filePath, { example })
}

const TOKENS = ['token', 'refreshToken'] as const

const isales = {
  isalesUrl: required(net.origin, { example: 'https://service.besclouds.com' }),
  isalesAllowHttp: preset('false', is.boolean),
  isalesUser: required(is.text(49), { example: 'obs-proxy', inFile: 'too' }),
  isalesPassword: required(is.secret(), { example: 'change-me', inFile: 'too' }),
  isalesLoginPath: preset(`${PUBLISHED_PREFIX}auth/login`, net.path, {
    example: '/gateway/rest/isales/v1/openapi/obs/auth/login',
  }),
  isalesRefreshPath: preset(PUBLISHED_REFRESH_PATH, is.orOff(net.path)),
  isalesTokenHeaders: preset('Authorization', is.list(net.headerName), {
    example: 'Authorization,Authentication',
  }),
  isalesTokenScheme: preset('Bearer', net.authScheme),
  isalesTokenField: preset('token', is.choice(...TOKENS), { example: 'refreshToken' }),
  isalesRefreshHeaderToken: preset('token', is.orOff(is.choice(...TOKENS)), {
    example: 'refreshToken',
  }),
  isalesRejectedStatuses: preset('401,403', is.list(is.rejectionStatus), {
    example: '401,403,400',
  }),
  isalesRejectedResults: preset('', is.list(is.text(64), { emptyAllowed: true }), {
    example: '100401,100403',
  }),
  isalesCaFile: file('/etc/isales/ca.pem'),
  isalesTlsServerName: optional(net.serverName, { example: 'service.besclouds.com' }),
  isalesClientCertFile: file('/etc/isales/client.pem'),
  isalesClientKeyFile: file('/etc/isales/client-key.pem'),
  isalesLoginTimeout: preset('5s', is.duration({ min: '100ms', max: '1m' }), { example: '10s' }),
  isalesKeepAlive: preset('4s', is.duration({ min: '100ms', max: '10m' }), { example: '30s' }),
  isalesMaxConnections: preset('256', is.count({ min: '1', max: '10000' }), { example: '64' }),
  httpsProxy: optional(net.proxyUrl, { example: 'http://egress.example:3128', lowerCaseToo: true }),
  noProxy: optional(net.noProxy, {
    example: '.svc,10.0.0.0/8,service.besclouds.com',
    lowerCaseToo: true,
  }),
}

const token = {
  tokenRenewAt: preset('0.8', is.ratio({ min: '0.1', max: '0.95' }), { example: '0.5' }),
  tokenIdleAfter: preset('off', is.orOff(is.duration({ min: '10s', max: '24h' })), {
    example: '5m',
  }),
  stateDir: optional(is.filePath, { example: '/var/lib/isales-auth-proxy' }),
  loginRejectedAttempts: preset('3', is.count({ min: '1', max: '100' }), { example: '2' }),
}

const sharing = {
  sessionStoreUrl: optional(net.storeUrl, {
    example: 'valkeys://isales-auth-proxy@valkey.example:6379',
    inFile: 'too',
  }),
  sessionStoreKey: optional(is.secret(32), { example: '/etc/isales/store-key', inFile: 'only' }),
  sessionStorePassword: optional(is.secret(), { example: 'change-me', inFile: 'too' }),
  sessionStoreCaFile: file('/etc/isales/store-ca.pem'),
  sessionStoreClientCertFile: file('/etc/isales/store-client.pem'),
  sessionStoreClientKeyFile: file('/etc/isales/store-client-key.pem'),
}

const listener = {
  listen: preset('127.0.0.1:8080', net.listenAddress, { example: '0.0.0.0:8443' }),
  listenTlsCertFile: file('/etc/isales/tls/tls.crt'),
  listenTlsKeyFile: file('/etc/isales/tls/tls.key'),
  listenClientCaFile: file('/etc/isales/tls/ca.crt'),
  unsafeListen: preset('false', is.boolean),
  allowedHosts: preset('', is.list(net.hostName, { emptyAllowed: true }), {
    example: 'isales-auth-proxy.telephony.svc',
  }),
  allowedPaths: preset(undefined, is.list(net.path), {
    example: '/rest/isales/v1/openapi/obs/,/rest/other/',
    derive: ({ isalesLoginPath: login }) => (login === undefined ? login : [prefixOf(login)]),
  }),
  listenMaxConnections: preset('1024', is.count({ min: '1', max: '100000' })),
  maxInFlight: preset('1000', is.count({ min: '1', max: '100000' })),
  bodyIdleTimeout: preset('30s', is.duration({ min: '100ms', max: '1h' })),
  maxBodySize: preset('100MiB', is.size({ min: '1KiB', max: '100GiB' })),
  replayBodySize: preset('64KiB', is.size({ min: '0', max: '1MiB' })),
  clientDeadline: preset('2.8s', is.duration({ min: '100ms', max: '1h', zero: true }), {
    example: '9.5s',
  }),
  drainDelay: preset('0s', is.duration({ min: '0s', max: '10m' })),
  drainTimeout: preset('25s', is.duration({ min: '0s', max: '1h' })),
}

const obs = {
  obsLogin: preset(undefined, is.choice('answer', 'require', 'forward'), {
    example: 'require',
    derive: ({ listen }) => listen && (isLoopback(listen.host) ? 'answer' : 'require'),
  }),
  obsUser: optional(is.text(49), { example: 'cti-obs', inFile: 'too' }),
  obsPassword: optional(is.secret(), { example: 'change-me-too', inFile: 'too' }),
  obsTicketKey: optional(is.secret(32), { example: '/etc/isales/obs/ticket-key', inFile: 'only' }),
  obsNumbers: preset('number', is.choice('number', 'string')),
}

const admin = {
  adminListen: preset(':9090', net.adminAddress, { example: '127.0.0.1:9090' }),
  instance: optional(is.text(64), { example: 'site-a-active' }),
  logLevel: preset('info', is.choice('trace', 'debug', 'info', 'warn', 'error', 'fatal')),
  logFormat: preset('auto', is.choice('auto', 'json', 'pretty')),
  accessLog: preset('off', is.sampling, { example: '0.01' }),
}

/** The tables of docs/configuration.md, in order. */
const GROUPS = { isales, token, sharing, listener, obs, admin } as const satisfies Readonly<
  Record<keyof SettingWords['groups'], unknown>
>
type Group = keyof typeof GROUPS

type Definitions = typeof isales &
  typeof token &
  typeof sharing &
  typeof listener &
  typeof obs &
  typeof admin

type SettingKey = keyof Definitions

type Given = {
  readonly [Key in SettingKey]: ReturnType<Definitions[Key]['read']>
} & {
  readonly [
    Key in SettingKey as Definitions[Key] extends { readonly inFile: string } ? `${Key}File` : never
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
  readonly group: Group
  /** What it does, and why an operator sets it. */
  readonly doc: is.Wording
  /** The default, where it depends on other settings: in words. */
  readonly derived?: is.Wording | undefined
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
  Object.entries(table).map(([key, about]) => settingOf(group as Group, key as SettingKey, about)),
)

function settingOf(
  group: Group,
  key: SettingKey,
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
    doc: ({ docs }) => docs[key],
    derived: about.derive && (({ derived }) => derived[key as keyof typeof derived]),
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
