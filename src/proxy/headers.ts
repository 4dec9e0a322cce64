import type { ResponseHead } from '../upstream/exchange.ts'

/**
 * The headers of a message as flat lists of name, value, name, value: the form in which Node gives and takes them, so
 * that order, case and repetition stay as they came.
 */
export type HeaderLines = readonly string[]

/** Calls `visit` with each header: its name as it came, its value, and its name in lower case. */
export function forEachHeader(
  lines: HeaderLines,
  visit: (name: string, value: string, lowerName: string) => void,
): void {
  // A generator would cost a request 2 µs.
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? ''
    visit(name, lines[i + 1] ?? '', name.toLowerCase())
  }
}

/** The value of a header, several joined with a comma (RFC 9110 section 5.3); undefined when there is none. */
export function headerValue(lines: HeaderLines, lowerName: string): string | undefined {
  let joined: string | undefined
  forEachHeader(lines, (_, value, lower) => {
    if (lower === lowerName) joined = joined === undefined ? value : `${joined}, ${value}`
  })
  return joined
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

/**
 * Headers that begin so are what gateways say to the servers behind them: who the user and the client are, and which path
 * and method were asked for. A client may not say it to iSales. Without punctuation, as servers behind CGI read them.
 */
const OF_GATEWAYS = new RegExp(
  `^(?:${[
    // The user.
    'auth|oidc|remote|cfaccess',
    'x(?:access|amzn|api|auth|consumer|credential|email|goog|group|identity|jwt|login|msclient)',
    'x(?:pomerium|principal|remote|role|saml|subject|token|user|webauth)',
    // The client and its certificate.
    'cfconnecting|clientcert|clientip|fastlyclient|forwarded|frontend|ssl|trueclient',
    'x(?:arr|client|cluster|envoy|forward|port|proxy|real|scheme|server|ssl|tls)',
    // The target and the method.
    'x(?:host|http|method|original|override|path|rewrite|uri|url)',
  ].join('|')})`,
)

/** Where iSales may look for a token, in either edition of its interface, and what a server may prefer to it. */
const CREDENTIALS = ['authorization', 'authentication', 'cookie', 'cookie2']

export interface OutgoingRequest {
  readonly rawHeaders: HeaderLines
  /** Of the client's request, such as `1.1`. */
  readonly httpVersion: string
  /** The value of each token header. */
  readonly credential: string
  readonly requestId: string
  /** Known length of a streamed body; undefined: none, or set by who writes the body. */
  readonly contentLength: string | undefined
  /** Its response is inspected, so it must come in no content coding. */
  readonly inspected: boolean
}

/**
 * Makes the function that turns a client's headers into those for iSales. Hop-by-hop and `Connection`-nominated headers
 * go first, then every inbound credential and what is of gateways. So does each name that differs from one of those in
 * punctuation only: some servers take `_` for `-`, or cut it off. Ours are put on last, so that no client can nominate
 * them away.
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
  const passes = (lowerName: string): boolean => {
    const plain = withoutPunctuation(lowerName)
    return !dropped.has(plain) && !OF_GATEWAYS.test(plain)
  }

  return (request) => {
    const { rawHeaders, contentLength, inspected } = request
    const headers: string[] = []
    const nominated = nominatedBy(rawHeaders)
    forEachHeader(rawHeaders, (name, value, lower) => {
      if (nominated?.has(lower) === true || !passes(lower)) return
      if (inspected && lower === 'accept-encoding') return
      headers.push(name, value)
    })
    headers.push('Via', `${request.httpVersion} ${pseudonym}`)
    headers.push('X-Request-Id', request.requestId)
    if (contentLength !== undefined) headers.push('Content-Length', contentLength)
    if (inspected) headers.push('Accept-Encoding', 'identity')
    for (const name of tokenHeaders) headers.push(name, request.credential)
    return headers
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
}

/** A response with its end-to-end headers, in their order. */
export function relayedHead(
  { status, reason, rawHeaders }: ResponseHead,
  requestId: string,
): RelayedHead {
  const lines = rawHeaders.map(textOf)
  const nominated = nominatedBy(lines)
  const headers: string[] = []
  let relayable = true
  let chunked = false
  forEachHeader(lines, (name, value, lower) => {
    if (lower === 'transfer-encoding') {
      // What is left of `gzip, chunked` once the chunks are off would be passed off as the plain body.
      if (chunked || value.toLowerCase() !== 'chunked') relayable = false
      chunked = true
    }
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower) === true) return
    // A session of iSales is a credential of our user, as the token is.
    if (lower === 'set-cookie' || lower === 'set-cookie2') return
    if (lower === 'x-request-id') return
    // RFC 9110 section 8.6.
    if (lower === 'content-length' && (status < 200 || status === 204)) return
    headers.push(name, value)
  })
  headers.push('X-Request-Id', requestId)
  return { status, reason, headers, relayable }
}

/** Describe the bytes of a body, and are not true of another one. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'etag',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
])

/** The headers of a response that is relayed with another body of `length` bytes. */
export function replacedBodyHeaders(headers: HeaderLines, length: number): string[] {
  const kept: string[] = []
  forEachHeader(headers, (name, value, lower) => {
    if (lower !== 'content-length' && !OF_THE_BODY.has(lower)) kept.push(name, value)
  })
  kept.push('Content-Length', String(length))
  return kept
}

export function isHtml(lines: HeaderLines): boolean {
  return /^text\/html\b/i.test(headerValue(lines, 'content-type') ?? '')
}

/** The names that `Connection` lists (RFC 9110 section 7.6.1); undefined when it lists none of interest. */
function nominatedBy(lines: HeaderLines): ReadonlySet<string> | undefined {
  const value = headerValue(lines, 'connection')?.toLowerCase()
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  return new Set(value.split(',').map((name) => name.trim()))
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
