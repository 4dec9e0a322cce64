import { endpointOf, isLocal, isLoopback, type ListenAddress } from './address.ts'
import type { ConfigError } from './errors.ts'
import { Secret } from './secret.ts'
import type { StoreAddress } from './formats-net.ts'
import { variableOf, type Config, type ConfigKey } from './settings.ts'

/** A rule between settings, or a warning about one. */
export interface Rule extends ConfigError {
  /** The rule is checked only when these could be read. */
  readonly reads: readonly ConfigKey[]
  /** A warning does not keep the program from starting. */
  readonly severity: 'error' | 'warning'
  broken(config: Config): boolean
}

/** The compiler checks that a rule reads no more than it says. */
interface Spec<Key extends ConfigKey> extends ConfigError {
  readonly reads: readonly Key[]
  broken(config: Pick<Config, Key>): boolean
}

function error<const Key extends ConfigKey>(spec: Spec<Key>): Rule {
  return { ...spec, severity: 'error' }
}

function warning<const Key extends ConfigKey>(spec: Spec<Key>): Rule {
  return { ...spec, severity: 'warning' }
}

/** A setting that is of use only together with another. */
function needs(key: ConfigKey, other: ConfigKey): Rule {
  return error({
    setting: variableOf(key),
    problem: `is set without ${variableOf(other)}`,
    remedy: 'Set both, or neither',
    reads: [key, other],
    broken: (c) => c[key] !== undefined && c[other] === undefined,
  })
}

const PASSWORDS = ['isalesPassword', 'obsPassword'] as const
const TEXTS = ['isalesUser', 'obsUser', ...PASSWORDS] as const

/** What an editor or a copied line adds to a secret costs an attempt to log in. */
function doubtful(
  key: (typeof TEXTS)[number],
  problem: string,
  isDoubtful: (text: string) => boolean,
): Rule {
  return warning({
    setting: variableOf(key),
    problem,
    remedy: 'Correct it, unless it is meant to be so',
    reads: [key],
    broken: ({ [key]: value }) =>
      value !== undefined && isDoubtful(value instanceof Secret ? value.reveal() : value),
  })
}

const WEAK = { characters: 12, different: 4 }

/** Tickets can be tried against it at leisure, by whoever has one. */
function isWeak(secret: Secret | undefined): boolean {
  if (secret === undefined) return false
  const characters = Array.from(secret.reveal())
  return characters.length < WEAK.characters || new Set(characters).size < WEAK.different
}

function weakOnNetwork(key: 'obsPassword' | 'obsTicketKey'): Rule {
  return error({
    setting: variableOf(key),
    problem: 'is easy to guess, and LISTEN is reachable from other machines',
    remedy:
      'Use 12 or more characters, 4 of them different, such as `openssl rand -base64 32` gives',
    reads: [key, 'listen', 'obsLogin'],
    broken: ({ [key]: secret, listen, obsLogin }) =>
      obsLogin === 'require' && !isLocal(listen) && isWeak(secret),
  })
}

/** Node itself obeys this variable, for iSales too. */
export const INSECURE_NODE = {
  severity: 'error',
  setting: 'NODE_TLS_REJECT_UNAUTHORIZED',
  problem: 'is 0, which accepts any certificate',
  remedy: 'Unset it, and trust your own authority with ISALES_CA_FILE',
} as const satisfies Pick<Rule, 'severity' | keyof ConfigError>

const STORE_SETTINGS = [
  'sessionStoreKey',
  'sessionStoreUser',
  'sessionStorePassword',
  'sessionStoreSentinel',
  'sessionStoreCaFile',
  'sessionStoreClientCertFile',
] as const satisfies readonly ConfigKey[]

export const RULES: readonly Rule[] = [
  error({
    setting: 'ISALES_URL',
    problem: 'is plain http to a host that is not loopback',
    remedy: 'Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens',
    reads: ['isalesUrl', 'isalesAllowHttp'],
    broken: ({ isalesUrl, isalesAllowHttp }) => isPlainHttp(isalesUrl) && !isalesAllowHttp,
  }),
  warning({
    setting: 'ISALES_URL',
    problem: 'names this proxy itself',
    remedy: 'Give the address of iSales, which is neither LISTEN nor ADMIN_LISTEN',
    reads: ['isalesUrl', 'listen', 'adminListen'],
    broken: ({ isalesUrl, listen, adminListen }) =>
      leadsTo(isalesUrl, listen) || leadsTo(isalesUrl, adminListen),
  }),
  warning({
    setting: 'ISALES_ALLOW_HTTP',
    problem: 'is on: the password and the token cross the network in the clear',
    remedy: 'Use https as soon as iSales has it',
    reads: ['isalesUrl', 'isalesAllowHttp'],
    broken: ({ isalesUrl, isalesAllowHttp }) => isPlainHttp(isalesUrl) && isalesAllowHttp,
  }),
  error({
    setting: 'ISALES_REFRESH_PATH',
    problem: 'is the same as ISALES_LOGIN_PATH',
    remedy: 'Give the path of the refresh call, or off',
    reads: ['isalesLoginPath', 'isalesRefreshPath'],
    broken: ({ isalesLoginPath, isalesRefreshPath }) => isalesLoginPath === isalesRefreshPath,
  }),
  needs('isalesClientCertFile', 'isalesClientKeyFile'),
  needs('isalesClientKeyFile', 'isalesClientCertFile'),
  error({
    setting: 'LISTEN',
    problem: 'is reachable from other machines, and nothing keeps others out',
    remedy:
      'Listen on 127.0.0.1 or a Unix socket, or set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE; UNSAFE_LISTEN=true overrides this',
    reads: ['listen', 'obsLogin', 'listenClientCaFile', 'unsafeListen'],
    broken: (c) => isOpen(c) && !c.unsafeListen,
  }),
  warning({
    setting: 'UNSAFE_LISTEN',
    problem: 'is on: whoever reaches LISTEN calls iSales as ISALES_USER',
    remedy: 'Set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE instead when you can',
    reads: ['listen', 'obsLogin', 'listenClientCaFile', 'unsafeListen'],
    broken: (c) => isOpen(c) && c.unsafeListen,
  }),
  needs('sessionStoreUrl', 'sessionStoreKey'),
  ...STORE_SETTINGS.map((key) => needs(key, 'sessionStoreUrl')),
  needs('sessionStoreClientCertFile', 'sessionStoreClientKeyFile'),
  needs('sessionStoreClientKeyFile', 'sessionStoreClientCertFile'),
  needs('sessionStoreSentinelPassword', 'sessionStoreSentinel'),
  error({
    setting: 'SESSION_STORE_URL',
    problem: 'has several hosts, which are Sentinels, without SESSION_STORE_SENTINEL',
    remedy: 'Give one host, or the name of the primary that the Sentinels know',
    reads: ['sessionStoreUrl', 'sessionStoreSentinel'],
    broken: ({ sessionStoreUrl, sessionStoreSentinel }) =>
      (sessionStoreUrl?.servers.length ?? 0) > 1 && sessionStoreSentinel === undefined,
  }),
  error({
    setting: 'SESSION_STORE_CA_FILE',
    problem:
      'or SESSION_STORE_CLIENT_CERT_FILE is set, and SESSION_STORE_URL is not rediss or valkeys',
    remedy: 'Use TLS, or unset it',
    reads: ['sessionStoreUrl', 'sessionStoreCaFile', 'sessionStoreClientCertFile'],
    broken: ({ sessionStoreUrl, sessionStoreCaFile, sessionStoreClientCertFile }) =>
      sessionStoreUrl?.tls === false &&
      (sessionStoreCaFile !== undefined || sessionStoreClientCertFile !== undefined),
  }),
  warning({
    setting: 'SESSION_STORE_URL',
    problem: 'is without TLS to a host that is not loopback',
    remedy: 'Use rediss or valkeys: the token is sealed, the password of the store is not',
    reads: ['sessionStoreUrl'],
    broken: ({ sessionStoreUrl }) => sessionStoreUrl?.tls === false && isRemote(sessionStoreUrl),
  }),
  needs('listenTlsCertFile', 'listenTlsKeyFile'),
  needs('listenTlsKeyFile', 'listenTlsCertFile'),
  error({
    setting: 'LISTEN_CLIENT_CA_FILE',
    problem: 'is set without LISTEN_TLS_CERT_FILE',
    remedy: 'Client certificates need HTTPS: set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
    reads: ['listenClientCaFile', 'listenTlsCertFile'],
    broken: (c) => c.listenClientCaFile !== undefined && c.listenTlsCertFile === undefined,
  }),
  error({
    setting: 'ADMIN_LISTEN',
    problem: 'takes the port of LISTEN',
    remedy: 'Give the two listeners different ports',
    reads: ['listen', 'adminListen'],
    broken: ({ listen, adminListen }) => collide(listen, adminListen),
  }),
  error({
    setting: 'OBS_USER',
    problem: 'is not set, although OBS_LOGIN is require',
    remedy: 'Set OBS_USER or OBS_USER_FILE to the user that CTI-OBS is configured with',
    reads: ['obsLogin', 'obsUser'],
    broken: ({ obsLogin, obsUser }) => obsLogin === 'require' && obsUser === undefined,
  }),
  error({
    setting: 'OBS_PASSWORD',
    problem: 'is not set, although OBS_LOGIN is require',
    remedy:
      'Set OBS_PASSWORD_FILE (or OBS_PASSWORD) to the password that CTI-OBS is configured with',
    reads: ['obsLogin', 'obsPassword'],
    broken: ({ obsLogin, obsPassword }) => obsLogin === 'require' && obsPassword === undefined,
  }),
  weakOnNetwork('obsPassword'),
  weakOnNetwork('obsTicketKey'),
  error({
    setting: 'SESSION_STORE_KEY_FILE',
    problem: 'is easy to guess, and the store is reachable from other machines',
    remedy: 'Make one with `openssl rand -base64 32`, the same for all replicas',
    reads: ['sessionStoreKey', 'sessionStoreUrl'],
    broken: ({ sessionStoreKey, sessionStoreUrl }) =>
      sessionStoreUrl !== undefined && isRemote(sessionStoreUrl) && isWeak(sessionStoreKey),
  }),
  warning({
    setting: 'OBS_USER',
    problem: 'is set but not used, since OBS_LOGIN is not require',
    remedy: 'Set OBS_LOGIN=require if only that user may log in',
    reads: ['obsLogin', 'obsUser'],
    broken: ({ obsLogin, obsUser }) => obsLogin !== 'require' && obsUser !== undefined,
  }),
  warning({
    setting: 'LISTEN',
    problem: 'takes passwords in the clear from other machines',
    remedy: 'Set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
    reads: ['listen', 'obsLogin', 'listenTlsCertFile'],
    broken: (c) =>
      !isLocal(c.listen) && c.obsLogin === 'require' && c.listenTlsCertFile === undefined,
  }),
  warning({
    setting: 'TOKEN_WAIT',
    problem: 'is not below CLIENT_DEADLINE, which ends the wait first',
    remedy: 'Lower it, so that the response can say what was missing',
    reads: ['tokenWait', 'clientDeadline'],
    broken: ({ tokenWait, clientDeadline }) => clientDeadline !== 0 && tokenWait >= clientDeadline,
  }),
  warning({
    setting: 'CLIENT_DEADLINE',
    problem: 'is 3 s or more: CTI-OBS gives up after 3 s unless its `timeout` was raised',
    remedy: 'Lower it, unless the `timeout` of the OBS URL resource is longer',
    reads: ['clientDeadline'],
    broken: ({ clientDeadline }) => clientDeadline >= 3000,
  }),
  warning({
    setting: 'CLIENT_DEADLINE',
    problem: 'is off: CTI-OBS may give up before it gets a response',
    remedy: 'Set it below the `timeout` of the OBS URL resource',
    reads: ['clientDeadline'],
    broken: ({ clientDeadline }) => clientDeadline === 0,
  }),
  warning({
    setting: 'ISALES_CONNECT_TIMEOUT',
    problem: 'is above CLIENT_DEADLINE, which ends the attempt first',
    remedy: 'Lower it, so that connecting can be tried again',
    reads: ['isalesConnectTimeout', 'clientDeadline'],
    broken: (c) => c.clientDeadline !== 0 && c.isalesConnectTimeout > c.clientDeadline,
  }),
  warning({
    setting: 'HTTPS_PROXY',
    problem: 'is not used, since ISALES_URL is plain http',
    remedy: 'Unset it, or use https',
    reads: ['httpsProxy', 'isalesUrl'],
    broken: (c) => c.httpsProxy !== undefined && c.isalesUrl.startsWith('http:'),
  }),
  warning({
    setting: 'ALLOWED_PATHS',
    problem: 'does not hold the paths beside ISALES_LOGIN_PATH, so calls to them get 403',
    remedy: 'Add the prefix of the paths of your iSales',
    reads: ['allowedPaths', 'isalesLoginPath'],
    broken: ({ allowedPaths, isalesLoginPath }) =>
      !allowedPaths.some((one) => isalesLoginPath.startsWith(one.replace(/\/?$/, '/'))),
  }),
  warning({
    setting: 'LOGIN_REJECTED_ATTEMPTS',
    problem: 'is over 5: many systems lock an account after 5 wrong passwords',
    remedy: 'Keep it below the number that locks yours',
    reads: ['loginRejectedAttempts'],
    broken: ({ loginRejectedAttempts }) => loginRejectedAttempts > 5,
  }),
  ...TEXTS.map((key) =>
    doubtful(key, 'begins or ends with white space', (text) => text !== text.trim()),
  ),
  ...PASSWORDS.map((key) =>
    doubtful(key, 'has more than one line', (text) => /[\r\n]/.test(text.trim())),
  ),
]

type Access = Pick<Config, 'listen' | 'obsLogin' | 'listenClientCaFile'>

/** Whoever reaches the listener may call iSales. */
function isOpen({ listen, obsLogin, listenClientCaFile }: Access): boolean {
  return !isLocal(listen) && obsLogin !== 'require' && listenClientCaFile === undefined
}

/** The password would cross a network in the clear. */
function isPlainHttp(url: string): boolean {
  return url.startsWith('http:') && !isLoopback(endpointOf(new URL(url)).host)
}

const ANY: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

function isRemote({ servers }: StoreAddress): boolean {
  return !servers.every(({ host }) => isLoopback(host))
}

/** As far as can be seen without DNS. */
function leadsTo(url: string, address: ListenAddress): boolean {
  if (address.kind === 'unix') return false
  const { host, port } = endpointOf(new URL(url))
  const own = isLoopback(host) && (isLoopback(address.host) || ANY.has(address.host))
  return port === address.port && (host === address.host || own)
}

function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.kind === 'unix' || other.kind === 'unix') return false
  if (one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || ANY.has(one.host) || ANY.has(other.host)
}

/** The rules that are broken, of those whose settings could all be read. */
export function brokenRules(
  config: Partial<Config>,
  unread: Pick<ReadonlySet<ConfigKey>, 'has'> = new Set(),
): readonly Rule[] {
  const isUnread = (key: ConfigKey): boolean =>
    unread.has(key) || (DERIVED.has(key) && config[key] === undefined)
  return RULES.filter((one) => !one.reads.some(isUnread) && one.broken(config as Config))
}

/** They are undefined only when a setting that their default depends on could not be read. */
const DERIVED: ReadonlySet<ConfigKey> = new Set(['obsLogin', 'allowedPaths'])
