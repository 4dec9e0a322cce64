import type { TicketCheck } from '../http/ticket-check.ts'
import { RESPONSE_TYPE, refusedBody, type NumberStyle } from './responses.ts'

export interface TicketCheckOptions {
  readonly verify: (ticket: string) => string
  readonly numbers: NumberStyle
}

/** Lengths of `Authorization` and `Authentication`, the headers of the two editions of the interface. */
const AUTHORIZATION = 13
const AUTHENTICATION = 14
const SCHEME = /^bearer +/i

/** A ticket in either header is enough: the other may hold whatever that edition's client puts there. */
export function createTicketCheck({ verify, numbers }: TicketCheckOptions): TicketCheck {
  const body = refusedBody(401, numbers)
  return {
    passes(rawHeaders) {
      for (let i = 0; i < rawHeaders.length; i += 2) {
        const name = rawHeaders[i] ?? ''
        if (name.length !== AUTHORIZATION && name.length !== AUTHENTICATION) continue
        const lower = name.toLowerCase()
        if (lower !== 'authorization' && lower !== 'authentication') continue
        if (verify(ticketIn(rawHeaders[i + 1] ?? '')) === 'valid') return true
      }
      return false
    },
    refuse(response, requestId) {
      response.shouldKeepAlive = false
      response.writeHead(401, [
        'Content-Type',
        RESPONSE_TYPE,
        'Content-Length',
        String(body.length),
        'Cache-Control',
        'no-store',
        'WWW-Authenticate',
        'Bearer',
        'X-Request-Id',
        requestId,
      ])
      response.end(body)
    },
  }
}

/** The ticket of a header value: after `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
