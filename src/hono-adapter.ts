import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Refusal } from './codes.ts'

/** A client's connection, as the code that serves its request has it. */
export interface ClientConnection {
  /**
   * Protects the connection from the limiter until the response ends, and keeps it open behind an offer to upgrade. Call it
   * once the body has arrived, before the response.
   */
  bodyArrived(): void
  /** Refuses and reports the request in progress, and closes the connection: its next bytes may belong to the request. */
  refuse(refusal: Refusal): void
  /** The latest response whose request the listener refused and reported: by `refuse`, or for an error or timeout in its body. */
  readonly refusedResponse: ServerResponse | undefined
}

/** A client's request on Node's own request and response, as the port's app has it in `c.env`. */
export interface NodeCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly connection: ClientConnection
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

/** Data that the app of the admin port gets next to the request. */
export interface RequestOrigin {
  /** Address of the client; undefined if it has disconnected. */
  readonly address: string | undefined
}

/** Returned by a handler that responds through `c.env.response`, now or later. */
export { RESPONSE_ALREADY_SENT }

/** Makes a Hono app serve requests by their validated target, in origin-form. The global `Request` stays Node's own. */
export function serveHono(app: {
  readonly fetch: (request: Request, env: RequestOrigin) => Response | Promise<Response>
}) {
  const respond = async (webRequest: Request, env: unknown): Promise<Response> => {
    const { incoming, outgoing } = env as HttpBindings
    const { remoteAddress: address } = incoming.socket
    const webResponse = await app.fetch(webRequest, { address })
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
  return (request: IncomingMessage, response: ServerResponse, target: string): void => {
    // node-server builds a URL from Host, and would refuse an HTTP/1.0 request without Host, and an empty port.
    request.url = `http://localhost${target}`
    serve(request, response).catch(() => {
      // A complete response may not have reached the client yet.
      if (!response.writableEnded) response.destroy()
    })
  }
}
