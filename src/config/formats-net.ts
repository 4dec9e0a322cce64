import { isIPv4, isIPv6 } from 'node:net'
import * as z from 'zod'
import { urlHost, type ListenAddress } from './address.ts'
import { FORMATS, refuse } from './formats.ts'
import { REDACTED, Secret } from './secret.ts'

/** Linux keeps 108 bytes for the path of a socket, the last of them NUL. libuv would cut a longer one silently. */
const MAX_SOCKET_PATH = 107
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/

/** `host:port`, `[v6]:port`, `:port` (all interfaces) or `unix:/path`. */
export function listenAddress({ unix }: { readonly unix: boolean }) {
  const forms = `host:port, [v6]:port${unix ? ', :port or unix:/path' : ' or :port'}`
  return z
    .string()
    .transform((value, ctx): ListenAddress => {
      if (value.startsWith('unix:')) {
        return unix ? socketPath(value.slice(5), ctx) : refuse(ctx, 'cannot be a Unix socket')
      }
      const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(value) ?? []
      if (digits === undefined) {
        // What may be reached by other machines is never proposed for the port of the proxy itself.
        if (/^\d{1,5}$/.test(value)) {
          return refuse(ctx, 'is a port without an address', `${unix ? '127.0.0.1' : ''}:${value}`)
        }
        if (isIPv4(value))
          return refuse(ctx, 'is an address without a port', `${value}:${unix ? 8080 : 9090}`)
        return refuse(ctx, `is not an address: ${forms}`, unix ? '127.0.0.1:8080' : ':9090')
      }
      if (Number(digits) > 65_535) return refuse(ctx, 'has a port over 65535')
      const host = v6 ?? name ?? ''
      if (v6 !== undefined && !isIPv6(v6)) {
        return refuse(ctx, 'has no IPv6 address in its brackets')
      }
      if (v6 === undefined && host !== '' && !HOST_NAME.test(host)) {
        return refuse(ctx, 'has no valid host before its port')
      }
      return { kind: 'tcp', host: host.toLowerCase(), port: Number(digits) }
    })
    .register(FORMATS, { type: 'address', limits: forms, quotable: true })
}

function socketPath(path: string, ctx: z.core.ParsePayload): ListenAddress {
  if (!path.startsWith('/')) return refuse(ctx, 'is not an absolute path after unix:')
  if (path.endsWith('/')) return refuse(ctx, 'names a directory, not a socket')
  return Buffer.byteLength(path) > MAX_SOCKET_PATH
    ? refuse(ctx, `has a socket path over ${MAX_SOCKET_PATH} bytes`)
    : { kind: 'unix', path }
}

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` header has it. */
export function hostName() {
  const bare = (value: string): string => /^\[(.*)\]$/.exec(value)?.[1] ?? value
  return z
    .string()
    .refine((value) => isIPv6(bare(value)) || HOST_NAME.test(value), {
      error: 'is not a host name or address (without port)',
      abort: true,
    })
    .overwrite((value) => urlHost(bare(value)).toLowerCase())
    .register(FORMATS, { type: 'host', limits: 'without port', quotable: true })
}

/** A name as TLS has it: without port, and no address (RFC 6066 section 3). */
export function serverName() {
  return z
    .string()
    .refine(
      (value) => HOST_NAME.test(value) && !isIPv4(value),
      'is not a host name (no address, no port)',
    )
    .toLowerCase()
    .register(FORMATS, { type: 'host name', limits: 'no address, no port', quotable: true })
}

/** The hosts that are reached without the egress proxy, in lower case and separated by commas. */
export function noProxy() {
  return z
    .string()
    .overwrite((value) =>
      value
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean)
        .join(','),
    )
    .register(FORMATS, { type: 'list of hosts', limits: 'hosts, .suffixes, host:port or *' })
}

// The URL parser forgives what an operator should see: backslashes, tabs, a missing slash.
const HTTP_URL = /^https?:\/\/[^\s\\]+$/i

function httpUrl() {
  return z
    .string()
    .refine((value) => HTTP_URL.test(value) && URL.canParse(value), {
      error: 'is not an http or https URL',
      abort: true,
    })
    .refine((value) => !value.includes('@'), {
      error: 'contains a user name or password; those have settings of their own',
    })
}

/** Scheme, host and port of a server, and nothing else. */
export function origin() {
  return httpUrl()
    .refine((value) => !/[?#]/.test(value), 'has a query or a fragment; give scheme, host, port')
    .refine(
      (value) => new URL(value).pathname === '/',
      'has a path; give scheme, host and port only',
    )
    .overwrite((value) => new URL(value).origin)
    .register(FORMATS, { type: 'origin', limits: 'https (http to loopback), no path' })
}

/** An http or https URL. */
export function url() {
  return httpUrl()
    .overwrite((value) => new URL(value).href)
    .register(FORMATS, { type: 'URL', limits: 'http or https' })
}

const UNDECODABLE = 'has a user or password that cannot be decoded; a % in one is written %25'

/** The URL parser accepts a % that escapes nothing. */
function isEncoded(value: string): boolean {
  try {
    decodeURIComponent(value)
    return true
  } catch {
    return false
  }
}

/** Without user and password, if there is an `@`. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/i, `$1${REDACTED}@`)
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export function proxyUrl() {
  return z
    .string()
    .transform((value, ctx) => {
      const whole = value.includes('://') ? value : `http://${value}`
      // An unescaped `#` in the password would make a host of the user's name.
      if (/[?#]/.test(whole)) {
        return refuse(ctx, 'contains ? or #, which in a password are written %3F and %23')
      }
      if (!HTTP_URL.test(whole) || !URL.canParse(whole)) {
        return refuse(ctx, 'is not the URL of an HTTP proxy')
      }
      const { pathname, username, password } = new URL(whole)
      if (pathname !== '/') return refuse(ctx, 'has a path; an HTTP proxy has none')
      if (isEncoded(username) && isEncoded(password)) return new Secret(whole)
      return refuse(ctx, UNDECODABLE)
    })
    .register(FORMATS, { type: 'proxy URL', limits: 'http or https', redact: withoutUser })
}

/** Where the shared store is. */
export interface StoreAddress {
  readonly tls: boolean
  /** Without a port: that of the protocol. IPv6 without brackets. */
  readonly servers: readonly { readonly host: string; readonly port: number | undefined }[]
  readonly database: number
  readonly user: string | undefined
  readonly password: Secret | undefined
}

const STORE_SCHEME = /^(?:redis|valkey)(s?):\/\//
const STORE_REST = /^(?:([^@/:]*)(?::([^@/]*))?@)?([^@/?#\s]+)(?:\/(\d{1,5})?)?$/
const STORE_SERVER = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/

/** `redis[s]://` or `valkey[s]://`, `[user:password@]host[:port][,host[:port]]...[/database]`. */
export function storeUrl() {
  return z
    .string()
    .transform((value, ctx): StoreAddress => {
      const [scheme, s] = STORE_SCHEME.exec(value) ?? []
      if (scheme === undefined) return refuse(ctx, 'is not a redis, rediss, valkey or valkeys URL')
      const rest = STORE_REST.exec(value.slice(scheme.length))
      if (rest === null) {
        const problem = 'is not host:port after the scheme; @ / ? # in a password are written %40'
        return refuse(ctx, problem)
      }
      const [, user = '', password, hosts = '', database = 0] = rest
      const servers = hosts.split(',').flatMap((server) => parseServer(server) ?? [])
      if (servers.length < hosts.split(',').length) {
        return refuse(ctx, 'has a host or port that is none')
      }
      if (!isEncoded(user) || !isEncoded(password ?? '')) return refuse(ctx, UNDECODABLE)
      return {
        tls: s === 's',
        servers,
        database: Number(database),
        user: user === '' ? undefined : decodeURIComponent(user),
        password: password === undefined ? undefined : new Secret(decodeURIComponent(password)),
      }
    })
    .register(FORMATS, {
      type: 'store URL',
      limits: 'redis, rediss, valkey or valkeys; several hosts are Sentinels',
      redact: withoutUser,
    })
}

function parseServer(text: string): StoreAddress['servers'][number] | undefined {
  const [, v6, name = '', digits] = STORE_SERVER.exec(text) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  const isHost = v6 === undefined ? HOST_NAME.test(name) : isIPv6(v6)
  return isHost && port !== 0 && (port ?? 1) <= 65_535 ? { host: v6 ?? name, port } : undefined
}

/** RFC 3986 section 3.3, what a path may consist of. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
const MAX_PATH = 1024

/** An absolute path without query. */
export function path() {
  return z
    .string()
    .startsWith('/', 'does not start with /')
    .max(MAX_PATH, `is longer than ${MAX_PATH} characters`)
    .regex(PATH, 'is not a path (no query, no spaces, ASCII only)')
    .refine((value) => !/\/(?:\/|\.\.?(?:\/|$))/.test(value), 'has an empty or a dot segment')
    .register(FORMATS, { type: 'path', limits: 'starts with /', quotable: true })
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Headers that frame or route a message, or end at the next hop: a token in one would break every call. */
const NOT_FOR_TOKENS: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-request-id',
])

/** The name of a header that may carry a token. */
export function headerName() {
  return z
    .string()
    .regex(TOKEN, 'is not a header name')
    .max(128, 'is not a header name')
    .refine(
      (value) => !NOT_FOR_TOKENS.has(value.toLowerCase()),
      'is a header that frames or routes a message',
    )
    .register(FORMATS, {
      type: 'header name',
      limits: 'not one that frames or routes a message',
      quotable: true,
    })
}

/** What stands before the token (RFC 9110 section 11.1); may be empty. */
export function authScheme() {
  const problem = 'is not an authentication scheme such as Bearer'
  return z
    .string()
    .refine((value) => value === '' || TOKEN.test(value), problem)
    .max(64, problem)
    .register(FORMATS, {
      type: 'auth scheme',
      limits: 'may be empty',
      quotable: true,
      emptyIsValue: true,
    })
}
