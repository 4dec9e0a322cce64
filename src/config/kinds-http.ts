import { isIPv6 } from 'node:net'
import { isLoopback } from './loopback.ts'
import { Refusal, schemaOf, type Kind } from './kinds.ts'
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
export function listenAddress({ unix }: { readonly unix: boolean }): Kind<ListenAddress> {
  const forms = `host:port, [v6]:port${unix ? ', :port or unix:/path' : ' or :port'}`
  return {
    type: 'address',
    limits: forms,
    quotable: true,
    format: formatListen,
    schema: schemaOf((text) => {
      if (text.startsWith('unix:')) {
        return unix ? socketPath(text.slice(5)) : new Refusal('cannot be a Unix socket')
      }
      const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
      if (digits === undefined) return new Refusal(`is not an address: ${forms}`)
      const port = Number(digits)
      if (port > 65_535) return new Refusal('has a port over 65535')
      const host = v6 ?? name ?? ''
      if (v6 !== undefined && !isIPv6(v6)) return new Refusal('has no IPv6 address in its brackets')
      if (v6 === undefined && host !== '' && !HOST_NAME.test(host)) {
        return new Refusal('has no valid host before its port')
      }
      return { kind: 'tcp', host: host.toLowerCase(), port }
    }),
  }
}

function socketPath(path: string): ListenAddress | Refusal {
  if (!path.startsWith('/')) return new Refusal('is not an absolute path after unix:')
  if (path.endsWith('/')) return new Refusal('names a directory, not a socket')
  return Buffer.byteLength(path) > LONGEST_SOCKET_PATH
    ? new Refusal(`has a socket path over ${LONGEST_SOCKET_PATH} bytes`)
    : { kind: 'unix', path }
}

function formatListen(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** Scheme, host and port of a server, and nothing else. */
export function origin(): Kind<string> {
  return {
    type: 'origin',
    limits: 'https (http to loopback), no path',
    quotable: false,
    format: (value) => value,
    schema: schemaOf((text) => {
      const url = parseUrl(text)
      if (url instanceof Refusal) return url
      if (/[?#]/.test(text))
        return new Refusal('has a query or a fragment; give scheme, host, port')
      return url.pathname === '/'
        ? url.origin
        : new Refusal('has a path; give scheme, host and port only')
    }),
  }
}

/** An http or https URL. */
export function url(): Kind<string> {
  return {
    type: 'URL',
    limits: 'http or https',
    quotable: false,
    format: (value) => value,
    schema: schemaOf((text) => {
      const parsed = parseUrl(text)
      return parsed instanceof Refusal ? parsed : parsed.href
    }),
  }
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export function proxyUrl(): Kind<Secret> {
  return {
    type: 'proxy URL',
    limits: 'http or https',
    quotable: false,
    format: String,
    schema: schemaOf((text) => {
      const whole = text.includes('://') ? text : `http://${text}`
      // An unescaped `#` in the password would make a host of the user's name.
      if (/[?#]/.test(whole)) {
        return new Refusal('contains ? or #, which in a password are written %3F and %23')
      }
      if (!/^https?:\/\/[^\s\\]+$/i.test(whole) || !URL.canParse(whole)) {
        return new Refusal('is not the URL of an HTTP proxy')
      }
      return new URL(whole).pathname === '/'
        ? new Secret(whole)
        : new Refusal('has a path; an HTTP proxy has none')
    }),
  }
}

function parseUrl(text: string): URL | Refusal {
  // The URL parser forgives what an operator should see: backslashes, tabs, a missing slash.
  if (!/^https?:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) {
    return new Refusal('is not an http or https URL')
  }
  const parsed = new URL(text)
  if (parsed.username !== '' || parsed.password !== '' || text.includes('@')) {
    return new Refusal('contains a user name or password; those have settings of their own')
  }
  return parsed
}

/** RFC 3986 section 3.3, what a path may consist of. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
const LONGEST_PATH = 1024

/** An absolute path without query. */
export function path(): Kind<string> {
  return {
    type: 'path',
    limits: 'starts with /',
    quotable: true,
    format: (value) => value,
    schema: schemaOf(parsePath),
  }
}

/** A path, or `off`: undefined. */
export function pathOrOff(): Kind<string | undefined> {
  return orOff(path())
}

function parsePath(text: string): string | Refusal {
  if (!text.startsWith('/')) return new Refusal('does not start with /')
  if (text.length > LONGEST_PATH) return new Refusal(`is longer than ${LONGEST_PATH} characters`)
  if (!PATH.test(text)) return new Refusal('is not a path (no query, no spaces, ASCII only)')
  const segments = text.split('/').slice(1)
  const ambiguous = segments.some((segment, i) => {
    return segment === '.' || segment === '..' || (segment === '' && i < segments.length - 1)
  })
  return ambiguous ? new Refusal('has an empty or a dot segment') : text
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Fields that frame or route a message, or end at the next hop: a token in one of them would break every call. */
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

/** The name of a header field that may carry a token. */
export function headerName(): Kind<string> {
  return {
    type: 'header name',
    limits: 'not one that frames or routes a message',
    quotable: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      if (!TOKEN.test(text) || text.length > 128) return new Refusal('is not a header name')
      return NOT_FOR_TOKENS.has(text.toLowerCase())
        ? new Refusal('is a header that frames or routes a message')
        : text
    }),
  }
}

/** A header name, or `off`: undefined. */
export function headerNameOrOff(): Kind<string | undefined> {
  return orOff(headerName())
}

/** What stands before the token (RFC 9110 section 11.1); may be empty. */
export function authScheme(): Kind<string> {
  return {
    type: 'auth scheme',
    limits: 'may be empty',
    quotable: true,
    emptyIsValue: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      const valid = text === '' || (TOKEN.test(text) && text.length <= 64)
      return valid ? text : new Refusal('is not an authentication scheme such as Bearer')
    }),
  }
}

/** A status between 400 and 499. */
export function rejectionStatus(): Kind<number> {
  return {
    type: 'status code',
    limits: '400 to 499',
    quotable: true,
    format: String,
    schema: schemaOf((text) => {
      return /^4\d\d$/.test(text) ? Number(text) : new Refusal('is not a status from 400 to 499')
    }),
  }
}

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` field has it. */
export function hostName(): Kind<string> {
  return {
    type: 'host',
    limits: 'without port',
    quotable: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      const v6 = /^\[(.*)\]$/.exec(text)?.[1] ?? text
      if (isIPv6(v6)) return `[${v6.toLowerCase()}]`
      return HOST_NAME.test(text)
        ? text.toLowerCase()
        : new Refusal('is not a host name or address (without port)')
    }),
  }
}

/** The hosts that are reached without the egress proxy, as curl and Go read them; parted by commas in the end. */
export function noProxy(): Kind<string> {
  return {
    type: 'list of hosts',
    limits: 'hosts, .suffixes, host:port or *',
    quotable: false,
    format: (hosts) => hosts,
    schema: schemaOf((text) => {
      return text
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean)
        .join(',')
    }),
  }
}

function orOff(of: Kind<string>): Kind<string | undefined> {
  return {
    type: `${of.type} or off`,
    limits: of.limits,
    quotable: of.quotable,
    format: (value) => value ?? 'off',
    schema: schemaOf((text) => {
      if (text === 'off') return undefined
      const outcome = of.schema.safeParse(text)
      return outcome.success ? outcome.data : new Refusal(outcome.error.issues[0]?.message ?? '')
    }),
  }
}

/** True when only this machine can reach the address. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === 'unix' || isLoopback(address.host)
}
