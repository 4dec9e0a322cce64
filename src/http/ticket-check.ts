import type { ServerResponse } from 'node:http'

/** Asks for the client's ticket, where one is demanded. */
export interface TicketCheck {
  /** A business call carries a valid ticket. */
  passes(rawHeaders: readonly string[]): boolean
  /** Responds 401 in the shape that iSales publishes, and closes the connection: it is for those with a ticket. */
  refuse(response: ServerResponse, requestId: string): void
}
