import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Config } from '../config/settings.ts'
import type { Refusal } from '../http/problem.ts'
import type { Framing } from './validate.ts'

/** A body up to the first can be sent again; one in chunks that turns out larger than the second is refused. */
export type ReplayLimits = Pick<Config, 'replayBodySize' | 'maxBodySize'>

/** Why a body is refused when it comes: each chunk or packet costs time, and tiny ones hold next to nothing. */
export type BodyRefusal = Extract<Refusal, 'body-size' | 'tiny-chunks'>

export interface BodyHooks {
  /** Called once at most; the body never ends then. */
  onBodyRefused(refusal: BodyRefusal): void
  /** True: a response says that the body is not taken. What comes of it is dropped, and it never ends. */
  dropsBody(): boolean
}

/** Beyond so many of them, chunks and packets must have so many bytes on average. */
const MAX_CHUNKS = 1024
const MIN_AVERAGE = 16

/** Bytes of a chunk. */
const MAX_JOINED = 16 * 1024

/**
 * The body of one request, kept so that it can be sent again. What can be kept is read before anything is sent: a client
 * that is slow holds no connection to iSales until then. A larger body streams from there on, and cannot be sent again.
 */
export class ReplayBuffer {
  readonly #request: IncomingMessage
  readonly #framing: Framing
  readonly #limits: ReplayLimits
  readonly #hooks: BodyHooks
  /** What has come and is in neither `#whole` nor the stream. */
  #chunks: Buffer[] = []
  #count = 0
  #size = 0
  #whole: Buffer | null | undefined
  #stream: Readable | undefined
  #flushing: NodeJS.Immediate | undefined
  #refused = false

  constructor(request: IncomingMessage, framing: Framing, limits: ReplayLimits, hooks: BodyHooks) {
    this.#request = request
    this.#framing = framing
    this.#limits = limits
    this.#hooks = hooks
    if (framing === 0) this.#whole = null
  }

  /** What is to be sent: a Buffer, null for no body, or a stream. */
  get body(): Buffer | null | Readable {
    if (this.#whole !== undefined) return this.#whole
    if (this.#stream === undefined) {
      this.#stream = streamOf(this.#request)
      this.#flush()
    }
    return this.#stream
  }

  /** True when it can be sent again from its start. */
  get kept(): boolean {
    return this.#whole !== undefined
  }

  /** `Content-Length` of a stream; undefined: in chunks, or no stream. */
  get streamLength(): string | undefined {
    return this.kept || this.#framing === 'chunked' ? undefined : String(this.#framing)
  }

  /** @param done called when all of it is there, or more than can be kept; not when it breaks off or is refused. */
  read(done: () => void): void {
    const request = this.#request
    request.on('data', (chunk: Buffer) => {
      if (!this.#accepts(chunk)) return
      this.#chunks.push(chunk)
      if (this.#stream !== undefined) this.#flushSoon(chunk)
      else if (this.#size > this.#limits.replayBodySize) {
        request.pause()
        done()
      }
    })
    request.on('end', () => {
      if (this.#isDropped()) return
      if (this.#size > this.#limits.replayBodySize) {
        this.#flush()
        return
      }
      this.#whole = this.#taken()
      done()
    })
  }

  #isDropped(): boolean {
    return this.#refused || this.#hooks.dropsBody()
  }

  #accepts(chunk: Buffer): boolean {
    if (this.#isDropped()) return false
    this.#count += 1
    this.#size += chunk.length
    if (this.#size > this.#limits.maxBodySize) return this.#refuse('body-size')
    const tooFine = this.#count > MAX_CHUNKS && this.#size < this.#count * MIN_AVERAGE
    return !tooFine || this.#refuse('tiny-chunks')
  }

  #refuse(refusal: BodyRefusal): false {
    this.#refused = true
    this.#hooks.onBodyRefused(refusal)
    return false
  }

  /** What came in one packet is sent at one time, unless a copy would cost more than another write. */
  #flushSoon(chunk: Buffer): void {
    if (chunk.length >= MAX_JOINED) this.#flush()
    else this.#flushing ??= setImmediate(() => this.#flush())
  }

  #flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    const stream = this.#stream
    if (stream === undefined) return
    const chunk = this.#taken()
    if (!stream.destroyed && chunk.length > 0 && !stream.push(chunk)) this.#request.pause()
    if (this.#request.readableEnded) stream.push(null)
  }

  #taken(): Buffer {
    const chunks = this.#chunks
    this.#chunks = []
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
  }
}

/**
 * The body as a stream of its own. undici destroys a body when the response comes before its end, and Node closes the
 * connection of a request that is destroyed: the client might lose the response (RFC 9112 section 9.6). What comes after
 * the end of the stream is read and dropped.
 */
function streamOf(request: IncomingMessage): Readable {
  return new Readable({
    read: () => request.resume(),
    destroy(error, done) {
      request.resume()
      done(error)
    },
  })
}
