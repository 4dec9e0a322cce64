import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import type { Fault, ResetPoint } from './faults.ts'
import type { Switches } from './switches.ts'

/** A response before it is sent. A body that is not a Buffer is streamed at the pace of the client. */
export interface PlainResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | Iterable<Buffer>
}

export const HTML_PAGE = '<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>'
const MAX_BODY = 1024 * 1024
const OVER_64_KIB = 70_000

/** The body; undefined when it is over 1 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/** A JSON object, or undefined. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}

/** Writes `{"result": ..., "resultData": ...}` according to the switches. */
export function json(
  status: number,
  members: { readonly result: unknown; readonly resultData?: object },
  { resultAs, omit }: Switches,
): PlainResponse {
  const { result } = members
  const asked = resultAs === 'string' && typeof result === 'number' ? String(result) : result
  const text = JSON.stringify({ ...members, result: asked }, (key, value: unknown) =>
    omit.includes(key) ? undefined : value,
  )
  const headers = { 'content-type': 'application/json;charset=UTF-8' }
  return { status, headers, body: Buffer.from(text) }
}

/** Writes a refusal with the body that a switch selects. */
export function refusal(
  status: number,
  body: Switches['rejectionBody'],
  switches: Switches,
): PlainResponse {
  if (body === 'json') return json(status, { result: status }, switches)
  if (body === 'empty') return { status, headers: {}, body: Buffer.alloc(0) }
  return { status, headers: { 'content-type': 'text/html' }, body: Buffer.from(HTML_PAGE) }
}

/** Compresses the response if a switch is set. */
export function encode(
  response: PlainResponse,
  request: IncomingMessage,
  { gzip }: Switches,
): PlainResponse {
  const { body } = response
  const accepted = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  const off = gzip === 'off' || (gzip === 'accepted' && !accepted)
  if (off || !Buffer.isBuffer(body) || body.length === 0) return response
  const headers = { ...response.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' }
  return { ...response, headers, body: gzipSync(body) }
}

/** Puts secrets where a transcript could show them: into headers, keys and paths. */
export function repeat(response: PlainResponse, secrets: readonly string[]): PlainResponse {
  const { headers } = response
  if (headers['content-type']?.includes('json') !== true) return response
  const texts = secrets.map((secret) => encodeURIComponent(secret))
  const members = Object.fromEntries(secrets.map((secret) => [secret, `/${secret}`]))
  const spoilt = changeJson(response, ({ resultData, ...others }) => ({
    ...others,
    ...members,
    ...(resultData === undefined ? {} : { resultData: { ...resultData, ...members } }),
  }))
  const more = Object.fromEntries(texts.map((text) => [`x-${text}`, text]))
  return { ...spoilt, headers: { ...headers, server: texts.join(' '), ...more } }
}

/** Spoils the response by the fault. */
export function spoil(response: PlainResponse, fault: Fault | undefined): PlainResponse {
  switch (fault?.kind) {
    case 'respond':
      return { ...fault, body: Buffer.from(fault.body) }
    case 'truncated': {
      const body = wholeBody(response)
      return { ...response, body: body.subarray(0, Math.floor(body.length / 2)) }
    }
    case 'huge':
      return changeJson(response, (members) => ({ ...members, padding: 'x'.repeat(OVER_64_KIB) }))
    case 'bad-token':
      return changeJson(response, (members) => ({
        ...members,
        resultData: { ...Object(members['resultData']), token: fault.token },
      }))
    case 'reset':
    case 'hang':
    case 'ignore':
    case 'slow':
    case undefined:
      return response
  }
}

export async function send(out: ServerResponse, response: PlainResponse): Promise<void> {
  const { status, headers, body } = response
  const isBodiless = status === 204 || status === 304
  const isWhole = Buffer.isBuffer(body) && !isBodiless
  const length = isWhole ? { 'content-length': String(body.length) } : {}
  out.writeHead(status, { ...headers, ...length })
  if (isWhole) out.end(body)
  else if (isBodiless || out.req.method === 'HEAD') out.end()
  else await pipeline(Readable.from(body), out)
}

/** Loses the connection at the requested point. */
export async function cut(
  out: ServerResponse,
  response: PlainResponse,
  at: ResetPoint,
): Promise<void> {
  const { socket } = out
  if (at === 'before-head') {
    // With a RST if the socket supports it.
    if (socket instanceof TLSSocket) socket.destroy()
    else socket?.resetAndDestroy()
    return
  }
  const body = wholeBody(response)
  // Announces a byte more than is sent, so that the client knows that the response is cut.
  const length = String(body.length + 1)
  out.writeHead(response.status, { ...response.headers, 'content-length': length })
  await new Promise<void>((resolve) => {
    if (at === 'mid-body') {
      out.write(body.subarray(0, Math.ceil(body.length / 2)), () => resolve())
    } else {
      out.flushHeaders()
      socket?.write('', () => resolve())
    }
  })
  socket?.destroy()
}

/** At most 1 MiB of it. */
function wholeBody({ body }: PlainResponse): Buffer {
  if (Buffer.isBuffer(body)) return body
  const chunks: Buffer[] = []
  let size = 0
  for (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MAX_BODY) break
  }
  return Buffer.concat(chunks)
}

function changeJson(
  response: PlainResponse,
  change: (members: Readonly<Record<string, unknown>>) => object,
): PlainResponse {
  const members = parseObject(wholeBody(response).toString()) ?? {}
  return { ...response, body: Buffer.from(JSON.stringify(change(members))) }
}
