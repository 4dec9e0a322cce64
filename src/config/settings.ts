import type { SettingCode } from '../causes.ts'
import type { Explained } from '../words/index.ts'
import * as is from './formats.ts'

/** What is known of a setting: how it is written, and what stands in when it is not set. */
interface Definition<T = unknown> extends is.Format<T> {
  /** The text that stands in for an unset variable. */
  readonly default?: string
  readonly required?: true
  /** `NAME_FILE` may name a file that holds the value, or is the only way to give it. */
  readonly inFile?: 'too' | 'only'
  /** The lower-case variable is read too, and wins, as with curl. */
  readonly lowerCaseToo?: true
}

/** `off` is undefined, and so is what is not set and has no default. */
type ValueOf<D> =
  D extends is.Format<infer T>
    ? D extends { readonly default: string } | { readonly required: true }
      ? T extends typeof is.OFF
        ? undefined
        : T
      : Exclude<T, typeof is.OFF> | undefined
    : never

const required = { required: true } as const

function preset<T>(text: string, format: is.Format<T>) {
  return { ...format, default: text }
}

/** Every setting, in the order of docs/configuration.md. One without a default is optional. */
const SETTINGS = {
  isalesUrl: { ...is.origin, ...required },
  isalesAllowHttp: preset('false', is.boolean),
  isalesUser: { ...is.user, ...required, inFile: 'too' },
  isalesPassword: { ...is.secret(1), ...required, inFile: 'too' },
  isalesLoginPath: preset('/rest/isales/v1/openapi/obs/auth/login', is.path),
  isalesRefreshPath: is.orOff(is.path),
  isalesTokenHeader: preset('Authorization: Bearer {token}', is.tokenHeader),
  isalesRefreshHeaderToken: preset('token', is.orOff(is.choice('token', 'refreshToken'))),
  isalesRejected: preset('401,403', is.rejections),
  isalesCaFile: is.filePath,
  isalesTlsServerName: is.serverName,
  isalesClientCertFile: is.filePath,
  isalesClientKeyFile: is.filePath,
  httpsProxy: { ...is.proxyUrl, lowerCaseToo: true },
  noProxy: { ...is.noProxy, lowerCaseToo: true },

  tokenIdleAfter: preset('off', is.orOff(is.duration('10s', '24h'))),
  stateDir: is.filePath,
  loginRejectedAttempts: preset('3', is.count('1', '5')),

  sessionStoreUrl: is.storeUrl,
  sessionStoreKey: { ...is.secret(32), inFile: 'only' },
  sessionStorePasswordFile: is.filePath,
  sessionStoreCaFile: is.filePath,

  listen: preset('127.0.0.1:8080', is.address),
  listenTlsCertFile: is.filePath,
  listenTlsKeyFile: is.filePath,
  listenClientCaFile: is.filePath,
  listenClientNames: is.clientNames,
  unsafeListen: preset('false', is.boolean),
  allowedHosts: preset('', is.hosts),
  allowedPaths: is.paths,
  maxInFlight: preset('1000', is.count('1', '100000')),
  maxBodySize: preset('1MiB', is.size('1KiB', '16MiB')),
  clientDeadline: preset('2.8s', is.duration('100ms', '30s')),
  drainDelay: preset('0s', is.duration('0s', '10m')),

  obsUser: { ...is.user, inFile: 'too' },
  obsPassword: { ...is.secret(1), inFile: 'too' },

  adminListen: preset(':9090', is.address),
  logLevel: preset('info', is.choice('debug', 'info', 'warn', 'error', 'fatal')),
} as const

type Definitions = typeof SETTINGS

export type SettingKey = keyof Definitions

/** What is set, or stands in by default. */
export type Given = { readonly [Key in SettingKey]: ValueOf<Definitions[Key]> } & {
  /** Where a value came from a file, its path. */
  readonly [
    Key in SettingKey as Definitions[Key] extends { readonly inFile: string } ? `${Key}File` : never
  ]?: string | undefined
}

const LOGIN = /auth\/login$/
const PUBLISHED_PREFIX = '/rest/isales/v1/openapi/obs/'
/** Whatever the configuration says, iSales responds to this path with a real token. */
export const PUBLISHED_REFRESH_PATH = `${PUBLISHED_PREFIX}auth/refresh`

/** What follows from the settings. Durations in milliseconds. */
export function following(given: Given) {
  const { isalesLoginPath, clientDeadline, maxInFlight } = given
  // A gateway's prefix stands before both; rules demand the refresh path where nothing follows from the login path.
  const isPublished = LOGIN.test(isalesLoginPath)
  const prefix = isPublished ? isalesLoginPath.replace(LOGIN, '') : PUBLISHED_PREFIX
  const refreshPath = `${prefix}auth/refresh`
  // With `off` the key is there, and undefined.
  const isalesRefreshPath = 'isalesRefreshPath' in given ? given.isalesRefreshPath : refreshPath
  return {
    isalesRefreshPath,
    /** Where CTI-OBS refreshes, even when the proxy does not refresh with iSales. */
    obsRefreshPath: isalesRefreshPath ?? refreshPath,
    isalesInterfacePath: `${prefix}business/interface`,
    allowedPaths: given.allowedPaths ?? [prefix],
    /** How long connecting may take, TLS included: so short that it can be tried again before the deadline. */
    isalesConnectTimeout: Math.ceil(clientDeadline / 3),
    isalesMaxConnections: Math.min(maxInFlight, 256),
    listenMaxConnections: Math.max(1024, maxInFlight + 24),
    drainTimeout: Math.max(25_000, clientDeadline + 5000),
    /** CTI-OBS must log in, and each call needs a ticket. */
    isObsLoginRequired: given.obsUser !== undefined,
  }
}

/** What is wrong or doubtful with a setting. Its facts hold no secret. */
export interface SettingProblem extends Explained {
  /** The environment variable. */
  readonly setting: string
  readonly code: SettingCode
  /** A warning does not keep the program from starting. Default: an error. */
  readonly isWarning?: true | undefined
}

/** A setting as plain data. */
export interface Setting extends Definition {
  readonly key: SettingKey
  /** The environment variable; of a value that only a file holds, the one that names the file. */
  readonly name: string
  /** `NAME_FILE`, if it may name a file that holds the value. */
  readonly fileName: string | undefined
  /** What it is read from: `NAME`, `NAME_FILE`, `name`. */
  readonly variables: readonly string[]
}

/** Every setting, once, in the order of the documentation. */
export const SETTING_LIST: readonly Setting[] = Object.entries<Definition>(SETTINGS).map(settingOf)

function settingOf([key, definition]: [string, Definition]): Setting {
  const base = nameOf(key)
  const fileName = definition.inFile && `${base}_FILE`
  const name = definition.inFile === 'only' ? `${base}_FILE` : base
  const lower = definition.lowerCaseToo && name.toLowerCase()
  const variables = [...new Set([name, fileName, lower])].filter((one) => one !== undefined)
  return { ...definition, key: key as SettingKey, name, fileName, variables }
}

/** The variables that may name a file whose content is read. */
export const FILE_VARIABLES: readonly string[] = SETTING_LIST.flatMap(({ variables }) =>
  variables.filter((one) => one.endsWith('_FILE')),
)

/** The variables that hold, or may hold, a secret. `main.ts` deletes them from the environment of the process. */
export const SECRET_VARIABLES = SETTING_LIST.filter(({ redact }) => redact).flatMap(
  ({ variables, fileName }) => variables.filter((one) => one !== fileName),
)

/** `ISALES_URL` of `isalesUrl`. */
export function nameOf(key: string): string {
  return key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()
}
