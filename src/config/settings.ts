import type { SettingCode } from '../codes.ts'
import type { Explained } from '../messages/index.ts'
import * as is from './formats.ts'

interface Definition<T = unknown> extends is.Format<T> {
  readonly default?: string
  readonly required?: true
  /** `NAME_FILE` may name a file that contains the value (`too`), or is the only way to set it (`only`). */
  readonly inFile?: 'too' | 'only'
  /** The lower-case variable is also read, and takes precedence, as with curl. */
  readonly lowerCaseToo?: true
  /** Key of a setting without which this one has no effect. */
  readonly needs?: string
  /** When its file is read again. */
  readonly reload?: ReloadGroup | 'each-use' | 'never'
}

/** Settings that are watched, and handed over together. */
export const RELOAD_GROUPS = ['credentials', 'obsLogin', 'isalesTls', 'listenTls'] as const
export type ReloadGroup = (typeof RELOAD_GROUPS)[number]

/** `off` is undefined, as is an unset setting without a default. */
type ValueOf<D> =
  D extends is.Format<infer T>
    ? D extends { readonly default: string } | { readonly required: true }
      ? T
      : T | undefined
    : never

function preset<T>(text: string, format: is.Format<T>) {
  return { ...format, default: text }
}

/** Every setting, in the order of docs/configuration.md. A setting without a default is optional. */
const SETTINGS = {
  isalesUrl: { ...is.origin, required: true },
  isalesAllowHttp: preset('false', is.boolean),
  isalesUser: { ...is.user, required: true, inFile: 'too', reload: 'credentials' },
  isalesPassword: { ...is.secret(1), required: true, inFile: 'too', reload: 'credentials' },
  isalesLoginPath: preset('/rest/isales/v1/openapi/obs/auth/login', is.path),
  isalesRefreshPath: is.orOff(is.path),
  isalesTokenHeader: preset('Authorization: Bearer {token}', is.tokenHeader),
  isalesRefreshHeaderToken: preset('token', is.orOff(is.choice('token', 'refreshToken'))),
  isalesRejected: preset('401,403', is.rejections),
  isalesCaFile: { ...is.filePath, reload: 'isalesTls' },
  isalesTlsServerName: is.serverName,
  isalesClientCertFile: { ...is.filePath, reload: 'isalesTls', needs: 'isalesClientKeyFile' },
  isalesClientKeyFile: { ...is.filePath, reload: 'isalesTls', needs: 'isalesClientCertFile' },
  httpsProxy: { ...is.proxyUrl, lowerCaseToo: true },
  noProxy: { ...is.noProxy, lowerCaseToo: true },

  stateDir: is.filePath,
  loginRejectedAttempts: preset('3', is.count('1', '5')),

  sessionStoreUrl: { ...is.storeUrl, needs: 'sessionStoreKey' },
  sessionStoreKey: { ...is.secret(32), inFile: 'only', reload: 'never', needs: 'sessionStoreUrl' },
  sessionStorePasswordFile: { ...is.filePath, reload: 'each-use', needs: 'sessionStoreUrl' },
  sessionStoreCaFile: { ...is.filePath, reload: 'each-use', needs: 'sessionStoreUrl' },

  listen: preset('127.0.0.1:8080', is.address),
  listenTlsCertFile: { ...is.filePath, reload: 'listenTls', needs: 'listenTlsKeyFile' },
  listenTlsKeyFile: { ...is.filePath, reload: 'listenTls', needs: 'listenTlsCertFile' },
  listenClientCaFile: { ...is.filePath, reload: 'listenTls', needs: 'listenTlsCertFile' },
  listenClientNames: { ...is.clientNames, needs: 'listenClientCaFile' },
  unsafeListen: preset('false', is.boolean),
  allowedHosts: preset('', is.hosts),
  allowedPaths: is.paths,
  maxInFlight: preset('1000', is.count('1', '100000')),
  maxBodySize: preset('1MiB', is.size('1KiB', '16MiB')),
  clientDeadline: preset('2.8s', is.duration('100ms', '30s')),
  drainDelay: preset('0s', is.duration('0s', '10m')),

  obsUser: { ...is.user, inFile: 'too', reload: 'obsLogin', needs: 'obsPassword' },
  obsPassword: { ...is.secret(1), inFile: 'too', reload: 'obsLogin', needs: 'obsUser' },

  adminListen: preset(':9090', is.address),
  logLevel: preset('info', is.choice('debug', 'info', 'warn', 'error', 'fatal')),
} as const

type Definitions = typeof SETTINGS
export type SettingKey = keyof Definitions

/** Values that are set or have a default. */
export type ParsedSettings = { readonly [Key in SettingKey]: ValueOf<Definitions[Key]> } & {
  /** Path of the file that a value was read from. */
  readonly [
    Key in SettingKey as Definitions[Key] extends { readonly inFile: string } ? `${Key}File` : never
  ]?: string | undefined
}

const LOGIN = /auth\/login$/
const PUBLISHED_PREFIX = '/rest/isales/v1/openapi/obs/'
/** iSales responds to this path with a real token, regardless of the configuration. */
export const PUBLISHED_REFRESH_PATH = `${PUBLISHED_PREFIX}auth/refresh`

/** Derives values from the settings. Durations are in milliseconds. */
export function derivedSettings(given: ParsedSettings) {
  const { isalesLoginPath, clientDeadline, maxInFlight } = given
  // A gateway's prefix precedes both paths. The rules demand a refresh path if none follows from the login path.
  const isPublished = LOGIN.test(isalesLoginPath)
  const prefix = isPublished ? isalesLoginPath.replace(LOGIN, '') : PUBLISHED_PREFIX
  const refreshPath = `${prefix}auth/refresh`
  // With `off`, the key exists and its value is undefined.
  const isalesRefreshPath = 'isalesRefreshPath' in given ? given.isalesRefreshPath : refreshPath
  return {
    isalesRefreshPath,
    /** Path of CTI-OBS's refreshes, even if the proxy does not refresh with iSales. */
    obsRefreshPath: isalesRefreshPath ?? refreshPath,
    isalesInterfacePath: `${prefix}business/interface`,
    allowedPaths: given.allowedPaths ?? [prefix],
    /** Timeout for connecting, TLS included, short enough for a second attempt before the deadline. */
    isalesConnectTimeout: Math.ceil(clientDeadline / 3),
    isalesMaxConnections: Math.min(maxInFlight, 256),
    listenMaxConnections: Math.max(1024, maxInFlight + 24),
    drainTimeout: Math.max(25_000, clientDeadline + 5000),
    /** CTI-OBS must log in, and every call needs a ticket. */
    isObsLoginRequired: given.obsUser !== undefined,
  }
}

/** An error or a warning about a setting. Its facts contain no secret. */
export interface SettingProblem extends Explained {
  /** The environment variable. */
  readonly setting: string
  readonly code: SettingCode
  /** A warning does not keep the program from starting. Default: an error. */
  readonly isWarning?: true | undefined
}

export interface Setting extends Definition {
  readonly key: SettingKey
  /** The environment variable, or the file's variable if only a file can hold the value. */
  readonly name: string
  /** `NAME_FILE`, if it may name a file with the value. */
  readonly fileName: string | undefined
  /** Variables that it is read from: `NAME`, `NAME_FILE`, `name`. */
  readonly variables: readonly string[]
}

/** Every setting once, in the documentation's order. */
export const SETTING_LIST: readonly Setting[] = Object.entries<Definition>(SETTINGS).map(settingOf)

function settingOf([key, definition]: [string, Definition]): Setting {
  const base = toVariable(key)
  const fileName = definition.inFile && `${base}_FILE`
  const name = definition.inFile === 'only' ? `${base}_FILE` : base
  const lower = definition.lowerCaseToo && name.toLowerCase()
  const variables = [...new Set([name, fileName, lower])].filter((one) => one !== undefined)
  return { ...definition, key: key as SettingKey, name, fileName, variables }
}

/** Variables that contain or may contain a secret. `main.ts` deletes them from the process's environment. */
export const SECRET_VARIABLES = SETTING_LIST.filter(({ redact }) => redact).flatMap(
  ({ variables, fileName }) => variables.filter((one) => one !== fileName),
)

/** Returns the variable of a key: `ISALES_URL` for `isalesUrl`. */
export function toVariable(key: string): string {
  return key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()
}
