import { memoized } from '../memoized.ts'
import type { ResponseHead } from '../upstream/index.ts'

/** Name, value, name, value, as in Node. They are read by index, because iterators or objects would cost 4 µs per request. */
export type HeaderLines = readonly string[]

/** RFC 9110 section 7.6.1, RFC 9112, and older proxies. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Members of `Connection` that name no other header. */
const NEVER_NOMINATED: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'close', ''])

/** Rebuilt for the next hop: framing, addressing, and the request id. */
const REBUILT = ['host', 'content-length', 'expect', 'x-request-id']

/** Headers in which iSales may look for a token, or that a server may prefer to it. */
const CREDENTIALS = ['authorization', 'authentication', 'cookie', 'cookie2']

export interface OutgoingRequest {
  readonly rawHeaders: HeaderLines
  /** HTTP version of the client's request, such as `1.1`. */
  readonly httpVersion: string
  /** Value of every token header. */
  readonly credential: string
  readonly requestId: string
  /** The response is inspected, so it must not have a content coding. */
  readonly inspected: boolean
}

/**
 * Returns a function that converts a client's headers for iSales. It removes every inbound credential, including names that
 * differ only in punctuation, because some servers treat `_` as `-`, or cut it off. Our headers are added last, so that no
 * client can nominate them away.
 *
 * @param carriers names of the headers that carry the token.
 * @param pseudonym received-by of our `Via` (RFC 9110 section 7.6.3).
 */
export function createRequestHeaders(
  carriers: readonly string[],
  pseudonym: string,
): (request: OutgoingRequest) => string[] {
  const tokenHeaders = [...new Map(carriers.map((name) => [name.toLowerCase(), name])).values()]
  const names = [...HOP_BY_HOP, ...REBUILT, ...CREDENTIALS, ...tokenHeaders]
  const dropped = new Set(names.map((name) => withoutPunctuation(name.toLowerCase())))
  const roleOf = memoized((name): 'passes' | 'dropped' | 'connection' | 'coding' => {
    const lower = name.toLowerCase()
    if (lower === 'connection') return 'connection'
    if (lower === 'accept-encoding') return 'coding'
    return dropped.has(withoutPunctuation(lower)) ? 'dropped' : 'passes'
  })

  return ({ rawHeaders, httpVersion, credential, requestId, inspected }) => {
    const headers: string[] = []
    let connection = ''
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = rawHeaders[i + 1] as string
      const role = roleOf(name)
      if (role === 'connection') connection += `,${value}`
      else if (role === 'passes' || (role === 'coding' && !inspected)) headers.push(name, value)
    }
    const kept = without(headers, nominatedBy(connection))
    kept.push('Via', `${httpVersion} ${pseudonym}`, 'X-Request-Id', requestId)
    if (inspected) kept.push('Accept-Encoding', 'identity')
    for (const name of tokenHeaders) kept.push(name, credential)
    return kept
  }
}

function withoutPunctuation(lowerName: string): string {
  return lowerName.replaceAll(/[^a-z0-9]/g, '')
}

export interface RelayedHead {
  readonly status: number
  readonly reason: string
  headers: string[]
  /** False for a framing that cannot be rebuilt here, such as an unsolicited transfer coding. */
  readonly relayable: boolean
  readonly contentType: string | undefined
  /** True if it has a `Content-Encoding`. */
  readonly isCoded: boolean
}

// oxfmt-ignore
const READ = ['connection', 'transfer-encoding', 'content-length', 'content-type', 'content-encoding'] as const
/** Also drops cookies: an iSales session cookie is a credential, like the token. */
const DROPPED = new Set([...HOP_BY_HOP, 'set-cookie', 'set-cookie2', 'x-request-id'])

/** Returns the lower-case name of a response header if it matters here. */
const responseRoleOf = memoized((name) => {
  const lower = name.toLowerCase()
  return READ.find((each) => each === lower) ?? (DROPPED.has(lower) ? 'dropped' : 'passes')
})

export function relayedHead(
  { status, reason, rawHeaders }: ResponseHead,
  requestId: string,
): RelayedHead {
  const headers: string[] = []
  let connection = ''
  let codings = ''
  let contentType: string | undefined
  let isCoded = false
  const lines = rawHeaders.map(textOf)
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    const value = lines[i + 1] as string
    const role = responseRoleOf(name)
    if (role === 'connection') connection += `,${value}`
    else if (role === 'transfer-encoding') codings += `,${value}`
    // RFC 9110 section 8.6.
    else if (role === 'content-length' && (status < 200 || status === 204)) continue
    else if (role !== 'dropped') headers.push(name, value)
    if (role === 'content-type') contentType ??= value
    isCoded ||= role === 'content-encoding'
  }
  const kept = without(headers, nominatedBy(connection))
  kept.push('X-Request-Id', requestId)
  // After removing the chunks from `gzip, chunked`, the rest would look like a plain body.
  const relayable = codings === '' || codings.toLowerCase() === ',chunked'
  return { status, reason, headers: kept, relayable, contentType, isCoded }
}

/** Returns headers for a response with another body of `length` bytes. */
export function withLength(headers: string[], length: number): string[] {
  return [...without(headers, new Set(['content-length'])), 'Content-Length', String(length)]
}

/** Returns the headers that the lines of `Connection` name (RFC 9110 section 7.6.1) and that are not dropped anyway. */
const nominatedBy = memoized((connection): ReadonlySet<string> => {
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => !NEVER_NOMINATED.has(name)))
})

function without(headers: string[], dropped: ReadonlySet<string>): string[] {
  if (dropped.size === 0) return headers
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!dropped.has(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}

/**
 * Returns a name or a value without trailing spaces (RFC 9110 section 5.5). A trailing tab stays, because undici's parser
 * does not recognize framing before a tab.
 */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  let end = text.length
  while (text[end - 1] === ' ') end -= 1
  return text.slice(0, end)
}
