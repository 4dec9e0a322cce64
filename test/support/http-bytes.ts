// A strict reader of HTTP/1.1 (RFC 9112): every violation of the grammar is an error, also if Node's parser tolerates it.

export class HttpError extends Error {}

export type Field = readonly [name: string, value: string]

export interface Head {
  readonly startLine: string
  readonly fields: readonly Field[]
  /** Number of bytes, including the empty line. */
  readonly length: number
}

export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

export interface Body {
  readonly content: Buffer
  readonly length: number
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 section 5.5: visible characters, bytes over 0x7f, spaces and tabs within. */
const FIELD_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})((?:;[^\r\n]*)?)$/
const CRLF = Buffer.from('\r\n')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** Returns the head at the start of the bytes; undefined if it is incomplete. */
export function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf(END_OF_HEAD)
  checkLineEnds(end === -1 ? bytes : bytes.subarray(0, end))
  if (end === -1) return undefined
  const [startLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  if (startLine === '') throw new HttpError('an empty line before the start line')
  return { startLine, fields: lines.map(readField), length: end + END_OF_HEAD.length }
}

/** Returns the body at the start of the bytes; undefined if it is incomplete. `ended`: the connection has ended. */
export function readBody(bytes: Buffer, framing: Framing, ended: boolean): Body | undefined {
  const plain = (content: Buffer): Body => ({ content, length: content.length })
  switch (framing.kind) {
    case 'none':
      return plain(Buffer.alloc(0))
    case 'length':
      return bytes.length < framing.length ? undefined : plain(bytes.subarray(0, framing.length))
    case 'close':
      return ended ? plain(bytes) : undefined
    case 'chunked':
      return readChunks(bytes)
  }
}

/** Returns the framing of the body (RFC 9112 section 6); `otherwise` if no field determines it. */
export function framingOf(fields: readonly Field[], otherwise: 'none' | 'close'): Framing {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length > 0 && lengths.length > 0)
    throw new HttpError('both Transfer-Encoding and Content-Length')
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked')
      throw new HttpError(`Transfer-Encoding: ${codings.join(' | ')}`)
    return { kind: 'chunked' }
  }
  if (lengths.length > 1) throw new HttpError('more than one Content-Length')
  const length = lengths[0]
  if (length === undefined) return { kind: otherwise }
  if (!/^\d{1,15}$/.test(length)) throw new HttpError(`Content-Length: ${length}`)
  return { kind: 'length', length: Number(length) }
}

export function valuesOf(fields: readonly Field[], name: string): readonly string[] {
  return fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
}

/** Returns a field's value, several joined with a comma; undefined if there is none. */
export function valueOf(fields: readonly Field[], name: string): string | undefined {
  const values = valuesOf(fields, name.toLowerCase())
  return values.length === 0 ? undefined : values.join(', ')
}

function readChunks(bytes: Buffer): Body | undefined {
  const contents: Buffer[] = []
  let offset = 0
  for (;;) {
    const end = bytes.indexOf(CRLF, offset)
    if (end === -1) {
      if (bytes.length - offset > 1024) throw new HttpError('a chunk line over 1 KiB')
      return undefined
    }
    const line = bytes.toString('latin1', offset, end)
    const digits = CHUNK_LINE.exec(line)?.[1]
    if (digits === undefined) throw new HttpError(`chunk line ${JSON.stringify(line)}`)
    const size = Number.parseInt(digits, 16)
    offset = end + 2
    if (bytes.length < offset + size + 2) return undefined
    contents.push(bytes.subarray(offset, offset + size))
    offset += size + 2
    // The proxy relays no trailers.
    if (!bytes.subarray(offset - 2, offset).equals(CRLF))
      throw new HttpError('no CRLF after a chunk')
    if (size === 0) return { content: Buffer.concat(contents), length: offset }
  }
}

function readField(line: string): Field {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon)
  if (colon === -1 || !TOKEN.test(name)) throw new HttpError(`header line ${JSON.stringify(line)}`)
  const value = line.slice(colon + 1).replaceAll(/^[\t ]+|[\t ]+$/g, '')
  if (!FIELD_VALUE.test(value)) throw new HttpError(`value of field ${name}`)
  return [name, value]
}

/** RFC 9112 section 2.2: parsers disagree about a bare CR or LF. */
function checkLineEnds(head: Buffer): void {
  const text = head.toString('latin1')
  if (/[^\r]\n|^\n/.test(text)) throw new HttpError('a bare LF in the head')
  if (/\r(?!\n|$)/.test(text)) throw new HttpError('a bare CR in the head')
}
