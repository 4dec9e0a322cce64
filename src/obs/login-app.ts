import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Hono, type Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Config } from '../config/index.ts'
import type { ObsLoginOutcome, ObsRefreshOutcome } from '../outcomes.ts'
import type { RequestOrigin } from '../hono.ts'
import { parseObject, type JsonObject } from '../json.ts'
import type { Throttle } from './login-throttle.ts'
import { ticketIn, type Tickets } from './tickets.ts'

export interface ObsAppOptions {
  readonly throttle: Throttle
  /** Called for each request of the login path. */
  readonly onLogin: (outcome: ObsLoginOutcome, client?: string) => void
  /** Called for each request of the refresh path. */
  readonly onRefresh: (outcome: ObsRefreshOutcome, client?: string) => void
}

type ObsContext = Context<{ readonly Bindings: RequestOrigin }>
type LoginConfig = Pick<Config, 'obsUser' | 'obsPassword' | 'isalesLoginPath' | 'obsRefreshPath'>

const REFUSED = { rejected: 403, throttled: 429, malformed: 400 } as const

export const RESPONSE_TYPE = 'application/json;charset=UTF-8'

/**
 * A body in the shape that iSales publishes, with numbers as in its examples.
 *
 * @param result 0, or the HTTP status of a refusal.
 */
export function publishedBody(
  result: number,
  resultData: Readonly<Record<string, string | number>> = {},
): string {
  return JSON.stringify({ result, resultData })
}

/**
 * Serves CTI-OBS's own login and refresh in the shape that iSales publishes; iSales is not asked, because
 * its response holds the real token. Without `OBS_USER` each login succeeds.
 */
export function createObsApp(
  config: LoginConfig,
  tickets: Tickets,
  { throttle, onLogin, onRefresh }: ObsAppOptions,
) {
  const { isalesLoginPath: loginPath } = config
  const judge = createJudge(config, throttle)

  const respond = (context: ObsContext, status: ContentfulStatusCode, body: string) => {
    context.header('Cache-Control', 'no-store')
    return context.body(body, status, { 'Content-Type': RESPONSE_TYPE })
  }
  const grant = (context: ObsContext, pair: ReturnType<Tickets['issue']>) =>
    respond(context, 200, publishedBody(0, pair))
  const refuse = (context: ObsContext, status: ContentfulStatusCode) =>
    respond(context, status, publishedBody(status))
  const refuseUnread = (context: ObsContext, status: ContentfulStatusCode) => {
    if (context.req.path === loginPath) onLogin('malformed', context.env.address)
    else onRefresh('rejected', context.env.address)
    return refuse(context, status)
  }

  const renew = (context: ObsContext, body: JsonObject | undefined) => {
    // Where every login succeeds, a ticket of an earlier process is no reason to demand one.
    return config.obsUser === undefined
      ? tickets.issue()
      : tickets.renew(refreshTicket(context, body))
  }

  const app = new Hono<{ Bindings: RequestOrigin }>()
  app.use(async (context, next) => {
    // Each chunk costs as much as a whole request, and its client proves nothing before they are read.
    if (context.req.header('Transfer-Encoding') !== undefined) return refuseUnread(context, 411)
    if (context.req.method === 'POST') return next()
    context.header('Allow', 'POST')
    return refuseUnread(context, 405)
  })
  app.post(loginPath, async (context) => {
    const outcome = judge(context.env.address, await readObject(context))
    onLogin(outcome, context.env.address)
    if (outcome === 'success') return grant(context, tickets.issue())
    if (outcome === 'throttled') context.header('Retry-After', '1')
    return refuse(context, REFUSED[outcome])
  })
  app.post(config.obsRefreshPath, async (context) => {
    const renewed = renew(context, await readObject(context))
    onRefresh(renewed === undefined ? 'rejected' : 'success', context.env.address)
    return renewed === undefined ? refuse(context, 403) : grant(context, renewed)
  })
  // The only error is a body that broke off.
  app.onError((_error, context) => refuseUnread(context, 400))
  return app
}

function createJudge(config: LoginConfig, throttle: Throttle) {
  const { obsUser, obsPassword } = config
  // Hashed with a random key, the comparison takes a time that reveals nothing of either value, nor of its length.
  const key = randomBytes(32)
  const digest = (user: string, password: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password]))
      .digest()
  // Nobody gets in without both, which the rules of the configuration exclude.
  const expected =
    obsUser === undefined || obsPassword === undefined
      ? randomBytes(32)
      : digest(obsUser, obsPassword.reveal())

  return (address: string | undefined, body: JsonObject = {}): ObsLoginOutcome => {
    const { user, passwd } = body
    if (typeof user !== 'string' || typeof passwd !== 'string') return 'malformed'
    if (obsUser === undefined) return 'success'
    // Not even compared: a 429 reveals nothing of the password.
    if (!throttle.open(address)) return 'throttled'
    if (timingSafeEqual(digest(user, passwd), expected)) return 'success'
    throttle.spend(address)
    return 'rejected'
  }
}

/** In the body, as both editions' examples show; or in a header alone, as the Chinese text says. */
function refreshTicket({ req }: ObsContext, { refreshToken }: JsonObject = {}): string {
  if (typeof refreshToken === 'string') return refreshToken
  return ticketIn(req.header('Authentication') ?? req.header('Authorization') ?? '')
}

/** Bytes; a login as published has about a hundred. */
const MAX_BODY = 2048

/**
 * The body as an object; undefined when it is none or too long. Its length is known: chunks were refused. Hono's
 * `bodyLimit` does not work here: it wraps a body without a length in a new Request, and undici's does not accept that
 * of node-server.
 */
async function readObject({ req }: ObsContext): Promise<JsonObject | undefined> {
  if (Number(req.header('Content-Length') ?? 0) > MAX_BODY) return undefined
  return parseObject(await req.text())
}
