import type { ResponseHead } from '../upstream/index.ts'

/**
 * The headers of a message as flat lists of name, value, name, value: the form in which Node gives and takes them, so
 * that order, case and repetition stay as they came. They are read by index: an iterator, or an object for each of them,
 * costs a request 4 µs.
 */
export type HeaderLines = readonly string[]

/** Beyond so many all are forgotten, so that texts of one client cannot stay in the way of those of others. */
const MAX_TEXTS = 256
/** Characters; a longer text is computed each time. */
const MAX_LENGTH = 256

/**
 * A pure function of a text that remembers its results: clients and iSales send the same names and paths with each call.
 * It keeps 256 texts of 256 characters at most.
 */
export function remembered<Result>(compute: (text: string) => Result): (text: string) => Result {
  const results = new Map<string, Result>()
  return (text) => {
    const known = results.get(text)
    if (known !== undefined) return known
    const result = compute(text)
    if (results.size >= MAX_TEXTS) results.clear()
    if (text.length <= MAX_LENGTH) results.set(text, result)
    return result
  }
}

/** RFC 9110 section 7.6.1, and those that RFC 9112 and older proxies treat so. They end at the next hop. */
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

/** Made anew for the next hop: framing, addressing, and what we say ourselves. */
const REBUILT = ['host', 'content-length', 'expect', 'x-request-id']

/** Where iSales may look for a token, in either edition of its interface, and what a server may prefer to it. */
const CREDENTIALS = ['authorization', 'authentication', 'cookie', 'cookie2']

export interface OutgoingRequest {
  readonly rawHeaders: HeaderLines
  /** Of the client's request, such as `1.1`. */
  readonly httpVersion: string
  /** The value of each token header. */
  readonly credential: string
  readonly requestId: string
  /** Its response is inspected, so it must come in no content coding. */
  readonly inspected: boolean
}

/** What becomes of a header of a request by its name. */
type RequestRole = 'passes' | 'dropped' | 'connection' | 'coding'

/**
 * Makes the function that turns a client's headers into those for iSales. Hop-by-hop and `Connection`-nominated headers
 * go first, then every inbound credential. So does each name that differs from one of those in punctuation only: some
 * servers take `_` for `-`, or cut it off. Ours are put on last, so that no client can nominate them away.
 *
 * @param carriers the headers that carry the token, as they are written.
 * @param pseudonym received-by of our `Via` (RFC 9110 section 7.6.3).
 */
export function createRequestHeaders(
  carriers: readonly string[],
  pseudonym: string,
): (request: OutgoingRequest) => string[] {
  const tokenHeaders = [...new Map(carriers.map((name) => [name.toLowerCase(), name])).values()]
  const names = [...HOP_BY_HOP, ...REBUILT, ...CREDENTIALS, ...tokenHeaders]
  const dropped = new Set(names.map((name) => withoutPunctuation(name.toLowerCase())))
  const roleOf = remembered((name): RequestRole => {
    const lower = name.toLowerCase()
    if (lower === 'connection') return 'connection'
    if (lower === 'accept-encoding') return 'coding'
    return dropped.has(withoutPunctuation(lower)) ? 'dropped' : 'passes'
  })

  return ({ rawHeaders, httpVersion, credential, requestId, inspected }) => {
    const headers: string[] = []
    let connection: string | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = rawHeaders[i + 1] as string
      const role = roleOf(name)
      if (role === 'connection') connection = joined(connection, value)
      else if (role === 'passes' || (role === 'coding' && !inspected)) headers.push(name, value)
    }
    const kept = withoutNominated(headers, connection)
    kept.push('Via', `${httpVersion} ${pseudonym}`, 'X-Request-Id', requestId)
    if (inspected) kept.push('Accept-Encoding', 'identity')
    for (const name of tokenHeaders) kept.push(name, credential)
    return kept
  }
}

function withoutPunctuation(lowerName: string): string {
  return lowerName.replaceAll(/[^a-z0-9]/g, '')
}

/** The head of a response as the client is to get it. */
export interface RelayedHead {
  readonly status: number
  readonly reason: string
  headers: string[]
  /** False: in a framing that cannot be rebuilt here, such as a transfer coding that was not asked for. */
  readonly relayable: boolean
  /** The first `Content-Type`. */
  readonly contentType: string | undefined
}

/** What becomes of a header of a response by its name. */
type ResponseRole = 'passes' | 'dropped' | 'connection' | 'transfer-encoding' | 'length' | 'type'

const responseRoleOf = remembered((name): ResponseRole => {
  const lower = name.toLowerCase()
  switch (lower) {
    case 'connection':
    case 'transfer-encoding':
      return lower
    case 'content-length':
      return 'length'
    case 'content-type':
      return 'type'
    // A session of iSales is a credential of our user, as the token is.
    case 'set-cookie':
    case 'set-cookie2':
    case 'x-request-id':
      return 'dropped'
    default:
      return HOP_BY_HOP.has(lower) ? 'dropped' : 'passes'
  }
})

/** A response with its end-to-end headers, in their order. */
export function relayedHead(
  { status, reason, rawHeaders }: ResponseHead,
  requestId: string,
): RelayedHead {
  const headers: string[] = []
  let connection: string | undefined
  let contentType: string | undefined
  let codings: string | undefined
  const lines = rawHeaders.map(textOf)
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    const value = lines[i + 1] as string
    const role = responseRoleOf(name)
    if (role === 'connection') connection = joined(connection, value)
    else if (role === 'transfer-encoding') codings = joined(codings, value)
    // RFC 9110 section 8.6.
    else if (role === 'length' && (status < 200 || status === 204)) continue
    else if (role !== 'dropped') headers.push(name, value)
    if (role === 'type') contentType ??= value
  }
  const kept = withoutNominated(headers, connection)
  kept.push('X-Request-Id', requestId)
  // What is left of `gzip, chunked` once the chunks are off would be passed off as the plain body.
  const relayable = codings === undefined || codings.toLowerCase() === 'chunked'
  return { status, reason, headers: kept, relayable, contentType }
}

/** The headers of a response that is relayed with another body of `length` bytes. */
export function withLength(headers: HeaderLines, length: number): string[] {
  const kept = without(headers, (lower) => lower === 'content-length')
  kept.push('Content-Length', String(length))
  return kept
}

/** RFC 9110 section 5.3. */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

/** Without the headers that `Connection` names (RFC 9110 section 7.6.1). */
function withoutNominated(headers: string[], connection: string | undefined): string[] {
  if (connection === undefined) return headers
  const nominated = nominatedBy(connection)
  return nominated.size === 0 ? headers : without(headers, (lower) => nominated.has(lower))
}

/** Those that are not dropped anyhow: none in `keep-alive` and `close`, which nearly every message has. */
const nominatedBy = remembered((connection): ReadonlySet<string> => {
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => name !== 'close' && !HOP_BY_HOP.has(name)))
})

function without(headers: HeaderLines, isDropped: (lowerName: string) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!isDropped(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}

/**
 * A name or a value, without the spaces behind it, which are no part of it (RFC 9110 section 5.5). A tab stays: undici's
 * parser does not see the framing behind one, so that nothing here may see it either.
 */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  let end = text.length
  while (text[end - 1] === ' ') end -= 1
  return text.slice(0, end)
}
