import type { Dispatcher } from 'undici'
import { classifyError, readErrorCode } from '../causes.ts'
import type { FailureDetails } from '../messages/index.ts'
import { ConnectError } from './connector.ts'

export type UpstreamRequest = Omit<Dispatcher.DispatchOptions, 'origin'>

/** The head of a response as from undici: the reason is read as UTF-8, the headers are name, value, name, value. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly rawHeaders: readonly Buffer[]
}

/** `withheld`: nothing was written, because `onConnection` returned false. */
export type ExchangeOutcome = ResponseHead | 'failed' | 'withheld'

export interface ExchangeStarter {
  /** Called when a connection is available; returns false to write nothing. */
  onConnection(): boolean
}

export interface Sink {
  /** Returns false to pause until `resume` is called. */
  readonly onChunk: (chunk: Buffer) => boolean
  /** `whole` is false if the response was cut. */
  readonly onEnd: (whole: boolean) => void
}

/** `whole`: complete. `cut`: the response broke off. `part`: the limit was reached. */
export type Collected = 'whole' | 'cut' | 'part'

/** Bytes of a response that are collected before a consumer takes them. Beyond this, iSales is paused. */
export const MAX_COLLECTED = 64 * 1024

/** An attempt to send a request: undici's callbacks on one side, a promise of the response and a body on the other. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: UpstreamRequest
  /** Settles once and never rejects. */
  readonly outcome: Promise<ExchangeOutcome>
  /** Bytes of the request may have reached iSales. */
  written = false
  /** Error that failed the exchange or cut the response. */
  error: unknown
  /** Set when the complete response has arrived, or nothing more of it will. */
  ended: 'whole' | 'cut' | undefined
  /** For the pool: undici has finished the exchange. `failed`: it failed after `onConnect`. */
  onDone: ((failed: boolean) => void) | undefined
  /** For the pool: the exchange is aborted before it starts. */
  onAbort: ((exchange: Exchange) => void) | undefined
  readonly #starter: ExchangeStarter | undefined
  #settle: ((outcome: ExchangeOutcome) => void) | undefined
  /** Closes the connection; undefined if nothing is written. */
  #abort: ((reason?: Error) => void) | undefined
  /** Set when a head has arrived. */
  #resume: (() => void) | undefined
  #paused = false
  #chunks: Buffer[] = []
  #size = 0
  #sink: Sink | undefined
  #onCollected: ((collected: Collected) => void) | undefined

  constructor(request: UpstreamRequest, starter?: ExchangeStarter) {
    this.request = request
    this.#starter = starter
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  // Handlers of undici 7 and before. It wraps the newer kind, the only one of undici 8, in one that parses all headers
  // into an object that is unused here: 5 µs per request.

  /** Called with a connection. Nothing is written before it; no calls follow `onComplete` or `onError`. */
  onConnect(abort: (reason?: Error) => void): void {
    if (this.ended === undefined && this.#starter?.onConnection() === false) {
      this.#settle?.('withheld')
      this.#end('cut')
    }
    // An abort would close the connection, on which nothing is written yet; an error leaves it open.
    if (this.ended !== undefined) throw new Error('the request is not to be sent any more')
    this.#abort = abort
    this.written = true
  }

  /** @returns false to pause the body before its first byte. */
  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    this.#resume = resume
    // RFC 9110 section 15.2.2: no upgrade was requested, and bytes after a 101 are not HTTP. Other 1xx are dropped.
    if (status < 100 || status === 101) this.abort('no final response')
    if (status >= 200) this.#settle?.({ status, reason, rawHeaders })
    return !this.#paused
  }

  /** @returns false to pause until `resume` is called. */
  onData(chunk: Buffer): boolean {
    // An empty chunk follows a resume; `prepareSocket` explains why it must not pause again.
    if (chunk.length === 0) return true
    if (this.#sink !== undefined) {
      if (!this.#sink.onChunk(chunk)) this.#paused = true
    } else {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      this.#paused = this.#size > MAX_COLLECTED
      if (this.#paused) this.#onCollected?.('part')
    }
    return !this.#paused
  }

  onComplete(): void {
    this.onDone?.(false)
    this.#end('whole')
  }

  onError(error: unknown): void {
    this.onDone?.(this.#abort !== undefined)
    this.#fail(error)
  }

  /** For the pool: iSales rejected a handshake of TLS 1.3, and has not read the request (RFC 8446 section 4.4.2.4). */
  refused(error: ConnectError): void {
    if (this.#resume !== undefined) return
    this.written = false
    this.#fail(error)
  }

  /** Resolves when no more of the body will be collected. */
  collect(): Promise<Collected> {
    if (this.ended !== undefined) return Promise.resolve(this.ended)
    if (this.#size > MAX_COLLECTED) return Promise.resolve('part')
    return new Promise((resolve) => {
      this.#onCollected = resolve
    })
  }

  /** Returns the body as far as it has arrived. */
  collected(): Buffer {
    const [first] = this.#chunks
    if (this.#chunks.length === 1 && first !== undefined) return first
    return Buffer.concat(this.#chunks, this.#size)
  }

  /** Replaces a complete body by another one. */
  replace(body: Buffer): void {
    this.#chunks = [body]
    this.#size = body.length
  }

  /** Takes the body: the collected part as one chunk, then all that follows. */
  take(sink: Sink): void {
    const collected = this.collected()
    this.#chunks = []
    this.#sink = sink
    const more = collected.length === 0 || sink.onChunk(collected)
    if (this.ended !== undefined) sink.onEnd(this.ended === 'whole')
    else if (more) this.resume()
    else this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume?.()
  }

  /** Ends the wait for a connection, or closes the connection unless the response has ended. */
  abort(reason: string | Error): void {
    if (this.ended !== undefined) return
    const error = typeof reason === 'string' ? new Error(reason) : reason
    if (this.#abort !== undefined) return this.#abort(error)
    this.onAbort?.(this)
    this.#fail(error)
  }

  #fail(error: unknown): void {
    if (this.ended !== undefined) return
    this.error = error
    this.#settle?.('failed')
    this.#end('cut')
  }

  #end(ended: 'whole' | 'cut'): void {
    if (this.ended !== undefined) return
    this.ended = ended
    this.#onCollected?.(ended)
    this.#sink?.onEnd(ended === 'whole')
  }
}

/** Classifies a failed request, never by message text. `plain`: iSales may expect TLS, which the connection does not use. */
export function classify(error: unknown, plain: boolean): FailureDetails {
  if (error instanceof ConnectError) return error.failure
  const detail = readErrorCode(error)
  return { cause: classifyError(detail, { side: 'isales', plain }), detail }
}
