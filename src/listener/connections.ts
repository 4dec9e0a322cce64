import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { REFUSALS, type Refusal } from '../causes.ts'
import { refusedRequest, type RequestSummary } from '../request-summary.ts'
import { problemBytes, writeProblem } from '../problem.ts'

export interface ConnectionOptions {
  readonly gate: Gate
  readonly clock: Clock
  /** True from a drain on: each response closes its connection. */
  readonly closing: () => boolean
  readonly onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
  ) => void
  /** Each request that was refused here. Without a request id it got no response: the connection was closed. */
  readonly onRefused: (request: RequestSummary) => void
}

/** Requests that may come before the response to the one in progress. They are parsed, which takes memory. */
const MAX_AHEAD = 16
/** Milliseconds for which a client may go on sending what nobody wants. */
const MAX_LINGER = 2000
/** The method of a request whose head is malformed, if it began with the packet. */
const METHOD = /^([A-Z]{1,16}) \//
const MAX_METHOD = 20
/** Bytes of the last chunk of a body, without trailers. */
const LAST_CHUNK = '0\r\n\r\n'.length

/**
 * One client connection after its TLS handshake. It serves one request at a time: one that comes before the response to
 * the one in progress is not served, and the connection closes behind that response (RFC 9112 section 9.3.2: the client
 * may repeat it).
 */
export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #place: Place | undefined
  /** Until the kernel has the last byte of it. */
  #current: ServerResponse | undefined
  /** The request in progress was refused and reported here. */
  refused = false
  /** Requests that came before the response to the one in progress. */
  #ahead = 0
  /** Bytes received when the next request begins. */
  #boundary = 0
  /** Bytes received when a drain last looked; NaN: it has not. */
  #drained = Number.NaN

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#place = options.gate.placeOf(socket)
    // Node calls it in one place: behind a response that closes the connection.
    socket.destroySoon = () => this.#linger()
    // Node resumes a socket by itself, such as at the end of each request.
    socket.on('resume', () => this.#stopReadingAhead())
  }

  /** The head of a request has come. */
  announce(response: ServerResponse): void {
    // RFC 9112 section 9.6: nothing is served behind a response that closes the connection.
    if (this.#current === undefined && this.#socket.writable) this.#begin(response)
    else this.#refuseAhead(response.req)
  }

  /** Its call is in flight: until its response has ended it is not closed for others. */
  begin(): void {
    this.#options.gate.busy(this.#place)
  }

  /**
   * What came could not be read. When it is in the body of the request in progress, the response to that one says so.
   * Behind that request, the connection closes after the response.
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

  /** CONNECT is refused. Node has taken its own listeners off the connection, on which a response may be in progress. */
  refuseTunnel(): void {
    const destroy = (): void => void this.#socket.destroy()
    this.#socket.on('error', destroy).on('end', destroy).resume()
    this.#socket.on('drain', () => this.#current?.emit('drain'))
    this.fail('method')
  }

  /** Nothing was received or sent for `limit` milliseconds, or between two requests for as long as it is kept. */
  idle(limit: number): void {
    const socket = this.#socket
    const current = this.#current
    // Between two requests Node's own timers end a head that is late, and a connection that is kept.
    if (current === undefined && socket.timeout === limit) socket.setTimeout(0)
    // It is kept no longer, or its client takes nothing of the response.
    else if (current === undefined || socket.writableLength > 0) socket.destroy()
    else if (!current.req.complete && !current.headersSent) this.#refuse(current, 'timeout')
    // iSales is slow.
    else socket.setTimeout(limit)
  }

  /**
   * The response in progress is the last one; a connection without one is closed when nothing has come between two
   * looks. At the first look a new connection may have a request on its way, which a reset would lose.
   */
  drain(): void {
    if (this.#current?.headersSent === false) this.#current.shouldKeepAlive = false
    if (this.#current !== undefined) return
    const { bytesRead } = this.#socket
    // Node's `closeIdleConnections` would cut a response that was handed over but has not left yet.
    if (this.#drained === bytesRead) this.#socket.end(() => this.#socket.destroy())
    this.#drained = bytesRead
  }

  #begin(response: ServerResponse): void {
    this.#current = response
    this.refused = false
    this.#options.gate.idle(this.#place)
    if (this.#options.closing()) response.shouldKeepAlive = false
    if (response.req.headers.upgrade !== undefined) this.#ignoreUpgrade(response)
    response.on('close', () => this.#end(response))
    this.#options.onRequest(response.req, response, this)
  }

  #end({ shouldKeepAlive }: ServerResponse): void {
    this.#current = undefined
    this.#options.gate.idle(this.#place)
    this.#boundary = this.#socket.bytesRead
    // Node has done so, unless its head was sent before that was known.
    if (!shouldKeepAlive) this.#linger()
  }

  #refuseAhead(request: IncomingMessage): void {
    this.#ahead += 1
    // Node keeps the request until the connection is closed.
    request.rawHeaders.length = 0
    this.#options.onRefused(refusedRequest(request, 'pipelined'))
    if (this.#ahead > MAX_AHEAD) {
      this.#socket.destroy()
      return
    }
    if (this.#current !== undefined) this.#current.shouldKeepAlive = false
    this.#stopReadingAhead()
  }

  /** TCP keeps what a client sends ahead: here it would only take memory. */
  #stopReadingAhead(): void {
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

  /** Closes the connection with a response to what could not be read. */
  #refuseUnread(refusal: Refusal, packet?: Buffer): void {
    const requestId = randomUUID()
    const socket = this.#socket
    const [, method] = METHOD.exec(packet?.toString('latin1', 0, MAX_METHOD) ?? '') ?? []
    this.#options.onRefused(refusedRequest({ method, socket }, refusal, requestId))
    this.#socket.write(problemBytes(REFUSALS[refusal][0], { requestId, refusal }))
    this.#linger()
  }

  /**
   * RFC 9112 section 9.6: closed with bytes of the client unread, a connection is reset, and the client may lose the
   * response. So only our side is closed. What comes is dropped, until the client closes its side, and for 2 s at most.
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
   * Java's HTTP client asks to upgrade to h2c with each call. Node's parser drops what came in one packet behind such a
   * request. Then the response must say that nothing after it was served, by closing the connection. It stays open
   * when what was received is the request to the byte. That is looked at when the response begins: who reads a body
   * with one `read()` gets no `end` before.
   */
  #ignoreUpgrade(response: ServerResponse): void {
    const { req } = response
    const begin = this.#boundary
    const isChunked = req.headers['transfer-encoding'] !== undefined
    let lastRead = Number.NaN
    // `on` would make the body flow.
    if (isChunked) req.prependListener('data', () => (lastRead = this.#socket.bytesRead))
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
    response.writeHead = (...args: unknown[]) => {
      const end = isChunked ? lastRead + LAST_CHUNK : begin + lengthOf(req)
      if (this.#socket.bytesRead !== end) response.shouldKeepAlive = false
      return writeHead(...args)
    }
  }
}

/** The bytes of a request as most clients write one, with a body of known length or none. */
function lengthOf({ method = '', url = '', rawHeaders, headers }: IncomingMessage): number {
  let length = `${method} ${url} HTTP/1.1\r\n\r\n`.length
  for (const part of rawHeaders) length += part.length
  // A colon and a space, a CR and a LF for each pair.
  return length + rawHeaders.length * 2 + Number(headers['content-length'] ?? 0)
}

/** One connection. `idleSince`: of all places, the order in which they became idle; infinite: a call is in flight. */
interface Place {
  readonly socket: Socket
  idleSince: number
}

/**
 * Who stays when there are more than `max` connections: the one is closed that has been idle for longest. Idle are all
 * without a call in flight: in a TLS handshake, between two requests, behind half a request. So whoever only holds
 * connections loses them to those who use theirs, from whatever address they come.
 */
export class Gate {
  readonly #max: number
  /** A connection was closed in favor of a new one. */
  readonly #onClosed: (socket: Socket) => void
  readonly #places = new Map<string, Place>()
  #turns = 0

  constructor(max: number, onClosed: (socket: Socket) => void) {
    this.#max = max
    this.#onClosed = onClosed
  }

  /** Takes a connection in, before its TLS handshake. */
  enter(socket: Socket): void {
    // The peer has left already. Without its address, all such connections would have one key.
    if (socket.remoteAddress === undefined) return void socket.destroy()
    const key = keyOf(socket)
    const place = { socket, idleSince: this.#turns++ }
    this.#places.set(key, place)
    socket.once('close', () => {
      // Another connection may come from the same port before this one is said to be closed.
      if (this.#places.get(key) === place) this.#places.delete(key)
    })
    if (this.#places.size > this.#max) this.#closeLongestIdle()
  }

  /** Where a connection, or what TLS made of it, stands. Undefined: it has been closed. */
  placeOf(socket: Socket): Place | undefined {
    return this.#places.get(keyOf(socket))
  }

  /** A call is in flight: not closed until the connection is idle again. */
  busy(place: Place | undefined): void {
    if (place !== undefined) place.idleSince = Infinity
  }

  /** The head of a request came, or its response ended: the last one to be closed. */
  idle(place: Place | undefined): void {
    if (place !== undefined) place.idleSince = this.#turns++
  }

  /** Every connection that has not been closed. */
  sockets(): readonly Socket[] {
    return Array.from(this.#places.values(), ({ socket }) => socket)
  }

  /** It looks at each, which takes microseconds: only a new connection beyond the limit costs that, no request. */
  #closeLongestIdle(): void {
    let longest: [key: string, Place] | undefined
    for (const [key, place] of this.#places)
      if (place.idleSince < (longest?.[1].idleSince ?? Infinity)) longest = [key, place]
    if (longest === undefined) return
    // `close` comes in a later turn, and more connections in this one.
    this.#places.delete(longest[0])
    this.#onClosed(longest[1].socket)
    longest[1].socket.destroy()
  }
}

/** Names a connection, and what TLS made of it: another object with the same two ends. */
function keyOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
