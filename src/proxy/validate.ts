import { hostIn, PUBLISHED_REFRESH_PATH, type Config } from '../config/index.ts'
import type { Refusal } from '../http/index.ts'
import type { HeaderLines } from './headers.ts'
import { remembered } from './remembered.ts'

/** What is let in. */
export interface RequestRules extends PathRules, Pick<Config, 'maxBodySize'> {
  /** Lower-case `host` names, without port, that are ours; undefined: any. */
  readonly hosts: ReadonlySet<string> | undefined
  /** Of the listener: what an absolute-form target must begin with. */
  readonly scheme: 'http' | 'https'
  /** Received-by of our `Via`; no other proxy has it. */
  readonly pseudonym: string
}

export interface PathRules extends Pick<Config, 'allowedPaths'> {
  /** Of login and refresh, as CTI-OBS is configured with. */
  readonly localPaths: readonly string[]
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

export interface Refused {
  readonly refused: Refusal
}

export interface RequestHead {
  readonly method: string
  readonly target: string
  /** Major and minor, `1.1` or `1.0`. */
  readonly httpVersion: string
  readonly rawHeaders: HeaderLines
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

export type Validate = (head: RequestHead) => ValidRequest | Refused

/**
 * Makes the function that judges a request before it costs anything: by the raw header lines, never by a merged view of
 * them.
 */
export function createValidation(rules: RequestRules): Validate {
  const judgePath = remembered(createPathJudge(rules))
  return (head) => validateRequest(head, rules, judgePath)
}

function validateRequest(
  head: RequestHead,
  rules: RequestRules,
  judgePath: (path: string) => PathVerdict,
): ValidRequest | Refused {
  // Node's parser lets 0.9 and 2.0 through.
  if (head.httpVersion !== '1.1' && head.httpVersion !== '1.0') return refusedFor('http-version')
  if (head.method === 'CONNECT' || head.method === 'TRACE') return refusedFor('method')
  const seen = readHeaders(head.rawHeaders, rules)
  if ('refused' in seen) return seen
  const framing = validateFraming(seen, head, rules)
  if (typeof framing === 'object') return framing
  const valid = validateTarget(head, seen, rules, judgePath)
  if ('refused' in valid) return valid
  // Member by member: a spread that more members follow costs a request up to 16 µs (docs/benchmarks.md).
  const { target, path, authority } = valid
  return {
    target,
    path,
    authority,
    framing,
    requestId: seen.requestId,
    expectsContinue: seen.expectsContinue && head.httpVersion !== '1.0',
  }
}

interface SeenHeaders {
  host: string | undefined
  contentLength: string | undefined
  transferEncoding: string | undefined
  requestId: string | undefined
  expectsContinue: boolean
}

/** The names that matter here, in lower case. */
const ROLES = [
  'host',
  'content-length',
  'transfer-encoding',
  'expect',
  'x-request-id',
  'via',
  'origin',
] as const
type Role = (typeof ROLES)[number] | 'browser' | 'other'

const roleOf = remembered((name): Role => {
  const lower = name.toLowerCase()
  if (lower.startsWith('sec-fetch-')) return 'browser'
  return ROLES.find((role) => role === lower) ?? 'other'
})

/** One pass over the header lines. */
function readHeaders(lines: HeaderLines, { pseudonym }: RequestRules): SeenHeaders | Refused {
  if (lines.length > 2 * MAX_HEADERS) return refusedFor('headers')
  const seen: SeenHeaders = {
    host: undefined,
    contentLength: undefined,
    transferEncoding: undefined,
    requestId: undefined,
    expectsContinue: false,
  }
  let bytes = 0
  let refused: Refused | undefined
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    const value = lines[i + 1] as string
    bytes += name.length + value.length + 4
    const role = roleOf(name)
    // RFC 9110 section 7.6.3: a loop would end only when all connections are used up.
    const loops = role === 'via' && value.includes(pseudonym)
    refused ??= loops ? refusedFor('loop') : readHeader(seen, role, value)
  }
  return refused ?? (bytes > MAX_HEADER_BYTES ? refusedFor('headers') : seen)
}

function readHeader(seen: SeenHeaders, role: Role, value: string): Refused | undefined {
  switch (role) {
    case 'host':
      if (seen.host !== undefined || !HOST.test(value)) return refusedFor('host')
      seen.host = value
      return undefined
    case 'content-length':
      // RFC 9112 section 6.3: one length, digits only; a list or a second one may hide a second request.
      if (seen.contentLength !== undefined || !/^\d+$/.test(value))
        return refusedFor('content-length')
      seen.contentLength = value
      return undefined
    case 'transfer-encoding':
      if (seen.transferEncoding !== undefined) return refusedFor('transfer-encoding')
      seen.transferEncoding = value
      return undefined
    case 'expect':
      // RFC 9110 section 10.1.1: what is not known is said so, or the client waits for its timeout.
      if (value.toLowerCase() !== '100-continue') return refusedFor('expectation')
      seen.expectsContinue = true
      return undefined
    case 'x-request-id':
      if (REQUEST_ID.test(value)) seen.requestId = value
      return undefined
    // Browsers put these on by themselves and CTI-OBS never does: a page in a browser on this machine
    // is not to be able to use the token (cross-site request forgery, DNS rebinding).
    case 'origin':
    case 'browser':
      return refusedFor('browser')
    case 'via':
    case 'other':
      return undefined
  }
}

function validateFraming(
  seen: SeenHeaders,
  head: RequestHead,
  rules: RequestRules,
): Framing | Refused {
  if (seen.transferEncoding !== undefined) {
    // RFC 9112 section 6.1: both, or a coding in HTTP/1.0, is how requests are smuggled.
    if (seen.contentLength !== undefined || head.httpVersion === '1.0') {
      return refusedFor('transfer-encoding')
    }
    const coding = seen.transferEncoding.toLowerCase()
    if (coding === 'chunked') return 'chunked'
    // Node reads an empty one as no body at all, and what follows as the next request.
    return refusedFor(coding === '' ? 'transfer-encoding' : 'coding')
  }
  const length = seen.contentLength === undefined ? 0 : Number(seen.contentLength)
  return length > rules.maxBodySize ? refusedFor('body-size') : length
}

/** The origin-form of the target and the authority that it is for, or why it is refused. */
function validateTarget(
  head: RequestHead,
  seen: SeenHeaders,
  rules: RequestRules,
  judgePath: (path: string) => PathVerdict,
): Pick<ValidRequest, 'target' | 'path' | 'authority'> | Refused {
  // RFC 9112 section 3.2: a request of HTTP/1.1 without Host is refused.
  if (seen.host === undefined && head.httpVersion !== '1.0') return refusedFor('host')
  if (BAD_TARGET.test(head.target)) return refusedFor('target')
  const origin = head.target.startsWith('/') ? undefined : absoluteForm(head.target)
  // RFC 9112 section 3.2.2: the absolute form's authority replaces Host.
  const authority = origin?.authority ?? seen.host
  // An `obsUrl` that ends with a slash makes `//rest/...`.
  const target = origin?.target ?? head.target.replace(/^\/{2,}/, '/')
  if (!target.startsWith('/')) return refusedFor('target')
  // RFC 9110 section 7.4: what was meant for a secured connection must not come by another.
  if (origin !== undefined && origin.scheme !== rules.scheme) return refusedFor('scheme')
  const { hosts } = rules
  if (authority !== undefined && hosts?.has(hostIn(authority)) === false)
    return refusedFor('other-host')
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  const verdict = judgePath(path)
  if (verdict !== 'local' && verdict !== 'other') return refusedFor(verdict)
  return { target, path, authority }
}

/** Its `target` is the origin-form. Undefined: malformed. */
function absoluteForm(absolute: string) {
  const match = /^(https?):\/\/([^/?]*)(.*)$/i.exec(absolute)
  const [, scheme = '', authority = '', rest = ''] = match ?? []
  if (!HOST.test(authority)) return undefined
  const target = rest.startsWith('/') ? rest : `/${rest}`
  return { scheme: scheme.toLowerCase(), authority, target }
}

/** Served here, forwarded, or refused. */
type PathVerdict =
  | 'local'
  | 'other'
  | Extract<Refusal, 'double-slash' | 'ambiguous-path' | 'other-path' | 'auth-path'>

/**
 * Makes the function that judges a path, which holds for `ALLOWED_PATHS=/`, too. iSales might take what is like login
 * or refresh for one of them, and its response would be the next token. A server may match them by prefix, and in any
 * case of letters: nothing else below their directory `auth` is forwarded, and nothing that begins as they do. Nor is
 * what iSales publishes, where they are configured elsewhere: it may serve both.
 */
export function createPathJudge({ allowedPaths, localPaths }: PathRules) {
  const guarded = [...localPaths, PUBLISHED_REFRESH_PATH].map(guardedStart)
  return (path: string): PathVerdict => {
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

function refusedFor(refused: Refusal): Refused {
  return { refused }
}
