import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Config } from '../config/index.ts'
import type { Refusal } from '../http/index.ts'
import type { Framing } from './validate.ts'

/** A body up to the first can be sent again; one in chunks that turns out larger than the second is refused. */
export type ReplayLimits = Pick<Config, 'replayBodySize' | 'maxBodySize'>

/** Why a body is refused when it comes. */
export type BodyRefusal = Extract<Refusal, 'body-size'>

export interface BodyHooks {
  /** Called once at most; the body never ends then. */
  onBodyRefused(refusal: BodyRefusal): void
  /** True: a response says that the body is not taken. What comes of it is dropped, and it never ends. */
  dropsBody(): boolean
}

/** So many are joined, since a Buffer takes far more memory than a chunk of a few bytes. */
const MAX_CHUNKS = 64

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
  #size = 0
  #whole: Buffer | null | undefined
  #stream: Readable | undefined
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
      this.#stream.push(this.#taken())
      if (this.#request.readableEnded) this.#stream.push(null)
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
    // A body that came in one packet with its head is in the stream by then: it is read in one piece.
    process.nextTick(() => {
      const first = this.#request.read() as Buffer | null
      if (
        first !== null &&
        first.length === this.#framing &&
        first.length <= this.#limits.replayBodySize
      ) {
        this.#whole = first
        done()
        return
      }
      if (first !== null) this.#take(first, done)
      this.#request.on('data', (chunk: Buffer) => this.#take(chunk, done))
      this.#request.on('end', () => this.#ended(done))
      if (this.#size > this.#limits.replayBodySize) this.#request.pause()
    })
  }

  #take(chunk: Buffer, done: () => void): void {
    if (this.#isDropped()) return
    this.#size += chunk.length
    if (this.#size > this.#limits.maxBodySize) this.#refuse()
    else if (this.#stream === undefined) this.#keep(chunk, done)
    else if (!this.#stream.destroyed && !this.#stream.push(chunk)) this.#request.pause()
  }

  #ended(done: () => void): void {
    if (this.#isDropped()) return
    if (this.#size <= this.#limits.replayBodySize) {
      this.#whole = this.#taken()
      done()
    } else this.#stream?.push(null)
  }

  #isDropped(): boolean {
    return this.#refused || this.#hooks.dropsBody()
  }

  #keep(chunk: Buffer, done: () => void): void {
    if (this.#chunks.length >= MAX_CHUNKS) this.#chunks = [this.#taken()]
    this.#chunks.push(chunk)
    if (this.#size <= this.#limits.replayBodySize) return
    this.#request.pause()
    done()
  }

  #refuse(): void {
    this.#refused = true
    this.#hooks.onBodyRefused('body-size')
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
