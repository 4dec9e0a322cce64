import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config/settings.ts'
import type { Serve } from '../http/hono.ts'
import type { LocalLoginOptions } from './login-app.ts'
import { createTicketCheck } from './ticket-check.ts'
import { createTickets } from './tickets.ts'

/** What CTI-OBS gets in place of iSales' login, and the check of its tickets. */
export function openLocalLogin(config: Config, options: LocalLoginOptions) {
  const open = (secrets: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>) => {
    const changed = { ...config, ...secrets }
    const tickets = createTickets(changed, options.wallClock)
    let opening: Promise<Serve> | undefined
    /** Loaded for the first login: no business call waits for Hono. */
    const load = () =>
      (opening ??= import('./login-app.ts').then((app) =>
        app.serveObsApp(changed, tickets, options),
      ))
    return { tickets, load }
  }
  let current = open(config)
  const ticketCheck = createTicketCheck(
    (ticket) => current.tickets.isValid(ticket),
    config.obsNumbers,
  )
  return {
    load: () => current.load(),
    async serveLocal(
      request: IncomingMessage,
      response: ServerResponse,
      target: string,
    ): Promise<void> {
      const serve = await current.load()
      serve(request, response, target)
    },
    /** Undefined: calls need no ticket. */
    ticketCheck: config.obsLogin === 'require' ? ticketCheck : undefined,
    /** Tickets of another key are not valid any more. Without a key of its own, it comes from the password. */
    replaceSecrets: (secrets: Parameters<typeof open>[0]): void => {
      current = open(secrets)
    },
  }
}
