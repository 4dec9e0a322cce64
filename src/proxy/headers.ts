/**
 * Header fields on their way through, as flat lists of name, value, name, value: the form in which Node gives
 * and takes them, so that order, case and repetition stay as they came.
 */
export type HeaderLines = readonly string[]

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

/** Fields that the next hop's framing, addressing or our own answer makes anew. */
const REBUILT: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'x-request-id',
  'max-forwards',
])

const SPACE = 0x20

/** Where iSales may look for a token, in either edition of its interface. */
const CREDENTIALS = ['authorization', 'authentication']

/** What every forwarded request shares. */
export interface RequestFieldRules {
  /** The fields that carry the headerValue, as they are written. */
  readonly tokenHeaders: readonly string[]
  /** Received-by of our `Via` (RFC 9110 section 7.6.3). */
  readonly pseudonym: string
}

export interface OutgoingRequest {
  readonly rawHeaders: HeaderLines
  /** Of the client's request, such as `1.1`. */
  readonly httpVersion: string
  /** The value for each token field. */
  readonly headerValue: string
  readonly requestId: string
  /** Known length of a streamed body; undefined: none, or set by who writes the body. */
  readonly contentLength: string | undefined
  /** `Max-Forwards` as received on an OPTIONS request (RFC 9110 section 7.6.2); -1: none. */
  readonly maxForwards: number
}

/**
 * Makes the function that turns a client's fields into those for iSales: hop-by-hop and
 * `Connection`-nominated fields go first, then every inbound headerValue and what reads like one to a server that
 * takes `_` for `-`, and only then is ours put on, so that no client can nominate it away.
 */
export function requestFields(rules: RequestFieldRules): (request: OutgoingRequest) => string[] {
  const tokenHeaders = distinctNames(rules.tokenHeaders)
  const dropped = new Set([...HOP_BY_HOP, ...REBUILT, ...CREDENTIALS])
  for (const name of tokenHeaders) {
    const lower = name.toLowerCase()
    dropped.add(lower).add(lower.replaceAll('_', '-'))
  }
  const via = { '1.0': `1.0 ${rules.pseudonym}`, '1.1': `1.1 ${rules.pseudonym}` }

  return ({ rawHeaders, httpVersion, headerValue, requestId, contentLength, maxForwards }) => {
    const fields: string[] = []
    const nominated = nominatedBy(rawHeaders)
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? ''
      const lower = name.toLowerCase()
      if (dropped.has(lower) || nominated?.has(lower) === true) continue
      if (lower.includes('_') && dropped.has(lower.replaceAll('_', '-'))) continue
      fields.push(name, rawHeaders[i + 1] ?? '')
    }
    fields.push('Via', httpVersion === '1.0' ? via['1.0'] : via['1.1'], 'X-Request-Id', requestId)
    if (contentLength !== undefined) fields.push('Content-Length', contentLength)
    if (maxForwards > 0) fields.push('Max-Forwards', String(maxForwards - 1))
    for (const name of tokenHeaders) fields.push(name, headerValue)
    return fields
  }
}

function distinctNames(names: readonly string[]): readonly string[] {
  return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()]
}

/** What the answer says of itself, besides its end-to-end fields. */
export interface AnswerFields {
  readonly fields: string[]
  /** The body's announced length; -1 when it is not known. */
  readonly contentLength: number
  /** False: in a framing that cannot be rebuilt here, such as a transfer coding that was not asked for. */
  readonly relayable: boolean
}

/**
 * The end-to-end fields of an answer, in their order. A field that carries one of `secrets` in its name or value is
 * dropped whole: an iSales that echoes the token does not give it to the client.
 */
export function answerFields(
  status: number,
  raw: readonly Uint8Array[],
  secrets: readonly string[],
  requestId: string,
): AnswerFields {
  const lines: string[] = []
  for (const part of raw) lines.push(textOf(part))
  const nominated = nominatedBy(lines)
  const fields: string[] = []
  let contentLength = -1
  let relayable = true
  let chunked = false
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? ''
    const value = lines[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'transfer-encoding') {
      // What is left of `gzip, chunked` once the chunks are off would be passed off as the plain body.
      if (chunked || value.toLowerCase() !== 'chunked') relayable = false
      chunked = true
    }
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower) === true) continue
    if (lower === 'x-request-id' || carriesAny(value, secrets) || carriesAny(name, secrets))
      continue
    if (lower === 'content-length') {
      // RFC 9110 section 8.6.
      if (status < 200 || status === 204) continue
      contentLength = Number(value)
    }
    fields.push(name, value)
  }
  fields.push('X-Request-Id', requestId)
  return { fields, contentLength, relayable }
}

/** What goes with a body that was taken apart and put together again here. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'etag',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
])

/**
 * The fields of an answer that is relayed from one buffer of `length` bytes. `replaced`: the body is another one, so
 * that nothing that describes the old one's bytes is true any more.
 */
export function wholeFields(fields: HeaderLines, length: number, replaced: boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'content-length' || (replaced && OF_THE_BODY.has(lower))) continue
    kept.push(name, fields[i + 1] ?? '')
  }
  kept.push('Content-Length', String(length))
  return kept
}

/** The value of a field, several joined with a comma (RFC 9110 section 5.3); undefined when there is none. */
export function fieldValue(lines: HeaderLines, lowerName: string): string | undefined {
  let value: string | undefined
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() !== lowerName) continue
    value = value === undefined ? lines[i + 1] : `${value}, ${lines[i + 1]}`
  }
  return value
}

export function carriesAny(value: string, secrets: readonly string[]): boolean {
  for (const secret of secrets) if (value.includes(secret)) return true
  return false
}

/** The names that `Connection` lists (RFC 9110 section 7.6.1); undefined when it lists none of interest. */
function nominatedBy(lines: HeaderLines): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.length !== 10 || lines[i]?.toLowerCase() !== 'connection') continue
    const value = (lines[i + 1] ?? '').toLowerCase()
    if (value === 'keep-alive' || value === 'close') continue
    names ??= new Set()
    for (const name of value.split(',')) names.add(name.trim())
  }
  return names
}

/**
 * A name or a value, without the spaces behind it, which are no part of it (RFC 9110 section 5.5). A tab stays: undici's
 * parser does not see the framing behind one, so that nothing here may see it either.
 */
function textOf(bytes: Uint8Array): string {
  let end = bytes.length
  while (bytes[end - 1] === SPACE) end -= 1
  // Node's Buffer; a pure file names no module, and undici hands out nothing else.
  return (bytes as Latin1Bytes).latin1Slice(0, end)
}

type Latin1Bytes = Uint8Array & { latin1Slice(start: number, end: number): string }
