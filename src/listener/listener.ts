import { createServer as createHttpServer, IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import { Server as TlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { classifyHandshakeError, type HandshakeFailure } from '../causes.ts'
import type { Refusal } from '../codes.ts'
import { SECOND, type Timer } from '../clock.ts'
import {
  secureContextOptions,
  urlHost,
  type Config,
  type ListenAddress,
  type TlsFiles,
} from '../config/index.ts'
import { refusedRequest } from '../request-summary.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { ConnectionLimiter } from './connection-limiter.ts'
import { listen } from './listen.ts'

export interface ListenerLimits extends Pick<Config, 'listenMaxConnections'> {
  /** Default: the configuration. */
  readonly limitedBy?: Extract<Refusal, 'connections' | 'descriptors'>
  /** Milliseconds without a byte before a body gets a 408, or an unread response is closed. */
  readonly idleTimeout: number
  /** Milliseconds for the head of a request. */
  readonly headerTimeout: number
  /** Milliseconds that a connection without a request stays open. */
  readonly keepAlive: number
}

export interface ListenerOptions extends Pick<
  ConnectionOptions,
  'clock' | 'onRequest' | 'onRefused'
> {
  /** Name of the setting that contains the address. */
  readonly setting: string
  readonly address: ListenAddress
  /** If it has a `ca`, clients need a certificate of that CA. Default: plain HTTP. */
  readonly tls?: TlsFiles | undefined
  /** A client's certificate must contain at least one of these names. Default: any name. */
  readonly clientNames?: readonly string[] | undefined
  readonly limits: ListenerLimits
  /**
   * Called for every failed TLS handshake. `isCaller` is given if the client completed it and left without a word, perhaps a
   * health check: true if a call of its address was answered within the last hour.
   */
  readonly onHandshakeFailure?: (reason: HandshakeFailure, isCaller?: boolean) => void
}

/** Bytes of the request line and all headers together. */
const MAX_HEADER_SIZE = 16 * 1024
/** Milliseconds in which a client checks the certificate. */
const MAX_CHECK = SECOND
/** Milliseconds between two checks for idle connections in a drain. */
const DRAIN_STEP = 50
const MAX_HANDSHAKE = 5 * SECOND

/** Serves HTTP/1.1 over TCP or TLS. A client that closes its side counts as gone, as in nginx and Go's net/http. */
export function createListener(options: ListenerOptions) {
  const { clock, limits, onRequest, onRefused } = options
  /** Connections after their TLS handshake. */
  const connections = new Map<Socket, Connection>()
  /** Closed in their TLS handshake and reported. */
  const evicted = new WeakSet<Socket>()
  let draining = false
  const server = createServer(options)
  const { limitedBy = 'connections' } = limits
  const limiter = new ConnectionLimiter(limits.listenMaxConnections, ({ socket, connection }) => {
    if (connection !== undefined) return connection.evict(limitedBy)
    onRefused(refusedRequest({ socket }, limitedBy))
    evicted.add(socket)
    socket.destroy()
  })
  // If the machine is out of descriptors or memory (ENFILE, ENOBUFS), only the new connection is lost.
  server.on('error', () => undefined)
  server.on('connection', (socket: Socket) => limiter.admit(socket))
  // Before Node's own listener, which reads requests.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (hasName(socket, options.clientNames)) return
    options.onHandshakeFailure?.('client-name')
    socket.destroy()
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const openedAt = clock.now()
    const { remoteAddress } = socket
    // Over TLS 1.2, Node clients check the certificate after the handshake.
    socket.once('close', () => {
      const { bytesRead, readableEnded, errored } = socket
      const hasLeft = bytesRead === 0 && (readableEnded || errored !== null)
      if (!hasLeft || draining || clock.now() - openedAt >= MAX_CHECK) return
      const hasAlert = errored !== null && 'code' in errored && errored.code !== 'ECONNRESET'
      const isCaller = hasAlert ? undefined : limiter.isCaller(remoteAddress, clock.now())
      options.onHandshakeFailure?.('not-trusted', isCaller)
    })
  })
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    const slot = limiter.handshakeDone(socket)
    if (slot === undefined) return void socket.destroy()
    connections.set(socket, new Connection(socket, slot, parts))
    socket.once('close', () => connections.delete(socket))
  })

  const turns = { onTurn: inTurns(), onDropTurn: inTurns() }
  const parts = { limiter, clock, closing: () => draining, ...turns, onRequest, onRefused }
  for (const event of ['request', 'checkContinue', 'checkExpectation'])
    server.on(event, ({ socket, httpVersion }: IncomingMessage, response: ServerResponse) => {
      // RFC 9112 section 6.1: never send chunks to HTTP/1.0. Node would if the client sends TE.
      if (httpVersion === '1.0') response.useChunkedEncodingByDefault = false
      connections.get(socket)?.announce(response)
    })
  server.on('timeout', (socket: Socket) => connections.get(socket)?.idle(limits.idleTimeout))
  server.on('clientError', (error: ParserError, socket: Socket) => {
    const refusal = refusalOf(error)
    if (refusal === undefined) socket.destroy()
    else connections.get(socket)?.fail(refusal, error.rawPacket)
  })
  // Node also emits `clientError`, which closes the connection. A client that leaves when it has our certificate does not
  // trust it; many send no alert.
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const { _parent: raw }: { readonly _parent?: Socket } = socket as object
    if (raw !== undefined && evicted.has(raw)) return
    // Node declares an Error, but sets the name of OpenSSL's result, or null.
    const certificate = socket.authorizationError as unknown as string | null
    const failure = classifyHandshakeError(error.code, certificate ?? undefined)
    const hasSeen = raw !== undefined && raw.bytesWritten > 0 && !draining
    options.onHandshakeFailure?.(failure === 'half-sent' && hasSeen ? 'not-trusted' : failure)
  })

  return {
    /** Returns the URL for clients, with the bound port. @throws ListenError */
    async start(): Promise<string> {
      const port = await listen(server, options.setting, options.address)
      const { host } = options.address
      const scheme = options.tls === undefined ? 'http' : 'https'
      return `${scheme}://${host === '' ? '0.0.0.0' : urlHost(host)}:${port}`
    },

    /** Every response now closes its connection, so that clients of a load balancer move to another proxy. */
    drain(): void {
      draining = true
    },

    /** Lets requests end, and cuts the rest after `grace` milliseconds. */
    async stop(grace: number): Promise<void> {
      draining = true
      // http's own `close` would cut responses that Node has but the kernel has not.
      const closed = new Promise<void>((resolve) => {
        NetServer.prototype.close.call(server, () => resolve())
      })
      let next: Timer | undefined
      const drainAll = (): void => {
        for (const connection of connections.values()) connection.drain()
        next = clock.setTimer(drainAll, DRAIN_STEP)
      }
      drainAll()
      const cut = clock.setTimer(() => {
        for (const socket of limiter.sockets()) socket.destroy()
      }, grace)
      await closed
      next?.cancel()
      cut.cancel()
      // Ends Node's own check of connections.
      server.close()
    },

    /**
     * Uses these files for new connections, and closes previous ones behind their next response. Node also creates new
     * session ticket keys, so that no client resumes a session of a withdrawn client CA.
     */
    replaceTls(tls: TlsFiles): void {
      if (server instanceof TlsServer) server.setSecureContext(contextOf(tls))
      limiter.retireAll()
    },

    connections: () => limiter.sockets().length,
  }
}

/** Returns a function that calls functions in later turns of the event loop, one in each. */
function inTurns(): ConnectionOptions['onTurn'] {
  const waiting: (() => void)[] = []
  const turn = (): void => {
    waiting.shift()?.()
    if (waiting.length > 0) setImmediate(turn)
  }
  return (run) => {
    if (waiting.push(run) === 1) setImmediate(turn)
  }
}

/**
 * Ends the parsing of a packet when its connection is destroyed, through the field at which Node stops: an upgrade.
 * Otherwise, 64 connections with 3,600 requests in 64 KiB each took 620 MiB.
 */
class StoppableRequest extends IncomingMessage {
  get upgrade(): boolean {
    return this.socket.destroyed
  }

  // Node assigns the field.
  set upgrade(_: unknown) {}
}

function createServer({ limits, tls }: ListenerOptions) {
  const { headerTimeout, idleTimeout, keepAlive } = limits
  const http = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: headerTimeout,
    // The call's deadline ends a slow body.
    requestTimeout: 0,
    keepAliveTimeout: keepAlive,
    // A timeout is late by at most a fifth; checks are at least 50 ms apart.
    connectionsCheckingInterval: Math.min(1000, Math.max(50, Math.floor(headerTimeout / 10))),
    IncomingMessage: StoppableRequest,
    // Overrides Node's flag of this name.
    insecureHTTPParser: false,
    // The proxy itself validates Host.
    requireHostHeader: false,
  }
  const server =
    tls === undefined
      ? createHttpServer(http)
      : createHttpsServer({
          ...http,
          ...contextOf(tls),
          handshakeTimeout: Math.min(headerTimeout, MAX_HANDSHAKE),
          requestCert: tls.ca !== undefined,
        })
  server.timeout = idleTimeout
  return server
}

/** Checks a client's name by RFC 9525, without wildcards, and with the common name next to DNS names. */
function hasName(socket: TLSSocket, names: readonly string[] | undefined): boolean {
  const certificate = names && socket.getPeerX509Certificate()
  const how = { subject: 'always', wildcards: false } as const
  return names?.some((name) => certificate?.checkHost(name, how) !== undefined) ?? true
}

/** RFC 9325 section 3.1.1: nothing below TLS 1.2. */
function contextOf(tls: TlsFiles): SecureContextOptions {
  return { ...secureContextOptions(tls), minVersion: 'TLSv1.2' }
}

type ParserError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer }

/** RFC 8446 section 5.1: the first byte of a handshake. */
const TLS_HANDSHAKE = 0x16

/** Meaning of the parser's errors to the client; every other one is `parser`. */
const PARSER_ERRORS: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
  HPE_HEADER_OVERFLOW: 'headers',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'chunk-extensions',
  HPE_INVALID_EOF_STATE: 'half-sent',
}

/** Returns undefined if the client is gone and cannot be told. */
function refusalOf({ code = '', rawPacket }: ParserError): Refusal | undefined {
  if (code === 'HPE_INVALID_METHOD' && rawPacket?.[0] === TLS_HANDSHAKE) return 'tls-to-http'
  return PARSER_ERRORS[code] ?? (code.startsWith('HPE_') ? 'parser' : undefined)
}
