import { BASE_PATH } from './business.ts'
import type { PlainResponse } from './response.ts'

/** `GET echo?bytes=70000&id=x` responds with this many bytes, at most 1 GiB. For tests; not part of iSales. */
export const ECHO_PATH = `${BASE_PATH}/echo`

const BLOCK = Buffer.alloc(64 * 1024, 'isales-simulator')
const MAX_BYTES = 1024 ** 3

/** Returns the response that the query requests; undefined if the query is invalid (400). */
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
