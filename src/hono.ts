import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

/** A request of a client on Node's own request and response, as the app of the port has it in `c.env`. */
export interface NodeCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** `begin`: the request is one that others wait for. `refused`: its body could not be read, and the listener has responded. */
  readonly connection: { begin(): void; readonly refused: boolean }
  readonly validated: {
    /** The origin-form. */
    readonly target: string
    /** The target without its query. */
    readonly path: string
    readonly expectsContinue: boolean
  }
}

/** What an app gets beside the request. */
export interface RequestOrigin {
  /** Of the client; undefined: it has left. */
  readonly address: string | undefined
}

/** The part of a Hono app that is used here. */
interface FetchApp {
  readonly fetch: (request: Request, env: RequestOrigin) => Response | Promise<Response>
}

/** What a handler returns that responds by `c.env.response`, now or later. */
export { RESPONSE_ALREADY_SENT }

/**
 * Serves one request with a Hono app. It never rejects.
 *
 * @param target the origin-form; Host and target were validated before.
 */
export type Serve = (request: IncomingMessage, response: ServerResponse, target: string) => void

/** Makes a request listener of a Hono app. The global `Request` and `Response` stay Node's own. */
export function serveHono(app: FetchApp): Serve {
  const respond = async (webRequest: Request, env: unknown): Promise<Response> => {
    const { incoming, outgoing } = env as HttpBindings
    const { remoteAddress: address } = incoming.socket
    const webResponse = await app.fetch(webRequest, { address })
    // Who is refused has to connect again.
    if (webResponse.status >= 400) outgoing.shouldKeepAlive = false
    // The listener has responded to a request that broke off; a second response would throw.
    return outgoing.headersSent || outgoing.destroyed ? RESPONSE_ALREADY_SENT : webResponse
  }
  const serve = getRequestListener(respond, {
    overrideGlobalObjects: false,
    // A request whose body nobody wants is dropped by Node, and its connection lingers.
    autoCleanupIncoming: false,
  })
  return (request, response, target) => {
    // node-server makes a URL of Host, and refuses an HTTP/1.0 request without one and an empty port.
    request.url = `http://localhost${target}`
    serve(request, response).catch(() => {
      // A whole response may not have reached the client yet.
      if (!response.writableEnded) response.destroy()
    })
  }
}
