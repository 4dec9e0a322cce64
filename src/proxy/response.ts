import { STATUS_CODES, type ServerResponse } from 'node:http'
import { unescape } from 'node:querystring'
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { endpointOf } from '../config/address.ts'
import type { Secret } from '../config/secret.ts'
import type { Config } from '../config/settings.ts'
import { parseObject } from '../http/json.ts'
import { headerText } from '../http/problem.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Token } from '../token/token.ts'
import { MAX_COLLECTED, type Exchange } from '../upstream/exchange.ts'
import {
  headerValue,
  isHtml,
  replacedBodyHeaders,
  type HeaderLines,
  type RelayedHead,
} from './headers.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

/** What a response says of the token; `failed`: it was cut. */
export type Judged =
  | { readonly type: 'accepted' | 'rejected'; readonly head: RelayedHead }
  | { readonly type: 'failed'; readonly error: unknown }

export type JudgeConfig = InspectorConfig & Pick<Config, 'isalesRejectedStatuses'>

/**
 * Makes the function that judges a response: accepted, unless its status or, where that is asked for, its body says that
 * the token is rejected. A body in which URLs of iSales are replaced takes the place of that of the exchange.
 *
 * @param scheme what clients speak to us.
 */
export function createJudge(config: JudgeConfig, scheme: RequestRules['scheme']) {
  const inspector = createInspector(config, scheme)
  const inspected = async (
    exchange: Exchange,
    head: RelayedHead,
    request: ValidRequest,
  ): Promise<Judged> => {
    const collected = await exchange.collect()
    if (collected === 'cut') return { type: 'failed', error: exchange.error }
    if (collected === 'part') return { type: 'accepted', head }
    const found = inspector.inspect(request, head.headers, exchange.collected())
    if (found === 'rejected') return { type: 'rejected', head }
    if (found !== 'relay') {
      exchange.replace(found)
      head.headers = replacedBodyHeaders(head.headers, found.length)
    }
    return { type: 'accepted', head }
  }

  return (
    exchange: Exchange,
    head: RelayedHead,
    request: ValidRequest,
  ): Judged | Promise<Judged> => {
    const { status } = head
    if (config.isalesRejectedStatuses.includes(status)) return { type: 'rejected', head }
    if (inspector.wants(exchange.request.method, request.path, status))
      return inspected(exchange, head, request)
    return { type: 'accepted', head }
  }
}

/** A gateway's, as far as has come. JSON that a server calls HTML is no page. */
export function isPage({ headers }: RelayedHead, exchange: Exchange): boolean {
  return isHtml(headers) && !/^\s*\{/.test(exchange.collected().toString())
}

/**
 * Relays a response with back-pressure: iSales is paused while the client has not taken what there is.
 *
 * @param onCut called when the response does not come to its end.
 * @throws when Node would not send these headers; nothing is sent then.
 */
export function relay(
  response: ServerResponse,
  head: RelayedHead,
  exchange: Exchange,
  onCut: () => void,
): void {
  response.writeHead(head.status, reasonBytes(head), head.headers)
  // RFC 9110 section 6.4.1. Not left to undici: it takes the length in a 304 for a promise of bytes.
  if (response.req.method === 'HEAD' || head.status === 204 || head.status === 304) {
    response.end()
    return
  }
  // Most responses are whole when their head is looked at: one write for all.
  if (exchange.whole) {
    response.end(exchange.collected())
    return
  }
  const begun = exchange.collected().length > 0
  response.on('drain', () => exchange.resume())
  exchange.take({
    // What the kernel has taken whole needs no pause, however large it was.
    onChunk: (chunk) => response.write(chunk) || response.writableLength === 0,
    onEnd(whole) {
      if (whole) response.end()
      else onCut()
    },
  })
  // A head without a body behind it yet does not wait for one.
  if (!begun && response.writable) response.flushHeaders()
}

/**
 * Relays a 1xx response. Node has methods for three of them only, each with its own idea of the headers. Nothing of the
 * final response has been written yet, so the bytes may go straight to the socket.
 */
export function relayInformational(response: ServerResponse, head: RelayedHead): void {
  const { socket } = response
  // RFC 9110 section 15.2: none to a 1.0 client.
  if (response.req.httpVersion === '1.0' || socket === null || response.headersSent) return
  // A flood of them is not kept for a client that does not read.
  if (socket.writableNeedDrain) return
  const { status, headers } = head
  socket.write(`HTTP/1.1 ${status} ${reasonBytes(head)}\r\n${headerText(headers)}\r\n`, 'latin1')
}

/**
 * Ends a response that has begun so that it never looks complete. To a 1.0 client the end of the connection may be the
 * end of the response, so it is reset where that can be: TLS has its own alert for a regular end, a Unix socket nothing.
 */
export function cut(response: ServerResponse): void {
  const { socket } = response
  const tcp = socket?.remoteFamily !== undefined && !('encrypted' in socket)
  if (tcp && response.req.httpVersion === '1.0') socket.resetAndDestroy()
  response.destroy()
}

/**
 * One character a byte, and none that Node would refuse: a phrase in Chinese is no reason to lose the response. Of a
 * phrase that came in several parts undici gives the last one only.
 */
function reasonBytes({ status, reason }: RelayedHead): string {
  const usual = STATUS_CODES[status]
  if (usual?.endsWith(reason) === true) return usual
  return Buffer.from(reason)
    .toString('latin1')
    .replaceAll(/[^\t -~\u0080-\u00ff]/g, '')
}

/** Relayed as it came, taken for a rejection of the token, or relayed with this other body in no coding. */
export type Inspection = 'relay' | 'rejected' | Buffer

export type InspectorConfig = Pick<
  Config,
  'isalesUrl' | 'isalesRejectedResults' | 'isalesInterfacePath'
>

/** Looks into responses before they are relayed. Never throws: what it cannot read is relayed as it came. */
export function createInspector(config: InspectorConfig, scheme: RequestRules['scheme']) {
  const { isalesRejectedResults: rejected, isalesInterfacePath } = config
  const rewrites = (path: string): boolean => path === isalesInterfacePath

  return {
    /** Asked about each final response. True: inspect it when it is no longer than `MAX_COLLECTED`. */
    wants: (method: string, path: string, status: number): boolean =>
      status === 200 && method !== 'HEAD' && (rejected.length > 0 || rewrites(path)),

    /** @param body all of the response's body, in its content coding. */
    inspect(
      { path, authority }: Pick<ValidRequest, 'path' | 'authority'>,
      headers: HeaderLines,
      body: Buffer,
    ): Inspection {
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

const MAX_TOKENS = 4
/** Characters; a shorter token stands in many a text that has nothing to do with it. */
const MIN_FOUND_WITHIN = 16

/** Finds the latest tokens, and that of the call however old it is, where iSales echoes one in a header. */
export function createEchoes() {
  let latest: readonly Token[] = []
  let secrets: readonly Secret[] = []
  /** Length of the shortest secret: most names and values are shorter, and need no search. */
  let shortest = Infinity
  return {
    onTokenEvent: (event: TokenEvent): void => {
      if (event.type !== 'granted' && event.type !== 'adopted') return
      latest = [...latest, event.token].slice(-MAX_TOKENS)
      secrets = latest.flatMap(secretsOf)
      shortest = Math.min(...secrets.map((secret) => secret.reveal().length))
    },
    /** True when the text is a token or refresh token, or contains a long one; percent-encoded, too. */
    carriesToken: (text: string, sent: Token): boolean => {
      const isKnown = latest.includes(sent)
      if (isKnown && text.length < shortest) return false
      const all = isKnown ? secrets : [...secrets, ...secretsOf(sent)]
      return holdsAny(text, all) || (text.includes('%') && holdsAny(unescape(text), all))
    },
  }
}

function secretsOf({ token, headerValue, refreshToken }: Token): readonly Secret[] {
  return [token, headerValue, ...(refreshToken === undefined ? [] : [refreshToken])]
}

function holdsAny(text: string, secrets: readonly Secret[]): boolean {
  return secrets.some((secret) => {
    const plain = secret.reveal()
    return plain.length < MIN_FOUND_WITHIN ? text === plain : text.includes(plain)
  })
}
