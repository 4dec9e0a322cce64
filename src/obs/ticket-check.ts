import type { ServerResponse } from 'node:http'

export const RESPONSE_TYPE = 'application/json;charset=UTF-8'

/**
 * A body in the shape that iSales publishes. iSales documents `result` and the lifetimes as strings and shows them as
 * numbers.
 *
 * @param result 0, or the HTTP status of a refusal.
 */
export function publishedBody(
  result: number,
  isText: boolean,
  resultData: Readonly<Record<string, string | number>> = {},
): string {
  const asString = (_key: string, value: unknown): unknown =>
    typeof value === 'number' ? String(value) : value
  return JSON.stringify({ result, resultData }, isText ? asString : undefined)
}

/** The headers of the two editions of the interface. */
const TICKET_HEADER = /^auth(?:orization|entication)$/i
const SCHEME = /^bearer +/i

/** A ticket in either header is enough: the other may hold whatever that edition's client puts there. */
export function createTicketCheck(isValid: (ticket: string) => boolean, isText: () => boolean) {
  return {
    /** @param rawHeaders name, value, name, value. */
    passes: (rawHeaders: readonly string[]): boolean =>
      rawHeaders.some(
        (value, index) =>
          index % 2 === 1 &&
          TICKET_HEADER.test(rawHeaders[index - 1] ?? '') &&
          isValid(ticketIn(value)),
      ),
    refuse(response: ServerResponse, requestId: string): void {
      const body = publishedBody(401, isText())
      response.shouldKeepAlive = false
      response.writeHead(401, {
        'Content-Type': RESPONSE_TYPE,
        'Content-Length': body.length,
        'Cache-Control': 'no-store',
        'WWW-Authenticate': 'Bearer',
        'X-Request-Id': requestId,
      })
      response.end(body)
    },
  }
}

/** The ticket of a header value: after `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
