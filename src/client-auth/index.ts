// Login of CTI-OBS to this proxy. CTI-OBS receives a ticket in the shape that iSales publishes, so that the real token
// stays here. If OBS_USER is set, every forwarded call needs a ticket. Wrong passwords are throttled by address.
import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { RESPONSE_ALREADY_SENT, serveHono, type NodeCall } from '../hono-adapter.ts'
import { createObsApp, createThrottle, publishedBody, RESPONSE_TYPE } from './login-app.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { createTickets, hasTicket } from './tickets.ts'

interface ClientAuthOptions {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  /** A login or refresh, or a business call without a valid ticket. */
  readonly onEnd: (request: RequestSummary) => void
}

/** Opens the login that replaces iSales's login, and the check of its tickets. */
export function openClientAuth(config: Config, options: ClientAuthOptions) {
  // The throttle's counts outlive a change of the secrets.
  const throttle = createThrottle(() => options.clock.now())
  const open = (secrets: Pick<Config, 'obsUser' | 'obsPassword'>) => {
    const changed = { ...config, ...secrets }
    const tickets = createTickets(changed.obsPassword, options.wallClock)
    return { tickets, serve: serveHono(createObsApp(changed, tickets, throttle)) }
  }
  let current = open(config)
  const requireTicket: MiddlewareHandler<{ Bindings: NodeCall }> = async ({ env }, next) => {
    const { request, response, requestId } = env
    if (hasTicket(request.rawHeaders, current.tickets.isValid)) return next()
    const body = publishedBody(401)
    // Only clients with a ticket keep a connection.
    response.shouldKeepAlive = false
    response.writeHead(401, {
      'Content-Type': RESPONSE_TYPE,
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'WWW-Authenticate': 'Bearer',
      'X-Request-Id': requestId,
    })
    response.end(body)
    options.onEnd(refusedRequest(request, 'ticket', requestId))
    return RESPONSE_ALREADY_SENT
  }
  return {
    serveLogin({ env }: Context<{ Bindings: NodeCall }>): Response {
      const { request, response, validated } = env
      const summary = {
        method: request.method ?? '',
        target: validated.target,
        requestId: '',
        client: request.socket.remoteAddress,
        login: validated.path === config.isalesLoginPath ? 'login' : 'refresh',
      } as const
      response.on('close', () => {
        if (env.connection.refused) return
        const status = response.headersSent ? response.statusCode : 0
        const left = request.complete ? 'response' : 'request'
        options.onEnd({ ...summary, status, left: status === 0 ? left : undefined })
      })
      if (validated.expectsContinue) response.writeContinue()
      current.serve(request, response, validated.target)
      return RESPONSE_ALREADY_SENT
    },
    /** Undefined if calls need no ticket. */
    requireTicket: config.isObsLoginRequired ? requireTicket : undefined,
    /** Invalidates the tickets of a previous password. */
    replaceSecrets: (secrets: Parameters<typeof open>[0]): void => {
      current = open(secrets)
    },
  }
}
