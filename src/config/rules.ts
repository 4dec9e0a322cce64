import { endpointOf, isLoopback, type ListenAddress } from './address.ts'
import type { ConfigError, SettingWords } from './config-error.ts'
import type { Said } from '../words/index.ts'
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
type Sentences = SettingWords['rules']
/** What is said of a rule, or the name of it where that is always the same. */
type Telling =
  | ((rules: Sentences) => Said)
  | { [Name in keyof Sentences]: Sentences[Name] extends Said ? Name : never }[keyof Sentences]

function rule(severity: Rule['severity'], setting: string, telling: Telling, broken: Broken): Rule {
  const said: Rule['said'] = ({ rules }) =>
    typeof telling === 'string' ? rules[telling] : telling(rules)
  return { severity, setting, said, broken }
}

function error(setting: string, telling: Telling, broken: Broken): Rule {
  return rule('error', setting, telling, broken)
}

function warning(setting: string, telling: Telling, broken: Broken): Rule {
  return rule('warning', setting, telling, broken)
}

/** The first is of use only together with the second. */
const USEFUL_ONLY_WITH: readonly (readonly [ConfigKey, ConfigKey])[] = [
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
  telling: Telling,
  isDoubtful: (text: string) => boolean,
): Rule {
  return warning(variableOf(key), telling, ({ [key]: value }) =>
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

function weak(key: 'obsPassword' | 'obsTicketKey' | 'sessionStoreKey', isReached: Broken): Rule {
  const telling: Telling = (of) => of.weak(key === 'sessionStoreKey')
  return error(variableOf(key), telling, (c) => isReached(c) && isWeak(c[key]))
}

/** Node itself obeys this variable, for iSales too. */
export const INSECURE_NODE = error('NODE_TLS_REJECT_UNAUTHORIZED', 'insecureNode', () => true)

/** CTI-OBS must log in: because `OBS_LOGIN` says so, or because `LISTEN` is not local. */
function isNeeded({ obsLogin, listen }: Config, local: boolean): boolean {
  return obsLogin === 'require' && isLoopback(listen.host) === local
}

export const RULES: readonly Rule[] = [
  error('ISALES_URL', 'plainHttp', (c) => isPlainHttp(c.isalesUrl) && !c.isalesAllowHttp),
  warning(
    'ISALES_URL',
    'itself',
    (c) => leadsTo(c.isalesUrl, c.listen) || leadsTo(c.isalesUrl, c.adminListen),
  ),
  warning('ISALES_ALLOW_HTTP', 'httpAllowed', (c) => isPlainHttp(c.isalesUrl) && c.isalesAllowHttp),
  error('ISALES_REFRESH_PATH', 'samePath', (c) => c.isalesLoginPath === c.isalesRefreshPath),
  error('LISTEN', 'open', (c) => isOpen(c) && !c.unsafeListen),
  warning('UNSAFE_LISTEN', 'unsafe', (c) => isOpen(c) && c.unsafeListen),
  ...USEFUL_ONLY_WITH.map(([key, other]) =>
    error(
      variableOf(key),
      (is) => is.without(variableOf(other)),
      (c) => c[key] !== undefined && c[other] === undefined,
    ),
  ),
  error(
    'SESSION_STORE_CA_FILE',
    'storeWithoutTls',
    (c) =>
      c.sessionStoreUrl?.tls === false &&
      (c.sessionStoreCaFile ?? c.sessionStoreClientCertFile) !== undefined,
  ),
  warning(
    'SESSION_STORE_URL',
    'plainStore',
    (c) => c.sessionStoreUrl?.tls === false && isRemote(c.sessionStoreUrl),
  ),
  error('ADMIN_LISTEN', 'samePort', (c) => collide(c.listen, c.adminListen)),
  ...[true, false].flatMap((local) => [
    error(
      'OBS_USER',
      (is) => is.noUser(local),
      (c) => isNeeded(c, local) && c.obsUser === undefined,
    ),
    error(
      'OBS_PASSWORD',
      (is) => is.noPassword(local),
      (c) => isNeeded(c, local) && c.obsPassword === undefined,
    ),
  ]),
  weak('obsPassword', (c) => c.obsLogin === 'require' && !isLoopback(c.listen.host)),
  weak('obsTicketKey', (c) => c.obsLogin === 'require' && !isLoopback(c.listen.host)),
  weak('sessionStoreKey', (c) => isRemote(c.sessionStoreUrl)),
  warning('OBS_USER', 'unusedUser', (c) => c.obsLogin !== 'require' && c.obsUser !== undefined),
  warning(
    'LISTEN',
    'plainListen',
    (c) =>
      !isLoopback(c.listen.host) && c.obsLogin === 'require' && c.listenTlsCertFile === undefined,
  ),
  warning(
    'LISTEN_MAX_CONNECTIONS',
    'fewConnections',
    (c) => c.listenMaxConnections <= c.maxInFlight,
  ),
  warning('CLIENT_DEADLINE', 'longDeadline', (c) => c.clientDeadline >= 3000),
  warning('CLIENT_DEADLINE', 'noDeadline', (c) => c.clientDeadline === 0),
  ...(['httpsProxy', 'isalesTlsServerName'] as const).map((key) =>
    warning(
      variableOf(key),
      'unusedForHttp',
      (c) => c[key] !== undefined && c.isalesUrl.startsWith('http:'),
    ),
  ),
  warning(
    'ALLOWED_PATHS',
    'otherPaths',
    (c) => !c.allowedPaths.some((one) => c.isalesLoginPath.startsWith(one.replace(/\/?$/, '/'))),
  ),
  warning('LOGIN_REJECTED_ATTEMPTS', 'manyAttempts', (c) => c.loginRejectedAttempts > 5),
  ...TEXTS.flatMap((key) => [
    doubtful(key, 'whiteSpace', (text) => text !== text.trim()),
    doubtful(key, 'quotes', (text) => /^(?:"[^]*"|'[^]*')$/.test(text)),
    doubtful(key, 'unseen', hasUnseen),
    doubtful(key, 'named', (text) => text.startsWith(`${variableOf(key)}=`)),
    doubtful(
      key,
      (is) => is.path(`${variableOf(key)}_FILE`),
      (text) => /^(?:\/[\w.-]+){2,}$/.test(text),
    ),
  ]),
  ...PASSWORDS.map((key) => doubtful(key, 'lines', (text) => /[\r\n]/.test(text.trim()))),
]

/** Characters that look like others, or like nothing: input methods and copied texts bring them. */
function hasUnseen(text: string): boolean {
  return /\p{Cf}|[\uff01-\uff5e]/u.test(text)
}

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
