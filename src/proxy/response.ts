import { isRedirect, isWebPage } from '../codes.ts'
import { toEndpoint, type Config } from '../config/index.ts'
import { parseObject } from '../json.ts'
import type { Exchange } from '../upstream/index.ts'
import { withLength, type RelayedHead } from './headers.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

/** Bytes of a body that tell a web page. */
const BEGINNING = 64

/** True for a web page, or a redirect to one, of something before iSales. */
export function isPage({ status, contentType }: RelayedHead, exchange: Exchange): boolean {
  const beginning = exchange.collected().toString('utf8', 0, BEGINNING)
  return isRedirect(status) || isWebPage(contentType, beginning)
}

export type InspectorConfig = Pick<Config, 'isalesUrl' | 'isalesRejected' | 'isalesInterfacePath'>

/** What a response says of the token. `cut`: it ended before that was known. */
export type ResponseVerdict = 'accepted' | 'rejected' | 'cut'

/**
 * Looks at responses before they are relayed. Never throws: what is not JSON, in a content coding for example, is
 * relayed as it came.
 *
 * @param scheme what clients speak to us.
 */
export function createInspector(config: InspectorConfig, scheme: RequestRules['scheme']) {
  const { isalesInterfacePath } = config
  const { statuses, results } = config.isalesRejected
  const isalesOrigin = originPattern(config.isalesUrl)

  /** True: a 200 to such a request is inspected when its body is no longer than `MAX_COLLECTED`. */
  const inspects = (method: string, path: string): boolean =>
    method !== 'HEAD' && (results.length > 0 || path === isalesInterfacePath)

  /**
   * @param body all of the response's body.
   * @returns what is relayed: the body as it came, or with our URLs in it. Or it is a rejection.
   */
  const inspect = (
    { path, authority }: Pick<ValidRequest, 'path' | 'authority'>,
    body: Buffer,
  ): Buffer | 'rejected' => {
    if (results.length > 0 && results.includes(resultOf(body) ?? '')) return 'rejected'
    if (authority === undefined || path !== isalesInterfacePath) return body
    return withOurOrigin(body, isalesOrigin, `${scheme}://${authority}`)
  }

  /** A body in which URLs of iSales are replaced takes the place of that of the exchange. */
  const inspected = async (
    exchange: Exchange,
    head: RelayedHead,
    request: ValidRequest,
  ): Promise<ResponseVerdict> => {
    const collected = await exchange.collect()
    if (collected === 'cut') return 'cut'
    if (collected === 'part') return 'accepted'
    const body = exchange.collected()
    const found = inspect(request, body)
    if (found === 'rejected') return 'rejected'
    if (!found.equals(body)) {
      exchange.replace(found)
      head.headers = withLength(head.headers, found.length)
    }
    return 'accepted'
  }

  return {
    inspects,
    inspect,

    /** Accepted, unless its status or, where that is asked for, its body says that the token is rejected. */
    verdictOf(
      exchange: Exchange,
      head: RelayedHead,
      request: ValidRequest,
    ): ResponseVerdict | Promise<ResponseVerdict> {
      if (statuses.includes(head.status)) return 'rejected'
      if (head.status !== 200 || !inspects(exchange.request.method, request.path)) return 'accepted'
      return inspected(exchange, head, request)
    },
  }
}

/** `result` of a response as text, a number as JSON writes it; undefined when there is none. */
function resultOf(body: Buffer): string | undefined {
  const result = parseObject(body.toString())?.['result']
  return typeof result === 'string' || typeof result === 'number' ? String(result) : undefined
}

/** A solidus as JSON may write it. */
const SLASH = String.raw`(?:\\?/|\\u002[fF])`

/**
 * Replaces the origin of each absolute URL that names iSales in the response to `business/interface`, so that the
 * client does not bypass the proxy. Nothing else changes, not a byte; what is not JSON does not change at all.
 *
 * @param ours what the client calls us: scheme, host and port.
 */
function withOurOrigin(body: Buffer, isalesOrigin: RegExp, ours: string): Buffer {
  try {
    // RFC 8259 section 8.1: a byte order mark may be ignored.
    JSON.parse(body.toString().replace(/^\uFEFF/, ''))
  } catch {
    return body
  }
  // As latin1, where a character is a byte: bytes that are no UTF-8 stay what they are.
  return Buffer.from(body.toString('latin1').replaceAll(isalesOrigin, ours), 'latin1')
}

function originPattern(origin: string): RegExp {
  const url = new URL(origin)
  const { port } = toEndpoint(url)
  const ports = url.port === '' ? `(?::${port})?` : `:${port}`
  // Neither the tail of another scheme, nor the head of a longer host, another port, or a user's name.
  const before = '(?<![a-z0-9+.-])'
  const after = String.raw`(?![a-z0-9.:@_~%-])`
  const host = url.hostname.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(`${before}${url.protocol}${SLASH}{2}${host}${ports}${after}`, 'gi')
}
