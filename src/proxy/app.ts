import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Hono, type Handler, type MiddlewareHandler } from 'hono'
import { RESPONSE_ALREADY_SENT, type NodeCall } from '../hono-adapter.ts'
import { writeProblem } from '../problem.ts'
import { createForward, type ForwardOptions } from './forward.ts'
import { createValidation, type RequestRules } from './validate.ts'

export interface ProxyOptions
  extends Omit<ForwardOptions, 'rules'>, Pick<RequestRules, 'isOwnHost'> {
  readonly logIn: Handler<{ Bindings: NodeCall }>
  readonly refresh: Handler<{ Bindings: NodeCall }>
  /** Refuses a business call without a valid ticket; undefined if calls need no ticket. */
  readonly requireTicket: MiddlewareHandler<{ Bindings: NodeCall }> | undefined
}

/** Refuses a request before it costs anything, or passes it to its route. */
export function openProxy(options: ProxyOptions) {
  const { config, isOwnHost, logIn, refresh, requireTicket, onEnd, onError } = options
  const localPaths = [config.isalesLoginPath, config.obsRefreshPath]
  const rules = {
    ...config,
    isOwnHost,
    localPaths,
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. Every process has its own, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const validate = createValidation(rules)
  const calls = createForward({ ...options, rules })

  // Routes by the validated path, so that no second parser decides which request is a login.
  const app = new Hono<{ Bindings: NodeCall }>({
    getPath: (_request, { env } = {}) => (env as NodeCall).validated.path,
  })
  app.all(config.isalesLoginPath, logIn)
  app.all(config.obsRefreshPath, refresh)
  if (requireTicket !== undefined) app.use(requireTicket)
  app.all('*', ({ env }) => {
    calls.forward(env)
    return RESPONSE_ALREADY_SENT
  })
  // Only for a defect of the proxy itself.
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
    inFlight: calls.inFlight,

    serve: (
      request: IncomingMessage,
      response: ServerResponse,
      connection: NodeCall['connection'],
    ): void => {
      const validated = validate(request)
      if (typeof validated === 'string') return connection.refuse(validated)
      const requestId = validated.requestId ?? randomUUID()
      // Hono reads only `method`: a web request would cost a call twenty times as much as Node's own.
      const asWebRequest = request as unknown as Request
      void app.fetch(asWebRequest, { request, response, connection, validated, requestId })
    },
  }
}
