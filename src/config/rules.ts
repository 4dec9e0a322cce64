import type { ConfigError } from './errors.ts'
import { isLocal, isLoopback, type ListenAddress } from './formats-net.ts'
import type { Config, ConfigKey } from './settings.ts'

/** A rule between settings. */
export interface Rule extends ConfigError {
  /** The rule is checked only when these could be read. */
  readonly reads: readonly ConfigKey[]
  /** A warning does not keep the program from starting. */
  readonly severity: 'error' | 'warning'
  broken(config: Config): boolean
}

/** Lets the compiler check that a rule reads no more than it says. */
function rule<const Key extends keyof Config>(
  spec: ConfigError & {
    readonly reads: readonly Key[]
    readonly severity?: 'warning'
    broken(config: Pick<Config, Key>): boolean
  },
): Rule {
  return { severity: 'error', ...spec }
}

/** Node itself obeys this variable, for iSales too. */
export const INSECURE_NODE: ConfigError = {
  setting: 'NODE_TLS_REJECT_UNAUTHORIZED',
  problem: 'is 0, which accepts any certificate',
  remedy: 'Unset it, and trust your own authority with ISALES_CA_FILE',
}

export const RULES: readonly Rule[] = [
  rule({
    setting: 'ISALES_URL',
    problem: 'is plain http to a host that is not loopback',
    remedy: 'Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens',
    reads: ['isalesUrl', 'isalesAllowHttp'],
    broken: ({ isalesUrl, isalesAllowHttp }) => {
      const { protocol, hostname } = new URL(isalesUrl)
      return protocol === 'http:' && !isalesAllowHttp && !isLoopback(hostname)
    },
  }),
  rule({
    setting: 'ISALES_ALLOW_HTTP',
    problem: 'is on: the password and the token cross the network in the clear',
    remedy: 'Use https as soon as iSales has it',
    severity: 'warning',
    reads: ['isalesUrl', 'isalesAllowHttp'],
    broken: ({ isalesUrl, isalesAllowHttp }) => {
      const { protocol, hostname } = new URL(isalesUrl)
      return protocol === 'http:' && isalesAllowHttp && !isLoopback(hostname)
    },
  }),
  rule({
    setting: 'ISALES_REFRESH_PATH',
    problem: 'is the same as ISALES_LOGIN_PATH',
    remedy: 'Give the path of the refresh call, or off',
    reads: ['isalesLoginPath', 'isalesRefreshPath'],
    broken: ({ isalesLoginPath, isalesRefreshPath }) => isalesLoginPath === isalesRefreshPath,
  }),
  rule({
    setting: 'ISALES_CLIENT_CERT_FILE',
    problem: 'is set without ISALES_CLIENT_KEY_FILE',
    remedy: 'Set both, or neither',
    reads: ['isalesClientCertFile', 'isalesClientKeyFile'],
    broken: (c) => c.isalesClientCertFile !== undefined && c.isalesClientKeyFile === undefined,
  }),
  rule({
    setting: 'ISALES_CLIENT_KEY_FILE',
    problem: 'is set without ISALES_CLIENT_CERT_FILE',
    remedy: 'Set both, or neither',
    reads: ['isalesClientCertFile', 'isalesClientKeyFile'],
    broken: (c) => c.isalesClientKeyFile !== undefined && c.isalesClientCertFile === undefined,
  }),
  rule({
    setting: 'LOGIN_BACKOFF_MAX',
    problem: 'is less than LOGIN_BACKOFF',
    remedy: 'Raise it, or lower LOGIN_BACKOFF',
    reads: ['loginBackoff', 'loginBackoffMax'],
    broken: ({ loginBackoff, loginBackoffMax }) => loginBackoffMax < loginBackoff,
  }),
  rule({
    setting: 'LOGIN_REJECTED_BACKOFF_MAX',
    problem: 'is less than LOGIN_REJECTED_BACKOFF',
    remedy: 'Raise it, or lower LOGIN_REJECTED_BACKOFF',
    reads: ['loginRejectedBackoff', 'loginRejectedBackoffMax'],
    broken: (c) => c.loginRejectedBackoffMax < c.loginRejectedBackoff,
  }),
  rule({
    setting: 'LISTEN',
    problem: 'is reachable from other machines, and nothing keeps others out',
    remedy:
      'Listen on 127.0.0.1 or a Unix socket, or set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE; UNSAFE_LISTEN=true overrides this',
    reads: ['listen', 'obsLogin', 'listenClientCaFile', 'unsafeListen'],
    broken: (c) => isOpen(c) && !c.unsafeListen,
  }),
  rule({
    setting: 'UNSAFE_LISTEN',
    problem: 'is on: whoever reaches LISTEN calls iSales as ISALES_USER',
    remedy: 'Set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE instead when you can',
    severity: 'warning',
    reads: ['listen', 'obsLogin', 'listenClientCaFile', 'unsafeListen'],
    broken: (c) => isOpen(c) && c.unsafeListen,
  }),
  rule({
    setting: 'LISTEN_TLS_CERT_FILE',
    problem: 'is set without LISTEN_TLS_KEY_FILE',
    remedy: 'Set both, or neither',
    reads: ['listenTlsCertFile', 'listenTlsKeyFile'],
    broken: (c) => c.listenTlsCertFile !== undefined && c.listenTlsKeyFile === undefined,
  }),
  rule({
    setting: 'LISTEN_TLS_KEY_FILE',
    problem: 'is set without LISTEN_TLS_CERT_FILE',
    remedy: 'Set both, or neither',
    reads: ['listenTlsCertFile', 'listenTlsKeyFile'],
    broken: (c) => c.listenTlsKeyFile !== undefined && c.listenTlsCertFile === undefined,
  }),
  rule({
    setting: 'LISTEN_CLIENT_CA_FILE',
    problem: 'is set without LISTEN_TLS_CERT_FILE',
    remedy: 'Client certificates need HTTPS: set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
    reads: ['listenClientCaFile', 'listenTlsCertFile'],
    broken: (c) => c.listenClientCaFile !== undefined && c.listenTlsCertFile === undefined,
  }),
  rule({
    setting: 'ADMIN_LISTEN',
    problem: 'takes the port of LISTEN',
    remedy: 'Give the two listeners different ports',
    reads: ['listen', 'adminListen'],
    broken: ({ listen, adminListen }) => collide(listen, adminListen),
  }),
  rule({
    setting: 'OBS_USER',
    problem: 'is not set, although OBS_LOGIN is require',
    remedy: 'Set OBS_USER or OBS_USER_FILE to the user that CTI-OBS is configured with',
    reads: ['obsLogin', 'obsUser'],
    broken: ({ obsLogin, obsUser }) => obsLogin === 'require' && obsUser === undefined,
  }),
  rule({
    setting: 'OBS_PASSWORD',
    problem: 'is not set, although OBS_LOGIN is require',
    remedy:
      'Set OBS_PASSWORD_FILE (or OBS_PASSWORD) to the password that CTI-OBS is configured with',
    reads: ['obsLogin', 'obsPassword'],
    broken: ({ obsLogin, obsPassword }) => obsLogin === 'require' && obsPassword === undefined,
  }),
  rule({
    setting: 'OBS_USER',
    problem: 'is set but not used, since OBS_LOGIN is not require',
    remedy: 'Set OBS_LOGIN=require if only that user may log in',
    severity: 'warning',
    reads: ['obsLogin', 'obsUser'],
    broken: ({ obsLogin, obsUser }) => obsLogin !== 'require' && obsUser !== undefined,
  }),
  rule({
    setting: 'LISTEN',
    problem: 'takes passwords in the clear from other machines',
    remedy: 'Set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
    severity: 'warning',
    reads: ['listen', 'obsLogin', 'listenTlsCertFile'],
    broken: ({ listen, obsLogin, listenTlsCertFile }) => {
      return !isLocal(listen) && obsLogin === 'require' && listenTlsCertFile === undefined
    },
  }),
  rule({
    setting: 'TOKEN_WAIT',
    problem: 'is not below CLIENT_DEADLINE, which ends the wait first',
    remedy: 'Lower it, so that the response can say what was missing',
    severity: 'warning',
    reads: ['tokenWait', 'clientDeadline'],
    broken: ({ tokenWait, clientDeadline }) => clientDeadline !== 0 && tokenWait >= clientDeadline,
  }),
]

type Access = Pick<Config, 'listen' | 'obsLogin' | 'listenClientCaFile'>

/** Whoever reaches the listener may call iSales. */
function isOpen({ listen, obsLogin, listenClientCaFile }: Access): boolean {
  return !isLocal(listen) && obsLogin !== 'require' && listenClientCaFile === undefined
}

const ANY: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.kind === 'unix' || other.kind === 'unix') return false
  if (one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || ANY.has(one.host) || ANY.has(other.host)
}

/** The rules that are broken, of those whose settings could all be read. */
export function brokenRules(
  config: Partial<Config>,
  unread: ReadonlySet<unknown>,
): readonly Rule[] {
  const isUnread = (key: ConfigKey): boolean =>
    unread.has(key) || (DERIVED.has(key) && config[key] === undefined)
  return RULES.filter((one) => !one.reads.some(isUnread) && one.broken(config as Config))
}

/** They are undefined only when a setting that their default depends on could not be read. */
const DERIVED: ReadonlySet<ConfigKey> = new Set(['obsLogin'])
