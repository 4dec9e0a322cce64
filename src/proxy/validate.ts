import type { IncomingMessage } from 'node:http'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/index.ts'
import type { Refusal } from '../codes.ts'
import type { Framing, ValidRequest } from '../hono-adapter.ts'
import { memoized } from '../memoized.ts'
import type { HeaderLines } from './headers.ts'

export interface RequestRules extends Pick<Config, 'allowedPaths' | 'maxBodySize'> {
  /** Paths of login and refresh that CTI-OBS is configured with. */
  readonly localPaths: readonly string[]
  /** Returns true if an authority, such as `Host`, names this proxy. */
  readonly isOwnHost: (authority: string) => boolean
  readonly scheme: 'http' | 'https'
  /** Received-by of our `Via`; unique to this process. */
  readonly pseudonym: string
}

const MAX_HEADERS = 200
const MAX_HEADER_BYTES = 16 * 1024
/** RFC 3986 section 3.2.2: a host that is not empty, and an optional port up to 65535; without userinfo. */
const HOST =
  /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?:[0-5]?\d{0,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?$/
const REQUEST_ID = /^[A-Za-z0-9._~+/=:@-]{1,128}$/
/** Characters that no request target has (RFC 9112 section 3.2). */
// oxlint-disable-next-line no-control-regex
const BAD_TARGET = /[\u0000-\u0020#\\\u007f-\uffff]/
/** Unreserved characters (RFC 3986 section 2.3), and no dot at an edge: no server decodes or resolves a part of the path. */
const PATH = /^(?:\/(?!\.)[\w.~-]*(?<!\.))+$/

export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'httpVersion' | 'rawHeaders'>

/** Creates a function that checks a request by its raw header lines, never by a merged view of them. */
export function createValidation(rules: RequestRules) {
  const classifyPath = memoized(createPathClassifier(rules))
  const isOurs = memoized(rules.isOwnHost)

  return (request: RequestHead): ValidRequest | Refusal => {
    const { method, url = '', httpVersion, rawHeaders } = request
    // Node's parser admits 0.9 and 2.0.
    if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'http-version'
    if (method === 'CONNECT' || method === 'TRACE') return 'method'
    const seen = readHeaders(rawHeaders, rules.pseudonym)
    if (typeof seen === 'string') return seen
    const framing = framingOf(seen, httpVersion, rules.maxBodySize)
    if (typeof framing === 'string' && framing !== 'chunked') return framing
    // RFC 9112 section 3.2: a request of HTTP/1.1 without Host is refused.
    if (seen.host === undefined && httpVersion !== '1.0') return 'host'
    const addressed = readTarget(url, seen.host, rules.scheme)
    if (typeof addressed === 'string') return addressed
    const { target, authority } = addressed
    if (authority !== undefined && !isOurs(authority)) return 'other-host'
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    const pathClass = classifyPath(path)
    if (pathClass !== 'local' && pathClass !== 'other') return pathClass
    // Not spread: a spread before more members costs a request up to 16 µs (docs/dev/benchmarks.md).
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

const lowerCase = memoized((name) => name.toLowerCase())

type SeenHeaders = Exclude<ReturnType<typeof readHeaders>, Refusal>

/** Reads the headers that matter here, in one pass. */
function readHeaders(lines: HeaderLines, pseudonym: string) {
  if (lines.length > 2 * MAX_HEADERS) return 'headers'
  let host: string | undefined
  let contentLength: string | undefined
  let transferEncoding: string | undefined
  let requestId: string | undefined
  let expectsContinue = false
  let bytes = 0
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    const value = lines[i + 1] as string
    bytes += name.length + value.length + 4
    switch (lowerCase(name)) {
      case 'host':
        if (host !== undefined || !HOST.test(value)) return 'host'
        host = value
        break
      case 'content-length':
        // RFC 9112 section 6.3: a list or a second length may hide a second request.
        if (contentLength !== undefined || !/^\d+$/.test(value)) return 'content-length'
        contentLength = value
        break
      case 'transfer-encoding':
        if (transferEncoding !== undefined) return 'transfer-encoding'
        transferEncoding = value
        break
      case 'expect':
        // RFC 9110 section 10.1.1. A client would wait in vain for a response to an unknown expectation.
        if (value.toLowerCase() !== '100-continue') return 'expectation'
        expectsContinue = true
        break
      case 'x-request-id':
        if (REQUEST_ID.test(value)) requestId = value
        break
      case 'via':
        // RFC 9110 section 7.6.3. A loop would take all connections.
        if (value.includes(pseudonym)) return 'loop'
        break
      // Sent by every browser, and not by CTI-OBS: a web page on this machine must not use the token (cross-site request
      // forgery, DNS rebinding). Node's `fetch` sends other `Sec-Fetch-*`.
      case 'origin':
      case 'sec-fetch-site':
        return 'browser'
    }
  }
  if (bytes > MAX_HEADER_BYTES) return 'headers'
  return { host, contentLength, transferEncoding, requestId, expectsContinue }
}

function framingOf(seen: SeenHeaders, httpVersion: string, maxSize: number): Framing | Refusal {
  const { contentLength, transferEncoding } = seen
  if (transferEncoding === undefined) {
    const length = Number(contentLength ?? 0)
    return length > maxSize ? 'body-size' : length
  }
  // RFC 9112 section 6.1: both, or a coding in HTTP/1.0, may smuggle a second request.
  if (contentLength !== undefined || httpVersion === '1.0') return 'transfer-encoding'
  if (transferEncoding.toLowerCase() === 'chunked') return 'chunked'
  // Node takes an empty one for a request without a body, and the body for the next request.
  return transferEncoding === '' ? 'transfer-encoding' : 'coding'
}

/** Returns a target's origin-form and authority. */
function readTarget(
  target: string,
  host: string | undefined,
  scheme: string,
): Pick<ValidRequest, 'target' | 'authority'> | Refusal {
  if (BAD_TARGET.test(target)) return 'target'
  // An `obsUrl` that ends with a slash causes `//rest/...`.
  if (target.startsWith('/')) return { target: target.replace(/^\/{2,}/, '/'), authority: host }
  const match = /^(https?):\/\/([^/?]*)(.*)/i.exec(target)
  if (match === null) return 'target'
  const [said, authority, rest] = match.slice(1) as [string, string, string]
  if (!HOST.test(authority)) return 'target'
  // RFC 9110 section 7.4: a request for a secured connection must be refused on any other.
  if (said.toLowerCase() !== scheme) return 'scheme'
  // RFC 9112 section 3.2.2: the absolute form's authority replaces Host.
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority }
}

/**
 * Creates a function that classifies a path: `local` is served here, `other` is forwarded, and the rest is refused. A
 * response to a login or refresh would contain a token, and iSales may match paths by prefix and in any case. So no path
 * that begins like them, published or configured, is forwarded, nor any other path below their directory `auth`.
 */
export function createPathClassifier(rules: Pick<RequestRules, 'allowedPaths' | 'localPaths'>) {
  const { allowedPaths, localPaths } = rules
  const guarded = [...localPaths, PUBLISHED_REFRESH_PATH].map(guardedStart)
  return (path: string) => {
    if (path.includes('//')) return 'double-slash'
    if (!PATH.test(path)) return 'ambiguous-path'
    // A local path may be outside ALLOWED_PATHS.
    if (localPaths.includes(path)) return 'local'
    if (!allowedPaths.some((prefix) => isUnder(path, prefix))) return 'other-path'
    const plain = `${path.toLowerCase()}/`
    return guarded.some((start) => plain.startsWith(start)) ? 'auth-path' : 'other'
  }
}

/** Returns `/rest/v1/auth/` for `/rest/v1/auth/login`; for a path elsewhere, the path without its suffix. */
function guardedStart(path: string): string {
  const plain = path.toLowerCase()
  return /^.*\/auth\/(?=[^/]*$)/.exec(plain)?.[0] ?? plain.replace(/\.[^/]*$/, '')
}

/** Returns true if a path is under a prefix of whole segments: `/a` and `/a/b` are under `/a`, `/ab` is not. */
export function isUnder(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/'
}
