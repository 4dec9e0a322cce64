import type { Dispatcher } from 'undici'
import type { Secret } from '../config/secret.ts'
import type { Exchange, ExchangeResult } from '../isales/client.ts'
import { createScavenger } from './scavenger.ts'
import { Attempt, type UpstreamHandler } from './upstream-attempt.ts'
import { createConnect } from './upstream-connect.ts'
import { egressFor } from './upstream-egress.ts'
import { Pool } from './upstream-undici.ts'

export type { UpstreamController, UpstreamHandler } from './upstream-attempt.ts'
export type UpstreamRequest = Omit<Dispatcher.DispatchOptions, 'origin'>

/**
 * Where it failed. `unreachable` and `tls`: no connection came about. `invalid`: the request could not be written as
 * HTTP. `closed`: the pool was shut down.
 */
export type UpstreamFailure = 'unreachable' | 'tls' | 'broken' | 'timeout' | 'invalid' | 'closed'

export interface UpstreamTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
}

export interface UpstreamOptions {
  /** `https://host:port`, without a path. */
  readonly origin: string
  readonly tls: UpstreamTls
  /** URL of the egress proxy; undefined: none. */
  readonly httpsProxy: string | undefined
  /** Hosts that are reached without it, in the usual notation. */
  readonly noProxy: string | undefined
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds after which an idle connection is let go, before iSales lets go of it. */
  readonly keepAlive: number
  readonly maxConnections: number
  /** Milliseconds between two pieces of an answer. */
  readonly bodyIdleTimeout: number
  /** Milliseconds for a whole login or refresh. */
  readonly loginTimeout: number
}

export interface Upstream {
  /** Hands one business call to the pool; everything that happens then is told to the handler. */
  readonly dispatch: (request: UpstreamRequest, handler: UpstreamHandler) => void
  readonly exchange: Exchange
  /** New connections use this from now on; those in use finish as they are. */
  reload(tls: UpstreamTls): void
  /** Destroys what is left. */
  destroy(): Promise<void>
}

const LARGEST_EXCHANGE = 64 * 1024
const AUTH_CONNECTIONS = 2
/** iSales' `Keep-Alive: timeout` hint less this. */
const KEEP_ALIVE_MARGIN = 1000
const LONGEST_KEEP_ALIVE = 600_000

export function createUpstream(options: UpstreamOptions): Upstream {
  /** Those in use, and those that finish what they have begun. */
  const pools = new Set<Pool>()
  const open = (tls: UpstreamTls, connections: number): Pool => {
    const pool = openPool(options, tls, connections)
    pools.add(pool)
    return pool
  }
  let business = open(options.tls, options.maxConnections)
  let auth = open(options.tls, AUTH_CONNECTIONS)
  const relayed = createScavenger()

  return {
    dispatch(request, handler) {
      business.dispatch(request, new Attempt(handler, relayed))
    },

    exchange: (request) => exchange(auth, options, request),

    reload(tls) {
      const old = [business, auth]
      business = open(tls, options.maxConnections)
      auth = open(tls, AUTH_CONNECTIONS)
      for (const pool of old) {
        const forget = (): boolean => pools.delete(pool)
        pool.close().then(forget, forget)
      }
    },

    async destroy() {
      await Promise.all([...pools].map((pool) => pool.destroy()))
    },
  }
}

function openPool(options: UpstreamOptions, tls: UpstreamTls, connections: number): Pool {
  return new Pool(options.origin, {
    connections,
    pipelining: 1,
    keepAliveTimeout: options.keepAlive,
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN,
    keepAliveMaxTimeout: LONGEST_KEEP_ALIVE,
    // The client's deadline ends a request that is not answered; a deadline switched off means no limit.
    headersTimeout: 0,
    bodyTimeout: options.bodyIdleTimeout,
    // Larger answers are refused by undici; ours are at most as large as what a client may send.
    maxHeaderSize: 64 * 1024,
    allowH2: false,
    connect: createConnect({
      tls: {
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
        rejectUnauthorized: true,
      },
      timeout: options.connectTimeout,
      egress: egressFor(options.origin, options),
    }),
  })
}

async function exchange(
  pool: Dispatcher,
  options: UpstreamOptions,
  { path, headers, body, signal }: Parameters<Exchange>[0],
): Promise<ExchangeResult> {
  const limit = limitTo(options.loginTimeout, signal)
  try {
    const answer = await pool.request({
      origin: options.origin,
      path,
      method: 'POST',
      headers: [...headers],
      body,
      signal: limit.signal,
    })
    const retryAfter = answer.headers['retry-after']
    return {
      ok: true,
      status: answer.statusCode,
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      body: await readAtMost(answer.body, LARGEST_EXCHANGE),
    }
  } catch (error) {
    if (limit.signal.aborted) {
      return { ok: false, failure: 'timeout', code: 'no whole answer in time' }
    }
    const { failure, code } = classify(error)
    const ours = failure === 'invalid' || failure === 'closed'
    return { ok: false, failure: ours ? 'broken' : failure, code }
  } finally {
    limit.clear()
  }
}

/**
 * Aborts with `signal`, or after `ms`. Not `AbortSignal.any` over `AbortSignal.timeout`: nothing holds on to either, and in
 * Node 20 a collected one never fires.
 */
function limitTo(ms: number, signal: AbortSignal): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController()
  const abort = (): void => {
    controller.abort()
  }
  const timer = setTimeout(abort, ms)
  signal.addEventListener('abort', abort)
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    },
  }
}

async function readAtMost(
  body: Dispatcher.ResponseData['body'],
  limit: number,
): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop destroys the stream, and the connection with it.
    if (size > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ERR_EGRESS_REFUSED',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
])
const INVALID: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])
const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED'])
/** OpenSSL's verification results as Node names them, and its alerts. */
const TLS_CODE =
  /^(?:ERR_(?:TLS|SSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|HOSTNAME_MISMATCH|EPROTO$)/

/** Names a failure by its error code, never by message text. */
export function classify(error: unknown): { failure: UpstreamFailure; code: string } {
  const code = codeOf(error)
  if (TIMEOUTS.has(code)) return { failure: 'timeout', code }
  if (UNREACHABLE.has(code)) return { failure: 'unreachable', code }
  if (INVALID.has(code)) return { failure: 'invalid', code }
  if (CLOSED.has(code)) return { failure: 'closed', code }
  if (TLS_CODE.test(code)) return { failure: 'tls', code }
  return { failure: 'broken', code }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  // Happy Eyeballs gives one error for all the addresses it tried.
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return 'unknown'
}
