import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Hono, type Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Clock } from '../clock.ts'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'
import type { Secret } from '../config/secret.ts'
import { serveHono, type Serve } from '../http/hono.ts'
import { localPaths } from './paths.ts'
import { RESPONSE_TYPE, grantedBody, refusedBody, type NumberStyle } from './responses.ts'
import { createTicketCheck, ticketIn, type TicketCheck } from './ticket-check.ts'
import { createTickets, type IssuedTickets, type Tickets } from './tickets.ts'

/** How a login of CTI-OBS ended: the label values of `obs_logins_total`. */
export type ObsLoginOutcome = 'success' | 'rejected' | 'throttled' | 'malformed'

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
  /** Called for each POST to the login path. */
  readonly onLogin: (outcome: ObsLoginOutcome) => void
}

/** Bytes; a login as published has about a hundred. */
const MAX_BODY = 4096
const WRONG_PASSWORDS_PER_SECOND = 5

export interface LocalLoginParts {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly onLogin: (outcome: ObsLoginOutcome) => void
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
    refuse: (response, requestId, framing) => current.check.refuse(response, requestId, framing),
  }
  return {
    isLocal: localPaths([loginPath, refreshPath]),
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
  { clock, wallClock, onLogin }: LocalLoginParts,
) {
  const numbers = config.obsNumbers
  const login = loginOf(config)
  const tickets = createTickets({
    key: config.obsTicketKey ?? config.obsPassword,
    lifetime: config.obsTicketLifetime,
    now: wallClock,
  })
  const now = (): number => clock.now()
  const app = createObsApp({ ...paths, login, tickets, numbers, now, onLogin })
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
export function createObsApp(options: ObsAppOptions): Hono {
  const { login, tickets, loginPath, refreshPath, numbers } = options
  const judge = createJudge(login, options.now)
  const respond = (context: Context, status: ContentfulStatusCode, body: string) => {
    context.header('Cache-Control', 'no-store')
    return context.body(body, status, { 'Content-Type': RESPONSE_TYPE })
  }
  const refuse = (context: Context, status: ContentfulStatusCode) =>
    respond(context, status, refusedBody(status, numbers))
  const grant = (context: Context, issued: IssuedTickets) =>
    respond(context, 200, grantedBody(issued, numbers))

  const app = new Hono()
  app.post(loginPath, async (context) => {
    const outcome = judge(await readObject(context.req.raw.body))
    options.onLogin(outcome)
    if (outcome === 'success') return grant(context, tickets.issue())
    if (outcome === 'throttled') context.header('Retry-After', '1')
    return refuse(context, STATUSES[outcome])
  })
  app.post(refreshPath, async (context) => {
    const body = await readObject(context.req.raw.body)
    if (login.mode === 'forward') return refuse(context, 403)
    // Where every login succeeds, a ticket of an earlier process is no reason to demand one.
    if (login.mode === 'answer') return grant(context, tickets.issue())
    const renewed = tickets.renew(refreshTicket(context, body))
    return typeof renewed === 'string' ? refuse(context, 403) : grant(context, renewed)
  })
  const wrongMethod = (context: Context) => {
    context.header('Allow', 'POST')
    return refuse(context, 405)
  }
  app.all(loginPath, wrongMethod)
  app.all(refreshPath, wrongMethod)
  app.notFound((context) => refuse(context, 404))
  // The only error left is a body that broke off.
  app.onError((_error, context) => refuse(context, 400))
  return app
}

type JsonObject = Readonly<Record<string, unknown>>

const STATUSES = {
  rejected: 403,
  throttled: 429,
  malformed: 400,
} as const satisfies Record<Exclude<ObsLoginOutcome, 'success'>, number>

function createJudge(login: ObsLogin, now: () => number) {
  const throttle = createThrottle(WRONG_PASSWORDS_PER_SECOND, now)
  const matches = login.mode === 'require' ? compareWith(login) : () => true

  return (body: JsonObject = {}): ObsLoginOutcome => {
    if (login.mode === 'forward') return 'rejected'
    const { user, passwd } = body
    if (typeof user !== 'string' || typeof passwd !== 'string') return 'malformed'
    // Not even compared: a 429 reveals nothing of the password.
    if (!throttle.open()) return 'throttled'
    if (matches(user, passwd)) return 'success'
    throttle.spend()
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

/** A token bucket of wrong passwords: `open` says whether one may be tried, `spend` takes it. */
function createThrottle(perSecond: number, now: () => number) {
  let left = perSecond
  let seenAt = now()
  return {
    open(): boolean {
      const at = now()
      left = Math.min(perSecond, left + ((at - seenAt) * perSecond) / 1000)
      seenAt = at
      return left >= 1
    },
    spend(): void {
      left -= 1
    },
  }
}

/** In the body, as both editions' examples show; or in a header alone, as the Chinese text says. */
function refreshTicket(context: Context, { refreshToken }: JsonObject = {}): string {
  if (typeof refreshToken === 'string') return refreshToken
  const { req } = context
  return ticketIn(req.header('Authentication') ?? req.header('Authorization') ?? '')
}

/**
 * The body as an object; undefined when it is none or too long. Hono's `bodyLimit` does not work here: it
 * wraps a chunked request in a new Request, and undici's does not accept that of node-server.
 */
async function readObject(
  body: ReadableStream<Uint8Array> | null,
): Promise<JsonObject | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  try {
    const json: unknown = JSON.parse(Buffer.concat(chunks).toString())
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}
