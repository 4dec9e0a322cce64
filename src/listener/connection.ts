import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { REFUSALS, type Refusal } from '../codes.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { problemBytes, writeProblem } from '../problem.ts'
import type { ConnectionLimiter, Slot } from './connection-limiter.ts'

export interface ConnectionOptions {
  readonly limiter: ConnectionLimiter
  readonly clock: Clock
  /** True from a drain on: every response closes its connection. */
  readonly closing: () => boolean
  /**
   * Every request that is served, including one with `Expect`: write 100 with `response.writeContinue()` before reading
   * the body of one that expects `100-continue`. It must not throw. Call `begin` when the request is one that others wait
   * for: until the end of the response its connection is not closed. A request whose body cannot be read is refused and
   * reported here: `refused` is true when its response has closed.
   */
  readonly onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    connection: Pick<Connection, 'begin' | 'refused'>,
  ) => void
  /** Every request that was refused here. Without a request id it got no response: the connection was closed. */
  readonly onRefused: (request: RequestSummary) => void
}

/** Maximum requests ahead of the response in progress. Node parses them, which takes memory. */
const MAX_AHEAD = 16
/** Milliseconds for which a client may still send after our side is closed. */
const MAX_LINGER = 2000
/** The method of a request whose head is malformed, if the request began with the packet. */
const METHOD = /^([A-Z]{1,16}) \//
const MAX_METHOD = 20
/** Bytes of the last chunk of a body, without trailers. */
const LAST_CHUNK = '0\r\n\r\n'.length

/**
 * One client connection after its TLS handshake. It serves one request at a time. A request ahead, which arrives before
 * the response in progress has ended, is not served, and the connection closes behind that response (RFC 9112 section
 * 9.3.2: the client may repeat the request).
 *
 * Four parts look as if Node had something plainer, and each was tried:
 * - `#linger`: `Socket.destroySoon` is the only hook behind a response that closes the connection.
 * - `#pauseAhead`: `maxRequestsPerSocket` responds to requests ahead, and `pause` alone ends with the next `resume`.
 * - `#endOf`: after an offer to upgrade Node's parser drops the rest of the packet, and tells nobody how much that is.
 * - `drain`: `Server.closeIdleConnections` cuts a response that Node has been given but the kernel has not.
 */
export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #slot: Slot | undefined
  /** The response in progress, until the kernel has the last byte of it. */
  #current: ServerResponse | undefined
  /** The request in progress was refused and reported here. */
  refused = false
  /** Requests ahead of the response in progress. */
  #ahead = 0
  /** `bytesRead` at the beginning of the request in progress, and at the latest part of its body if that is watched. */
  readonly #read = { begin: 0, body: Number.NaN }
  /** The request offers an upgrade, and requests behind it may have been dropped. */
  #mayHaveDropped = false
  /** A drain has found the connection without a request. */
  #wasIdle = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#slot = options.limiter.slotOf(socket)
    socket.destroySoon = () => this.#linger()
    // Node resumes a socket on its own, such as at the end of every request.
    socket.on('resume', () => this.#pauseAhead())
  }

  /** The head of a request arrived. */
  announce(response: ServerResponse): void {
    // RFC 9112 section 9.6: nothing is served behind a response that closes the connection.
    if (this.#current === undefined && this.#socket.writable) this.#begin(response)
    else this.#refuseAhead(response.req)
  }

  /** The request is whole, and its call is in flight: the connection is not closed for others until its response ends. */
  begin(): void {
    this.#options.limiter.markActive(this.#slot)
    const response = this.#current
    if (!this.#mayHaveDropped || response === undefined) return
    this.#mayHaveDropped = this.#socket.bytesRead !== this.#endOf(response.req)
    if (this.#mayHaveDropped) response.shouldKeepAlive = false
  }

  /**
   * The parser failed. If it failed in the body of the request in progress, the response to that request says so. If it
   * failed behind that request, the connection closes after the response.
   *
   * @param packet in which the error was found.
   */
  fail(refusal: Refusal, packet?: Buffer): void {
    const current = this.#current
    if (current === undefined) {
      if (this.#socket.writable) this.#refuseUnread(refusal, packet)
    } else if (!current.req.complete && !current.headersSent) this.#refuse(current, refusal)
    // The client has left.
    else if (this.#socket.readableEnded) this.#socket.destroy()
    else if (current.shouldKeepAlive) {
      current.shouldKeepAlive = false
      this.#options.onRefused(refusedRequest({ socket: this.#socket }, refusal))
    }
  }

  /** Refuses CONNECT. Node has taken its own listeners off the connection, on which a response may be in progress. */
  refuseTunnel(): void {
    const destroy = (): void => void this.#socket.destroy()
    this.#socket.on('error', destroy).on('end', destroy).resume()
    this.#socket.on('drain', () => this.#current?.emit('drain'))
    this.fail('method')
  }

  /** Nothing was received or sent for `limit` milliseconds, or between two requests for the keep-alive time. */
  idle(limit: number): void {
    const socket = this.#socket
    const current = this.#current
    // Node's own timers end a head that is late. The next byte starts this timer again.
    if (current === undefined && socket.timeout === limit) return
    // The keep-alive time is over, or the client does not read the response.
    if (current === undefined || socket.writableLength > 0) socket.destroy()
    else if (!current.req.complete && !current.headersSent) this.#refuse(current, 'timeout')
    // iSales is slow.
    else socket.setTimeout(limit)
  }

  /**
   * Makes the response in progress the last one. A connection without a request is closed at the second look: at the first
   * one a request may be on its way, which a reset would lose.
   */
  drain(): void {
    if (this.#current?.headersSent === false) this.#current.shouldKeepAlive = false
    if (this.#current !== undefined) return
    if (this.#wasIdle) this.#socket.end(() => this.#socket.destroy())
    this.#wasIdle = true
  }

  #begin(response: ServerResponse): void {
    const { req } = response
    this.#current = response
    this.refused = false
    this.#wasIdle = false
    this.#options.limiter.markIdle(this.#slot)
    if (this.#options.closing()) response.shouldKeepAlive = false
    this.#mayHaveDropped = req.headers.upgrade !== undefined
    // `on` would make the body flow.
    if (this.#mayHaveDropped && req.headers['transfer-encoding'] !== undefined)
      req.prependListener('data', () => (this.#read.body = this.#socket.bytesRead))
    response.on('close', () => this.#end(response))
    this.#options.onRequest(req, response, this)
  }

  #end({ shouldKeepAlive }: ServerResponse): void {
    this.#current = undefined
    this.#options.limiter.markIdle(this.#slot)
    this.#read.begin = this.#socket.bytesRead
    // Node has closed it, unless the head of the response was sent before that was known.
    if (!shouldKeepAlive || this.#mayHaveDropped) this.#linger()
  }

  #refuseAhead(request: IncomingMessage): void {
    this.#ahead += 1
    // Node keeps the request until the connection is closed, with both forms of its headers.
    request.rawHeaders.length = 0
    request.headers = {}
    this.#options.onRefused(refusedRequest(request, 'pipelined'))
    if (this.#ahead > MAX_AHEAD) return void this.#socket.destroy()
    if (this.#current !== undefined) this.#current.shouldKeepAlive = false
    this.#pauseAhead()
  }

  /** Leaves further requests ahead to TCP: here they would only take memory. */
  #pauseAhead(): void {
    if (this.#ahead > 0) this.#socket.pause()
  }

  /** Responds to a request, and closes the connection. */
  #refuse(response: ServerResponse, refusal: Refusal): void {
    const requestId = randomUUID()
    this.refused = true
    this.#options.onRefused(refusedRequest(response.req, refusal, requestId))
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal][0], { requestId, refusal })
  }

  /** Responds to a request that could not be read, and closes the connection. */
  #refuseUnread(refusal: Refusal, packet?: Buffer): void {
    const requestId = randomUUID()
    const socket = this.#socket
    const [, method] = METHOD.exec(packet?.toString('latin1', 0, MAX_METHOD) ?? '') ?? []
    this.#options.onRefused(refusedRequest({ method, socket }, refusal, requestId))
    socket.write(problemBytes(REFUSALS[refusal][0], { requestId, refusal }))
    this.#linger()
  }

  /**
   * Closes our side of the connection alone. If all of it was closed with bytes of the client unread, TCP would reset it,
   * and the client could lose the response (RFC 9112 section 9.6). Bytes that still arrive are dropped, until the client
   * closes its side, and for 2 s at most.
   */
  #linger(): void {
    const socket = this.#socket
    if (!socket.writable) return
    socket.end()
    socket.resume()
    const timer = this.#options.clock.setTimer(() => socket.destroy(), MAX_LINGER)
    socket.once('close', () => timer.cancel())
  }

  /**
   * Returns what `bytesRead` is at the end of a request that offers an upgrade, which Java's HTTP client does with every
   * call. If more bytes were read, Node's parser may have dropped requests behind it, and only closing the connection
   * tells the client. The head's length is the usual one, with `: ` in every line; any other head just costs its
   * connection. So does a chunked body whose last chunk has no packet of its own.
   */
  #endOf({ method = '', url = '', rawHeaders, headers }: IncomingMessage): number {
    const { begin, body } = this.#read
    if (headers['transfer-encoding'] !== undefined) return body + LAST_CHUNK
    const head = [`${method} ${url} HTTP/1.1`]
    for (let i = 0; i < rawHeaders.length; i += 2)
      head.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`)
    return begin + [...head, '', ''].join('\r\n').length + Number(headers['content-length'] ?? 0)
  }
}
