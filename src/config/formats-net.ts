import { isIPv4, isIPv6 } from 'node:net'
import * as z from 'zod'
import { FORMATS, refuse } from './formats.ts'
import { Secret } from './secret.ts'

/** Where a listener listens. */
export type ListenAddress =
  /** An empty host means all interfaces; IPv6 without brackets. Port 0 means a free one. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Linux keeps 108 bytes for the path of a socket, the last of them NUL. */
const LONGEST_SOCKET_PATH = 107
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/

/** `host:port`, `[v6]:port`, `:port` (all interfaces) or `unix:/path`. */
export function listenAddress({ unix }: { readonly unix: boolean }) {
  const forms = `host:port, [v6]:port${unix ? ', :port or unix:/path' : ' or :port'}`
  return z
    .codec(z.string(), z.custom<ListenAddress>(), {
      decode(value, ctx): ListenAddress {
        if (value.startsWith('unix:')) {
          return unix ? socketPath(value.slice(5), ctx) : refuse(ctx, 'cannot be a Unix socket')
        }
        const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(value) ?? []
        if (digits === undefined) return refuseAddress(value, ctx, { unix, forms })
        const port = Number(digits)
        if (port > 65_535) return refuse(ctx, 'has a port over 65535')
        const host = v6 ?? name ?? ''
        if (v6 !== undefined && !isIPv6(v6)) {
          return refuse(ctx, 'has no IPv6 address in its brackets')
        }
        if (v6 === undefined && host !== '' && !HOST_NAME.test(host)) {
          return refuse(ctx, 'has no valid host before its port')
        }
        return { kind: 'tcp', host: host.toLowerCase(), port }
      },
      encode: (address) =>
        address.kind === 'unix'
          ? `unix:${address.path}`
          : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`,
    })
    .register(FORMATS, { type: 'address', limits: forms, quotable: true })
}

function refuseAddress(
  value: string,
  ctx: z.core.ParsePayload,
  { unix, forms }: { readonly unix: boolean; readonly forms: string },
) {
  // What may be reached by other machines is never proposed for the port of the proxy itself.
  if (/^\d{1,5}$/.test(value)) {
    return refuse(ctx, 'is a port without an address', `${unix ? '127.0.0.1' : ''}:${value}`)
  }
  if (isIPv4(value))
    return refuse(ctx, 'is an address without a port', `${value}:${unix ? 8080 : 9090}`)
  return refuse(ctx, `is not an address: ${forms}`, unix ? '127.0.0.1:8080' : ':9090')
}

function socketPath(path: string, ctx: z.core.ParsePayload): ListenAddress {
  if (!path.startsWith('/')) return refuse(ctx, 'is not an absolute path after unix:')
  if (path.endsWith('/')) return refuse(ctx, 'names a directory, not a socket')
  return Buffer.byteLength(path) > LONGEST_SOCKET_PATH
    ? refuse(ctx, `has a socket path over ${LONGEST_SOCKET_PATH} bytes`)
    : { kind: 'unix', path }
}

/** True when only this machine can reach the address. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === 'unix' || isLoopback(address.host)
}

/** True for `localhost`, 127.0.0.0/8 and ::1; brackets around an IPv6 address do not matter. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (bare === 'localhost' || bare === '::1') return true
  return isIPv4(bare) && bare.startsWith('127.')
}

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` header has it. */
export function hostName() {
  return z
    .codec(z.string(), z.string(), {
      decode(value, ctx) {
        const v6 = /^\[(.*)\]$/.exec(value)?.[1] ?? value
        if (isIPv6(v6)) return `[${v6.toLowerCase()}]`
        if (HOST_NAME.test(value)) return value.toLowerCase()
        return refuse(ctx, 'is not a host name or address (without port)')
      },
      encode: (host) => host,
    })
    .register(FORMATS, { type: 'host', limits: 'without port', quotable: true })
}

/** The hosts that are reached without the egress proxy, in lower case and separated by commas. */
export function noProxy() {
  return z
    .codec(z.string(), z.string(), {
      decode: (value) =>
        value
          .toLowerCase()
          .split(/[\s,]+/)
          .filter(Boolean)
          .join(','),
      encode: (hosts) => hosts,
    })
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
  const plain = httpUrl()
    .refine((value) => !/[?#]/.test(value), 'has a query or a fragment; give scheme, host, port')
    .refine(
      (value) => new URL(value).pathname === '/',
      'has a path; give scheme, host and port only',
    )
  return z
    .codec(plain, z.string(), {
      decode: (value) => new URL(value).origin,
      encode: (value) => value,
    })
    .register(FORMATS, { type: 'origin', limits: 'https (http to loopback), no path' })
}

/** An http or https URL. */
export function url() {
  return z
    .codec(httpUrl(), z.string(), {
      decode: (value) => new URL(value).href,
      encode: (value) => value,
    })
    .register(FORMATS, { type: 'URL', limits: 'http or https' })
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export function proxyUrl() {
  return z
    .codec(z.string(), z.instanceof(Secret), {
      decode(value, ctx) {
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
        return refuse(
          ctx,
          'has a user or password that cannot be decoded; a % in one is written %25',
        )
      },
      encode: String,
    })
    .register(FORMATS, { type: 'proxy URL', limits: 'http or https', secret: true })
}

/** The URL parser accepts a % that escapes nothing. */
function isEncoded(value: string): boolean {
  try {
    decodeURIComponent(value)
    return true
  } catch {
    return false
  }
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

const STORE_URL = /^(?:redis|valkey)(s?):\/\/(?:([^@/]*)@)?([^@/?#\s]+)(?:\/(\d{1,5})?)?$/
const STORE_SERVER = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/

/** `redis[s]://` or `valkey[s]://`, `[user:password@]host[:port][,host[:port]]...[/database]`. */
export function storeUrl() {
  return z
    .codec(z.string(), z.custom<StoreAddress>(), {
      decode(value, ctx): StoreAddress {
        const [, s, credentials, hosts = '', database] = STORE_URL.exec(value) ?? []
        if (s === undefined) {
          return /^(?:redis|valkey)s?:\/\//.test(value)
            ? refuse(
                ctx,
                'is not host:port after the scheme; @ / ? # in a password are written %40',
              )
            : refuse(ctx, 'is not a redis, rediss, valkey or valkeys URL')
        }
        const servers = hosts.split(',').map((server) => STORE_SERVER.exec(server))
        const valid = servers.every(
          (match) =>
            match !== null &&
            (match[1] === undefined ? HOST_NAME.test(match[2] ?? '') : isIPv6(match[1])),
        )
        if (!valid) return refuse(ctx, 'has a host or port that is none')
        const ports = servers.map((match) =>
          match?.[3] === undefined ? undefined : Number(match[3]),
        )
        if (ports.some((port) => port === 0 || (port ?? 1) > 65_535)) {
          return refuse(ctx, 'has a host or port that is none')
        }
        const [, name = '', secret] = /^([^:]*)(?::(.*))?$/s.exec(credentials ?? '') ?? []
        if (!isEncoded(name) || !isEncoded(secret ?? '')) {
          return refuse(
            ctx,
            'has a user or password that cannot be decoded; a % in one is written %25',
          )
        }
        return {
          tls: s === 's',
          servers: servers.map((match, index) => ({
            host: match?.[1] ?? match?.[2] ?? '',
            port: ports[index],
          })),
          database: Number(database ?? 0),
          user: name === '' ? undefined : decodeURIComponent(name),
          password: secret === undefined ? undefined : new Secret(decodeURIComponent(secret)),
        }
      },
      // Never with user and password.
      encode: ({ tls, servers, database }) =>
        `valkey${tls ? 's' : ''}://${servers
          .map(
            ({ host, port }) =>
              `${isIPv6(host) ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`,
          )
          .join(',')}/${database}`,
    })
    .register(FORMATS, {
      type: 'store URL',
      limits: 'redis, rediss, valkey or valkeys; several hosts are Sentinels',
      secret: true,
    })
}

/** RFC 3986 section 3.3, what a path may consist of. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
const LONGEST_PATH = 1024

/** An absolute path without query. */
export function path() {
  return z
    .string()
    .startsWith('/', 'does not start with /')
    .max(LONGEST_PATH, `is longer than ${LONGEST_PATH} characters`)
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
