import { toEndpoint, isLoopback, type ListenAddress } from './address.ts'
import type { SettingCode } from '../codes.ts'
import type { Secret } from './secret.ts'
import {
  SETTING_LIST,
  toVariable,
  type ParsedSettings,
  type SettingKey,
  type SettingProblem,
} from './settings.ts'

/** Reports problems between settings. One that is set but could not be read is undefined in `given`, and has its own problem. */
export function* ruleViolations(
  given: Partial<ParsedSettings>,
  isSet: (key: SettingKey) => boolean,
): Generator<SettingProblem> {
  const error = (setting: string, code: SettingCode) => ({ setting, code, facts: [] })
  const warning = (setting: string, code: SettingCode): SettingProblem => {
    return { ...error(setting, code), isWarning: true }
  }
  const { isalesUrl: url, isalesLoginPath: loginPath, sessionStoreUrl: store } = given
  const { listen, adminListen, obsPassword, clientDeadline = 0 } = given

  const isHttp = url?.startsWith('http:') === true
  // The password would cross a network in clear text.
  if (isHttp && !isLoopback(toEndpoint(new URL(url)).host)) {
    if (given.isalesAllowHttp === true) yield warning('ISALES_ALLOW_HTTP', 'http-allowed')
    else yield error('ISALES_URL', 'http-not-allowed')
  }
  for (const key of ['httpsProxy', 'isalesTlsServerName'] as const)
    if (isHttp && given[key] !== undefined) yield warning(toVariable(key), 'unused-for-http')

  if (loginPath !== undefined) {
    if (loginPath === given.isalesRefreshPath) yield error('ISALES_REFRESH_PATH', 'same-path')
    if (!loginPath.endsWith('auth/login') && !isSet('isalesRefreshPath'))
      yield error('ISALES_REFRESH_PATH', 'no-refresh-path')
    if (given.allowedPaths?.some((one) => loginPath.startsWith(one.replace(/\/?$/, '/'))) === false)
      yield warning('ALLOWED_PATHS', 'other-paths')
  }

  for (const { key, name, needs } of SETTING_LIST) {
    const missing =
      isSet(key) && SETTING_LIST.find((other) => other.key === needs && !isSet(other.key))
    if (missing) yield { ...error(name, 'incomplete'), facts: [['otherSetting', missing.name]] }
  }

  const isRemote = store !== undefined && !isLoopback(store.host)
  if (store?.tls === false) {
    if (isSet('sessionStoreCaFile')) yield error('SESSION_STORE_CA_FILE', 'store-without-tls')
    if (isRemote) yield warning('SESSION_STORE_URL', 'plain-store')
  }
  if (isRemote && isWeak(given.sessionStoreKey))
    yield error('SESSION_STORE_KEY_FILE', 'weak-secret')

  if (listen !== undefined && adminListen !== undefined && collide(listen, adminListen))
    yield error('ADMIN_LISTEN', 'same-port')
  if (listen !== undefined && !isLoopback(listen.host)) {
    const isClosed = isSet('obsUser') || isSet('obsPassword') || isSet('listenClientCaFile')
    if (!isClosed && given.unsafeListen === false) yield error('LISTEN', 'open-listener')
    if (!isClosed && given.unsafeListen === true) yield warning('UNSAFE_LISTEN', 'open-allowed')
    if (isWeak(obsPassword)) yield error('OBS_PASSWORD', 'weak-secret')
    if (isSet('obsUser') && !isSet('listenTlsCertFile')) yield warning('LISTEN', 'plain-listener')
  } else if (isWeak(obsPassword)) yield warning('OBS_PASSWORD', 'weak-secret')
  if (isSet('listenClientCaFile') && !isSet('listenClientNames'))
    yield warning('LISTEN_CLIENT_CA_FILE', 'any-client')
  if (clientDeadline >= 3000) yield warning('CLIENT_DEADLINE', 'long-deadline')
}

/** Returns true for a secret that can be guessed offline with a ticket or a sealed value. */
function isWeak(secret: Secret | undefined): boolean {
  if (secret === undefined) return false
  const characters = Array.from(secret.reveal())
  return characters.length < 12 || new Set(characters).size < 4
}

const ANY: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || ANY.has(one.host) || ANY.has(other.host)
}
