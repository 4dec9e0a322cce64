// What CTI-OBS logs in to. A local login gives it a ticket of this proxy in the shape that iSales publishes, so that the
// real token stays here; the ticket is asked for before a call is forwarded, where OBS_USER is set. Wrong passwords
// are slowed by address.
import type { Context } from 'hono'
import type { Config } from '../config/index.ts'
import { RESPONSE_ALREADY_SENT, type NodeCall } from '../hono.ts'
import { serveObsApp, type LocalLoginOptions } from './login-app.ts'
import { createThrottle } from './login-throttle.ts'
import { createTicketCheck } from './ticket-check.ts'
import { createTickets } from './tickets.ts'

export interface ObsOptions extends LocalLoginOptions {
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
    return { tickets, serve: serveObsApp(changed, tickets, { ...options, throttle }) }
  }
  let current = open(config)
  const askForTicket = createTicketCheck((ticket) => current.tickets.isValid(ticket), options)
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
