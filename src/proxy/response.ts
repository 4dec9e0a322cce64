import { isRedirect, isWebPage } from '../causes.ts'
import { toEndpoint, type Config } from '../config/index.ts'
import type { ValidRequest } from '../hono-adapter.ts'
import { parseObject } from '../json.ts'
import type { Exchange } from '../upstream/index.ts'
import { withLength, type RelayedHead } from './headers.ts'
import type { RequestRules } from './validate.ts'

/** Bytes of a body that identify a web page. */
const BEGINNING = 64

/** Returns true for a web page, or a redirect to one, from a gateway in front of iSales. */
export function looksLikePage({ status, contentType }: RelayedHead, exchange: Exchange): boolean {
  const beginning = exchange.collected().toString('utf8', 0, BEGINNING)
  return isRedirect(status) || isWebPage(contentType, beginning)
}

export type InspectorConfig = Pick<Config, 'isalesUrl' | 'isalesRejected' | 'isalesInterfacePath'>

/** Verdict on the token. `cut`: the response broke off before the verdict was known. */
export type ResponseVerdict = 'accepted' | 'rejected' | 'cut'

/**
 * Inspects responses before they are relayed. A body that is not JSON is relayed unchanged.
 *
 * @param scheme of the URLs that clients use for the proxy.
 */
export function createInspector(config: InspectorConfig, scheme: RequestRules['scheme']) {
  const { isalesInterfacePath } = config
  const { statuses, results } = config.isalesRejected
  const isalesOrigin = originPattern(config.isalesUrl)

  /** Returns true if a 200 to such a request is inspected, unless its body is longer than 64 KiB. */
  const needsInspection = (method: string, path: string): boolean =>
    method !== 'HEAD' && (results.length > 0 || path === isalesInterfacePath)

  /** Returns the body to relay, perhaps with URLs of the proxy, unless the body rejects the token. */
  const inspectBody = (
    { path, authority }: Pick<ValidRequest, 'path' | 'authority'>,
    body: Buffer,
  ): Buffer | 'rejected' => {
    if (results.length > 0 && results.includes(resultOf(body) ?? '')) return 'rejected'
    if (authority === undefined || path !== isalesInterfacePath) return body
    return withOurOrigin(body, isalesOrigin, `${scheme}://${authority}`)
  }

  return {
    needsInspection,
    inspectBody,

    /** Accepts a response, unless its status or its inspected body rejects the token. */
    verdictOf(
      exchange: Exchange,
      head: RelayedHead,
      request: ValidRequest,
    ): ResponseVerdict | Promise<ResponseVerdict> {
      if (statuses.includes(head.status)) return 'rejected'
      if (head.status !== 200 || !needsInspection(exchange.request.method, request.path))
        return 'accepted'
      return exchange.collect().then((collected) => {
        if (collected !== 'whole') return collected === 'cut' ? 'cut' : 'accepted'
        const body = exchange.collected()
        const found = inspectBody(request, body)
        if (found === 'rejected') return 'rejected'
        if (!found.equals(body)) {
          exchange.replace(found)
          head.headers = withLength(head.headers, found.length)
        }
        return 'accepted'
      })
    },
  }
}

/** Returns the `result` of a body as text, a number as JSON writes it; undefined if there is none. */
function resultOf(body: Buffer): string | undefined {
  const result = parseObject(body.toString())?.['result']
  return typeof result === 'string' || typeof result === 'number' ? String(result) : undefined
}

/** A slash as JSON may write it. */
const SLASH = String.raw`(?:\\?/|\\u002[fF])`

/** Replaces iSales's origin in the URLs of a JSON body, so that the client does not bypass the proxy. */
function withOurOrigin(body: Buffer, isalesOrigin: RegExp, ours: string): Buffer {
  try {
    // RFC 8259 section 8.1: a byte order mark may be ignored.
    JSON.parse(body.toString().replace(/^\uFEFF/, ''))
  } catch {
    return body
  }
  // Latin-1, so that bytes which are not UTF-8 stay unchanged.
  return Buffer.from(body.toString('latin1').replaceAll(isalesOrigin, ours), 'latin1')
}

function originPattern(origin: string): RegExp {
  const url = new URL(origin)
  const { port } = toEndpoint(url)
  const ports = url.port === '' ? `(?::${port})?` : `:${port}`
  const host = url.hostname.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  // Excludes the end of another scheme, and the beginning of a longer host, another port, or a user's name.
  const after = String.raw`(?![a-z0-9.:@_~%-])`
  return new RegExp(`(?<![a-z0-9+.-])${url.protocol}${SLASH}{2}${host}${ports}${after}`, 'gi')
}
