import { hasNoBody, relayHead, relayWhole } from './response.ts'
import type { Call } from './call.ts'
import type { Answer } from './exchange.ts'
import { wholeFields } from './headers.ts'
import { LARGEST_HELD, type AnswerInspector, type Verdict } from './inspect.ts'

/** Where the pieces come from. */
interface Source {
  pause(): void
  resume(): void
}

/** One answer of iSales on its way to the client: passed on as it comes, or held back until it can be inspected. */
export class Relay {
  readonly #call: Call
  readonly #answer: Answer
  #held: Buffer[] | undefined
  #heldBytes = 0

  constructor(call: Call, answer: Answer) {
    this.#call = call
    this.#answer = answer
  }

  get status(): number {
    return this.#answer.status
  }

  get holding(): boolean {
    return this.#held !== undefined
  }

  /**
   * False: this answer cannot be relayed, for its framing is not known, or the listener, which answers by itself when
   * a request's body is garbage or stalls, has been faster.
   */
  get relayable(): boolean {
    return this.#answer.relayable && !this.#call.response.headersSent
  }

  /** True when the head is all there is of it. */
  start(): boolean {
    const { request, response } = this.#call
    relayHead(this.#call, this.#answer)
    // Not left to undici: it takes the length in a 304 for a promise of bytes.
    if (!hasNoBody(request.method, this.status)) return false
    response.end()
    return true
  }

  piece(source: Source, piece: Buffer): void {
    const { response } = this.#call
    // All of it at once, as most answers come: one write for head, body and end.
    if (piece.length === this.#answer.contentLength) response.end(piece)
    else if (!response.write(piece)) this.#awaitDrain(source)
  }

  end(): void {
    const { response } = this.#call
    if (!response.writableEnded) response.end()
  }

  /** From here on nothing is passed on. */
  hold(): void {
    this.#held = []
  }

  /** False when the piece, kept all the same, makes the answer too large to be held. */
  holdPiece(piece: Buffer): boolean {
    this.#held?.push(piece)
    this.#heldBytes += piece.length
    return this.#heldBytes <= LARGEST_HELD
  }

  /** Passes on, behind the head, what was held and whatever comes. */
  release(source: Source): void {
    // At once: each piece that the client cannot take would wait for it by itself.
    const held = this.#whole()
    this.#held = undefined
    this.piece(source, held)
  }

  inspect(inspector: AnswerInspector): Verdict {
    const { target, authority } = this.#call.admitted
    const { fields } = this.#answer
    return inspector.inspect({ target, authority, fields, body: this.#whole() })
  }

  /** Relays the held answer, or the same with another body. */
  finish(verdict: Verdict): void {
    const replaced = typeof verdict === 'object'
    const body = replaced ? verdict.body : this.#whole()
    const { status, reason } = this.#answer
    const fields = wholeFields(this.#answer.fields, body.length, replaced)
    relayWhole(this.#call, { status, reason, fields }, body)
  }

  #whole(): Buffer {
    const pieces = this.#held ?? []
    const [first] = pieces
    return pieces.length === 1 && first !== undefined
      ? first
      : Buffer.concat(pieces, this.#heldBytes)
  }

  /** Back-pressure: nothing more is read from iSales until the client has taken what there is. */
  #awaitDrain(source: Source): void {
    source.pause()
    this.#call.response.once('drain', () => {
      source.resume()
    })
  }
}
