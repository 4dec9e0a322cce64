// What CTI-OBS logs in to. A local login gives it a ticket of this proxy in the shape that iSales publishes, so that the
// real token stays here; the ticket is asked for before a call is forwarded, where OBS_USER is set. Wrong passwords
// are slowed by address.
import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { RESPONSE_ALREADY_SENT, serveHono, type NodeCall } from '../hono.ts'
import { createObsApp, publishedBody, RESPONSE_TYPE, type ObsAppOptions } from './login-app.ts'
import { createThrottle } from './login-throttle.ts'
import { createTickets, hasTicket } from './tickets.ts'

interface ObsOptions extends Omit<ObsAppOptions, 'throttle'> {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  /** A business call had no valid ticket. */
  readonly onTicketRefused: (call: NodeCall) => void
}

/** What CTI-OBS gets in place of iSales' login, and the check of its tickets. */
export function openLocalLogin(config: Config, options: ObsOptions) {
  // What it has counted outlives a change of the secrets.
  const throttle = createThrottle(() => options.clock.now())
  const open = (secrets: Pick<Config, 'obsUser' | 'obsPassword'>) => {
    const changed = { ...config, ...secrets }
    const tickets = createTickets(changed.obsPassword, options.wallClock)
    return { tickets, serve: serveHono(createObsApp(changed, tickets, { ...options, throttle })) }
  }
  let current = open(config)
  const askForTicket: MiddlewareHandler<{ Bindings: NodeCall }> = async ({ env }, next) => {
    if (hasTicket(env.request.rawHeaders, current.tickets)) return next()
    refuse(env)
    options.onTicketRefused(env)
    return RESPONSE_ALREADY_SENT
  }
  return {
    serveLogin({ env }: Context<{ Bindings: NodeCall }>): Response {
      const { request, response, validated } = env
      if (validated.expectsContinue) response.writeContinue()
      current.serve(request, response, validated.target)
      return RESPONSE_ALREADY_SENT
    },
    /** Undefined: calls need no ticket. */
    askForTicket: config.isObsLoginRequired ? askForTicket : undefined,
    /** Tickets of another password are not valid any more. */
    replaceSecrets: (secrets: Parameters<typeof open>[0]): void => {
      current = open(secrets)
    },
  }
}

/** In the shape that iSales publishes. It closes the connection: that is for those with a ticket. */
function refuse({ response, requestId }: NodeCall): void {
  const body = publishedBody(401)
  response.shouldKeepAlive = false
  response.writeHead(401, {
    'Content-Type': RESPONSE_TYPE,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'WWW-Authenticate': 'Bearer',
    'X-Request-Id': requestId,
  })
  response.end(body)
}
