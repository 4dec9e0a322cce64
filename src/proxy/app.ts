import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Hono, type Handler, type MiddlewareHandler } from 'hono'
import { RESPONSE_ALREADY_SENT, type NodeCall } from '../hono-adapter.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { REFUSALS, type Refusal } from '../codes.ts'
import { writeProblem } from '../problem.ts'
import { createForward, type Call, type ForwardOptions } from './forward.ts'
import { createValidation, type RequestRules } from './validate.ts'

export interface ProxyOptions
  extends
    Pick<ForwardOptions, 'config' | 'tokens' | 'upstream' | 'clock' | 'onError'>,
    Pick<RequestRules, 'isOwnHost'> {
  readonly onEnd: (end: RequestSummary) => void
  /** Login and refresh of CTI-OBS. */
  readonly serveLogin: Handler<{ Bindings: NodeCall }>
  /** Refuses a business call without a valid ticket. Undefined: none is demanded. */
  readonly askForTicket: MiddlewareHandler<{ Bindings: NodeCall }> | undefined
}

/** The port for clients: a request is refused before it costs anything, or goes to its route. */
export function openProxy(options: ProxyOptions) {
  const { config, isOwnHost, serveLogin, askForTicket, onEnd, onError } = options
  const { maxInFlight } = config
  const localPaths = [config.isalesLoginPath, config.obsRefreshPath]
  const rules = {
    ...config,
    isOwnHost,
    localPaths,
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const validate = createValidation(rules)
  let inFlight = 0
  const forward = createForward({
    ...options,
    rules,
    begin({ connection }) {
      if (inFlight >= maxInFlight) return false
      connection.begin()
      inFlight += 1
      return true
    },
    onEnd(end, begun) {
      if (begun) inFlight -= 1
      if (end !== undefined) onEnd(end)
    },
  })

  const refuse = (response: ServerResponse, refusal: Refusal): void => {
    const requestId = randomUUID()
    // Whatever follows on this connection may be the rest of what was refused.
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal][0], { requestId, refusal })
    onEnd(refusedRequest(response.req, refusal, requestId))
  }

  // The path that was validated, so that no second parser decides what is a login.
  const app = new Hono<{ Bindings: Call }>({
    getPath: (_request, { env } = {}) => (env as Call).validated.path,
  })
  app.on('ALL', localPaths, serveLogin)
  if (askForTicket !== undefined) app.use(askForTicket)
  app.all('*', ({ env }) => {
    forward(env)
    return RESPONSE_ALREADY_SENT
  })
  // A defect of our own.
  app.onError((error, { env }) => {
    const { request, response, requestId } = env
    onError(error, requestId)
    if (response.headersSent) response.destroy()
    else writeProblem(response, 'internal', { requestId })
    const { method = '', url: target = '' } = request
    onEnd({ method, target, status: 500, code: 'internal', requestId })
    return RESPONSE_ALREADY_SENT
  })

  return {
    /** Business calls whose body has come, and whose response has not ended. */
    inFlight: () => inFlight,

    serve: (
      request: IncomingMessage,
      response: ServerResponse,
      connection: Call['connection'],
    ): void => {
      const { method = '', url: target = '', httpVersion, rawHeaders } = request
      const validated = validate({ method, target, httpVersion, rawHeaders })
      if (typeof validated === 'string') return refuse(response, validated)
      const requestId = validated.requestId ?? randomUUID()
      // Handlers work on Node's own request and response: a web request and its body would cost a business call twenty times
      // as much. Hono reads `method` alone of it.
      const asWebRequest = request as unknown as Request
      void app.fetch(asWebRequest, { request, response, connection, validated, requestId })
    },
  }
}
