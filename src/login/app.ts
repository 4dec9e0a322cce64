import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Hono, type Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Clock } from '../clock.ts'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'
import type { Secret } from '../config/secret.ts'
import type { ObsLoginOutcome, ObsRefreshOutcome } from '../http/ended.ts'
import { serveHono, type RequestOrigin, type Serve } from '../http/hono.ts'
import type { TicketCheck } from '../http/ticket-check.ts'
import { parseObject, type JsonObject } from '../http/json.ts'
import { localPaths } from './paths.ts'
import { RESPONSE_TYPE, grantedBody, refusedBody, type NumberStyle } from './responses.ts'
import { createTicketCheck, ticketIn } from './ticket-check.ts'
import { createThrottle } from './throttle.ts'
import { createTickets, type IssuedTickets, type Tickets } from './tickets.ts'

/**
 * - `answer`: every login gets a ticket, and calls need none.
 * - `require`: only these credentials get one.
 * - `forward`: no login gets one. It is not forwarded either, because iSales' response holds the real token.
 */
export type ObsLogin =
  | { readonly mode: 'answer' | 'forward' }
  | { readonly mode: 'require'; readonly user: string; readonly password: Secret }

export interface ObsAppOptions {
  readonly login: ObsLogin
  readonly tickets: Tickets
  readonly loginPath: string
  readonly refreshPath: string
  readonly numbers: NumberStyle
  /** Monotonic milliseconds, for the throttle of wrong passwords. */
  readonly now: () => number
  /** Called for each request of the login path. */
  readonly onLogin: (outcome: ObsLoginOutcome) => void
  /** Called for each request of the refresh path. */
  readonly onRefresh: (outcome: ObsRefreshOutcome) => void
}

/** Where a request comes from. */
interface ObsEnv {
  readonly Bindings: RequestOrigin
}

/** Bytes; a login as published has about a hundred. */
const MAX_BODY = 2048

export interface LocalLoginParts extends Pick<ObsAppOptions, 'onLogin' | 'onRefresh'> {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
}

/** What CTI-OBS gets in place of iSales' login, and the check of its tickets. */
export function openLocalLogin(config: Config, parts: LocalLoginParts) {
  const loginPath = config.isalesLoginPath
  // CTI-OBS refreshes there even when the proxy does not refresh with iSales.
  const refreshPath = config.isalesRefreshPath ?? PUBLISHED_REFRESH_PATH
  const paths = { loginPath, refreshPath }
  let current = openWith(config, paths, parts)
  const ticketCheck: TicketCheck = {
    passes: (rawHeaders) => current.check.passes(rawHeaders),
    refuse: (response, requestId) => current.check.refuse(response, requestId),
  }
  return {
    kindOf: localPaths([loginPath, refreshPath]),
    serveLocal: ((...call) => current.serve(...call)) satisfies Serve,
    /** Undefined: calls need no ticket. */
    ticketCheck: config.obsLogin === 'require' ? ticketCheck : undefined,
    /** Tickets of another key are not valid any more. Without a key of its own, it comes from the password. */
    replaceSecrets: (secrets: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>): void => {
      current = openWith({ ...config, ...secrets }, paths, parts)
    },
  }
}

function openWith(
  config: Config,
  paths: Pick<ObsAppOptions, 'loginPath' | 'refreshPath'>,
  { clock, wallClock, onLogin, onRefresh }: LocalLoginParts,
) {
  const numbers = config.obsNumbers
  const login = loginOf(config)
  const tickets = createTickets({
    key: config.obsTicketKey,
    password: config.obsPassword,
    lifetime: config.obsTicketLifetime,
    maxAge: config.obsSessionMaxAge,
    now: wallClock,
  })
  const now = (): number => clock.now()
  const app = createObsApp({ ...paths, login, tickets, numbers, now, onLogin, onRefresh })
  return {
    serve: serveHono(app),
    check: createTicketCheck({ verify: tickets.verify, numbers }),
  }
}

function loginOf({ obsLogin: mode, obsUser: user, obsPassword: password }: Config): ObsLogin {
  if (mode !== 'require') return { mode }
  if (user === undefined || password === undefined) {
    throw new Error('OBS_LOGIN=require without OBS_USER or OBS_PASSWORD')
  }
  return { mode, user, password }
}

/** Serves CTI-OBS's own login and refresh in the shape that iSales publishes; iSales is not asked. */
export function createObsApp(options: ObsAppOptions): Hono<ObsEnv> {
  const { login, tickets, loginPath, refreshPath, numbers } = options
  const judge = createJudge(login, options.now)
  const respond = (context: ObsContext, status: ContentfulStatusCode, body: string) => {
    context.header('Cache-Control', 'no-store')
    return context.body(body, status, { 'Content-Type': RESPONSE_TYPE })
  }
  const refuse = (context: ObsContext, status: ContentfulStatusCode) =>
    respond(context, status, refusedBody(status, numbers))
  const refuseUnread = (context: ObsContext, status: ContentfulStatusCode) => {
    if (context.req.path === loginPath) options.onLogin('malformed')
    else options.onRefresh('rejected')
    return refuse(context, status)
  }
  const grant = (context: ObsContext, issued: IssuedTickets) =>
    respond(context, 200, grantedBody(issued, numbers))

  const refresh = (ticket: () => string): IssuedTickets | undefined => {
    if (login.mode === 'forward') return undefined
    // Where every login succeeds, a ticket of an earlier process is no reason to demand one.
    if (login.mode === 'answer') return tickets.issue()
    const renewed = tickets.renew(ticket())
    return typeof renewed === 'string' ? undefined : renewed
  }

  const app = new Hono<ObsEnv>()
  // Each chunk costs as much as a whole request, and its client proves nothing before they are read.
  app.use(async (context, next) => {
    if (context.req.header('Transfer-Encoding') === undefined) {
      await next()
      return
    }
    context.res = refuseUnread(context, 411)
  })
  app.post(loginPath, async (context) => {
    const outcome = judge(context.env.address, await readObject(context))
    options.onLogin(outcome)
    if (outcome === 'success') return grant(context, tickets.issue())
    if (outcome === 'throttled') context.header('Retry-After', '1')
    return refuse(context, STATUSES[outcome])
  })
  app.post(refreshPath, async (context) => {
    const body = await readObject(context)
    const renewed = refresh(() => refreshTicket(context, body))
    options.onRefresh(renewed === undefined ? 'rejected' : 'success')
    return renewed === undefined ? refuse(context, 403) : grant(context, renewed)
  })
  const wrongMethod = (context: ObsContext) => {
    context.header('Allow', 'POST')
    return refuseUnread(context, 405)
  }
  app.all(loginPath, wrongMethod)
  app.all(refreshPath, wrongMethod)
  app.notFound((context) => refuse(context, 404))
  // The only error left is a body that broke off.
  app.onError((_error, context) => refuseUnread(context, 400))
  return app
}

type ObsContext = Context<ObsEnv>

const STATUSES = {
  rejected: 403,
  throttled: 429,
  malformed: 400,
} as const satisfies Record<Exclude<ObsLoginOutcome, 'success'>, number>

function createJudge(login: ObsLogin, now: () => number) {
  const throttle = createThrottle(now)
  const matches = login.mode === 'require' ? compareWith(login) : () => true

  return (address: string | undefined, body: JsonObject = {}): ObsLoginOutcome => {
    if (login.mode === 'forward') return 'rejected'
    const { user, passwd } = body
    if (typeof user !== 'string' || typeof passwd !== 'string') return 'malformed'
    // Not even compared: a 429 reveals nothing of the password.
    if (!throttle.open(address)) return 'throttled'
    if (matches(user, passwd)) return 'success'
    throttle.spend(address)
    return 'rejected'
  }
}

/**
 * Compares in a time that reveals nothing of either value, nor of its length: both are hashed with a
 * random key, and the hashes compared.
 */
function compareWith(expected: { readonly user: string; readonly password: Secret }) {
  const key = randomBytes(32)
  const digest = (text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const [user, password] = [digest(expected.user), digest(expected.password.reveal())]
  return (givenUser: string, givenPassword: string): boolean => {
    const sameUser = timingSafeEqual(digest(givenUser), user)
    const samePassword = timingSafeEqual(digest(givenPassword), password)
    return sameUser && samePassword
  }
}

/** In the body, as both editions' examples show; or in a header alone, as the Chinese text says. */
function refreshTicket(context: ObsContext, { refreshToken }: JsonObject = {}): string {
  if (typeof refreshToken === 'string') return refreshToken
  const { req } = context
  return ticketIn(req.header('Authentication') ?? req.header('Authorization') ?? '')
}

/**
 * The body as an object; undefined when it is none or too long. Hono's `bodyLimit` does not work here: it
 * wraps a chunked request in a new Request, and undici's does not accept that of node-server.
 */
async function readObject({ req }: ObsContext): Promise<JsonObject | undefined> {
  if (Number(req.header('Content-Length') ?? 0) > MAX_BODY) return undefined
  const { body } = req.raw
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return parseObject(Buffer.concat(chunks).toString())
}
