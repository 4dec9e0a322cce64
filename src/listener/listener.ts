import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import { Server as TlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { classifyHandshakeError, type HandshakeFailure, type Refusal } from '../codes.ts'
import { SECOND, type Timer } from '../clock.ts'
import {
  secureContextOptions,
  type Config,
  type ListenAddress,
  type TlsFiles,
} from '../config/index.ts'
import { refusedRequest } from '../request-summary.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { ConnectionLimiter } from './connection-limiter.ts'
import { addressText, listen } from './listen.ts'

export interface ListenerLimits extends Pick<Config, 'listenMaxConnections'> {
  /** Milliseconds without a byte: of a body that is awaited, 408; of a response that is not taken, closed. */
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
  /** Gives the address. */
  readonly setting: string
  readonly address: ListenAddress
  /** With `ca`, a client without a certificate of that CA is refused. Default: plain HTTP. */
  readonly tls?: TlsFiles | undefined
  /** Of client certificates: a client whose certificate has none of them is refused. Default: any name. */
  readonly clientNames?: readonly string[] | undefined
  readonly limits: ListenerLimits
  /** Each TLS handshake of a client that failed. */
  readonly onHandshakeFailure?: (reason: HandshakeFailure) => void
}

/** Request line and headers together, bytes. */
const MAX_HEADER_SIZE = 16 * 1024
/** Milliseconds. */
const DRAIN_STEP = 50
/** Milliseconds; a client far away needs less than a second. */
const MAX_HANDSHAKE = 5 * SECOND

/**
 * HTTP/1.1 over TCP or TLS, on Node's own server. A client that closes its side of the connection is
 * taken as gone, as nginx and Go's net/http do.
 */
export function createListener(options: ListenerOptions) {
  const { clock, limits, onRequest, onRefused } = options
  /** On which HTTP is spoken. */
  const connections = new Map<Socket, Connection>()
  let draining = false
  const server = createServer(options)
  const limiter = new ConnectionLimiter(limits.listenMaxConnections, (socket) =>
    onRefused(refusedRequest({ socket }, 'connections')),
  )
  // A machine out of descriptors or memory fails an accept (ENFILE, ENOBUFS): that connection is lost, not the process.
  server.on('error', () => undefined)
  server.on('connection', (socket: Socket) => limiter.admit(socket))
  // Before Node's own listener, which reads requests.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (hasName(socket, options.clientNames)) return
    options.onHandshakeFailure?.('other-name')
    socket.destroy()
  })
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    connections.set(socket, new Connection(socket, parts))
    socket.once('close', () => connections.delete(socket))
  })

  const parts = { limiter, clock, closing: () => draining, onRequest, onRefused }
  for (const event of ['request', 'checkContinue', 'checkExpectation'])
    server.on(event, ({ socket, httpVersion }: IncomingMessage, response: ServerResponse) => {
      // RFC 9112 section 6.1: not even to one that sends TE, which Node takes for leave.
      if (httpVersion === '1.0') response.useChunkedEncodingByDefault = false
      connections.get(socket)?.announce(response)
    })
  server.on('timeout', (socket: Socket) => connections.get(socket)?.idle(limits.idleTimeout))
  server.on('connect', (_request, socket: Socket) => connections.get(socket)?.refuseTunnel())
  server.on('clientError', (error: ParserError, socket: Socket) => {
    const refusal = refusalOf(error)
    if (refusal === undefined) socket.destroy()
    else connections.get(socket)?.fail(refusal, error.rawPacket)
  })
  // Node gives it to `clientError`, too, which closes the connection.
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    // Node declares an Error, and sets the name of OpenSSL's result, or null.
    const certificate = socket.authorizationError as unknown as string | null
    options.onHandshakeFailure?.(classifyHandshakeError(error.code, certificate ?? undefined))
  })

  return {
    /**
     * @returns `http://127.0.0.1:8080` or `https://[::1]:8443`, with the port that was bound.
     * @throws ListenError
     */
    async start(): Promise<string> {
      await listen(server, options.setting, options.address)
      return addressText(options.address, server)
    },

    /**
     * Serves on, and every response closes its connection: behind a load balancer, clients move to another proxy
     * between two requests. A connection that is closed when it is idle may be sent a request just then, which is lost.
     */
    drain(): void {
      draining = true
    },

    /**
     * Accepts no more, closes idle connections, lets requests in progress end; after `grace` milliseconds what is left
     * is cut.
     *
     * @example
     * stop(25_000) at 0 s:
     * - idle connections: closed at 0.05 s, when nothing has come since the look at 0 s
     * - a request in progress whose response comes at 3 s: whole, and then the connection closes
     * - a response that is still being sent at 25 s: cut
     */
    async stop(grace: number): Promise<void> {
      draining = true
      // Not http's close: it cuts responses that have been handed over but have not left yet.
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
      // Nothing is left to close: this ends Node's own check of connections.
      server.close()
    },

    /**
     * For connections to come; those that are open go on. Node makes new session ticket keys with it, so that no
     * session of a client CA that has been withdrawn is resumed: OpenSSL would not verify its certificate again.
     */
    replaceTls(tls: TlsFiles): void {
      if (server instanceof TlsServer) server.setSecureContext(contextOf(tls))
    },

    connections: () => limiter.sockets().length,
  }
}

function createServer({ limits, tls }: ListenerOptions) {
  const { headerTimeout, idleTimeout, keepAlive } = limits
  const http = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: headerTimeout,
    // The deadline of a call ends a body that comes slowly.
    requestTimeout: 0,
    keepAliveTimeout: keepAlive,
    // A timeout is late by a fifth at most, and no check follows another within 50 ms.
    connectionsCheckingInterval: Math.min(1000, Math.max(50, Math.floor(headerTimeout / 10))),
    insecureHTTPParser: false,
    // The proxy validates Host, and refuses it in our own words.
    requireHostHeader: false,
    noDelay: true,
  }
  const server =
    tls === undefined
      ? createHttpServer(http)
      : createHttpsServer({
          ...http,
          ...contextOf(tls),
          handshakeTimeout: Math.min(headerTimeout, MAX_HANDSHAKE),
          requestCert: tls.ca !== undefined,
          rejectUnauthorized: true,
        })
  server.timeout = idleTimeout
  return server
}

/** By the rules of RFC 9525 without wildcards; the common name counts beside DNS names. */
function hasName(socket: TLSSocket, names: readonly string[] | undefined): boolean {
  const certificate = names && socket.getPeerX509Certificate()
  const how = { subject: 'always', wildcards: false } as const
  return names?.some((name) => certificate?.checkHost(name, how) !== undefined) ?? true
}

/** RFC 9325 section 3.1.1: nothing below TLS 1.2. */
function contextOf(tls: TlsFiles): SecureContextOptions {
  return { ...secureContextOptions(tls), minVersion: 'TLSv1.2' }
}

/** As Node hands it to `clientError`. */
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
