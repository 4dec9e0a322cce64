import { BASE_PATH } from './business.ts'
import type { PlainResponse } from './response.ts'

/** `GET echo?bytes=70000&id=x` responds with so many bytes, at most 1 GiB. Not part of iSales: tests need it. */
export const ECHO_PATH = `${BASE_PATH}/echo`

const BLOCK = Buffer.alloc(64 * 1024, 'isales-simulator')
const MAX_BYTES = 1024 ** 3

/** The response that the query asks for; undefined when it asks for what cannot be (400). */
export function echo(query: URLSearchParams): PlainResponse | undefined {
  const bytes = Number(query.get('bytes') ?? 0)
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > MAX_BYTES) return undefined
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(bytes),
  }
  return { status: 200, headers, body: blocks(bytes) }
}

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= BLOCK.length) {
    yield left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left)
  }
}
