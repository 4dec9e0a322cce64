import { Hono } from 'hono'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { ANSWER_TYPE, grantedBody, refusedBody } from './responses.ts'
import type { NumberStyle } from './responses.ts'
import { compareWith, createThrottle } from './credentials.ts'
import type { LocalCredentials } from './credentials.ts'
import { ticketIn } from './ticket-check.ts'
import type { IssuedTickets, Tickets } from './tickets.ts'

/** What became of a login of CTI-OBS: the label values of `obs_logins_total`. */
export type ObsLoginOutcome = 'success' | 'rejected' | 'throttled' | 'malformed'

/**
 * - `answer`: whoever asks gets a ticket, and calls need none.
 * - `require`: only these credentials get one.
 * - `forward`: nobody does. iSales is never asked on a client's behalf, for its answer holds the real token.
 */
export type ObsLogin =
  | { readonly mode: 'answer' }
  | { readonly mode: 'require'; readonly credentials: LocalCredentials }
  | { readonly mode: 'forward' }

export interface ObsAppOptions {
  readonly login: ObsLogin
  readonly tickets: Tickets
  readonly loginPath: string
  readonly refreshPath: string
  readonly numbers: NumberStyle
  /** Monotonic milliseconds, for the slowing of wrong passwords. */
  readonly now: () => number
  /** Each POST to the login path. */
  readonly onLogin: (outcome: ObsLoginOutcome) => void
}

/** Bytes; a login as published has about a hundred. */
const MAX_BODY = 4096
const WRONG_PASSWORDS_PER_SECOND = 5

/** Answers CTI-OBS's own login and refresh in the shape that iSales publishes; iSales never hears of them. */
export function createObsApp(options: ObsAppOptions): Hono {
  const { login, tickets, loginPath, refreshPath, numbers } = options
  const judge = createJudge(login, options.now)
  const answer = (context: Context, status: ContentfulStatusCode, body: string) => {
    context.header('Cache-Control', 'no-store')
    return context.body(body, status, { 'Content-Type': ANSWER_TYPE })
  }
  const refuse = (context: Context, status: ContentfulStatusCode) =>
    answer(context, status, refusedBody(status, numbers))
  const grant = (context: Context, issued: IssuedTickets) =>
    answer(context, 200, grantedBody(issued, numbers))

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
    // Where anybody may log in, a ticket that ended with the last restart is no reason to make it do so.
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
  // What is left is a body that broke off.
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
  const matches = login.mode === 'require' ? compareWith(login.credentials) : () => true

  return (body: JsonObject | undefined): ObsLoginOutcome => {
    if (login.mode === 'forward') return 'rejected'
    const { user, passwd } = body ?? {}
    if (typeof user !== 'string' || typeof passwd !== 'string') return 'malformed'
    // Not even compared: an answer of 429 tells nothing of the password.
    if (!throttle.open()) return 'throttled'
    if (matches(user, passwd)) return 'success'
    throttle.spend()
    return 'rejected'
  }
}

/** In the body, as both editions' examples show; or in the header alone, as the Chinese text says. */
function refreshTicket(context: Context, body: JsonObject | undefined): string {
  const { refreshToken } = body ?? {}
  if (typeof refreshToken === 'string') return refreshToken
  const { req } = context
  return ticketIn(req.header('Authentication') ?? req.header('Authorization') ?? '')
}

/**
 * The body as an object; undefined when it is none or too long. Read here, for Hono's own body limit makes a
 * new Request of a chunked one, and undici's does not take node-server's.
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
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
