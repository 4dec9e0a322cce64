import { isIPv4, isIPv6 } from 'node:net'
import { parseEndpoint, urlHost, type ListenAddress } from './address.ts'
import { check, checkTyped, format, numberOf, quotable, type Format } from './formats.ts'
import { Secret, withoutLogin } from './secret.ts'

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/

const MAX_PORT = 65_535

/**
 * `host:port`, `[v6]:port` or `:port` (all interfaces). The error for what is only a host or a port has the whole as its
 * example.
 */
const address = (usualHost: string, usualPort: number): Format<ListenAddress> =>
  quotable('address', (value) => {
    const { host = '', port } = parseEndpoint(value) ?? {}
    if (port === undefined) {
      const isPort = /^\d{1,5}$/.test(value)
      check(!isPort, (is) => is.portAlone, `${usualHost}:${value}`)
      check(!isIPv4(value), (is) => is.addressAlone, `${value}:${usualPort}`)
      check(false, (is) => is.notAddress, `${usualHost}:${usualPort}`)
    }
    check(port <= MAX_PORT, (is) => is.overPort(MAX_PORT))
    const isHost = host === '' || isIPv6(host) || HOST_NAME.test(host)
    check(isHost, (is) => is.noHost)
    return { host: host.toLowerCase(), port }
  })

// What may be reached by other machines is never proposed for the port of the proxy itself.
export const listenAddress = address('127.0.0.1', 8080)
export const adminAddress = address('', 9090)

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` header has it. */
export const hostName = quotable('host', (value) => {
  const { host = '', port } = parseEndpoint(value) ?? {}
  const isHost = port === undefined && (isIPv6(host) || HOST_NAME.test(host))
  check(isHost, (is) => is.notHost)
  return urlHost(host).toLowerCase()
})

/** A name as TLS has it: without port, and no address (RFC 6066 section 3). */
export const serverName = quotable('hostName', (value) => {
  const isName = HOST_NAME.test(value) && !isIPv4(value)
  check(isName, (is) => is.notHostName)
  return value.toLowerCase()
})

/** The hosts that are reached without the egress proxy, in lower case and separated by commas. */
export const noProxy = format('hosts', (value) => {
  const [odd = ''] = /[;\uff1b\u3001]/u.exec(value) ?? []
  check(odd === '', (is) => is.separator(odd, numberOf(odd)))
  checkTyped(value)
  return value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .join(',')
})

// The URL parser forgives what an operator should see: backslashes, tabs, a missing slash.
const HTTP_URL = /^https?:\/\/[^\s\\]+$/i

/**
 * Names a character that no URL of a server has, and how it may have come there, and a port that is none. User and password
 * are not looked at: nothing of them may be shown.
 */
function checkUrl(value: string): void {
  const shown = value.replace(/^(\W?(?:https?|rediss?|valkeys?)[^\w/@]*\/\/)?.*@/s, '$1')
  checkTyped(shown)
  const [odd = ''] = /[^\x21-\x7e]/u.exec(shown) ?? []
  check(odd === '', (is) => is.oddInUrl(JSON.stringify(odd), numberOf(odd)))
  const [, port] = /^(?:\w+:\/\/)?(?:\[[^\]]*\]|[^/:?#]*):(\d+)/.exec(shown) ?? []
  check(!(Number(port) > MAX_PORT), (is) => is.overPort(MAX_PORT))
}

/** Scheme, host and port of a server, and nothing else. */
export const origin = format('origin', (value) => {
  checkUrl(value)
  check(HTTP_URL.test(value) && URL.canParse(value), (is) => is.notUrl)
  check(!value.includes('@'), (is) => is.login)
  const parsed = new URL(value)
  check(!/[?#]/.test(value), (is) => is.query)
  check(parsed.pathname === '/', (is) => is.pathInUrl)
  return parsed.origin
})

/** The URL parser accepts a % that escapes nothing. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    check(false, (is) => is.notDecoded)
  }
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export const proxyUrl = format('proxyUrl', readProxyUrl, {
  redact: (url) => (url.includes('://') ? withoutLogin(url) : withoutLogin(`//${url}`).slice(2)),
})

function readProxyUrl(value: string): Secret {
  checkUrl(value)
  const whole = value.includes('://') ? value : `http://${value}`
  // An unescaped `#` in the password would make a host of the user's name.
  check(!/[?#]/.test(whole), (is) => is.hashInProxy)
  check(HTTP_URL.test(whole) && URL.canParse(whole), (is) => is.notProxy)
  const { pathname, username, password } = new URL(whole)
  check(pathname === '/', (is) => is.pathInProxy)
  decode(username)
  decode(password)
  return new Secret(whole)
}

/** Where the shared store is. */
export interface StoreAddress {
  readonly tls: boolean
  /** IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly database: number
  readonly user: string | undefined
  readonly password: Secret | undefined
}

const STORE_SCHEME = /^(?:redis|valkey)(s?):\/\//
const STORE_REST = /^(?:([^@/:]*)(?::([^@/]*))?@)?([^@/?#\s]+)(?:\/(\d{1,5})?)?$/
const STORE_PORT = 6379

/** `redis[s]://` or `valkey[s]://`, `[user:password@]host[:port][/database]`. */
export const storeUrl = format('storeUrl', readStoreUrl, {
  redact: withoutLogin,
})

function readStoreUrl(value: string): StoreAddress {
  checkUrl(value)
  const [scheme, s] = STORE_SCHEME.exec(value) ?? []
  check(scheme !== undefined, (is) => is.notStore)
  const rest = STORE_REST.exec(value.slice(scheme.length))
  check(rest !== null, (is) => is.notStoreHost)
  const [, user = '', password, server = '', database = 0] = rest
  return {
    tls: s === 's',
    ...readServer(server),
    database: Number(database),
    user: user === '' ? undefined : decode(user),
    password: password === undefined ? undefined : new Secret(decode(password)),
  }
}

function readServer(text: string): Pick<StoreAddress, 'host' | 'port'> {
  const { host = '', port = STORE_PORT } = parseEndpoint(text) ?? {}
  const isHost = isIPv6(host) || HOST_NAME.test(host)
  check(isHost && port !== 0, (is) => is.noStoreHost)
  return { host, port }
}

const MAX_PATH = 1024

/** An absolute path without query, as the paths of calls have to be: another would never be forwarded. */
export const path = quotable('path', (value) => {
  check(value.startsWith('/'), (is) => is.noSlash)
  check(value.length <= MAX_PATH, (is) => is.tooManyCharacters(MAX_PATH))
  check(!value.includes('//'), (is) => is.emptySegment)
  const [odd] = /[^\w.~/-]/u.exec(value) ?? []
  check(odd === undefined, (is) => is.oddInPath(JSON.stringify(odd), numberOf(odd ?? '')))
  check(!/\/\.|\.(?:\/|$)/.test(value), (is) => is.dotSegment)
  return value
})

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Headers that frame or route a message, or end at the next hop: a token in one would break every call. */
const NOT_FOR_TOKENS = new RegExp(
  `^(?:${[
    'connection|date|expect|host|http2-settings|keep-alive|max-forwards|te|trailer',
    'transfer-encoding|upgrade|via|x-request-id',
    'content-(?:encoding|length|type)',
    'proxy-(?:authenticate|authentication-info|authorization|connection)',
  ].join('|')})$`,
  'i',
)

/** The name of a header that may carry a token. */
export const headerName = quotable('headerName', (value) => {
  check(TOKEN.test(value) && value.length <= 128, (is) => is.notHeader)
  check(!NOT_FOR_TOKENS.test(value), (is) => is.framing)
  return value
})

/** What stands before the token (RFC 9110 section 11.1); may be empty. */
export const authScheme = quotable('authScheme', readScheme, {
  emptyIsValue: true,
})

function readScheme(value: string): string {
  const isScheme = value === '' || (TOKEN.test(value) && value.length <= 64)
  check(isScheme, (is) => is.notScheme)
  return value
}
