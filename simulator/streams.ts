import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BASE_PATH } from './business.ts'

/** Any method; `?bytes=N` of body (at most 1 GiB), `&chunked=1` without a length, `&status=N`, `&id=` for the ledger. For tests and benchmarks; not of iSales. */
export const ECHO_PATH = `${BASE_PATH}/echo`
/** Counts the bytes of a body of any size; `?sha256=1` adds their hash. For tests and benchmarks; not of iSales. */
export const UPLOAD_PATH = `${BASE_PATH}/upload`

const BLOCK = Buffer.alloc(64 * 1024, 'isales-simulator')

export interface EchoWish {
  readonly id: string | undefined
  readonly bytes: number
  readonly status: number
  readonly chunked: boolean
}

const MOST_BYTES = 1024 ** 3

/** What the query asks for; undefined when it asks for what cannot be (400). */
export function parseEcho(query: URLSearchParams): EchoWish | undefined {
  const bytes = Number(query.get('bytes') ?? 0)
  const status = Number(query.get('status') ?? 200)
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > MOST_BYTES) return undefined
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined
  return { id: query.get('id') ?? undefined, bytes, status, chunked: query.has('chunked') }
}

/** Streams the bytes that were asked for, at the pace of the reader. */
export async function answerEcho(
  request: IncomingMessage,
  response: ServerResponse,
  { bytes, status, chunked }: EchoWish,
): Promise<void> {
  const bodiless = status === 204 || status === 304
  request.resume()
  response.writeHead(status, {
    'content-type': 'application/octet-stream',
    'x-method': request.method ?? '',
    ...(chunked || bodiless ? {} : { 'content-length': String(bytes) }),
  })
  if (request.method === 'HEAD' || bodiless) {
    response.end()
    return
  }
  await pipeline(Readable.from(blocks(bytes)), response)
}

/** Reads the body to its end; answers how many bytes came and, when asked, their SHA-256. */
export async function countUpload(
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<{ readonly bytes: number; readonly sha256?: string }> {
  const hash = query.has('sha256') ? createHash('sha256') : undefined
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    hash?.update(chunk)
  }
  return hash === undefined ? { bytes } : { bytes, sha256: hash.digest('hex') }
}

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= BLOCK.length) {
    yield left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left)
  }
}
