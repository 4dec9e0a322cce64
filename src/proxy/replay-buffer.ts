import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Framing } from './validate.ts'

export interface ReplayLimits {
  /** Bytes; a body up to this can be sent again. */
  readonly keep: number
  /** Bytes; a body in chunks that turns out larger is refused. */
  readonly most: number
}

/**
 * The body of one request, kept so that it can be sent again. A body that is announced to be small is read whole before it
 * is sent. A larger one streams and cannot be sent again. One in chunks streams, and is copied until it is too large.
 */
export class ReplayBuffer {
  readonly #request: IncomingMessage
  readonly #framing: Framing
  readonly #limits: ReplayLimits
  #chunks: Buffer[] | undefined = []
  #size = 0
  #whole: Buffer | null | undefined
  #stream: Readable | undefined
  #copying = false

  constructor(request: IncomingMessage, framing: Framing, limits: ReplayLimits) {
    this.#request = request
    this.#framing = framing
    this.#limits = limits
    if (framing === 0) this.#whole = null
  }

  /** True: read it with `read` before it is sent. */
  get announcedSmall(): boolean {
    return this.#framing !== 'chunked' && this.#framing > 0 && this.#framing <= this.#limits.keep
  }

  /** What is to be sent: a Buffer, null for no body, or a stream. */
  get body(): Buffer | null | Readable {
    if (this.#whole !== undefined) return this.#whole
    this.#stream ??= streamOf(this.#request)
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

  /** Resolves when all of it is there; never, when it breaks off. */
  read(): Promise<void> {
    return new Promise((resolve) => {
      this.#request.on('data', (chunk: Buffer) => this.#keep(chunk))
      this.#request.on('end', () => {
        this.#finish()
        resolve()
      })
    })
  }

  /** Copies a body in chunks beside who reads it from now on. `onTooLarge` is called once, past the limit. */
  copy(onTooLarge: () => void): void {
    if (this.#framing !== 'chunked' || this.#copying) return
    this.#copying = true
    this.#request.on('data', (chunk: Buffer) => {
      const before = this.#size
      this.#keep(chunk)
      if (this.#size > this.#limits.keep) this.#chunks = undefined
      if (this.#size > this.#limits.most && before <= this.#limits.most) onTooLarge()
    })
    this.#request.on('end', () => {
      this.#finish()
    })
  }

  #keep(chunk: Buffer): void {
    this.#size += chunk.length
    this.#chunks?.push(chunk)
  }

  #finish(): void {
    const [first] = this.#chunks ?? []
    if (this.#chunks?.length === 1) this.#whole = first
    else if (this.#chunks !== undefined) this.#whole = Buffer.concat(this.#chunks, this.#size)
    this.#chunks = undefined
  }
}

/**
 * The body as a stream of its own. undici destroys a body when the response comes before its end, and Node closes the
 * connection of a request that is destroyed: the client might lose the response (RFC 9112 section 9.6). What comes after
 * the end of the stream is read and dropped.
 */
function streamOf(request: IncomingMessage): Readable {
  const stream = new Readable({
    read: () => request.resume(),
    destroy(error, done) {
      request.resume()
      done(error)
    },
  })
  // Nothing flows before it is asked for.
  request.pause()
  request.on('data', (chunk: Buffer) => {
    if (!stream.destroyed && !stream.push(chunk)) request.pause()
  })
  request.on('end', () => stream.push(null))
  return stream
}
