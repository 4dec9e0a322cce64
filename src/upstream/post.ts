import {
  brotliDecompressSync,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import { cause, NODE_ERROR_CODES } from '../causes.ts'
import { within, type Clock } from '../clock.ts'
import type { FailureDetails } from '../messages/index.ts'
import { classify, Exchange, MAX_COLLECTED } from './exchange.ts'

/** A failure has a `status` if the response broke off, or stalled, after its head. */
export type PostResult =
  | {
      readonly ok: true
      readonly status: number
      readonly retryAfter?: string | undefined
      readonly contentType?: string | undefined
      /** Names and values, as received. Default: none. */
      readonly headers?: readonly (readonly [name: string, value: string])[]
      /** Decoded, without a byte order mark. Undefined: longer than 64 KiB, or in an unknown or broken content coding. */
      readonly body: string | undefined
      /** Bytes of the body as received. */
      readonly size?: number
    }
  | (FailureDetails & {
      readonly ok: false
      /** True if bytes of the request may have reached iSales. */
      readonly written: boolean
    })

/** Sends one POST of JSON to iSales. Aborting ends it as `timeout`, because the login-attempt record needs its `written`. */
export type Post = (request: {
  readonly path: string
  /** Additional to those for JSON. Default: none. */
  readonly headers?: readonly string[]
  readonly body: string
  readonly signal: AbortSignal
}) => Promise<PostResult>

const LATE = { cause: cause('timeout'), detail: NODE_ERROR_CODES.timeout }

const JSON_HEADERS = ['Content-Type', 'application/json', 'Accept', 'application/json']
/** Names of the headers of every POST, including undici's. */
export const SENT_HEADERS = ['Host', 'Connection', 'Content-Type', 'Accept', 'Content-Length']

/**
 * @param timeout milliseconds for the complete POST.
 * @param plain whether iSales may expect TLS, which the connection does not use.
 */
export function createPost(
  dispatch: (exchange: Exchange) => void,
  timeout: number,
  plain: () => boolean,
  clock: Clock,
): Post {
  return async ({ path, headers: more = [], body, signal }) => {
    if (signal.aborted) return { ok: false, ...LATE, written: false }
    const headers = [...JSON_HEADERS, ...more]
    const exchange = new Exchange({ path, method: 'POST', headers, body })
    dispatch(exchange)
    const answered = resultOf(exchange, plain)
    const inTime = await within(clock, timeout, answered, signal)
    if (inTime !== undefined) return inTime
    exchange.abort('the login timed out or was canceled')
    const result = await answered
    return result.ok ? result : { ...result, ...LATE }
  }
}

async function resultOf(exchange: Exchange, plain: () => boolean): Promise<PostResult> {
  const outcome = await exchange.outcome
  const head = typeof outcome === 'string' ? undefined : outcome
  const collected = head && (await exchange.collect())
  const { written } = exchange
  // A server that requires TLS sends no head.
  if (head === undefined || collected === 'cut') {
    const failed = classify(exchange.error, head === undefined && plain())
    return { ok: false, ...failed, written, status: head?.status }
  }
  const { status, rawHeaders } = head
  const texts = rawHeaders.map((raw) => raw.toString('latin1'))
  const headers = texts.flatMap((name, i) => (i % 2 ? [] : [[name, texts[i + 1] ?? ''] as const]))
  const valueOf = (lowerName: string) =>
    headers.find(([name]) => name.toLowerCase() === lowerName)?.[1]
  const retryAfter = valueOf('retry-after')
  const contentType = valueOf('content-type')
  const raw = exchange.collected()
  const body = collected === 'whole' ? decode(raw, valueOf('content-encoding')) : undefined
  if (collected === 'part') exchange.abort('the response is too long')
  return { ok: true, status, retryAfter, contentType, headers, size: raw.length, body }
}

/** Also skips a byte order mark. */
const TEXT = new TextDecoder()

/** The proxy does not ask for a content coding, but some servers send one regardless. */
const DECODERS: Readonly<Record<string, (body: Buffer, options: ZlibOptions) => Buffer>> = {
  identity: (body) => body,
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  // Some servers send the data without zlib's header.
  deflate: (body, options) =>
    ((body[0] ?? 0) % 16 === 8 ? inflateSync : inflateRawSync)(body, options),
  br: brotliDecompressSync,
}

/** Decodes a body of at most 64 KiB, coded and decoded. */
function decode(body: Buffer, coding = 'identity'): string | undefined {
  if (body.length === 0) return ''
  try {
    const plain = DECODERS[coding.toLowerCase()]?.(body, { maxOutputLength: MAX_COLLECTED })
    return plain && TEXT.decode(plain)
  } catch {
    return undefined
  }
}
