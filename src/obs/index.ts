// What CTI-OBS logs in to. A local login gives it a ticket of this proxy in the shape that iSales publishes, so that the
// real token stays here; the ticket is asked for before a call is forwarded, where OBS_USER is set. Wrong passwords
// are slowed by address.
import type { Config } from '../config/index.ts'
import type { Serve } from '../hono.ts'
import { serveObsApp, type LocalLoginOptions } from './login-app.ts'
import { createThrottle } from './login-throttle.ts'
import { createTicketCheck } from './ticket-check.ts'
import { createTickets } from './tickets.ts'

/** What CTI-OBS gets in place of iSales' login, and the check of its tickets. */
export function openLocalLogin(config: Config, options: LocalLoginOptions) {
  // What it has counted outlives a change of the secrets.
  const throttle = createThrottle(() => options.clock.now())
  const open = (secrets: Pick<Config, 'obsUser' | 'obsPassword'>) => {
    const changed = { ...config, ...secrets }
    const tickets = createTickets(changed.obsPassword, options.wallClock)
    return { tickets, serve: serveObsApp(changed, tickets, { ...options, throttle }) }
  }
  let current = open(config)
  const ticketCheck = createTicketCheck((ticket) => current.tickets.isValid(ticket), options.isText)
  return {
    serveLocal: ((...parts) => current.serve(...parts)) satisfies Serve,
    /** Undefined: calls need no ticket. */
    ticketCheck: config.isObsLoginRequired ? ticketCheck : undefined,
    /** Tickets of another password are not valid any more. */
    replaceSecrets: (secrets: Parameters<typeof open>[0]): void => {
      current = open(secrets)
    },
  }
}
