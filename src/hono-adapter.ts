import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

/** A client's request on Node's own request and response, as the port's app has it in `c.env`. */
export interface NodeCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** `begin`: the request is one that others wait for. `refused`: its body could not be read, and the listener has responded. */
  readonly connection: { begin(): void; readonly refused: boolean }
  readonly validated: ValidRequest
}

/** How the body is framed (RFC 9112 section 6): its length in bytes, 0 for none, or chunked. */
export type Framing = number | 'chunked'

export interface ValidRequest {
  readonly framing: Framing
  /** Origin-form, unchanged but for several slashes at its beginning, which become one. */
  readonly target: string
  /** The target without its query. */
  readonly path: string
  /** The proxy's host and port as the client wrote them; undefined for HTTP/1.0 without `Host`. */
  readonly authority: string | undefined
  /** The client's `X-Request-Id`, if it is valid. */
  readonly requestId: string | undefined
  readonly expectsContinue: boolean
}

/** Data that an app gets next to the request. */
export interface RequestOrigin {
  /** Address of the client; undefined if it has disconnected. */
  readonly address: string | undefined
  /** The body. A web request's stream cannot be left half read without closing the connection. */
  readonly incoming: Readable
}

/** The part of a Hono app that is used here. */
interface FetchApp {
  readonly fetch: (request: Request, env: RequestOrigin) => Response | Promise<Response>
}

/** Returned by a handler that responds through `c.env.response`, now or later. */
export { RESPONSE_ALREADY_SENT }

/**
 * Serves one request with a Hono app. Never rejects.
 *
 * @param target the origin-form; Host and target were validated before.
 */
export type Serve = (request: IncomingMessage, response: ServerResponse, target: string) => void

/** Turns a Hono app into a request listener. The global `Request` and `Response` stay Node's own. */
export function serveHono(app: FetchApp): Serve {
  const respond = async (webRequest: Request, env: unknown): Promise<Response> => {
    const { incoming, outgoing } = env as HttpBindings
    const { remoteAddress: address } = incoming.socket
    const webResponse = await app.fetch(webRequest, { address, incoming })
    // A refused client has to connect again.
    if (webResponse.status >= 400) outgoing.shouldKeepAlive = false
    // The listener has responded to a request that broke off; a second response would throw.
    return outgoing.headersSent || outgoing.destroyed ? RESPONSE_ALREADY_SENT : webResponse
  }
  const serve = getRequestListener(respond, {
    overrideGlobalObjects: false,
    // Not needed: Node itself drops an unread body, and the listener closes the connection after a linger.
    autoCleanupIncoming: false,
  })
  return (request, response, target) => {
    // node-server builds a URL from Host, and would refuse an HTTP/1.0 request without Host, and an empty port.
    request.url = `http://localhost${target}`
    serve(request, response).catch(() => {
      // A complete response may not have reached the client yet.
      if (!response.writableEnded) response.destroy()
    })
  }
}
