// Login of CTI-OBS to this proxy. CTI-OBS receives a ticket in the shape that iSales publishes, so that the real token
// stays here. If OBS_USER is set, every forwarded call needs a ticket. Wrong passwords are throttled by address, or delayed on loopback.
import type { IncomingMessage } from 'node:http'
import type { Handler, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { RESPONSE_ALREADY_SENT, type NodeCall } from '../hono-adapter.ts'
import { parseObject, type JsonObject } from '../json.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { createLogin, createThrottle, type Answer } from './login.ts'
import { createTickets, hasTicket, ticketIn } from './tickets.ts'

interface ClientAuthOptions {
  readonly clock: Clock
  /** A login or refresh, or a business call without a valid ticket. */
  readonly onEnd: (request: RequestSummary) => void
}

type Route = Handler<{ Bindings: NodeCall }>

/** Opens the login that replaces iSales's login, and the check of its tickets. */
export function openClientAuth(config: Config, { clock, onEnd }: ClientAuthOptions) {
  // The throttle's counts outlive a change of the secrets.
  const throttle = createThrottle(clock)
  const open = (secrets: Pick<Config, 'obsUser' | 'obsPassword'>) => {
    const changed = { ...config, ...secrets }
    const tickets = createTickets(changed.obsPassword, () => clock.date())
    return { tickets, ...createLogin(changed, tickets, throttle) }
  }
  let current = open(config)

  /** @param answer called with the body as an object; undefined if it is not a short object. */
  const route = (
    login: 'login' | 'refresh',
    answer: (request: IncomingMessage, body?: JsonObject) => Answer | Promise<Answer>,
  ): Route => {
    return async ({ env }) => {
      const { request, response, validated } = env
      const { method = '' } = request
      const client = request.socket.remoteAddress
      const summary = { method, target: validated.target, requestId: '', client, login }
      response.on('close', () => {
        if (env.connection.refusedResponse === response) return
        const status = response.headersSent ? response.statusCode : 0
        const left = request.complete ? 'response' : 'request'
        onEnd({ ...summary, status, left: status === 0 ? left : undefined })
      })
      if (validated.expectsContinue) response.writeContinue()
      const late = clock.setTimer(() => env.connection.refuse('timeout'), config.clientDeadline)
      const body = method === 'POST' ? await readObject(request) : undefined
      late.cancel()
      if (method !== 'POST') respond(env, { status: 405 })
      else if (body === 'broken') respond(env, { status: 400 })
      else respond(env, await answer(request, body))
      return RESPONSE_ALREADY_SENT
    }
  }
  const requireTicket: MiddlewareHandler<{ Bindings: NodeCall }> = async ({ env }, next) => {
    const { request, requestId } = env
    if (hasTicket(request.rawHeaders, current.tickets.isValid)) return next()
    respond(env, { status: 401 })
    onEnd(refusedRequest(request, 'ticket', requestId))
    return RESPONSE_ALREADY_SENT
  }
  return {
    logIn: route('login', ({ socket }, body) => current.logIn(socket.remoteAddress, body)),
    refresh: route('refresh', (request, body) => current.refresh(refreshTicket(request, body))),
    /** Undefined if calls need no ticket. */
    requireTicket: config.isObsLoginRequired ? requireTicket : undefined,
    /** Invalidates the tickets of a previous password. */
    replaceSecrets: (secrets: Parameters<typeof open>[0]): void => {
      current = open(secrets)
    },
  }
}

/** Header that a status needs. */
const HEADERS: Readonly<Partial<Record<Answer['status'], Readonly<Record<string, string>>>>> = {
  401: { 'WWW-Authenticate': 'Bearer' },
  405: { Allow: 'POST' },
  429: { 'Retry-After': '1' },
}

/** Responds in the shape that iSales publishes. `result`: 0, or the HTTP status of a refusal. */
function respond(
  { request, response, requestId, connection }: NodeCall,
  { status, tickets }: Answer,
): void {
  // The listener has responded to a request that broke off; a second response would throw.
  if (response.headersSent || response.destroyed) return
  connection.bodyArrived()
  const result = status === 200 ? 0 : status
  const body = JSON.stringify({ result, resultData: tickets ?? {} })
  // Only clients with a ticket keep a connection. The rest of a body that is too long is not the next request.
  if (status >= 400 || !request.complete) response.shouldKeepAlive = false
  response.writeHead(status, {
    'Content-Type': 'application/json;charset=UTF-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
    ...HEADERS[status],
  })
  response.end(body)
}

/** Reads the ticket from the body, as in both editions' examples, or from a header alone, as in the Chinese text. */
function refreshTicket({ headers }: IncomingMessage, { refreshToken }: JsonObject = {}): string {
  if (typeof refreshToken === 'string') return refreshToken
  return ticketIn(String(headers['authentication'] ?? headers.authorization ?? ''))
}

/** Maximum size in bytes; a published login has about 100. */
const MAX_BODY = 2048

/** Reads a body; undefined if it is not an object or is longer than 2 KiB, in which case the rest is dropped. */
async function readObject(request: IncomingMessage): Promise<JsonObject | undefined | 'broken'> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) return undefined
  let body = Buffer.alloc(0)
  const ended = await new Promise<boolean>((resolve) => {
    request.on('data', (chunk: Buffer) => {
      if (body.length <= MAX_BODY) body = Buffer.concat([body, chunk])
      if (body.length > MAX_BODY) resolve(true)
    })
    request.on('end', () => resolve(true)).on('error', () => resolve(false))
  })
  if (!ended) return 'broken'
  return body.length > MAX_BODY ? undefined : parseObject(body.toString())
}
