import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config/settings.ts'
import { ALLOW, PROBLEMS, REFUSALS, writeProblem, type Refusal } from '../http/problem.ts'
import type { Tracing } from '../tracing/otlp.ts'
import { createEchoes } from './echoes.ts'
import { createForward, type ForwardOptions } from './forward.ts'
import { validateRequest } from './validate.ts'

export interface ProxyOptions extends Pick<
  ForwardOptions,
  'tokens' | 'dispatch' | 'clock' | 'onEnd' | 'onReplay' | 'onError'
> {
  readonly config: Config
  /** Lower-case `host` names, without port, that are ours. */
  readonly hosts: ReadonlySet<string>
  /** `local`: served here, such as login and refresh. `lookalike`: iSales might take it for one of them. */
  readonly kindOf: (path: string) => 'local' | 'lookalike' | 'other'
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
  /** Undefined: nothing is traced. */
  readonly tracing: Tracing | undefined
}

/** Where every request of a client enters: refused before it costs anything, served here, or forwarded. */
export function openProxy(options: ProxyOptions) {
  const { config, hosts, kindOf, ticketCheck, tracing, onEnd } = options
  const echoes = createEchoes()
  const rules = {
    ...config,
    hosts,
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const forward = createForward({ ...options, rules, carriesToken: echoes.carriesToken })
  const newRequestId = requestIds()
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

    handle: (
      request: IncomingMessage,
      response: ServerResponse,
      connection: { accept(): void },
    ): Promise<void> | void => {
      const { method = '', url: target = '', httpVersion, rawHeaders } = request
      const validated = validateRequest({ method, target, httpVersion, rawHeaders }, rules)
      if ('refused' in validated) {
        refuse(response, validated.refused, newRequestId())
        return
      }
      const requestId = validated.requestId ?? newRequestId()
      const kind = kindOf(validated.path)
      if (kind === 'lookalike') refuse(response, 'auth-path', requestId)
      else if (kind === 'other' && ticketCheck?.passes(rawHeaders) === false) {
        ticketCheck.refuse(response, requestId)
        reportRefusal(request, 'ticket', requestId)
      } else if (validated.maxForwards === 0 || validated.target === '*') {
        // RFC 9110 section 7.6.2: at 0 we are the last recipient. `OPTIONS *` asks about this server itself.
        response.writeHead(204, ['Allow', ALLOW, 'X-Request-Id', requestId]).end()
        onEnd({ method, target, status: 204, requestId, endedHere: true })
      } else if (kind === 'local') {
        if (validated.expectsContinue) response.writeContinue()
        return options.serveLocal(request, response, validated.target)
      } else if (inFlight >= config.maxInFlight) refuse(response, 'in-flight', requestId)
      else {
        connection.accept()
        inFlight += 1
        response.once('close', () => (inFlight -= 1))
        const span = tracing?.requestStarted(request)
        return forward({ request, response, validated, requestId, span })
      }
    },

    onTokenEvent: echoes.onTokenEvent,
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
