import { endpointOf } from '../config/address.ts'

/** A solidus as JSON may write it. */
const SLASH = String.raw`(?:\\?/|\\u002[fF])`

/**
 * Replaces the origin of each absolute URL that names iSales in the response to `business/interface`, so that the
 * client does not bypass the proxy. Nothing else changes, not a byte; what is not JSON does not change at all.
 *
 * @param isalesOrigin such as `https://service.example`, as `URL.origin` gives it.
 * @param clientOrigin what the client calls us: scheme, host and port.
 */
export function rewriteInterface(body: Buffer, isalesOrigin: string, clientOrigin: string): Buffer {
  if (!isJson(body)) return body
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

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString())
    return true
  } catch {
    return false
  }
}
