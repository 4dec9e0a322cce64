import { isIPv4, isIPv6 } from 'node:net'
import { parseEndpoint, urlHost, type ListenAddress } from './address.ts'
import { check, format, quotable, type Format } from './formats.ts'
import { REDACTED, Secret } from './secret.ts'

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/

const MAX_PORT = 65_535
const ADDRESS_FORMS = 'host:port, [v6]:port or :port'

/** `host:port`, `[v6]:port` or `:port` (all interfaces). The usual ones complete what is only a host or a port, in the example. */
const address = (usualHost: string, usualPort: number): Format<ListenAddress> =>
  quotable('address', ADDRESS_FORMS, (value) => {
    const { host = '', port } = parseEndpoint(value) ?? {}
    if (port === undefined) {
      const isPort = /^\d{1,5}$/.test(value)
      check(!isPort, 'is a port without an address', `${usualHost}:${value}`)
      check(!isIPv4(value), 'is an address without a port', `${value}:${usualPort}`)
      check(false, `is not an address: ${ADDRESS_FORMS}`, `${usualHost}:${usualPort}`)
    }
    check(port <= MAX_PORT, `has a port over ${MAX_PORT}`)
    const isHost = host === '' || isIPv6(host) || HOST_NAME.test(host)
    check(isHost, 'has no valid host before its port')
    return { host: host.toLowerCase(), port }
  })

// What may be reached by other machines is never proposed for the port of the proxy itself.
export const listenAddress = address('127.0.0.1', 8080)
export const adminAddress = address('', 9090)

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` header has it. */
export const hostName = quotable('host', 'without port', (value) => {
  const { host = '', port } = parseEndpoint(value) ?? {}
  const isHost = port === undefined && (isIPv6(host) || HOST_NAME.test(host))
  check(isHost, 'is not a host name or address (without port)')
  return urlHost(host).toLowerCase()
})

/** A name as TLS has it: without port, and no address (RFC 6066 section 3). */
export const serverName = quotable('host name', 'no address, no port', (value) => {
  const isName = HOST_NAME.test(value) && !isIPv4(value)
  check(isName, 'is not a host name (no address, no port)')
  return value.toLowerCase()
})

/** The hosts that are reached without the egress proxy, in lower case and separated by commas. */
export const noProxy = format('list of hosts', 'hosts, .suffixes, host:port or *', (value) =>
  value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .join(','),
)

// The URL parser forgives what an operator should see: backslashes, tabs, a missing slash.
const HTTP_URL = /^https?:\/\/[^\s\\]+$/i

/**
 * Names a character that no URL of a server has, and how it may have come there. Those of user and password are not
 * looked at: none of them may be shown.
 */
function checkCharacters(value: string): void {
  const shown = value.replace(/^(\W?(?:https?|rediss?|valkeys?)[^\w/@]*\/\/)?.*@/s, '$1')
  const [odd] = /["'`\u2018-\u201f]|[^\x21-\x7e]/u.exec(shown) ?? []
  if (odd === undefined) return
  const number = `U+${odd.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`
  const plain = odd.normalize('NFKC')
  const isQuote = /["'`\u2018-\u201f]/u.test(odd)
  const why = isQuote
    ? 'the quotes of an env file are part of the value'
    : plain === odd
      ? 'no URL has it'
      : `write ${plain} instead`
  check(false, `contains ${isQuote ? odd : JSON.stringify(odd)} (${number}): ${why}`)
}

/** Scheme, host and port of a server, and nothing else. */
export const origin = format('origin', 'https (http to loopback), no path', (value) => {
  checkCharacters(value)
  check(HTTP_URL.test(value) && URL.canParse(value), 'is not an http or https URL')
  const problem =
    'contains a user name or password, which would show; ISALES_USER and ISALES_PASSWORD are for those of iSales'
  check(!value.includes('@'), problem)
  const parsed = new URL(value)
  check(!/[?#]/.test(value), 'has a query or a fragment; give scheme, host, port')
  check(parsed.pathname === '/', 'has a path; give scheme, host and port only')
  return parsed.origin
})

/** The URL parser accepts a % that escapes nothing. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    check(false, 'has a user or password that cannot be decoded; a % in one is written %25')
  }
}

/** Without user and password, if there is an `@`. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/i, `$1${REDACTED}@`)
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export const proxyUrl = format('proxy URL', 'http or https', readProxyUrl, { redact: withoutUser })

function readProxyUrl(value: string): Secret {
  checkCharacters(value)
  const whole = value.includes('://') ? value : `http://${value}`
  // An unescaped `#` in the password would make a host of the user's name.
  const problem = 'contains ? or #, which in a password are written %3F and %23'
  check(!/[?#]/.test(whole), problem)
  check(HTTP_URL.test(whole) && URL.canParse(whole), 'is not the URL of an HTTP proxy')
  const { pathname, username, password } = new URL(whole)
  check(pathname === '/', 'has a path; an HTTP proxy has none')
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
export const storeUrl = format(
  'store URL',
  'redis, rediss, valkey or valkeys; one host',
  readStoreUrl,
  { redact: withoutUser },
)

function readStoreUrl(value: string): StoreAddress {
  checkCharacters(value)
  const [scheme, s] = STORE_SCHEME.exec(value) ?? []
  check(scheme !== undefined, 'is not a redis, rediss, valkey or valkeys URL')
  const rest = STORE_REST.exec(value.slice(scheme.length))
  const problem = 'is not host:port after the scheme; @ / ? # in a password are written %40'
  check(rest !== null, problem)
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
  check(isHost && port !== 0 && port <= MAX_PORT, 'has a host or port that is none')
  return { host, port }
}

/** RFC 3986 section 3.3, what a path may consist of. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
const MAX_PATH = 1024

/** An absolute path without query. */
export const path = quotable('path', 'starts with /', (value) => {
  check(value.startsWith('/'), 'does not start with /')
  check(value.length <= MAX_PATH, `is longer than ${MAX_PATH} characters`)
  check(PATH.test(value), 'is not a path (no query, no spaces, ASCII only)')
  check(!/\/(?:\/|\.\.?(?:\/|$))/.test(value), 'has an empty or a dot segment')
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
export const headerName = quotable(
  'header name',
  'not one that frames or routes a message',
  (value) => {
    check(TOKEN.test(value) && value.length <= 128, 'is not a header name')
    check(!NOT_FOR_TOKENS.test(value), 'is a header that frames or routes a message')
    return value
  },
)

/** What stands before the token (RFC 9110 section 11.1); may be empty. */
export const authScheme = quotable('auth scheme', 'may be empty', readScheme, {
  emptyIsValue: true,
})

function readScheme(value: string): string {
  const isScheme = value === '' || (TOKEN.test(value) && value.length <= 64)
  check(isScheme, 'is not an authentication scheme such as Bearer')
  return value
}
