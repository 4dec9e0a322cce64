import type { MiddlewareHandler } from 'hono'
import { RESPONSE_ALREADY_SENT, type NodeCall } from '../hono.ts'

export const RESPONSE_TYPE = 'application/json;charset=UTF-8'

/**
 * A body in the shape that iSales publishes, with numbers as in its examples.
 *
 * @param result 0, or the HTTP status of a refusal.
 */
export function publishedBody(
  result: number,
  resultData: Readonly<Record<string, string | number>> = {},
): string {
  return JSON.stringify({ result, resultData })
}

/** The headers of the two editions of the interface. */
const TICKET_HEADER = /^auth(?:orization|entication)$/i
const SCHEME = /^bearer +/i

interface TicketCheckOptions {
  readonly onTicketRefused: (call: NodeCall) => void
}

/**
 * The middleware that asks for a ticket. The refusal has the shape that iSales publishes, and closes the connection: it is
 * for those with a ticket.
 */
export function createTicketCheck(
  isValid: (ticket: string) => boolean,
  { onTicketRefused }: TicketCheckOptions,
): MiddlewareHandler<{ Bindings: NodeCall }> {
  return async ({ env }, next) => {
    if (hasTicket(env.request.rawHeaders, isValid)) return next()
    refuse(env, publishedBody(401))
    onTicketRefused(env)
    return RESPONSE_ALREADY_SENT
  }
}

/**
 * One in either header is enough: the other may hold whatever that edition's client puts there.
 *
 * @param rawHeaders name, value, name, value.
 */
export function hasTicket(
  rawHeaders: readonly string[],
  isValid: (ticket: string) => boolean,
): boolean {
  return rawHeaders.some(
    (value, index) =>
      index % 2 === 1 &&
      TICKET_HEADER.test(rawHeaders[index - 1] ?? '') &&
      isValid(ticketIn(value)),
  )
}

function refuse({ response, requestId }: NodeCall, body: string): void {
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

/** The ticket of a header value: after `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
