import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { REFUSALS, type Refusal } from '../codes.ts'
import type { ClientConnection } from '../hono-adapter.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { problemBytes, writeProblem } from '../problem.ts'
import type { ConnectionLimiter, Slot } from './connection-limiter.ts'

export interface ConnectionOptions {
  readonly limiter: ConnectionLimiter
  readonly clock: Clock
  /** Returns true during a drain. */
  readonly closing: () => boolean
  /** Calls a function in a later turn of the event loop; never two of all connections in one turn. */
  readonly onTurn: (run: () => void) => void
  /** The same, separately: dropped bytes do not delay the parsing of other bodies. */
  readonly onDropTurn: ConnectionOptions['onTurn']
  /** Must not throw. If the request expects `100-continue`, call `response.writeContinue()` before reading its body. */
  readonly onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    connection: ClientConnection,
  ) => void
  /** Called for every request that the listener refuses. It has a request id only if it got a response. */
  readonly onRefused: (request: RequestSummary) => void
}

/** Node parses pipelined requests, which takes memory. */
const MAX_PIPELINED = 16
/** Bytes that Node parses in one turn if the body is chunked. */
const PIECE = 2 * 1024
/** Milliseconds for which a client may still send after our side is closed. */
const MAX_LINGER = 2000
/** The method of a request whose head is malformed, if the request began with the packet. */
const METHOD = /^([A-Z]{1,16}) \//
const MAX_METHOD = 20
/** Bytes, without trailers. */
const LAST_CHUNK = '0\r\n\r\n'.length

/**
 * A client's connection after its TLS handshake. A pipelined request, which arrives before the response in progress has
 * ended, is not served, and the connection closes after that response (RFC 9112 section 9.3.2: the client may repeat it).
 *
 * Why Node's own mechanisms are not enough:
 * - `#linger`: only `Socket.destroySoon` is called after a response that closes the connection.
 * - `#pausePipelined`: `maxRequestsPerSocket` responds to pipelined requests, and `pause` alone ends with the next `resume`.
 * - `#endOf`: after an offer to upgrade, Node's parser drops the rest of the packet without reporting its length.
 * - `drain`: `Server.closeIdleConnections` cuts a response that Node has but the kernel has not.
 */
export class Connection implements ClientConnection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #slot: Slot
  /** The response in progress, until the kernel has its last byte. */
  #current: ServerResponse | undefined
  /** The next response, if its request arrived after the end of the response in progress: TLS reports `close` late. */
  #next: ServerResponse | undefined
  /** The next request may begin before this response closes. */
  refusedResponse: ServerResponse | undefined
  #pipelined = 0
  #inPieces = false
  #awaitsTurn = false
  /** `bytesRead` at the beginning of the request in progress, and at the latest part of its body if it is chunked. */
  readonly #read = { begin: 0, body: Number.NaN }
  /** The request offers an upgrade, so Node may have dropped requests after it. */
  #mayHaveDropped = false
  /** The drain has found the connection without a request. */
  #wasIdle = false

  constructor(socket: Socket, slot: Slot, options: ConnectionOptions) {
    this.#socket = socket
    this.#slot = slot
    this.#options = options
    slot.connection = this
    socket.destroySoon = () => this.#linger()
    // Node itself resumes a socket, for example at the end of every request.
    socket.on('resume', () => this.#pausePipelined())
  }

  announce(response: ServerResponse): void {
    // RFC 9112 section 9.6: no request is served after a response that closes the connection.
    const isRefused = this.#pipelined > 0 || this.#next !== undefined || !this.#socket.writable
    const current = this.#current
    if (!isRefused && current === undefined) this.#start(response)
    else if (!isRefused && current?.writableEnded && this.#keepsAlive(current))
      this.#next = response
    else this.#refusePipelined(response.req)
  }

  bodyArrived(): void {
    this.#options.limiter.mark(this.#slot, true)
    const response = this.#current
    if (!this.#mayHaveDropped || response === undefined) return
    this.#mayHaveDropped = this.#socket.bytesRead !== this.#endOf(response.req)
    if (this.#mayHaveDropped) response.shouldKeepAlive = false
  }

  refuse(refusal: Refusal): void {
    const response = this.#current
    if (response === undefined) return
    const requestId = randomUUID()
    this.refusedResponse = response
    this.#options.onRefused(refusedRequest(response.req, refusal, requestId))
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal].problem, { requestId, refusal })
  }

  /**
   * Responds to an error of the parser in `packet`. If it is after the request in progress, or in the body of the next one,
   * closes the connection once the response has ended.
   */
  fail(refusal: Refusal, packet?: Buffer): void {
    const current = this.#current
    if (current === undefined) {
      if (this.#socket.writable) this.#refuseUnread(refusal, packet)
    } else if (!current.req.complete && !current.headersSent) this.refuse(refusal)
    // The client has left.
    else if (this.#socket.readableEnded) this.#socket.destroy()
    else if (current.shouldKeepAlive) {
      current.shouldKeepAlive = false
      const next = this.#next?.req
      const isInNext = next?.complete === false
      if (isInNext) this.#next = undefined
      this.#options.onRefused(refusedRequest(isInNext ? next : { socket: this.#socket }, refusal))
    }
  }

  /** Closes the connection in favor of another client, after reading bytes that tell a lost call from an idle connection. */
  evict(refusal: Refusal): void {
    const socket = this.#socket
    // Its last response has been sent.
    if (!socket.writable) return void socket.destroy()
    const summary = refusedRequest({ socket }, refusal)
    this.refusedResponse = this.#current
    dropInput(socket, this.#options.onDropTurn)
    setImmediate(() => {
      setImmediate(() => {
        const isCaller = socket.bytesRead > this.#read.begin
        this.#options.onRefused({ ...summary, isCaller })
        socket.destroy()
      })
    })
  }

  /** Handles `limit` milliseconds without a byte, or the end of the keep-alive time between two requests. */
  idle(limit: number): void {
    const socket = this.#socket
    const current = this.#current
    // Node's own timers end a late head. The next byte restarts this timer.
    if (current === undefined && socket.timeout === limit) return
    // The keep-alive time is over, or the client does not read the response.
    if (current === undefined || socket.writableLength > 0) socket.destroy()
    else if (!current.req.complete && !current.headersSent) this.refuse('timeout')
    // iSales is slow.
    else socket.setTimeout(limit)
  }

  /** Closes an idle connection on the second call, not the first, because a reset would lose a request that is on its way. */
  drain(): void {
    this.endAfterResponse()
    if (this.#current !== undefined) return
    if (this.#wasIdle) this.#socket.end(() => this.#socket.destroy())
    this.#wasIdle = true
  }

  /** Makes the response in progress the last one, unless its head has been sent. */
  endAfterResponse(): void {
    if (this.#current?.headersSent === false) this.#current.shouldKeepAlive = false
  }

  #start(response: ServerResponse): void {
    const { req } = response
    this.#current = response
    this.#wasIdle = false
    this.#options.limiter.mark(this.#slot, false)
    if (this.#options.closing() || this.#slot.isRetired) response.shouldKeepAlive = false
    this.#mayHaveDropped = req.headers.upgrade !== undefined
    if (req.headers['transfer-encoding'] !== undefined) {
      if (!this.#inPieces) this.#parseInPieces()
      // `on` would make the body flow.
      if (this.#mayHaveDropped)
        req.prependListener('data', () => (this.#read.body = this.#socket.bytesRead))
    }
    response.on('close', () => this.#end(response))
    this.#options.onRequest(req, response, this)
  }

  /** Gives Node's parser one small piece per turn of the event loop: 64 KiB in chunks of one byte would take 50 ms. */
  #parseInPieces(): void {
    const socket = this.#socket
    const parsers = socket.listeners('data') as ((piece: Buffer) => void)[]
    this.#inPieces = true
    socket.on('data', (bytes: Buffer) => {
      if (bytes.length > PIECE) {
        socket.pause().unshift(bytes.subarray(PIECE))
        this.#awaitsTurn = true
        this.#options.onTurn(() => {
          this.#awaitsTurn = false
          socket.resume()
        })
      }
      for (const parse of parsers) parse(bytes.subarray(0, PIECE))
    })
    for (const parse of parsers) socket.off('data', parse)
  }

  #keepsAlive({ shouldKeepAlive }: ServerResponse): boolean {
    return shouldKeepAlive && !this.#mayHaveDropped
  }

  #end(response: ServerResponse): void {
    const next = this.#next
    this.#current = undefined
    this.#next = undefined
    this.#options.limiter.mark(this.#slot, false)
    if (response.writableFinished && response.statusCode < 400)
      this.#options.limiter.answered(this.#slot, this.#options.clock.now())
    // Too late if the next head has arrived: an offer in it to upgrade costs the connection.
    this.#read.begin = this.#socket.bytesRead
    // Node has closed the connection, unless it sent the response's head before this was decided.
    if (!this.#keepsAlive(response)) this.#linger()
    if (!this.#socket.writable) this.#options.limiter.release(this.#slot)
    if (next !== undefined) this.announce(next)
  }

  #refusePipelined(request: IncomingMessage): void {
    this.#pipelined += 1
    // Node keeps the request, with both forms of its headers, until the connection closes.
    request.rawHeaders.length = 0
    request.headers = {}
    const isCaller = this.#slot.answeredAt > -Infinity
    this.#options.onRefused({ ...refusedRequest(request, 'pipelined'), isCaller })
    if (this.#pipelined > MAX_PIPELINED) return void this.#socket.destroy()
    if (this.#current !== undefined) this.#current.shouldKeepAlive = false
    this.#pausePipelined()
  }

  /** Leaves further pipelined requests in TCP's buffers. */
  #pausePipelined(): void {
    if (this.#pipelined > 0 || this.#awaitsTurn) this.#socket.pause()
  }

  #refuseUnread(refusal: Refusal, packet?: Buffer): void {
    const requestId = randomUUID()
    const socket = this.#socket
    const [, method] = METHOD.exec(packet?.toString('latin1', 0, MAX_METHOD) ?? '') ?? []
    this.#options.onRefused(refusedRequest({ method, socket }, refusal, requestId))
    socket.write(problemBytes(REFUSALS[refusal].problem, { requestId, refusal }))
    this.#linger()
  }

  /** Closes only our side: a reset with bytes unread could cost the client the response (RFC 9112 section 9.6). */
  #linger(): void {
    const socket = this.#socket
    if (!socket.writable) return
    socket.end()
    dropInput(socket, this.#options.onDropTurn)
    const timer = this.#options.clock.setTimer(() => socket.destroy(), MAX_LINGER)
    socket.once('close', () => timer.cancel())
  }

  /**
   * Returns `bytesRead` at the end of a request that offers an upgrade, as every call of Java's HTTP client does. If more
   * was read, Node may have dropped requests, and only closing the connection tells the client. A head with another layout
   * than `Name: value` only costs its connection, like a chunked body whose last chunk arrives with data.
   */
  #endOf(request: IncomingMessage): number {
    const { begin, body } = this.#read
    const { headers, method = '', url = '', rawHeaders } = request
    if (headers['transfer-encoding'] !== undefined) return body + LAST_CHUNK
    const line = `${method} ${url} HTTP/1.1\r\n\r\n`.length
    // Every name has a colon and a space, every value the end of its line.
    const fields = rawHeaders.reduce((sum, text) => sum + text.length + 2, 0)
    return begin + line + fields + Number(headers['content-length'] ?? 0)
  }
}

/** Drops bytes unparsed, one packet of one connection per turn: 64 KiB each of 1,000 connections would take 64 MiB. */
function dropInput(socket: Socket, onTurn: ConnectionOptions['onTurn']): void {
  const drop = (): void => {
    socket.pause()
    onTurn(() => socket.resume())
  }
  socket.removeAllListeners('data').on('data', drop).resume()
}
