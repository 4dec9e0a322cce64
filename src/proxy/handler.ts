import type { IncomingMessage, ServerResponse } from 'node:http'
import { ALLOW, REFUSALS, writeProblem, type ProblemCode, type Refusal } from '../http/problem.ts'
import type { Forward } from './forward.ts'
import { pathOf, validateRequest, type Framing, type RequestRules } from './validate.ts'

/** Asks for the client's ticket, where one is demanded. */
export interface TicketCheck {
  passes(rawHeaders: readonly string[]): boolean
  refuse(response: ServerResponse, requestId: string, framing: Framing): void
}

/** A request that was refused here: nothing of it was sent to iSales. */
export interface RefusedRequest {
  readonly method: string
  readonly target: string
  readonly code: ProblemCode
  readonly refusal: Refusal
  readonly requestId: string
}

export interface HandlerOptions {
  readonly rules: RequestRules
  /** Paths that are served here, such as login and refresh, in whatever spelling. */
  readonly isLocal: (path: string) => boolean
  readonly serveLocal: (request: IncomingMessage, response: ServerResponse, target: string) => void
  /** Undefined: no ticket is demanded. */
  readonly ticketCheck: TicketCheck | undefined
  readonly forward: Forward
  readonly inFlight: () => number
  readonly maxInFlight: number
  readonly newRequestId: () => string
  readonly onRefused: (refused: RefusedRequest) => void
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** Where every request enters: refused before it costs anything, served here, or forwarded. */
export function createHandler(options: HandlerOptions): Handler {
  const { rules, isLocal, ticketCheck, maxInFlight } = options

  return (request, response): Promise<void> | void => {
    const { method = '', url: target = '', httpVersion, rawHeaders } = request
    const valid = validateRequest({ method, target, httpVersion, rawHeaders }, rules)
    const requestId = ('requestId' in valid ? valid.requestId : undefined) ?? options.newRequestId()

    const refuse = (refusal: Refusal): void => {
      const { code } = REFUSALS[refusal]
      // Whatever follows on this connection may be the rest of what was refused.
      response.shouldKeepAlive = false
      writeProblem(response, code, { requestId, refusal })
      options.onRefused({ method, target, code, refusal, requestId })
    }

    if ('refused' in valid) refuse(valid.refused)
    // RFC 9110 section 7.6.2: at 0 we are the last recipient. `OPTIONS *` asks about this server itself.
    else if (valid.maxForwards === 0 || valid.target === '*')
      response.writeHead(204, ['Allow', ALLOW, 'X-Request-Id', requestId]).end()
    else if (isLocal(pathOf(valid.target))) {
      if (valid.expectsContinue) response.writeContinue()
      options.serveLocal(request, response, valid.target)
    } else if (ticketCheck?.passes(rawHeaders) === false) {
      ticketCheck.refuse(response, requestId, valid.framing)
      options.onRefused({
        method,
        target,
        code: 'not-logged-in',
        refusal: 'ticket',
        requestId,
      })
    } else if (options.inFlight() >= maxInFlight) refuse('in-flight')
    else return options.forward({ request, response, validated: valid, requestId })
  }
}
