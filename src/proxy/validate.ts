import { PUBLISHED_REFRESH_PATH, type Config } from '../config/index.ts'
import type { Refusal } from '../codes.ts'
import { remembered } from '../remembered.ts'
import type { HeaderLines } from './headers.ts'

/** What is let in. */
export interface RequestRules extends Pick<Config, 'allowedPaths' | 'maxBodySize'> {
  /** Of login and refresh, as CTI-OBS is configured with. */
  readonly localPaths: readonly string[]
  /** Whether an authority, such as `Host`, means this proxy. */
  readonly isOwnHost: (authority: string) => boolean
  /** Of the listener: what an absolute-form target must begin with. */
  readonly scheme: 'http' | 'https'
  /** Received-by of our `Via`; no other proxy has it. */
  readonly pseudonym: string
}

export interface RequestHead {
  readonly method: string
  readonly target: string
  /** Major and minor, `1.1` or `1.0`. */
  readonly httpVersion: string
  readonly rawHeaders: HeaderLines
}

/** How the body is framed (RFC 9112 section 6): its length in bytes, 0 for none, or chunked. */
export type Framing = number | 'chunked'

export interface ValidRequest {
  readonly framing: Framing
  /** Origin-form, byte for byte as it came, but that slashes at its beginning are one. */
  readonly target: string
  /** The target without its query. */
  readonly path: string
  /** What the client calls us: host and port as it wrote them; undefined: it is of HTTP/1.0 and does not say. */
  readonly authority: string | undefined
  /** The client's own `X-Request-Id`, when it is one. */
  readonly requestId: string | undefined
  readonly expectsContinue: boolean
}

const MAX_HEADERS = 200
const MAX_HEADER_BYTES = 16 * 1024
/** RFC 3986 section 3.2.2 host with optional port, to 65535; nothing of userinfo, and no empty name. */
const HOST =
  /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?:[0-5]?\d{0,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?$/
const REQUEST_ID = /^[A-Za-z0-9._~+/=:@-]{1,128}$/
/** Controls, space, `#`, `\`, DEL and anything beyond ASCII never stand in a request target (RFC 9112 section 3.2). */
// oxlint-disable-next-line no-control-regex
const BAD_TARGET = /[\u0000-\u0020#\\\u007f-\uffff]/
/**
 * Segments of unreserved characters (RFC 3986 section 2.3) that neither begin nor end with a dot. No two servers read such
 * a path in different ways: nothing in it can be decoded, taken off or resolved.
 */
const PATH = /^(?:\/(?!\.)[\w.~-]*(?<!\.))+$/

/**
 * Makes the function that judges a request before it costs anything: by the raw header lines, never by a merged view of
 * them.
 */
export function createValidation(rules: RequestRules) {
  const verdictOfPath = remembered(createPathJudge(rules))
  const isOurs = remembered(rules.isOwnHost)

  return (head: RequestHead): ValidRequest | Refusal => {
    const { method, httpVersion } = head
    // Node's parser lets 0.9 and 2.0 through.
    if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'http-version'
    if (method === 'CONNECT' || method === 'TRACE') return 'method'
    const seen = readHeaders(head.rawHeaders, rules.pseudonym)
    if (typeof seen === 'string') return seen
    const framing = framingOf(seen, httpVersion, rules.maxBodySize)
    if (typeof framing === 'string' && framing !== 'chunked') return framing
    // RFC 9112 section 3.2: a request of HTTP/1.1 without Host is refused.
    if (seen.host === undefined && httpVersion !== '1.0') return 'host'
    const addressed = readTarget(head.target, seen.host, rules.scheme)
    if (typeof addressed === 'string') return addressed
    const { target, authority } = addressed
    if (authority !== undefined && !isOurs(authority)) return 'other-host'
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    const verdict = verdictOfPath(path)
    if (verdict !== 'local' && verdict !== 'other') return verdict
    // Member by member: a spread that more members follow costs a request up to 16 µs (docs/dev/benchmarks.md).
    return {
      target,
      path,
      authority,
      framing,
      requestId: seen.requestId,
      expectsContinue: seen.expectsContinue && httpVersion !== '1.0',
    }
  }
}

class SeenHeaders {
  host: string | undefined
  contentLength: string | undefined
  transferEncoding: string | undefined
  requestId: string | undefined
  expectsContinue = false
}

const lowerCase = remembered((name) => name.toLowerCase())

/** One pass over the header lines. */
function readHeaders(lines: HeaderLines, pseudonym: string): SeenHeaders | Refusal {
  if (lines.length > 2 * MAX_HEADERS) return 'headers'
  const seen = new SeenHeaders()
  let bytes = 0
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    const value = lines[i + 1] as string
    bytes += name.length + value.length + 4
    const refused = readHeader(seen, lowerCase(name), value, pseudonym)
    if (refused !== undefined) return refused
  }
  return bytes > MAX_HEADER_BYTES ? 'headers' : seen
}

function readHeader(
  seen: SeenHeaders,
  lowerName: string,
  value: string,
  pseudonym: string,
): Refusal | undefined {
  switch (lowerName) {
    case 'host':
      if (seen.host !== undefined || !HOST.test(value)) return 'host'
      seen.host = value
      return undefined
    case 'content-length':
      // RFC 9112 section 6.3: one length, digits only; a list or a second one may hide a second request.
      if (seen.contentLength !== undefined || !/^\d+$/.test(value)) return 'content-length'
      seen.contentLength = value
      return undefined
    case 'transfer-encoding':
      if (seen.transferEncoding !== undefined) return 'transfer-encoding'
      seen.transferEncoding = value
      return undefined
    case 'expect':
      // RFC 9110 section 10.1.1: what is not known is said so, or the client waits for its timeout.
      if (value.toLowerCase() !== '100-continue') return 'expectation'
      seen.expectsContinue = true
      return undefined
    case 'x-request-id':
      if (REQUEST_ID.test(value)) seen.requestId = value
      return undefined
    case 'via':
      // RFC 9110 section 7.6.3: a loop would end only when all connections are used up.
      return value.includes(pseudonym) ? 'loop' : undefined
    // Every browser sends one of these on its own, and CTI-OBS neither: a page in a browser on this machine must not use
    // the token (cross-site request forgery, DNS rebinding). Node's `fetch` sends other `Sec-Fetch-*`.
    case 'origin':
    case 'sec-fetch-site':
      return 'browser'
    default:
      return undefined
  }
}

function framingOf(seen: SeenHeaders, httpVersion: string, maxSize: number): Framing | Refusal {
  const { contentLength, transferEncoding } = seen
  if (transferEncoding === undefined) {
    const length = Number(contentLength ?? 0)
    return length > maxSize ? 'body-size' : length
  }
  // RFC 9112 section 6.1: both, or a coding in HTTP/1.0, is how requests are smuggled.
  if (contentLength !== undefined || httpVersion === '1.0') return 'transfer-encoding'
  if (transferEncoding.toLowerCase() === 'chunked') return 'chunked'
  // Node reads an empty one as no body at all, and what follows as the next request.
  return transferEncoding === '' ? 'transfer-encoding' : 'coding'
}

/** The origin-form of a target, and the authority that it is for. */
function readTarget(
  target: string,
  host: string | undefined,
  scheme: string,
): Pick<ValidRequest, 'target' | 'authority'> | Refusal {
  if (BAD_TARGET.test(target)) return 'target'
  // An `obsUrl` that ends with a slash makes `//rest/...`.
  if (target.startsWith('/')) return { target: target.replace(/^\/{2,}/, '/'), authority: host }
  const match = /^(https?):\/\/([^/?]*)(.*)/i.exec(target)
  if (match === null) return 'target'
  const [said, authority, rest] = match.slice(1) as [string, string, string]
  if (!HOST.test(authority)) return 'target'
  // RFC 9110 section 7.4: what was meant for a secured connection must be refused when it comes by another.
  if (said.toLowerCase() !== scheme) return 'scheme'
  // RFC 9112 section 3.2.2: the absolute form's authority replaces Host.
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority }
}

/**
 * Makes the function that judges a path: `local` is served here, `other` is forwarded, and the rest is refused, also with
 * `ALLOWED_PATHS=/`. iSales might take what is like login or refresh for one of them, and its response would be the next
 * token. A server may match them by prefix, and in any case of letters: nothing else below their directory `auth` is
 * forwarded, and nothing that begins as they do. Nor is what iSales publishes, where they are configured elsewhere: it
 * may serve both.
 */
export function createPathJudge({
  allowedPaths,
  localPaths,
}: Pick<RequestRules, 'allowedPaths' | 'localPaths'>) {
  const guarded = [...localPaths, PUBLISHED_REFRESH_PATH].map(guardedStart)
  return (path: string) => {
    if (path.includes('//')) return 'double-slash'
    if (!PATH.test(path)) return 'ambiguous-path'
    // Whatever is allowed besides: a refresh path of another tree is ours.
    if (localPaths.includes(path)) return 'local'
    if (!allowedPaths.some((prefix) => isUnder(path, prefix))) return 'other-path'
    const plain = `${path.toLowerCase()}/`
    return guarded.some((start) => plain.startsWith(start)) ? 'auth-path' : 'other'
  }
}

/** `/rest/v1/auth/` of `/rest/v1/auth/login`; of a path elsewhere all of it, without the suffix. */
function guardedStart(path: string): string {
  const plain = path.toLowerCase()
  return /^.*\/auth\/(?=[^/]*$)/.exec(plain)?.[0] ?? plain.replace(/\.[^/]*$/, '')
}

/** A prefix ends at a segment: `/a` opens `/a` and `/a/b`, not `/ab`. */
export function isUnder(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/'
}
