import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Hono, type Context } from 'hono'
import { LRUCache } from 'lru-cache'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { SECOND } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { RequestOrigin } from '../hono-adapter.ts'
import { parseObject, type JsonObject } from '../json.ts'
import { ticketIn, type Tickets } from './tickets.ts'

type ObsContext = Context<{ readonly Bindings: RequestOrigin }>
type LoginConfig = Pick<Config, 'obsUser' | 'obsPassword' | 'isalesLoginPath' | 'obsRefreshPath'>

export const RESPONSE_TYPE = 'application/json;charset=UTF-8'

/** Returns a body in the shape that iSales publishes. `result`: 0, or the HTTP status of a refusal. */
export function publishedBody(
  result: number,
  resultData: Readonly<Record<string, string | number>> = {},
): string {
  return JSON.stringify({ result, resultData })
}

/**
 * Serves login and refresh of CTI-OBS in the shape that iSales publishes. Requests never reach iSales, because its
 * response contains the real token. Without `OBS_USER`, every login succeeds.
 */
export function createObsApp(config: LoginConfig, tickets: Tickets, throttle: Throttle) {
  const statusOf = createLoginCheck(config, throttle)
  const respond = (context: ObsContext, status: ContentfulStatusCode, body: string) => {
    context.header('Cache-Control', 'no-store')
    return context.body(body, status, { 'Content-Type': RESPONSE_TYPE })
  }
  const grant = (context: ObsContext, pair: ReturnType<Tickets['issue']>) =>
    respond(context, 200, publishedBody(0, pair))
  const refuse = (context: ObsContext, status: ContentfulStatusCode) =>
    respond(context, status, publishedBody(status))

  const app = new Hono<{ Bindings: RequestOrigin }>()
  app.use(async (context, next) => {
    if (context.req.method === 'POST') return next()
    context.header('Allow', 'POST')
    return refuse(context, 405)
  })
  app.post(config.isalesLoginPath, async (context) => {
    const status = statusOf(context.env.address, await readObject(context))
    if (status === 200) return grant(context, tickets.issue())
    if (status === 429) context.header('Retry-After', '1')
    return refuse(context, status)
  })
  app.post(config.obsRefreshPath, async (context) => {
    const body = await readObject(context)
    // If every login succeeds, tickets of an earlier process must also be renewed.
    const pair =
      config.obsUser === undefined ? tickets.issue() : tickets.renew(refreshTicket(context, body))
    return pair === undefined ? refuse(context, 403) : grant(context, pair)
  })
  // The only possible error is an incomplete body.
  app.onError((_error, context) => refuse(context, 400))
  return app
}

/** Returns a function that returns the status of a login. */
function createLoginCheck(config: LoginConfig, throttle: Throttle) {
  const { obsUser, obsPassword } = config
  // Comparing hashes with a random key takes a time that reveals neither a value nor its length.
  const key = randomBytes(32)
  const digest = (user: string, password: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password]))
      .digest()
  // No login succeeds unless both are set; the rules of the configuration exclude one alone.
  const expected = obsPassword ? digest(obsUser ?? '', obsPassword.reveal()) : randomBytes(32)

  return (address: string | undefined, { user, passwd }: JsonObject = {}) => {
    if (typeof user !== 'string' || typeof passwd !== 'string') return 400
    if (obsUser === undefined) return 200
    // Refused before the comparison, so that a 429 reveals nothing about the password.
    if (!throttle.open(address)) return 429
    if (timingSafeEqual(digest(user, passwd), expected)) return 200
    throttle.spend(address)
    return 403
  }
}

/** Wrong passwords per second and address. */
const RATE = 5
/** Maximum number of addresses to remember. */
const MAX_PEERS = 10_000

type Throttle = ReturnType<typeof createThrottle>

/**
 * Limits password guessing: every address may send 5 wrong passwords per second, independent of other addresses. A
 * bucket is the time at which it is full again; its capacity is one second's worth of attempts.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number) {
  const buckets = new LRUCache<string, number>({ max: MAX_PEERS })
  const bucketOf = (address: string): number => Math.max(buckets.get(address) ?? 0, now())
  return {
    /** Returns true if a password from this address may be compared. */
    open: (address = ''): boolean => bucketOf(address) - now() <= SECOND - SECOND / RATE,
    /** Records a wrong password from this address. */
    spend(address = ''): void {
      buckets.set(address, bucketOf(address) + SECOND / RATE)
    },
  }
}

/** Reads the ticket from the body, as in both editions' examples, or from a header alone, as in the Chinese text. */
function refreshTicket({ req }: ObsContext, { refreshToken }: JsonObject = {}): string {
  if (typeof refreshToken === 'string') return refreshToken
  return ticketIn(req.header('Authentication') ?? req.header('Authorization') ?? '')
}

/** Maximum size in bytes; a published login has about 100. */
const MAX_BODY = 2048

/**
 * Reads a body as an object; undefined if it is not an object or is longer than 2 KiB, in which case the rest is dropped.
 * Hono's `bodyLimit` does not work on node-server, because undici does not accept its new Request.
 *
 * @throws if the body breaks off.
 */
async function readObject({ req, env }: ObsContext): Promise<JsonObject | undefined> {
  if (Number(req.header('Content-Length') ?? 0) > MAX_BODY) return undefined
  let body = Buffer.alloc(0)
  await new Promise<void>((resolve, reject) => {
    env.incoming.on('data', (chunk: Buffer) => {
      if (body.length <= MAX_BODY) body = Buffer.concat([body, chunk])
      if (body.length > MAX_BODY) resolve()
    })
    env.incoming.on('end', resolve).on('error', reject)
  })
  return body.length > MAX_BODY ? undefined : parseObject(body.toString())
}
