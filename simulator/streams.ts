import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BASE_PATH } from './business.ts'
import type { PlainResponse } from './response.ts'

/**
 * Any method; `?bytes=N` of body (at most 1 GiB), `&chunked=1` without a length, `&status=N`,
 * `&id=` for the ledger. For tests and benchmarks; not of iSales.
 */
export const ECHO_PATH = `${BASE_PATH}/echo`
/**
 * Counts the bytes of a body of any size; `?sha256=1` adds their hash. For tests and benchmarks;
 * not of iSales.
 */
export const UPLOAD_PATH = `${BASE_PATH}/upload`

const BLOCK = Buffer.alloc(64 * 1024, 'isales-simulator')
const MAX_BYTES = 1024 ** 3

/** The response that the query asks for; undefined when it asks for what cannot be (400). */
export function echo(query: URLSearchParams): PlainResponse | undefined {
  const bytes = Number(query.get('bytes') ?? 0)
  const status = Number(query.get('status') ?? 200)
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > MAX_BYTES) return undefined
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined
  const isBodiless = status === 204 || status === 304
  const length = query.has('chunked') || isBodiless ? {} : { 'content-length': String(bytes) }
  const headers = { 'content-type': 'application/octet-stream', ...length }
  return { status, headers, body: blocks(bytes) }
}

/** Reads the body to its end; returns how many bytes came and, when asked, their SHA-256. */
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
