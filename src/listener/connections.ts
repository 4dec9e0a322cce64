import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { PROBLEMS, problemBytes, REFUSALS, writeProblem, type Refusal } from '../http/problem.ts'
import type { Place } from './caps.ts'

/**
 * Why a client was closed that took nothing of its response.
 *
 * - `idle`: for `BODY_IDLE_TIMEOUT`.
 * - `backlog`: for 2 s, it was the slowest, and more than 2 MiB waited for all clients together.
 */
export type ClosedReason = 'idle' | 'backlog'

export interface ConnectionOptions {
  /** Over the cap, its first request is refused with 503. */
  readonly place: Place | undefined
  readonly clock: Clock
  /** Milliseconds without 1 KiB of a body that is awaited, or without a byte of what the client is to take. */
  readonly bodyIdleTimeout: number
  /** True from a drain on: each response closes its connection. */
  readonly closing: () => boolean
  /** Each response that was made here, with the request id in it. */
  readonly onRefused: (refusal: Refusal, requestId: string) => void
  /** The client took nothing of its response, and was closed. */
  readonly onClosed: (reason: ClosedReason) => void
}

/** Requests of one connection that are not yet responded to; a client that pipelines seldom sends as many. */
const MOST_OPEN = 16
/** Bytes of a body that must come within its idle timeout, unless it ends before. */
const LEAST_BODY = 1024
/** How long, in milliseconds, and for how many bytes a connection that is to be closed is still read. */
const LINGER = { time: 2000, bytes: 64 * 1024 * 1024 }

/** One client connection after its TLS handshake, and the requests on it. */
export class Connection {
  /** Milliseconds since the client last took anything of what waits for it, when it was last looked at. */
  stalled = 0
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  /** Undefined: it is not closed for others. */
  #place: Place | undefined
  /** In the order of their requests. */
  #open: ServerResponse[] = []
  /** No more requests are taken: it closes when what is open has been responded to. */
  #failed = false
  /** Bytes received when the next request begins; NaN: not known. */
  #boundary = 0
  #lingering = false
  /** Bytes received when a drain last looked. */
  #drained = 0
  readonly #received = new Progress()
  readonly #taken = new Progress()

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#place = options.place
    const destroySoon = socket.destroySoon.bind(socket)
    // Node calls it behind a response that closes the connection.
    socket.destroySoon = () => {
      if (this.#isRead()) destroySoon()
      else this.#linger()
    }
    socket.once('close', () => {
      // Node emits `close` on the response whose turn it is, and after this; Node 24 on each that is destroyed.
      setImmediate(() => {
        for (const response of this.#unfinished()) {
          response.destroy()
          process.nextTick(() => {
            if (!response.closed) response.emit('close')
          })
        }
      })
    })
  }

  /** True: the request is to be served. False: it was responded to here, or nobody would read a response. */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    // RFC 9112 section 9.6: behind a response that closes the connection nothing is served, or it would be executed and
    // its response lost.
    const closing = this.#open.some(({ shouldKeepAlive }) => !shouldKeepAlive)
    if (request.socket.writableEnded || closing) this.#failed = true
    this.#forget()
    const tooMany = this.#open.length >= MOST_OPEN
    this.#open.push(response)
    this.#received.restart()
    if (this.#failed) return false
    if (request.headers.upgrade === undefined) this.#boundary = Number.NaN
    else this.#ignoreUpgrade(request, response)
    const refused = tooMany || this.#place?.overCap === true
    if (refused) this.#respond(response, 'connections')
    return !refused
  }

  /** Its client may be served: from now on it is not closed for others. */
  keep(): void {
    this.#place?.keep()
    this.#place = undefined
  }

  /**
   * Node's parser drops what came in one packet behind a request with `Upgrade`. Then the response must say that nothing
   * behind it was served, by closing the connection. It stays open when what was received is the request to the byte.
   */
  #ignoreUpgrade(request: IncomingMessage, response: ServerResponse): void {
    const end = this.#boundary + lengthOf(request)
    this.#boundary = end
    const { shouldKeepAlive } = response
    response.shouldKeepAlive = false
    const settle = (): void => {
      if (this.#socket.bytesRead !== end) this.#failed = true
      else if (!this.#options.closing()) response.shouldKeepAlive = shouldKeepAlive
    }
    if (request.headers['content-length'] === undefined) settle()
    else request.once('end', settle)
  }

  /**
   * A request that could not be read. The error may stand behind a request whose response is in progress: that one is
   * never touched. When the error is in the body of the last request, the response to that request says so; else it is
   * said behind the last response, if the connection is still open then.
   */
  fail(refusal: Refusal): void {
    if (this.#failed) return
    this.#failed = true
    const last = this.#unfinished().at(-1)
    if (last === undefined) this.#refuse(refusal)
    else if (last.req.complete || last.headersSent) last.once('close', () => this.#refuse(refusal))
    else this.#respond(last, refusal)
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
    const last = this.#open.at(-1)
    if (last !== undefined && !last.req.complete && !this.#lingering) {
      const excused = !this.#reads(last.req)
      const stalled = this.#received.stalled(now, bytesRead, { excused, least: LEAST_BODY })
      const late = stalled >= bodyIdleTimeout
      if (late && last.destroyed) this.#socket.destroy()
      // A response that has begun closes the connection at its end; until then it is not to be cut.
      else if (late && !last.headersSent) this.#respond(last, 'timeout')
    }
    this.#forget()
  }

  /** Bytes that were written and that the kernel has not taken. */
  get waiting(): number {
    // Of a response that waits for its turn, the socket knows nothing yet.
    const queued = this.#open.filter(({ socket }) => socket === null)
    return queued.reduce(
      (sum, response) => sum + response.writableLength,
      this.#socket.writableLength,
    )
  }

  /** Closes a client that takes nothing. */
  close(reason: ClosedReason): void {
    if (this.#socket.destroyed) return
    this.#socket.destroy()
    this.#options.onClosed(reason)
  }

  /** The response in progress is the last one; a connection without one is closed. */
  drain(): void {
    // Only the last one: behind a response that says close, no other is sent.
    const last = this.#open.at(-1)
    if (last?.headersSent === false) last.shouldKeepAlive = false
    if (this.#unfinished().length > 0) return
    // Node's `closeIdleConnections` would cut a response that was handed over but has not left yet. Bytes since the
    // last look are the beginning of a request.
    const { bytesRead } = this.#socket
    if (this.#drained === bytesRead) this.#socket.destroySoon()
    this.#drained = bytesRead
  }

  /** An idle connection does not keep its last request and all that was kept of it. */
  #forget(): void {
    this.#open = this.#open.filter(({ destroyed, req }) => !destroyed || !req.complete)
  }

  /** Until its last byte has been handed to the kernel. */
  #unfinished(): ServerResponse[] {
    return this.#open.filter(({ destroyed }) => !destroyed)
  }

  /** False while it is we who do not read: the client cannot send then. */
  #reads({ readableLength, readableHighWaterMark }: IncomingMessage): boolean {
    return readableLength < readableHighWaterMark && !this.#socket.isPaused()
  }

  /** False: bytes of the client may come that nobody has asked for. */
  #isRead(): boolean {
    return !this.#failed && this.#open.at(-1)?.req.complete !== false
  }

  /**
   * RFC 9112 section 9.6: closed with bytes of the client unread, the connection is reset, and the client may lose the
   * response. So our side is closed, and what comes is dropped until the client closes its side or too much has come.
   */
  #linger(): void {
    if (this.#lingering) return
    this.#lingering = true
    const socket = this.#socket
    const most = socket.bytesRead + LINGER.bytes
    socket.end()
    // Node's parser would go on with each chunk of a body that nobody wants.
    socket.removeAllListeners('data').on('data', () => {
      if (socket.bytesRead > most) socket.destroy()
    })
    socket.resume()
    const timer = this.#options.clock.setTimer(() => socket.destroy(), LINGER.time)
    socket.once('close', () => timer.cancel())
  }

  /** Responds to a request in its turn; the connection is closed behind it. */
  #respond(response: ServerResponse, refusal: Refusal): void {
    const { code } = REFUSALS[refusal]
    const requestId = randomUUID()
    this.#options.onRefused(refusal, requestId)
    response.shouldKeepAlive = false
    writeProblem(response, code, { requestId, refusal })
    if (response.req.complete) return
    // Node forgets a request once it has its response: without this its reader would wait forever.
    // Destroying the request destroys the socket, so not before the rest of the request was read.
    this.#socket.once('close', () => response.req.destroy(new Error(PROBLEMS[code].title)))
  }

  /** Closes the connection with a response that belongs to no request. */
  #refuse(refusal: Refusal): void {
    if (this.#socket.writable) {
      const requestId = randomUUID()
      this.#options.onRefused(refusal, requestId)
      this.#socket.write(problemBytes(REFUSALS[refusal].code, { requestId, refusal }))
    }
    this.#socket.destroySoon()
  }
}

/** The bytes of a request as most clients write one; NaN: its body is in chunks. */
function lengthOf({ method = '', url = '', rawHeaders, headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return Number.NaN
  let length = `${method} ${url} HTTP/1.1\r\n\r\n`.length
  for (const part of rawHeaders) length += part.length
  // A colon and a space, a CR and a LF for each pair.
  return length + rawHeaders.length * 2 + Number(headers['content-length'] ?? 0)
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
