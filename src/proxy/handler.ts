import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EndedRequest } from '../http/ended.ts'
import { ALLOW, PROBLEMS, REFUSALS, writeProblem, type Refusal } from '../http/problem.ts'
import type { Forward } from './forward.ts'
import { validateRequest, type RequestRules } from './validate.ts'

export interface HandlerOptions {
  readonly rules: RequestRules
  /** `local`: served here, such as login and refresh. `alike`: iSales might take it for one of them. */
  readonly kindOf: (path: string) => 'local' | 'alike' | 'other'
  readonly serveLocal: (
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
  ) => Promise<void>
  /** Asks for the client's ticket. Undefined: none is demanded. */
  readonly ticketCheck:
    | {
        /** A business call carries a valid ticket. */
        passes(rawHeaders: readonly string[]): boolean
        /** Responds 401 in the shape that iSales publishes, and closes the connection: it is for those with a ticket. */
        refuse(response: ServerResponse, requestId: string): void
      }
    | undefined
  readonly forward: Forward
  readonly maxInFlight: number
  readonly newRequestId: () => string
  /** A request got its response here: nothing of it was sent to iSales. */
  readonly onEnd: (ended: EndedRequest) => void
}

/** Where every request enters: refused before it costs anything, served here, or forwarded. */
export function createHandler(options: HandlerOptions) {
  const { rules, kindOf, ticketCheck, maxInFlight, onEnd } = options
  let inFlight = 0

  const reportRefusal = (request: IncomingMessage, refusal: Refusal, requestId: string): void => {
    const { method = '', url: target = '' } = request
    const { code } = REFUSALS[refusal]
    const { status } = PROBLEMS[code]
    onEnd({ method, target, status, code, refusal, requestId })
  }

  const refuse = (response: ServerResponse, refusal: Refusal, requestId: string): void => {
    // Whatever follows on this connection may be the rest of what was refused.
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal].code, { requestId, refusal })
    reportRefusal(response.req, refusal, requestId)
  }

  return {
    /** Requests that were let in as business calls, and whose response has not ended. */
    inFlight: () => inFlight,

    handle(
      request: IncomingMessage,
      response: ServerResponse,
      connection: { accept(): void },
    ): Promise<void> | void {
      const { method = '', url: target = '', httpVersion, rawHeaders } = request
      const valid = validateRequest({ method, target, httpVersion, rawHeaders }, rules)
      if ('refused' in valid) {
        refuse(response, valid.refused, options.newRequestId())
        return
      }
      const requestId = valid.requestId ?? options.newRequestId()
      const kind = kindOf(valid.path)
      if (kind === 'alike') refuse(response, 'auth-path', requestId)
      else if (kind === 'other' && ticketCheck?.passes(rawHeaders) === false) {
        ticketCheck.refuse(response, requestId)
        reportRefusal(request, 'ticket', requestId)
      } else if (valid.maxForwards === 0 || valid.target === '*') {
        // RFC 9110 section 7.6.2: at 0 we are the last recipient. `OPTIONS *` asks about this server itself.
        response.writeHead(204, ['Allow', ALLOW, 'X-Request-Id', requestId]).end()
        onEnd({ method, target, status: 204, requestId, endedHere: true })
      } else if (kind === 'local') {
        if (valid.expectsContinue) response.writeContinue()
        return options.serveLocal(request, response, valid.target)
      } else if (inFlight >= maxInFlight) refuse(response, 'in-flight', requestId)
      else {
        connection.accept()
        inFlight += 1
        response.once('close', () => (inFlight -= 1))
        return options.forward({ request, response, validated: valid, requestId })
      }
    },
  }
}
