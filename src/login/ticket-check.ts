import type { ServerResponse } from 'node:http'
import { ANSWER_TYPE, refusedBody } from './responses.ts'
import type { NumberStyle } from './responses.ts'

/** Lets business calls through that carry a valid ticket. */
export interface TicketGate {
  passes(rawHeaders: readonly string[]): boolean
  /** 401 in the shape that iSales publishes, to a request with a body framed so. */
  refuse(response: ServerResponse, requestId: string, framing: number | 'chunked'): void
}

export interface GateOptions {
  readonly verify: (ticket: string) => string
  readonly numbers: NumberStyle
}

/** Lengths of `Authorization` and `Authentication`, the fields of the two editions of the interface. */
const AUTHORIZATION = 13
const AUTHENTICATION = 14
const SCHEME = /^bearer +/i
/** Bytes of a refused body that are read to save the connection; a longer one is cut off with it. */
const WORTH_READING = 64 * 1024

/** A ticket in either field is enough: the other may hold whatever that edition's client puts there. */
export function createGate({ verify, numbers }: GateOptions): TicketGate {
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
    refuse(response, requestId, framing) {
      if (framing === 'chunked' || framing > WORTH_READING) response.shouldKeepAlive = false
      response.writeHead(401, [
        'Content-Type',
        ANSWER_TYPE,
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

/** The ticket of a field value: behind `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
