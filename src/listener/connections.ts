import { randomUUID } from 'node:crypto'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { systemClock, type Clock } from '../clock.ts'
import { problemBytes, REFUSALS, writeProblem, type Refusal } from '../http/index.ts'
import type { Gate, Place } from './gate.ts'

/**
 * Why the connection of a client was closed that took nothing of its response.
 *
 * - `idle`: for `bodyIdleTimeout`.
 * - `backlog`: for 2 s, it was the slowest, and more than 2 MiB waited for all clients together.
 */
export type ClosedReason = 'idle' | 'backlog'

export interface ConnectionOptions {
  readonly gate: Gate
  readonly clock: Clock
  /** Milliseconds without 1 KiB of a body that is awaited, or without a byte of what the client is to take. */
  readonly bodyIdleTimeout: number
  /** True from a drain on: each response closes its connection. */
  readonly closing: () => boolean
  /** Serves a request whose turn has come. */
  readonly serve: (response: ServerResponse, connection: Connection) => void
  /** Each response that was made here, with the request id in it; without one, the connection was closed. */
  readonly onRefused: (refusal: Refusal, requestId?: string) => void
  /** The client took nothing of its response, and was closed. */
  readonly onClosed: (reason: ClosedReason) => void
}

/**
 * Bytes of the heads that wait for their turn. Behind the first of them no more is read of the connection, but one read
 * brings up to 64 KiB.
 */
const MAX_AHEAD = 32 * 1024
/** Bytes that a head counts at least: the objects of a request take memory, too. */
const MIN_HEAD = 512
/** Milliseconds for which a client may go on sending what nobody wants. */
const MAX_LINGER = 2000
/** Bytes of a body that must come within its idle timeout, unless it ends before. */
const MIN_BODY = 1024

/** One client connection after its TLS handshake. It serves one request at a time (RFC 9112 section 9.3.2). */
export class Connection {
  /** Milliseconds since the client last took anything of what waits for it, when it was last looked at. */
  stalled = 0
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #place: Place | undefined
  /** Until the kernel has the last byte of it. */
  #current: ServerResponse | undefined
  /** Their requests came behind the current one, and have not begun. */
  #waiting: ServerResponse[] = []
  /** Bytes of their heads. */
  #ahead = 0
  /** What follows the last request could not be read: the connection closes when all of them have a response. */
  #unreadable: Refusal | undefined
  /** Bytes received when the next request begins; NaN: not known. */
  #boundary = 0
  /** Bytes received when a drain last looked; NaN: it has not. */
  #drained = Number.NaN
  readonly #received = new Progress()
  readonly #taken = new Progress()

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#place = options.gate.placeOf(socket)
    this.#options = options
    // Node resumes a socket by itself, such as at the end of each request.
    socket.on('resume', () => this.#limitWaiting())
  }

  /** The head of a request has come. It is served when the response before it is done. */
  announce(response: LingeringResponse): void {
    if (response.req.headers.upgrade === undefined) this.#boundary = Number.NaN
    else this.#ignoreUpgrade(response)
    // It came behind a head that was too late, or behind too many requests.
    if (this.#unreadable !== undefined || this.#socket.destroyed) return
    this.#waiting.push(response)
    this.#serveNext()
    if (this.#waiting.length === 0) return
    this.#ahead += Math.max(MIN_HEAD, headLength(response.req))
    this.#limitWaiting()
    if (this.#ahead <= MAX_AHEAD) return
    this.#socket.destroy()
    this.#options.onRefused('pipelined')
  }

  /** Its call is in flight: until its response has ended it is not closed for others. */
  begin(): void {
    this.#place?.busy()
  }

  /**
   * A request that could not be read. The error may stand behind requests that are responded to first. When it is in
   * the body of the last one, the response to that one says so; else it is said behind the last response.
   */
  fail(refusal: Refusal): void {
    if (this.#unreadable !== undefined) return
    this.#unreadable = refusal
    const current = this.#current
    if (current === undefined) this.#serveNext()
    else if (!current.req.complete && !current.headersSent) this.#refuse(current, refusal)
    // The client left within what it sent ahead.
    else if (this.#socket.readableEnded) this.#socket.destroy()
  }

  /** CONNECT is refused. Node has taken its own listeners off the connection, on which responses may be in progress. */
  refuseTunnel(): void {
    const socket = this.#socket
    const destroy = (): void => void socket.destroy()
    socket.on('error', destroy).on('end', destroy).resume()
    socket.on('drain', () => this.#current?.emit('drain'))
    this.fail('method')
  }

  /**
   * Ends requests whose client sends nothing of a body, or takes nothing of a response, for too long.
   *
   * @param now monotonic milliseconds.
   */
  sweep(now: number): void {
    const { bytesWritten, bytesRead, writableLength } = this.#socket
    const { bodyIdleTimeout } = this.#options
    // A write counts when all of it has left: the kernel takes bytes in steps larger than a chunk of a response.
    const left = bytesWritten - writableLength
    this.stalled = this.#taken.stalled(now, left, { excused: writableLength === 0 })
    if (this.stalled >= bodyIdleTimeout) {
      this.close('idle')
      return
    }
    const current = this.#current
    // A response that has begun closes the connection at its end.
    if (current === undefined || current.req.complete || current.headersSent) return
    const excused = !this.#reads(current.req)
    const stalled = this.#received.stalled(now, bytesRead, { excused, least: MIN_BODY })
    if (stalled >= bodyIdleTimeout) this.#refuse(current, 'timeout')
  }

  /** Bytes that were written and that the kernel has not taken. */
  get unsent(): number {
    return this.#socket.writableLength
  }

  /** Closes a client that takes nothing. */
  close(reason: ClosedReason): void {
    if (this.#socket.destroyed) return
    this.#socket.destroy()
    this.#options.onClosed(reason)
  }

  /**
   * The response in progress is the last one; a connection without one is closed when nothing has come between two
   * looks. At the first look a new connection may have a request on its way, which a reset would lose.
   */
  drain(): void {
    if (this.#current?.headersSent === false) this.#current.shouldKeepAlive = false
    if (this.#current !== undefined) return
    // Node's `closeIdleConnections` would cut a response that was handed over but has not left yet.
    const { bytesRead } = this.#socket
    if (this.#drained === bytesRead) this.#socket.destroySoon()
    this.#drained = bytesRead
  }

  /** TCP keeps what a client sends ahead: more than one head of it would only take memory. */
  #limitWaiting(): void {
    if (this.#waiting.length > 0) this.#socket.pause()
  }

  #serveNext(): void {
    if (this.#current !== undefined) return
    // RFC 9112 section 9.6: behind a response that closes the connection nothing is served, or it would be executed and
    // its response lost.
    if (!this.#socket.writable) return
    const response = this.#waiting.shift()
    if (response === undefined) {
      if (this.#unreadable !== undefined) this.#refuseRest(this.#unreadable)
      return
    }
    this.#current = response
    this.#place?.idle()
    response.on('close', () => {
      this.#current = undefined
      this.#place?.idle()
      this.#serveNext()
    })
    this.#received.restart()
    if (this.#waiting.length === 0 && this.#ahead > 0) {
      this.#ahead = 0
      this.#socket.resume()
    }
    if (this.#options.closing()) response.shouldKeepAlive = false
    if (this.#unreadable !== undefined && !response.req.complete)
      this.#refuse(response, this.#unreadable)
    else this.#options.serve(response, this)
  }

  /** False while it is we who do not read: the client cannot send then. */
  #reads({ readableLength, readableHighWaterMark }: IncomingMessage): boolean {
    return readableLength < readableHighWaterMark && !this.#socket.isPaused()
  }

  /** Responds to a request; the connection is closed behind it. */
  #refuse(response: ServerResponse, refusal: Refusal): void {
    const requestId = randomUUID()
    this.#options.onRefused(refusal, requestId)
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal], { requestId, refusal })
  }

  /** Closes the connection with a response that belongs to no request. */
  #refuseRest(refusal: Refusal): void {
    const requestId = randomUUID()
    this.#options.onRefused(refusal, requestId)
    this.#socket.write(problemBytes(REFUSALS[refusal], { requestId, refusal }))
    linger(this.#socket, this.#options.clock)
  }

  /**
   * Node's parser drops what came in one packet behind a request with `Upgrade`. Then the response must say that nothing
   * behind it was served, by closing the connection. It stays open when what was received is the request to the byte.
   */
  #ignoreUpgrade(response: LingeringResponse): void {
    const end = this.#boundary + lengthOf(response.req)
    this.#boundary = end
    // Not when the request ends: who reads its body with one `read()` gets no `end` before it responds.
    response.hasMoreBehind = () => this.#socket.bytesRead !== end
  }
}

/** The bytes of a request as most clients write one; NaN: its body is in chunks. */
function lengthOf(request: IncomingMessage): number {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined) return Number.NaN
  return headLength(request) + Number(headers['content-length'] ?? 0)
}

function headLength({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  let length = `${method} ${url} HTTP/1.1\r\n\r\n`.length
  for (const part of rawHeaders) length += part.length
  // A colon and a space, a CR and a LF for each pair.
  return length + rawHeaders.length * 2
}

/** Bytes that were received, or sent, and when they were last seen to move, or were excused. */
class Progress {
  #bytes = 0
  /** Undefined: from the next look on. */
  #at: number | undefined

  restart(): void {
    this.#at = undefined
  }

  /** Milliseconds since `least` of them moved, 1 by default. */
  stalled(
    now: number,
    bytes: number,
    { excused, least = 1 }: { readonly excused: boolean; readonly least?: number },
  ): number {
    if (excused || this.#at === undefined || Math.abs(bytes - this.#bytes) >= least) {
      this.#bytes = bytes
      this.#at = now
    }
    return now - this.#at
  }
}

/**
 * RFC 9112 section 9.6: closed with bytes of the client unread, a connection is reset, and the client may lose the
 * response. So only our side is closed. What comes is dropped, until the client closes its side, and for 2 s at most.
 */
function linger(socket: Socket, clock: Clock): void {
  socket.end()
  socket.resume()
  const timer = clock.setTimer(() => socket.destroy(), MAX_LINGER)
  socket.once('close', () => timer.cancel())
}

/** Nothing of it is to come. In the turn of its head `complete` is false without a body, too. */
function hasEnded({ complete, headers }: IncomingMessage): boolean {
  if (complete) return true
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
}

/** A response that comes before the end of its request is the last one of its connection, which lingers after it. */
export class LingeringResponse extends ServerResponse {
  /** That of the listener. */
  clock = systemClock
  /** True: what came behind the request was dropped. */
  hasMoreBehind: (() => boolean) | undefined
  #lingering = false

  override writeHead(...args: readonly unknown[]): this {
    // What is left of the request must not be taken for the next one.
    if (!hasEnded(this.req) || this.hasMoreBehind?.() === true) this.shouldKeepAlive = false
    return super.writeHead(...(args as [number]))
  }

  override end(...args: readonly unknown[]): this {
    const { req, socket } = this
    if (hasEnded(req) || socket === null) return super.end(...(args as []))
    if (this.#lingering) return this
    this.#lingering = true
    const [body] = args
    if (typeof body === 'string' || body instanceof Uint8Array) this.write(body)
    else this.flushHeaders()
    // Node 24 keeps head and chunk until the next tick otherwise.
    this.uncork()
    // Not by Node's `end`: it closes the connection.
    if (this.chunkedEncoding) socket.write('0\r\n\r\n')
    linger(socket, this.clock)
    req.once('end', () => socket.destroySoon()).resume()
    return this
  }
}
