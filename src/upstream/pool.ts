import type { Socket } from 'node:net'
import { Client, errors } from 'undici'
import {
  cause,
  classifyError,
  NODE_ERROR_CODES,
  readErrorCode,
  toConnectFailure,
  type Cause,
  type ConnectFailure,
} from '../causes.ts'
import { MINUTE, SECOND, type Clock, type Timer } from '../clock.ts'
import { egressFor, type Config, type TlsFiles } from '../config/index.ts'
import type { FailureDetails } from '../messages/index.ts'
import {
  ConnectError,
  createConnect,
  createLookup,
  MAX_HEAD,
  MAX_HEADERS,
  type Connect,
  type Resolve,
} from './connector.ts'
import { classify, type Exchange } from './exchange.ts'
import { Outage } from './outage.ts'
import { createPost } from './post.ts'

/** Milliseconds. Servers and load balancers keep an idle connection longer. The last one is a pause within a body. */
export const LIMITS = {
  loginTimeout: 5 * SECOND,
  keepAlive: 4 * SECOND,
  bodyIdleTimeout: 30 * SECOND,
}

export interface UpstreamOptions {
  readonly config: Config
  readonly tls: TlsFiles
  readonly clock: Clock
  /** Milliseconds. Default: `LIMITS`. */
  readonly limits?: Partial<typeof LIMITS> | undefined
  /** Called for every opened connection, or with the stage at which opening failed. */
  readonly onConnect?: (outcome: 'opened' | ConnectFailure) => void
  /** Default: the system's resolver. */
  readonly resolve?: Resolve
}

export type Upstream = ReturnType<typeof createUpstream>

/** Logins have their own connections, so that they never wait for business calls. */
export const AUTH_CONNECTIONS = 2
/** Milliseconds; a connection is closed this long before iSales's `Keep-Alive: timeout` ends. */
const KEEP_ALIVE_MARGIN = SECOND
const MAX_KEEP_ALIVE = 10 * MINUTE
const CLOSED = new ConnectError({ cause: cause('closed'), detail: NODE_ERROR_CODES.closed })
/** Milliseconds; at the end of its idle time, a connection may close in the moment in which a call gets it. */
const IDLE_MARGIN = 100
/** Milliseconds; bounds the use of an old address after a change of DNS or a load balancer, also under load. */
export const MAX_AGE = 5 * MINUTE

/** @throws {URIError} if the egress proxy's user or password cannot be decoded. */
export function createUpstream(options: UpstreamOptions) {
  const { config, clock } = options
  const { isalesUrl: origin, isalesConnectTimeout: timeout } = config
  const serverName = config.isalesTlsServerName
  const { loginTimeout } = { ...LIMITS, ...options.limits }
  const egress = egressFor(config)
  const lookup = createLookup(timeout, clock, options.resolve)
  let authorityEnd = Infinity
  const onVerified = (end: number): void => void (authorityEnd = end)
  const connectWith = (tls: TlsFiles) =>
    createConnect({ origin, tls, serverName, timeout, egress, lookup, clock, onVerified })
  const connect = connectWith(options.tls)
  const business = new Pool(options, connect, config.isalesMaxConnections)
  const auth = new Pool(options, connect, AUTH_CONNECTIONS)
  /** Without TLS, until a response shows that iSales expects none. */
  const isDoubtful = (): boolean =>
    origin.startsWith('http:') && !business.hasResponded && !auth.hasResponded

  return {
    /** The wait for a connection has no limit: the caller must abort the exchange. */
    dispatch: (exchange: Exchange): void => business.dispatch(exchange),
    classify: (error: unknown): FailureDetails => classify(error, isDoubtful()),
    post: createPost((exchange) => auth.dispatch(exchange), loginTimeout, isDoubtful, clock),
    /** False for a lasting cause. A name that was never found is a typing error; a found one keeps its addresses. */
    mayRecover: ({ code }: Cause): boolean =>
      code !== 'egress-login' && code !== 'name-unknown' && !business.outage.lasts(clock.now()),
    /** Why a business call waited for a connection in vain: the latest attempt failed, not more than 5 s ago. */
    recentFailure: (): FailureDetails | undefined =>
      business.outage.failedLately(clock.now()) ? business.failure?.failure : undefined,
    /** Requests in flight keep their connections. */
    reload(tls: TlsFiles): void {
      authorityEnd = Infinity
      const connectAnew = connectWith(tls)
      for (const pool of [business, auth]) pool.reload(connectAnew)
    },
    /** Milliseconds since 1970: when the first authority of iSales's chain ends; Infinity before a TLS connection. */
    authorityEnd: () => authorityEnd,
    open: () => business.connections.size + auth.connections.size,
    /** Closes all connections; exchanges that are waiting or in flight fail as `closed`. */
    destroy: () => Promise.all([business.destroy(), auth.destroy()]),
  }
}

/**
 * An undici client is one connection with one request at a time. docs/dev/decisions.md explains why undici's `Pool` is not
 * used. A new connection goes to the request that has waited longest. If it cannot be opened and no other is open, that
 * request gets the failure, as do requests without an attempt of their own, and every request once the outage lasts.
 */
class Pool {
  readonly #options: UpstreamOptions
  readonly #max: number
  readonly connections = new Set<PooledConnection>()
  /** Sorted by last use, latest at the end. A connection that closes meanwhile stays until it is found. */
  readonly #idle: PooledConnection[] = []
  readonly #waiting = new Set<Exchange>()
  readonly #leave = (exchange: Exchange): void => void this.#waiting.delete(exchange)
  #opening = 0
  readonly outage = new Outage()
  /** Of the latest attempt that failed. */
  failure: ConnectError | undefined
  hasResponded = false
  /** Set while the outage delays the next attempt. */
  #turn: Timer | undefined
  #connect: Connect
  #destroyed = false

  constructor(options: UpstreamOptions, connect: Connect, max: number) {
    this.#options = options
    this.#connect = connect
    this.#max = max
  }

  dispatch(exchange: Exchange): void {
    if (this.#destroyed) return exchange.abort(CLOSED)
    // Avoids the set: adding every call to a set would keep calls alive.
    const connection = this.#waiting.size === 0 ? this.#free() : undefined
    if (connection !== undefined) return this.#send(exchange, connection)
    exchange.onAbort = this.#leave
    this.#waiting.add(exchange)
    this.#serve()
  }

  reload(connect: Connect): void {
    this.#connect = connect
    for (const connection of this.connections) {
      connection.closing = true
      if (connection.exchange === undefined) this.#close(connection)
    }
  }

  async destroy(): Promise<void> {
    this.#destroyed = true
    for (const exchange of this.#waiting) exchange.abort(CLOSED)
    await Promise.all(Array.from(this.connections, (connection) => destroy(connection)))
  }

  /** Gives connections to the requests that wait longest, and opens one for each of the others. */
  #serve(): void {
    for (const exchange of this.#waiting) {
      const connection = this.#free()
      if (connection === undefined) break
      this.#leave(exchange)
      this.#send(exchange, connection)
    }
    const { clock } = this.#options
    const most = Math.min(this.#waiting.size, this.#max - this.connections.size)
    for (let pause = 0; this.#opening < most && pause === 0;) {
      pause = this.outage.pause(clock.now())
      this.#turn?.cancel()
      if (pause === 0) this.#open()
      else this.#turn = clock.setTimer(() => this.#serve(), pause)
    }
  }

  #send(exchange: Exchange, connection: PooledConnection): void {
    connection.exchange = exchange
    exchange.onDone = connection.onDone
    connection.client.dispatch(exchange.request, exchange)
  }

  #free(): PooledConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) return undefined
      if (connection.closing || connection.socket.destroyed) continue
      if (this.#options.clock.now() < connection.usableUntil) return connection
      this.#close(connection)
    }
  }

  #open(): void {
    const { onConnect, clock } = this.#options
    const connect = this.#connect
    this.#opening += 1
    this.outage.begun(clock.now())
    connect((outcome) => {
      this.#opening -= 1
      const failed = outcome instanceof Error
      this.outage.ended(!failed, clock.now())
      if (failed) {
        this.failure = outcome
        onConnect?.(toConnectFailure(outcome.failure.cause))
        const lasts = this.outage.lasts(clock.now())
        // Until an outage lasts, calls may wait for a connection that is open.
        const isShared =
          !lasts && this.connections.size > 0 && outcome.failure.cause.stage === 'connect'
        const share = Math.max(1, this.#waiting.size - (lasts ? 0 : this.#opening))
        const failing = isShared ? [] : [...this.#waiting].slice(0, share)
        for (const exchange of failing) exchange.abort(outcome)
      } else {
        onConnect?.('opened')
        // The pool was closed meanwhile, or its certificates were replaced.
        if (this.#destroyed || connect !== this.#connect) outcome.destroy()
        else this.#idle.push(this.#add(outcome))
      }
      if (!this.#destroyed) this.#serve()
    })
  }

  #add(socket: Socket): PooledConnection {
    const { config, clock, onConnect } = this.#options
    const limits = { ...LIMITS, ...this.#options.limits }
    const client = new Client(config.isalesUrl, {
      connect: (_, connected) => {
        socket.setTimeout(0)
        // Not in the turn of undici's request. If undici asks again, it lost the connection and wrote nothing.
        queueMicrotask(() => {
          const failure = { cause: cause('connection-closed'), detail: 'ECONNRESET' }
          if (socket.destroyed) return connected(new ConnectError(failure), null)
          connected(null, socket)
          limitHead(socket)
        })
      },
      pipelining: 1,
      keepAliveTimeout: limits.keepAlive,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE,
      // Disabled, because the client's deadline ends a request without a response.
      headersTimeout: 0,
      bodyTimeout: limits.bodyIdleTimeout,
      allowH2: false,
    })
    const maxAgeAt = clock.now() + MAX_AGE
    const idleTime = hiddenOf(client, 'keep alive timeout')
    const usableUntil = (): number =>
      Math.min(maxAgeAt, clock.now() + Number(idleTime()) - IDLE_MARGIN)
    const connection: PooledConnection = {
      client,
      socket,
      usableUntil: usableUntil(),
      exchange: undefined,
      responded: false,
      closing: false,
      onDone: (failed) => {
        // undici knows one turn later whether the connection continues. After a failure it ends, and the client must be
        // closed before its socket is; otherwise undici would open another connection for the aborted request.
        if (failed) connection.closing = true
        // An exchange that wrote nothing has no response.
        else if (connection.exchange?.written === true) {
          connection.responded = this.hasResponded = true
          this.outage.responded()
        }
        if (failed) queueMicrotask(release)
        else setImmediate(release)
      },
    }
    const release = (): void => {
      connection.usableUntil = usableUntil()
      connection.exchange = undefined
      if (connection.closing || socket.destroyed) return this.#close(connection)
      this.#idle.push(connection)
      this.#serve()
    }
    // Closes an unused connection; undici closes one that it has used.
    socket.setTimeout(limits.keepAlive, () => socket.destroy())
    prepareSocket(socket, () => connection.exchange?.resume())
    socket.on('error', (error) => {
      const detail = readErrorCode(error)
      const cause = classifyError(detail, { side: 'isales', stage: 'tls' })
      // iSales verifies our certificate after our side of the handshake is over.
      if (connection.responded || cause.code !== 'own-certificate') return
      onConnect?.('tls')
      connection.exchange?.refused(new ConnectError({ cause, detail }, error))
    })
    // undici, whose listener runs later, must learn of it before its client is closed.
    socket.once('close', () =>
      queueMicrotask(() => {
        if (connection.exchange === undefined) this.#close(connection)
      }),
    )
    this.connections.add(connection)
    return connection
  }

  #close(connection: PooledConnection): void {
    connection.closing = true
    // The connection counts until its socket is closed, so that there are never more than `max`.
    void destroy(connection).then(() => {
      this.connections.delete(connection)
      if (!this.#destroyed) this.#serve()
    })
  }
}

interface PooledConnection {
  readonly client: Client
  readonly socket: Socket
  /** On the pool's clock: the end of its age or of its idle time, which a response's `Keep-Alive` may set. */
  usableUntil: number
  /** Undefined if idle. */
  exchange: Exchange | undefined
  /** A response has arrived, so that the handshake is also over for iSales. */
  responded: boolean
  /** Takes no more requests. */
  closing: boolean
  readonly onDone: NonNullable<Exchange['onDone']>
}

/** An unused client does not know its socket. */
async function destroy({ client, socket }: PooledConnection): Promise<void> {
  await client.destroy()
  socket.destroy()
}

/**
 * Works around defects of undici 7.30. Call it before undici has the socket, so that these listeners run first. When
 * undici is updated, delete each part whose test passes without it.
 */
function prepareSocket(socket: Socket, resume: () => void): void {
  // `Parser.finish` asserts that no response is paused when its connection ends, and would crash the process. It then
  // passes an empty chunk, at which `Exchange` does not pause again (pool.test: "does not crash the process").
  socket.on('end', resume)
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // Otherwise a response that ends with its connection looks complete after a reset (forward-broken.test: "by a reset").
    if (error.code === 'ECONNRESET') error.code = 'ECONNABORTED'
    // undici acts on `close`, which Node does not emit after a TLS error (tls.test: "that breaks after the request").
    socket.destroy()
  })
}

/** Limits a head while it is parsed. undici limits its bytes after a packet, its headers never (forward-broken.test). */
function limitHead(socket: Socket): void {
  const parser = hiddenOf(socket, 'parser')() as Parser | undefined
  // The client was closed meanwhile.
  if (parser === undefined) return
  // undici calls it for each name and each value.
  parser.trackHeader = (bytes) => {
    parser.headersSize += bytes
    if (parser.headersSize > MAX_HEAD || parser.headers.length > 2 * MAX_HEADERS)
      throw new errors.HeadersOverflowError()
  }
}

/** Returns a function that reads a property whose symbol undici does not export. */
function hiddenOf(object: object, name: string): () => unknown {
  const symbols = Object.getOwnPropertySymbols(object)
  const symbol = symbols.find(({ description }) => description === name) ?? ''
  return () => Reflect.get(object, symbol) as unknown
}

interface Parser {
  readonly headers: readonly Buffer[]
  headersSize: number
  trackHeader: (bytes: number) => void
}
