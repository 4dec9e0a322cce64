import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { Framing } from './validate.ts'

export interface ReplayLimits {
  /** Bytes; a body up to this can be sent again. */
  readonly keep: number
  /** Bytes; a body in chunks that turns out larger is refused. */
  readonly most: number
}

/** Why a body in chunks is refused. `too-fine`: each chunk costs time, and these hold next to nothing. */
export type BodyFault = 'too-large' | 'too-fine'

/** Bytes of chunk headers: more than half as many as of the body, beyond the first 8 KiB, are too many. */
const FRAMING = { free: 8 * 1024, share: 0.5 }

/**
 * The body of one request, kept so that it can be sent again. What can be kept is read before anything is sent: a client
 * that is slow holds no connection to iSales until then. A larger body streams from there on, and cannot be sent again.
 */
export class ReplayBuffer {
  readonly #request: IncomingMessage
  readonly #framing: Framing
  readonly #limits: ReplayLimits
  readonly #onFault: (fault: BodyFault) => void
  /** Bytes of the connection before the body, or at most a packet of it. */
  readonly #start: number
  #chunks: Buffer[] = []
  #size = 0
  #whole: Buffer | null | undefined
  #faulty = false

  /** @param onFault called once at most; the body never ends then. */
  constructor(
    request: IncomingMessage,
    framing: Framing,
    limits: ReplayLimits,
    onFault: (fault: BodyFault) => void,
  ) {
    this.#request = request
    this.#framing = framing
    this.#limits = limits
    this.#onFault = onFault
    this.#start = request.socket.bytesRead
    if (framing === 0) this.#whole = null
  }

  /** What is to be sent: a Buffer, null for no body, or a stream. */
  get body(): Buffer | null | Readable {
    if (this.#whole !== undefined) return this.#whole
    return Readable.from(this.#rest(), { objectMode: false })
  }

  /** True when it can be sent again from its start. */
  get kept(): boolean {
    return this.#whole !== undefined
  }

  /** `Content-Length` of a stream; undefined: in chunks, or no stream. */
  get streamLength(): string | undefined {
    return this.kept || this.#framing === 'chunked' ? undefined : String(this.#framing)
  }

  /** Resolves when all of it is there, or more than can be kept; never, when it breaks off or is refused. */
  read(): Promise<void> {
    const request = this.#request
    return new Promise((resolve) => {
      let waiting: NodeJS.Immediate | undefined
      const settle = (): void => {
        // What comes from now on belongs to the stream.
        clearImmediate(waiting)
        request.off('readable', onReadable)
        request.off('end', onEnd)
        if (!this.#faulty) resolve()
      }
      const onEnd = (): void => {
        this.#whole = this.#joined()
        this.#chunks = []
        settle()
      }
      const take = (): void => {
        for (let chunk = this.#next(); chunk !== null; chunk = this.#next()) {
          this.#chunks.push(chunk)
          this.#size += chunk.length
        }
        if (this.#isFaulty() || this.#size > this.#limits.keep) settle()
        else if (this.#size === this.#framing) {
          onEnd()
          // Without it Node does not emit `end`, which others wait for.
          request.resume()
        }
      }
      // Node emits it for each chunk. A turn later all that came with it is there, to be taken at one time.
      const takeSoon = (): void => {
        waiting ??= setImmediate(() => {
          waiting = undefined
          take()
        })
      }
      const chunked = this.#framing === 'chunked'
      const onReadable = chunked ? takeSoon : take
      request.on('readable', onReadable)
      if (chunked) request.on('end', onEnd)
    })
  }

  async *#rest(): AsyncGenerator<Buffer> {
    const first = this.#joined()
    this.#chunks = []
    if (first.length > 0) yield first
    // The client gets its response, also when iSales wants no more of the body.
    for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
      this.#size += (chunk as Buffer).length
      if (this.#framing === 'chunked') await turn()
      // The end of an iterable would look as the end of the body.
      if (this.#isFaulty()) throw new Error('the body is refused')
      yield chunk as Buffer
    }
  }

  #next(): Buffer | null {
    return this.#request.read() as Buffer | null
  }

  /** Asked when no packet is half parsed. */
  #isFaulty(): boolean {
    if (this.#framing !== 'chunked') return false
    if (this.#size > this.#limits.most) this.#refuse('too-large')
    else if (!this.#request.complete && this.#isTooFine()) this.#refuse('too-fine')
    return this.#faulty
  }

  /** Until the body is complete, nothing else comes on its connection. */
  #isTooFine(): boolean {
    const { socket, readableLength } = this.#request
    const body = this.#size + readableLength
    return socket.bytesRead - this.#start - body > FRAMING.free + body * FRAMING.share
  }

  #refuse(fault: BodyFault): void {
    if (this.#faulty) return
    this.#faulty = true
    this.#onFault(fault)
  }

  #joined(): Buffer {
    const [first] = this.#chunks
    if (this.#chunks.length === 1 && first !== undefined) return first
    return Buffer.concat(this.#chunks, this.#size)
  }
}
