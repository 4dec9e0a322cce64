import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config/index.ts'
import type { EndedRequest } from '../outcomes.ts'
import { PROBLEMS, REFUSALS, writeProblem, type Refusal } from '../http/index.ts'
import { createForward, type Call, type ForwardOptions } from './forward.ts'
import { createValidation } from './validate.ts'

export interface ProxyOptions extends Pick<
  ForwardOptions,
  'tokens' | 'dispatch' | 'clock' | 'onError'
> {
  readonly onEnd: (end: EndedRequest) => void
  readonly config: Config
  /** Lower-case `host` names, without port, that are ours. */
  readonly hosts: ReadonlySet<string>
  /** Serves login and refresh. */
  readonly serveLocal: (request: IncomingMessage, response: ServerResponse, target: string) => void
  /** Asks for the client's ticket. Undefined: none is demanded. */
  readonly ticketCheck:
    | {
        /** A business call carries a valid ticket. */
        passes(rawHeaders: readonly string[]): boolean
        /** Responds 401 in the shape that iSales publishes, and closes the connection: it is for those with a ticket. */
        refuse(response: ServerResponse, requestId: string): void
      }
    | undefined
}

/** Where every request of a client enters: refused before it costs anything, served here, or forwarded. */
export function openProxy(options: ProxyOptions) {
  const { config, hosts, ticketCheck, onEnd } = options
  const rules = {
    ...config,
    hosts,
    localPaths: [config.isalesLoginPath, config.obsRefreshPath],
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const validate = createValidation(rules)
  const newRequestId = requestIds()
  let inFlight = 0
  const forward = createForward({
    ...options,
    rules,
    begin({ connection }) {
      if (inFlight >= config.maxInFlight) return false
      connection.begin()
      inFlight += 1
      return true
    },
    onEnd(end, begun) {
      if (begun) inFlight -= 1
      onEnd(end)
    },
  })

  const reportRefusal = (request: IncomingMessage, refusal: Refusal, requestId: string): void => {
    const { method = '', url: target = '' } = request
    const code = REFUSALS[refusal]
    const { status } = PROBLEMS[code]
    onEnd({ method, target, status, code, refusal, requestId })
  }

  const refuse = (response: ServerResponse, refusal: Refusal, requestId: string): void => {
    // Whatever follows on this connection may be the rest of what was refused.
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal], { requestId, refusal })
    reportRefusal(response.req, refusal, requestId)
  }

  return {
    /** Business calls whose body, or its first 64 KiB, has come, and whose response has not ended. */
    inFlight: () => inFlight,

    handle: (
      request: IncomingMessage,
      response: ServerResponse,
      connection: Call['connection'],
    ): void => {
      const { method = '', url: target = '', httpVersion, rawHeaders } = request
      const validated = validate({ method, target, httpVersion, rawHeaders })
      if ('refused' in validated) {
        refuse(response, validated.refused, newRequestId())
        return
      }
      const requestId = validated.requestId ?? newRequestId()
      if (validated.local) {
        if (validated.expectsContinue) response.writeContinue()
        options.serveLocal(request, response, validated.target)
      } else if (ticketCheck?.passes(rawHeaders) === false) {
        ticketCheck.refuse(response, requestId)
        reportRefusal(request, 'ticket', requestId)
      } else if (inFlight >= config.maxInFlight) refuse(response, 'in-flight', requestId)
      else forward({ request, response, connection, validated, requestId })
    },
  }
}

/** Unique in this process and, by a random start, between processes. */
function requestIds(): () => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return () => {
    count += 1
    return `${start}-${count.toString(36)}`
  }
}
