import { createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Server as NetServer, Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { Server as TlsServer } from 'node:tls'
import type { ProblemCode } from '../http/problem.ts'
import { addressText, listen } from './address.ts'
import type { ListenAddress } from './address.ts'
import type { Client } from '../http/client.ts'
import { createConnections } from './connections.ts'
import { readTls, reloadTls } from './tls.ts'
import type { ListenerTls } from './tls.ts'

/** Durations in milliseconds. */
export interface ListenerLimits {
  /** From the first byte of a connection or request to the end of its header. */
  readonly headerTimeout: number
  /** Without a byte of a body that is awaited: 408; of an answer that the client is to take: closed. */
  readonly bodyIdleTimeout: number
  /** Served at once; the next ones are answered 503, and far beyond it closed unheard. */
  readonly maxConnections: number
  /** How long a connection without a request stays open. Default 65 s. */
  readonly keepAliveTimeout?: number
}

export interface ListenerOptions {
  readonly address: ListenAddress
  /** Permission bits of a Unix socket. Default 0600. */
  readonly socketMode?: number
  readonly tls?: ListenerTls
  /** Calls back when one of the files has changed; answers a function that ends the watch. */
  readonly watchFiles?: (paths: readonly string[], onChange: () => void) => () => void
  /** Each reload of the TLS files: the error when they were bad and the old ones stay. */
  readonly onTlsReload?: (error: unknown) => void
  /**
   * Each request, one with `Expect` included: write 100 with `response.writeContinue()` before reading the body of
   * one that expects `100-continue`. Must not throw.
   */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse, client: Client) => void
  readonly limits: ListenerLimits
  /** Monotonic milliseconds. Default: the clock of the machine. */
  readonly now?: () => number
  /** Each answer that the listener gave by itself. */
  readonly onClientError?: (code: ProblemCode) => void
}

interface ListenerAddress {
  /** `http://127.0.0.1:8080`, `https://[::1]:8443` or `unix:/run/isales/proxy.sock`. */
  readonly text: string
  /** The port that was bound; 0 for a Unix socket. */
  readonly port: number
}

export interface Listener {
  /** @throws ListenError, or what the TLS files are guilty of. */
  start(): Promise<ListenerAddress>
  /**
   * Serves on, and every answer closes its connection: behind a load balancer, clients move to another proxy between two
   * requests. A connection that is closed when it is idle may meet the next request on its way, which is lost.
   */
  retire(): void
  /**
   * Accepts no more, closes idle connections, lets requests in progress end; after `grace` milliseconds
   * what is left is cut. A Unix socket is removed.
   */
  stop(grace: number): Promise<void>
  connections(): number
}

/** Request line and header fields together, bytes. */
const MAX_HEADER_SIZE = 16 * 1024
/** Longer than a polling client's pause, so that it seldom meets a connection that is just closing. */
const DEFAULT_KEEP_ALIVE = 65_000
/** TCP keep-alive probes after this: a peer that vanished without a word is noticed. */
const TCP_KEEP_ALIVE = 60_000
const DRAIN_STEP = 50

/** HTTP/1.1 over TCP, TLS or a Unix socket, on Node's own server. */
export function createListener(options: ListenerOptions): Listener {
  const { limits, onRequest } = options
  const connections = createConnections({
    maxConnections: limits.maxConnections,
    bodyIdleTimeout: limits.bodyIdleTimeout,
    now: options.now ?? (() => performance.now()),
    onProblem: (code) => options.onClientError?.(code),
  })
  const sockets = new Set<Socket>()
  const server = createServer(options)
  // Twice the cap still gets an answer; a flood beyond it is not worth a parser each.
  server.maxConnections = limits.maxConnections * 2
  // Node would drop the fields above it without a word; the size limit bounds their number.
  server.maxHeadersCount = 0
  // A client that closes its sending side behind its request still waits for the answer.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('drop', () => options.onClientError?.('overloaded'))
  // A machine out of descriptors or memory fails an accept (ENFILE, ENOBUFS): that connection is lost, not the process.
  server.on('error', () => undefined)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', connections.add)

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    // RFC 9112 section 6.1: not even to one that sends TE, which Node takes for leave.
    if (request.httpVersion === '1.0') response.useChunkedEncodingByDefault = false
    const client = connections.admit(request, response)
    if (client !== undefined) onRequest(request, response, client)
  }
  server.on('request', handle)
  server.on('checkContinue', handle)
  server.on('checkExpectation', handle)
  server.on('connect', (_request, socket) => {
    if (socket instanceof Socket) connections.takeOver(socket)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const code = problemOf(error.code)
    if (code !== undefined && socket instanceof Socket) connections.fail(socket, code)
    else socket.destroy()
  })

  let sweeping: NodeJS.Timeout | undefined
  let unwatch: (() => void) | undefined

  async function start(): Promise<ListenerAddress> {
    await listen(server, options.address, options.socketMode ?? 0o600)
    sweeping = setInterval(connections.sweep, checkInterval(limits.bodyIdleTimeout)).unref()
    unwatch = watchTls()
    const bound = server.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    return { text: addressText(options.address, { port, tls: options.tls !== undefined }), port }
  }

  function watchTls(): (() => void) | undefined {
    const { tls, watchFiles } = options
    if (tls === undefined || !(server instanceof TlsServer)) return undefined
    const files = [tls.certFile, tls.keyFile, tls.clientCaFile].filter((path) => path !== undefined)
    return watchFiles?.(files, () => {
      try {
        reloadTls(server, tls)
        options.onTlsReload?.(undefined)
      } catch (error) {
        options.onTlsReload?.(error)
      }
    })
  }

  async function stop(grace: number): Promise<void> {
    unwatch?.()
    // Not http's close: it cuts answers that have been handed over but have not left yet.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(server, () => resolve())
    })
    connections.drain()
    const step = setInterval(connections.drain, DRAIN_STEP)
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, grace)
    await closed
    clearInterval(step)
    clearTimeout(cut)
    clearInterval(sweeping)
    // Nothing is left to close: this ends Node's own check of connections.
    server.close()
  }

  return { start, retire: connections.retire, stop, connections: () => sockets.size }
}

function createServer(options: ListenerOptions) {
  const { headerTimeout, keepAliveTimeout } = options.limits
  const http: ServerOptions = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: headerTimeout,
    // A long upload is not slow while it moves: the body idle timeout governs.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeout ?? DEFAULT_KEEP_ALIVE,
    connectionsCheckingInterval: checkInterval(headerTimeout),
    insecureHTTPParser: false,
    // The intake judges Host, and answers in our own words.
    requireHostHeader: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE,
  }
  const { tls } = options
  if (tls === undefined) return createHttpServer(http)
  return createHttpsServer({
    ...http,
    ...readTls(tls),
    handshakeTimeout: headerTimeout,
    requestCert: tls.clientCaFile !== undefined,
    rejectUnauthorized: true,
  })
}

/** Often enough that a timeout is late by a tenth at most, and never more than once in 50 ms. */
function checkInterval(timeout: number): number {
  return Math.min(1000, Math.max(50, Math.floor(timeout / 10)))
}

const PARSER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/** What the parser's error means to the client; undefined when it is gone and nothing can be said. */
function problemOf(code = ''): ProblemCode | undefined {
  return PARSER_PROBLEMS[code] ?? (code.startsWith('HPE_') ? 'bad-request' : undefined)
}
