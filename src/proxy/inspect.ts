import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { endpointOf } from '../config/address.ts'
import type { Config } from '../config/settings.ts'
import { headerValue, type HeaderLines } from '../http/header-lines.ts'
import { parseObject } from '../http/json.ts'
import { MAX_COLLECTED } from '../upstream/attempt.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

/** Relayed as it came, taken for a rejection of the token, or relayed with this other body in no coding. */
export type Inspection = 'relay' | 'rejected' | Buffer

/** Looks into responses before they are relayed. Never throws: what it cannot read is relayed as it came. */
export interface Inspector {
  /** Asked about each final response. True: inspect it when it is no longer than `MAX_COLLECTED`. */
  wants(method: string, path: string, status: number): boolean
  /** @param body all of the response's body, in its content coding. */
  inspect(
    request: Pick<ValidRequest, 'path' | 'authority'>,
    headers: HeaderLines,
    body: Buffer,
  ): Inspection
}

export type InspectorConfig = Pick<
  Config,
  'isalesUrl' | 'isalesRejectedResults' | 'isalesInterfacePath'
>

/** @param scheme what clients speak to us. */
export function createInspector(
  config: InspectorConfig,
  scheme: RequestRules['scheme'],
): Inspector {
  const { isalesRejectedResults: rejected, isalesInterfacePath } = config
  const rewrites = (path: string): boolean => path === isalesInterfacePath

  return {
    wants: (method, path, status) =>
      status === 200 && method !== 'HEAD' && (rejected.length > 0 || rewrites(path)),

    inspect({ path, authority }, headers, body) {
      const plain = decode(body, headerValue(headers, 'content-encoding'))
      if (plain === undefined) return 'relay'
      if (rejected.length > 0 && rejected.includes(resultOf(plain) ?? '')) return 'rejected'
      if (authority === undefined || !rewrites(path)) return 'relay'
      const rewritten = rewriteInterface(plain, config.isalesUrl, `${scheme}://${authority}`)
      return rewritten.equals(plain) ? 'relay' : rewritten
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
  const limit = { maxOutputLength: MAX_COLLECTED }
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

/** A solidus as JSON may write it. */
const SLASH = String.raw`(?:\\?/|\\u002[fF])`

/**
 * Replaces the origin of each absolute URL that names iSales in the response to `business/interface`, so that the
 * client does not bypass the proxy. Nothing else changes, not a byte; what is not JSON does not change at all.
 *
 * @param isalesOrigin such as `https://service.example`, as `URL.origin` gives it.
 * @param clientOrigin what the client calls us: scheme, host and port.
 */
function rewriteInterface(body: Buffer, isalesOrigin: string, clientOrigin: string): Buffer {
  try {
    JSON.parse(body.toString())
  } catch {
    return body
  }
  // As latin1, where a character is a byte: bytes that are no UTF-8 stay what they are.
  const text = body.toString('latin1').replaceAll(originPattern(isalesOrigin), clientOrigin)
  return Buffer.from(text, 'latin1')
}

function originPattern(origin: string): RegExp {
  const url = new URL(origin)
  const { port } = endpointOf(url)
  const ports = url.port === '' ? `(?::${port})?` : `:${port}`
  // Neither the tail of another scheme, nor the head of a longer host, another port, or a user's name.
  const before = '(?<![a-z0-9+.-])'
  const after = String.raw`(?![a-z0-9.:@_~%-])`
  const host = url.hostname.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(`${before}${url.protocol}${SLASH}{2}${host}${ports}${after}`, 'gi')
}
