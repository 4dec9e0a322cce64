import { isIPv4, isIPv6 } from 'node:net'
import { parseEndpoint, urlHost, type ListenAddress } from './address.ts'
import { REDACTED, Secret, withoutLogin } from './secret.ts'

/** Limits of a number, or of a secret's length, as texts. */
export interface Range {
  readonly min: string
  readonly max: string
  /** Multipliers from the smallest to the largest unit. The unit '' applies to a number without a unit. */
  readonly units: Readonly<Record<string, number>>
}

/** Syntax of every kind of value. An error may show an invalid value only of a `shown` kind: a token may be pasted into others. */
const KINDS = {
  address: ['HOST:PORT', 'shown'],
  choice: [''],
  'client-names': ['NAME,…', 'shown'],
  count: ['', 'shown'],
  duration: ['', 'shown'],
  file: ['/PATH'],
  'host-names': ['HOST,…', 'shown'],
  hosts: ['HOST, .SUFFIX, NETWORK, *, …', 'shown'],
  origin: ['https://HOST[:PORT]', 'shown'],
  path: ['/PATH (a-z 0-9 . _ ~ -)', 'shown'],
  paths: ['/PATH,… (a-z 0-9 . _ ~ -)', 'shown'],
  'proxy-url': ['http[s]://[USER:PASSWORD@]HOST:PORT'],
  rejections: ['400…499, result=TEXT, …'],
  secret: [''],
  'server-name': ['HOST', 'shown'],
  size: ['', 'shown'],
  'store-url': ['redis[s]://[USER@]HOST:PORT, valkey[s]://…'],
  'token-header': ['NAME[,NAME]: [SCHEME ]{token}, {refreshToken}'],
  user: ['1…49 B'],
} as const satisfies Readonly<Record<string, readonly [syntax: string, shown?: 'shown']>>
export type Kind = keyof typeof KINDS
export const isShown = (kind: Kind): boolean => KINDS[kind].length > 1

/** Returns the accepted syntax, such as `100ms…1h, off` or `HOST:PORT`. */
export function formatAccepted({ kind, range, choices = [] }: Format): string {
  const limits = range === undefined ? '' : `${range.min}…${range.max}`
  return [limits, KINDS[kind][0], ...choices].filter((each) => each !== '').join(', ')
}

export interface Format<T = unknown> {
  readonly kind: Kind
  /** Returns null for an invalid text. */
  readonly parse: (text: string) => T | null
  /** An accepted text, for settings without a default. */
  readonly example: string
  readonly range?: Range
  readonly choices?: readonly string[]
  /** Keeps spaces around the text. */
  readonly verbatim?: true
  /** Returns the part of the text that may be shown; set if the value is or may contain a secret. */
  readonly redact?: (text: string) => string
}

/** A number in the smallest unit, which may be written in larger units. */
function numeric(kind: Kind, min: string, max: string, units: Range['units']): Format<number> {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)(${Object.keys(units).join('|')})$`)
  const read = (text: string): number => {
    const [, digits, unit = ''] = pattern.exec(text) ?? []
    const exact = Number(digits) * (units[unit] ?? 1)
    const value = Math.round(exact)
    // 1.1 s is 1100.0000000000001 ms: a binary rounding error does not count as a finer unit.
    return Math.abs(exact - value) <= 1e-6 * Math.max(1, value) ? value : Number.NaN
  }
  const [least, most] = [read(min), read(max)]
  const parse = (text: string): number | null => {
    const value = read(text)
    return value >= least && value <= most ? value : null
  }
  return { kind, parse, example: max, range: { min, max, units } }
}

/** Milliseconds, written `250ms`, `2.8s`, `5m` or `1h`; a bare number means seconds. */
export function duration(min: string, max: string): Format<number> {
  return numeric('duration', min, max, { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 })
}

/** Bytes, written `64KiB`, `1.5MiB`, `1GiB`, or as a bare number of bytes. */
export function size(min: string, max: string): Format<number> {
  return numeric('size', min, max, { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 })
}

export function count(min: string, max: string): Format<number> {
  return numeric('count', min, max, { '': 1 })
}

export function choice<Word extends string>(...choices: readonly Word[]): Format<Word> {
  const parse = (text: string): Word | null => choices.find((one) => one === text) ?? null
  return { kind: 'choice', parse, choices, example: choices[0] ?? '' }
}

export const boolean: Format<boolean> = {
  ...choice('true', 'false'),
  parse: (text) => (text === 'true' ? true : text === 'false' ? false : null),
}

/** Also accepts `off`, whose value is undefined. */
export function orOff<T>(format: Format<T>): Format<T | undefined> {
  const { choices = [] } = format
  return {
    ...format,
    choices: [...choices, 'off'],
    parse: (text) => (text === 'off' ? undefined : format.parse(text)),
  }
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/
/** Control characters, full-width commas, and quotes, which Docker keeps when it reads an env file. */
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u001f\u007f"'\u2018-\u201f\uff0c]/

/** A user of iSales: 1 to 49 bytes of UTF-8 without control characters, kept unchanged. */
export const user: Format<string> = {
  kind: 'user',
  parse: (text) => (CONTROL.test(text) || Buffer.byteLength(text) > 49 ? null : text),
  example: 'obs-proxy',
  verbatim: true,
}

/** Any text of at least `minBytes` bytes without NUL, which never prints. */
export function secret(minBytes: number): Format<Secret> {
  const parse = (text: string): Secret | null =>
    text.includes('\0') || Buffer.byteLength(text) < minBytes ? null : new Secret(text)
  const range = { min: `${minBytes}B`, max: '64KiB', units: {} }
  return { kind: 'secret', parse, range, example: '…', redact: () => REDACTED, verbatim: true }
}

export const filePath: Format<string> = {
  kind: 'file',
  parse: (text) => (UNFIT.test(text) ? null : text),
  example: '/etc/isales/file',
}

/** Entries separated by commas, without the spaces around them. No entry may occur twice. */
function list(entry: Format<string>): Format<readonly string[]> {
  const parse = (whole: string): readonly string[] | null => {
    const texts = whole === '' ? [] : whole.split(',').map((one) => one.trim())
    const entries = texts.flatMap((one) => entry.parse(one) ?? [])
    const distinct = new Set(entries.map((one) => one.toLowerCase()))
    return distinct.size === texts.length ? entries : null
  }
  return { ...entry, parse }
}

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/
const MAX_PORT = 65_535

/** `host:port`, `[v6]:port` or `:port` (all interfaces). */
export const address: Format<ListenAddress> = {
  kind: 'address',
  parse(text) {
    const { host = '', port = Infinity } = parseEndpoint(text) ?? {}
    const isHost = host === '' || isIPv6(host) || HOST_NAME.test(host)
    return isHost && port <= MAX_PORT ? { host: host.toLowerCase(), port } : null
  },
  example: '127.0.0.1:8080',
}

/** Host names or addresses without a port, in lower case; IPv6 in brackets, as in a `Host` header. */
export const hosts = list({
  kind: 'host-names',
  parse(text) {
    const { host = '', port } = parseEndpoint(text) ?? {}
    const isHost = port === undefined && (isIPv6(host) || HOST_NAME.test(host))
    return isHost ? urlHost(host).toLowerCase() : null
  },
  example: 'isales-auth-proxy.telephony.svc',
})

/** Common names or DNS names of client certificates, compared case-insensitively. */
export const clientNames = list({
  kind: 'client-names',
  parse: (text) => (UNFIT.test(text) || text.length > 253 ? null : text || null),
  example: 'cti-obs.example',
})

/** A TLS server name: no port and no address (RFC 6066 section 3). */
export const serverName: Format<string> = {
  kind: 'server-name',
  parse: (text) => (HOST_NAME.test(text) && !isIPv4(text) ? text.toLowerCase() : null),
  example: 'service.besclouds.com',
}

/** Hosts that are reached without the egress proxy, in lower case and separated by commas. */
export const noProxy: Format<string> = {
  kind: 'hosts',
  parse(text) {
    if (/[;\u3001]/.test(text) || UNFIT.test(text)) return null
    return (text.toLowerCase().match(/[^\s,]+/g) ?? []).join(',')
  },
  example: '.svc,10.0.0.0/8',
}

/** Excludes texts that the URL parser silently repairs: backslashes, tabs, a missing slash, other scripts. */
const HTTP_URL = /^https?:\/\/[\x21-\x5b\x5d-\x7e]+$/i

function parseHttpUrl(text: string): URL | null {
  if (!HTTP_URL.test(text) || /[?#]/.test(text) || !URL.canParse(text)) return null
  const url = new URL(text)
  return url.pathname === '/' ? url : null
}

/** Scheme, host and port of a server only. */
export const origin: Format<string> = {
  kind: 'origin',
  parse: (text) => (text.includes('@') ? null : (parseHttpUrl(text)?.origin ?? null)),
  example: 'https://service.besclouds.com',
}

/** Decodes percent-encoding. Returns null for a stray `%`, which the URL parser accepts. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** URL of the egress proxy, by `http://`; a secret, because it may contain a password. */
export const proxyUrl: Format<Secret> = {
  kind: 'proxy-url',
  parse(text) {
    const whole = text.includes('://') ? text : `http://${text}`
    const url = parseHttpUrl(whole)
    const isSound = url !== null && decode(url.username) !== null && decode(url.password) !== null
    return isSound ? new Secret(whole) : null
  },
  example: 'http://egress.example:3128',
  redact: (url) => (url.includes('://') ? withoutLogin(url) : withoutLogin(`//${url}`).slice(2)),
}

export interface StoreAddress {
  readonly tls: boolean
  /** IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly database: number
  readonly user: string | undefined
}

const STORE_URL = /^(?:redis|valkey)(s?):\/\/(?:([^@/:]*)@)?([^@/?#\s]+)(?:\/(\d{1,5})?)?$/

/** `redis[s]://` or `valkey[s]://`, `[user@]host[:port][/database]`. */
export const storeUrl: Format<StoreAddress> = {
  kind: 'store-url',
  parse(text) {
    const [, s, name = '', server = '', database = 0] = STORE_URL.exec(text) ?? []
    const { host = '', port = 6379 } = parseEndpoint(server) ?? {}
    const user = decode(name)
    const isHost = isIPv6(host) || HOST_NAME.test(host)
    if (!isHost || port === 0 || port > MAX_PORT || user === null) return null
    return { tls: s === 's', host, port, database: Number(database), user: user || undefined }
  },
  example: 'valkeys://isales-auth-proxy@valkey.example:6379',
  // A password is invalid here, and must not be shown even so.
  redact: withoutLogin,
}

/** An absolute path without a query, in the form that validation demands of calls; no call could match another form. */
export const path: Format<string> = {
  kind: 'path',
  parse(text) {
    const isPath = /^\/[\w.~/-]{0,1023}$/.test(text)
    return isPath && !/\/\/|\/\.|\.(?:\/|$)/.test(text) ? text : null
  },
  example: '/rest/isales/v1/openapi/obs/',
}
export const paths: Format<readonly string[]> = { ...list(path), kind: 'paths' }

/** Headers of a business call that carry a token, and the token that they carry. */
export interface TokenHeader {
  readonly names: readonly string[]
  /** Prefix of the token (RFC 9110 section 11.1); empty for a bare token. */
  readonly scheme: string
  readonly field: 'token' | 'refreshToken'
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/
/** Headers that frame or route a message, or end at the next hop. A token in one of these would break every call. */
const NOT_FOR_TOKENS = new RegExp(
  `^(?:${[
    'connection|date|expect|host|http2-settings|keep-alive|max-forwards|te|trailer',
    'transfer-encoding|upgrade|via|x-request-id',
    'content-(?:encoding|length|type)',
    'proxy-(?:authenticate|authentication-info|authorization|connection)',
  ].join('|')})$`,
  'i',
)
const headerNames = list({
  kind: 'token-header',
  parse: (text) => (TOKEN.test(text) && !NOT_FOR_TOKENS.test(text) ? text : null),
  example: 'Authorization',
})

export const tokenHeader: Format<TokenHeader> = {
  kind: 'token-header',
  parse(text) {
    const [, head = '', scheme = '', field = ''] =
      /^([^:]+):\s*(?:(\S+)\s+)?\{(token|refreshToken)\}$/.exec(text) ?? []
    const names = headerNames.parse(head)
    const isScheme = scheme === '' || TOKEN.test(scheme)
    if (!names?.[0] || !isScheme) return null
    return { names, scheme, field: field === 'token' ? field : 'refreshToken' }
  },
  example: 'Authentication: Bearer {refreshToken}',
}

export function formatTokenHeader({ names, scheme, field }: TokenHeader): string {
  return `${names.join(',')}: ${scheme === '' ? '' : `${scheme} `}{${field}}`
}

export interface Rejections {
  /** From 400 to 499. */
  readonly statuses: readonly number[]
  /** Values of `result` in a response with status 200. */
  readonly results: readonly string[]
}

export const rejections: Format<Rejections> = {
  kind: 'rejections',
  parse(text) {
    const entry = /^(?:4\d\d|result=[^,\p{C}]{1,64})$/u
    const parse = (one: string): string | null => (entry.test(one) ? one : null)
    const entries = list({ kind: 'rejections', parse, example: '' }).parse(text)
    if (entries === null) return null
    const results = entries.filter((one) => one.startsWith('result='))
    const statuses = entries.filter((one) => !results.includes(one)).map(Number)
    return { statuses, results: results.map((one) => one.slice('result='.length)) }
  },
  example: '401,403,result=100401',
}

/** Returns `ISALES_REJECTED` with another entry; undefined if it does not take it as it is. */
export function withRejection(given: Rejections, entry: string): string | undefined {
  const text = [...given.statuses, ...given.results.map((one) => `result=${one}`), entry].join(',')
  const { statuses = [], results = [] } = rejections.parse(text) ?? {}
  const isIn = statuses.includes(Number(entry)) || results.some((one) => `result=${one}` === entry)
  return isIn ? text : undefined
}
