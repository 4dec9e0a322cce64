import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { KEPT_RESPONSE } from '../upstream/attempt.ts'
import { parseObject } from '../http/json.ts'
import { headerValue, replacedBodyHeaders, type HeaderLines } from './headers.ts'
import type { PendingResponse } from './response.ts'
import { pathOf } from './validate.ts'

/** A response that was kept whole. */
export interface KeptResponse {
  /** Origin-form of the request. */
  readonly target: string
  /** What the client calls us. */
  readonly authority: string | undefined
  /** The response's end-to-end headers. */
  readonly headers: HeaderLines
  readonly body: Buffer
}

/** Relayed as it came, taken for a rejection of the token, or relayed with another body in no coding. */
export type Verdict = 'relay' | 'rejected' | { readonly body: Buffer }

/** Looks into responses before they are relayed. Never throws: what it cannot read is relayed as it came. */
export interface Inspector {
  /** Asked about each final response. True: inspect it when it is no longer than `KEPT_RESPONSE`. */
  wants(method: string, target: string, status: number): boolean
  inspect(response: KeptResponse): Verdict
}

export interface InspectorOptions {
  /** Values of `result`, as text, that say in a 200 that the token is bad; empty: none is looked for. */
  readonly rejectedResults: readonly string[]
  readonly rewriting?: Rewriting | undefined
}

/** The one response in which iSales names itself. */
export interface Rewriting {
  readonly path: string
  /** `authority` is what the client calls us. */
  readonly rewrite: (body: Buffer, authority: string) => Buffer
}

/**
 * Inspects a response that is kept whole, and puts another body in its place where one is due.
 *
 * @returns true when it is a rejection of the token.
 */
export function isRejection(
  inspector: Inspector,
  { attempt, head }: PendingResponse,
  { target, authority }: Pick<KeptResponse, 'target' | 'authority'>,
): boolean {
  const { headers } = head
  const verdict = inspector.inspect({ target, authority, headers, body: attempt.kept() })
  if (typeof verdict === 'object') {
    attempt.replace(verdict.body)
    head.headers = replacedBodyHeaders(headers, verdict.body.length)
  }
  return verdict === 'rejected'
}

/** Undefined when nothing is to be looked for: then no response waits for its end. */
export function createInspector(options: InspectorOptions): Inspector | undefined {
  const { rewriting } = options
  const rejected = new Set(options.rejectedResults)
  if (rejected.size === 0 && rewriting === undefined) return undefined
  const rewrites = (target: string): boolean => pathOf(target) === rewriting?.path

  return {
    wants: (method, target, status) =>
      status === 200 && method !== 'HEAD' && (rejected.size > 0 || rewrites(target)),

    inspect({ target, authority, headers, body }) {
      const plain = decode(body, headerValue(headers, 'content-encoding'))
      if (plain === undefined) return 'relay'
      if (rejected.size > 0 && rejected.has(resultOf(plain) ?? '')) return 'rejected'
      if (rewriting === undefined || authority === undefined || !rewrites(target)) return 'relay'
      const rewritten = rewriting.rewrite(plain, authority)
      return rewritten.equals(plain) ? 'relay' : { body: rewritten }
    },
  }
}

/** `result` of a response as text, a number as JSON writes it; undefined when there is none. */
function resultOf(plain: Buffer): string | undefined {
  const result = parseObject(plain.toString())?.['result']
  return typeof result === 'string' || typeof result === 'number' ? String(result) : undefined
}

/** Without its content coding (RFC 9110 section 8.4.1); undefined when that is not known, broken, or hides too much. */
function decode(body: Buffer, coding = 'identity'): Buffer | undefined {
  const limit = { maxOutputLength: KEPT_RESPONSE }
  try {
    switch (coding.trim().toLowerCase()) {
      case 'identity':
      case '':
        return body
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, limit)
      case 'br':
        return brotliDecompressSync(body, limit)
      case 'deflate':
        // Meant is the zlib format, but some senders leave its two bytes out.
        return hasZlibHeader(body) ? inflateSync(body, limit) : inflateRawSync(body, limit)
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}

/** RFC 1950 section 2.2: method 8, and a check that makes the pair a multiple of 31. */
function hasZlibHeader(body: Buffer): boolean {
  return body.length > 1 && ((body[0] ?? 0) & 15) === 8 && body.readUInt16BE(0) % 31 === 0
}
