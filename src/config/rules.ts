import { endpointOf, isLoopback, type ListenAddress } from './address.ts'
import type { ConfigError } from './config-error.ts'
import type { StoreAddress } from './formats-net.ts'
import { Secret } from './secret.ts'
import { variableOf, type Config, type ConfigKey } from './settings.ts'

/** A rule between settings, or a warning about one. */
export interface Rule extends ConfigError {
  /** A warning does not keep the program from starting. */
  readonly severity: 'error' | 'warning'
  readonly broken: (config: Config) => boolean
}

/** A rule that a configuration breaks, and the settings that it looked at. */
export interface BrokenRule extends Rule {
  readonly reads: readonly string[]
}

type Broken = Rule['broken']

function error(setting: string, problem: string, remedy: string, broken: Broken): Rule {
  return { severity: 'error', setting, problem, remedy, broken }
}

function warning(setting: string, problem: string, remedy: string, broken: Broken): Rule {
  return { severity: 'warning', setting, problem, remedy, broken }
}

/** The first is of use only together with the second. */
const NEEDS: readonly (readonly [ConfigKey, ConfigKey])[] = [
  ['isalesClientCertFile', 'isalesClientKeyFile'],
  ['isalesClientKeyFile', 'isalesClientCertFile'],
  ['sessionStoreUrl', 'sessionStoreKey'],
  ['sessionStoreKey', 'sessionStoreUrl'],
  ['sessionStorePassword', 'sessionStoreUrl'],
  ['sessionStoreCaFile', 'sessionStoreUrl'],
  ['sessionStoreClientCertFile', 'sessionStoreUrl'],
  ['sessionStoreClientCertFile', 'sessionStoreClientKeyFile'],
  ['sessionStoreClientKeyFile', 'sessionStoreClientCertFile'],
  ['listenTlsCertFile', 'listenTlsKeyFile'],
  ['listenTlsKeyFile', 'listenTlsCertFile'],
  ['listenClientCaFile', 'listenTlsCertFile'],
]

const PASSWORDS = ['isalesPassword', 'obsPassword'] as const
const TEXTS = ['isalesUser', 'obsUser', ...PASSWORDS] as const

/** What an editor, a copied line or the reader of an env file adds to a secret costs an attempt to log in. */
function doubtful(
  key: (typeof TEXTS)[number],
  problem: string,
  isDoubtful: (text: string) => boolean,
): Rule {
  const remedy = 'Correct it, unless it is meant to be so'
  return warning(variableOf(key), problem, remedy, ({ [key]: value }) =>
    isDoubtful(value instanceof Secret ? value.reveal() : (value ?? '')),
  )
}

const WEAK = { characters: 12, different: 4 }

/** Tickets can be tried against it at leisure, by whoever has one. */
function isWeak(secret: Secret | undefined): boolean {
  if (secret === undefined) return false
  const characters = Array.from(secret.reveal())
  return characters.length < WEAK.characters || new Set(characters).size < WEAK.different
}

function weak(
  key: 'obsPassword' | 'obsTicketKey' | 'sessionStoreKey',
  reached: string,
  isReached: Broken,
): Rule {
  return error(
    variableOf(key),
    `is easy to guess, and ${reached} is reachable from other machines`,
    'Use 12 or more characters, 4 of them different, such as `openssl rand -base64 32` gives',
    (c) => isReached(c) && isWeak(c[key]),
  )
}

/** Node itself obeys this variable, for iSales too. */
export const INSECURE_NODE = error(
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'is 0, which accepts any certificate',
  'Unset it, and trust your own authority with ISALES_CA_FILE',
  () => true,
)

/** Why CTI-OBS must log in, by whether `LISTEN` is local. */
const NEEDED: Readonly<Record<string, string>> = {
  true: 'OBS_LOGIN is require',
  false: 'a login is needed because other machines can reach LISTEN',
}

function isNeeded({ obsLogin, listen }: Config, local: boolean): boolean {
  return obsLogin === 'require' && isLoopback(listen.host) === local
}

export const RULES: readonly Rule[] = [
  error(
    'ISALES_URL',
    'is plain http to a host that is not loopback',
    'Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens',
    (c) => isPlainHttp(c.isalesUrl) && !c.isalesAllowHttp,
  ),
  warning(
    'ISALES_URL',
    'names this proxy itself',
    'Give the address of iSales, which is neither LISTEN nor ADMIN_LISTEN',
    (c) => leadsTo(c.isalesUrl, c.listen) || leadsTo(c.isalesUrl, c.adminListen),
  ),
  warning(
    'ISALES_ALLOW_HTTP',
    'is on: the password and the token cross the network in the clear',
    'Use https as soon as iSales has it',
    (c) => isPlainHttp(c.isalesUrl) && c.isalesAllowHttp,
  ),
  error(
    'ISALES_REFRESH_PATH',
    'is the same as ISALES_LOGIN_PATH',
    'Give the path of the refresh call, or off',
    (c) => c.isalesLoginPath === c.isalesRefreshPath,
  ),
  error(
    'LISTEN',
    'is reachable from other machines, and nothing keeps others out',
    'Listen on 127.0.0.1, or set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE; UNSAFE_LISTEN=true overrides this',
    (c) => isOpen(c) && !c.unsafeListen,
  ),
  warning(
    'UNSAFE_LISTEN',
    'is on: whoever reaches LISTEN calls iSales as ISALES_USER',
    'Set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE instead when you can',
    (c) => isOpen(c) && c.unsafeListen,
  ),
  ...NEEDS.map(([key, other]) =>
    error(
      variableOf(key),
      `is set without ${variableOf(other)}`,
      'Set both, or neither',
      (c) => c[key] !== undefined && c[other] === undefined,
    ),
  ),
  error(
    'SESSION_STORE_CA_FILE',
    'or SESSION_STORE_CLIENT_CERT_FILE is set, and SESSION_STORE_URL is not rediss or valkeys',
    'Use TLS, or unset it',
    (c) =>
      c.sessionStoreUrl?.tls === false &&
      (c.sessionStoreCaFile ?? c.sessionStoreClientCertFile) !== undefined,
  ),
  warning(
    'SESSION_STORE_URL',
    'is without TLS to a host that is not loopback',
    'Use rediss or valkeys: the token is sealed, the password of the store is not',
    (c) => c.sessionStoreUrl?.tls === false && isRemote(c.sessionStoreUrl),
  ),
  error('ADMIN_LISTEN', 'takes the port of LISTEN', 'Give the two listeners different ports', (c) =>
    collide(c.listen, c.adminListen),
  ),
  ...[true, false].flatMap((local) => [
    error(
      'OBS_USER',
      `is not set, although ${NEEDED[String(local)]}`,
      'Set OBS_USER or OBS_USER_FILE to the user that CTI-OBS is configured with',
      (c) => isNeeded(c, local) && c.obsUser === undefined,
    ),
    error(
      'OBS_PASSWORD',
      `is not set, although ${NEEDED[String(local)]}`,
      'Set OBS_PASSWORD_FILE (or OBS_PASSWORD) to the password that CTI-OBS is configured with',
      (c) => isNeeded(c, local) && c.obsPassword === undefined,
    ),
  ]),
  weak('obsPassword', 'LISTEN', (c) => c.obsLogin === 'require' && !isLoopback(c.listen.host)),
  weak('obsTicketKey', 'LISTEN', (c) => c.obsLogin === 'require' && !isLoopback(c.listen.host)),
  weak('sessionStoreKey', 'the store', (c) => isRemote(c.sessionStoreUrl)),
  warning(
    'OBS_USER',
    'is set but not used, since OBS_LOGIN is not require',
    'Set OBS_LOGIN=require if only that user may log in',
    (c) => c.obsLogin !== 'require' && c.obsUser !== undefined,
  ),
  warning(
    'LISTEN',
    'takes passwords in the clear from other machines',
    'Set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
    (c) =>
      !isLoopback(c.listen.host) && c.obsLogin === 'require' && c.listenTlsCertFile === undefined,
  ),
  warning(
    'LISTEN_MAX_CONNECTIONS',
    'is not above MAX_IN_FLIGHT: at that many calls, new connections are closed without a 503',
    'Raise it, or lower MAX_IN_FLIGHT',
    (c) => c.listenMaxConnections <= c.maxInFlight,
  ),
  warning(
    'CLIENT_DEADLINE',
    'is 3 s or more: CTI-OBS gives up after 3 s unless its `timeout` was raised',
    'Lower it, unless the `timeout` of the OBS URL resource is longer',
    (c) => c.clientDeadline >= 3000,
  ),
  warning(
    'CLIENT_DEADLINE',
    'is off: CTI-OBS may give up before it gets a response',
    'Set it below the `timeout` of the OBS URL resource',
    (c) => c.clientDeadline === 0,
  ),
  ...(['httpsProxy', 'isalesTlsServerName'] as const).map((key) =>
    warning(
      variableOf(key),
      'is not used, since ISALES_URL is plain http',
      'Unset it, or use https',
      (c) => c[key] !== undefined && c.isalesUrl.startsWith('http:'),
    ),
  ),
  warning(
    'ALLOWED_PATHS',
    'does not hold the paths beside ISALES_LOGIN_PATH, so calls to them get 403',
    'Add the prefix of the paths of your iSales',
    (c) => !c.allowedPaths.some((one) => c.isalesLoginPath.startsWith(one.replace(/\/?$/, '/'))),
  ),
  warning(
    'LOGIN_REJECTED_ATTEMPTS',
    'is over 5: many systems lock an account after 5 wrong passwords',
    'Keep it below the number that locks yours',
    (c) => c.loginRejectedAttempts > 5,
  ),
  ...TEXTS.flatMap((key) => [
    doubtful(key, 'begins or ends with white space', (text) => text !== text.trim()),
    doubtful(key, 'is in quotes, which systemd and `docker --env-file` keep', (text) =>
      /^(?:"[^]*"|'[^]*')$/.test(text),
    ),
  ]),
  ...PASSWORDS.map((key) =>
    doubtful(key, 'has more than one line', (text) => /[\r\n]/.test(text.trim())),
  ),
]

/** Whoever reaches the listener may call iSales. */
function isOpen({ listen, obsLogin, listenClientCaFile }: Config): boolean {
  return !isLoopback(listen.host) && obsLogin !== 'require' && listenClientCaFile === undefined
}

/** The password would cross a network in the clear. */
function isPlainHttp(url: string): boolean {
  return url.startsWith('http:') && !isLoopback(endpointOf(new URL(url)).host)
}

const ANY: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

function isRemote(store: StoreAddress | undefined): boolean {
  return store !== undefined && !isLoopback(store.host)
}

/** As far as can be seen without DNS. */
function leadsTo(url: string, address: ListenAddress): boolean {
  const { host, port } = endpointOf(new URL(url))
  const own = isLoopback(host) && (isLoopback(address.host) || ANY.has(address.host))
  return port === address.port && (host === address.host || own)
}

function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || ANY.has(one.host) || ANY.has(other.host)
}

/** The rules that are broken. One that looks at a setting that could not be read, and has no value, is not judged. */
export function brokenRules(config: Partial<Config>): readonly BrokenRule[] {
  return RULES.flatMap((rule) => {
    const reads = new Set<string>()
    const watched = new Proxy(config, {
      get(target, key: string) {
        if (!(key in target)) throw UNREAD
        reads.add(key)
        return target[key as ConfigKey]
      },
    })
    try {
      return rule.broken(watched as Config) ? [{ ...rule, reads: [...reads] }] : []
    } catch (thrown) {
      if (thrown === UNREAD) return []
      throw thrown
    }
  })
}

const UNREAD = new Error('not read')
