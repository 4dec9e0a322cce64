import type { Secret } from '../config/secret.ts'
import { Attempt, type UpstreamHandler, type UpstreamRequest } from './attempt.ts'
import { PooledClient } from './client.ts'
import { createConnect } from './connector.ts'
import { egressFor } from './egress-proxy.ts'
import { createPost, type Post } from './post.ts'
import { Pool } from './undici-workarounds.ts'

export type { UpstreamController, UpstreamHandler, UpstreamRequest } from './attempt.ts'
export type { UpstreamFailure } from './errors.ts'

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
  readonly post: Post
  /** New connections use this from now on; those in use finish as they are. */
  reload(tls: UpstreamTls): void
  /** Destroys what is left. */
  destroy(): Promise<void>
}

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

  return {
    dispatch(request, handler) {
      business.dispatch(request, new Attempt(handler))
    },

    post: createPost((request, handler) => {
      auth.dispatch(request, new Attempt(handler))
    }, options.loginTimeout),

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
  const pool = new Pool(options.origin, {
    connections,
    factory: (origin, client) => new PooledClient(origin, client),
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
  // Here undici's pool lets go of a connection that could not be opened. That one goes on taking requests, and is
  // then one more than the maximum, and none that the pool destroys at its end.
  pool.removeAllListeners('connectionError')
  return pool
}
