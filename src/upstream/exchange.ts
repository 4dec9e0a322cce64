import type { Dispatcher } from 'undici'
import {
  causeOfError,
  codeOf,
  connectFailureOf,
  type Cause,
  type CertificateSeen,
} from '../causes.ts'
import { ConnectError } from './connector.ts'

/** One request, without the origin, which is the pool's. */
export type UpstreamRequest = Omit<Dispatcher.DispatchOptions, 'origin'>

/** The head of a response as undici gives it: the reason is read as UTF-8, the headers are name, value, name, value. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly rawHeaders: readonly Buffer[]
}

export type ExchangeOutcome =
  | { readonly type: 'response'; readonly head: ResponseHead }
  | { readonly type: 'failed'; readonly error: unknown }
  /** Nothing was written, because `mayStart` said no. */
  | { readonly type: 'withheld' }

/** Who takes the body of a response. */
export interface Sink {
  /** False: no more before `resume` is called. */
  readonly onChunk: (chunk: Buffer) => boolean
  /** `whole` false: the response was cut. */
  readonly onEnd: (whole: boolean) => void
}

/** What was collected of a response's body: all of it, all of one that was cut, or no more than the first part. */
export type Collected = 'whole' | 'cut' | 'part'

/** Bytes of a response that are collected until somebody takes them. With more of them, iSales is paused. */
const MAX_COLLECTED = 64 * 1024

/** One try to send a request: undici's callbacks on one side, a promise of the response and a body to take on the other. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: UpstreamRequest
  /** Settles once and never rejects. */
  readonly outcome: Promise<ExchangeOutcome>
  /** Bytes of the request may have reached iSales. */
  written = false
  /** Why the response was cut. */
  error: unknown
  /** For the pool: undici is done with the exchange. `failed`: it failed after `onConnect`. */
  onDone: ((failed: boolean) => void) | undefined
  /** For the pool: it is aborted before it starts. */
  onAbort: ((exchange: Exchange) => void) | undefined
  readonly #mayStart: () => boolean
  #settle: ((outcome: ExchangeOutcome) => void) | undefined
  /** Closes the connection. Undefined: nothing is written. */
  #abort: ((reason?: Error) => void) | undefined
  #resume: (() => void) | undefined
  /** iSales is paused until `resume`. */
  #paused = false
  #responded = false
  #chunks: Buffer[] = []
  #size = 0
  #ended: 'whole' | 'cut' | undefined
  #sink: Sink | undefined
  #onCollected: ((collected: Collected) => void) | undefined

  /** @param mayStart asked when a connection is there and nothing is written yet. Default: yes. */
  constructor(request: UpstreamRequest, mayStart = () => true) {
    this.request = request
    this.#mayStart = mayStart
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** All of the response has come. */
  get whole(): boolean {
    return this.#ended === 'whole'
  }

  // undici calls these handlers, those of version 7 and before. It wraps the newer kind in one that parses all headers
  // into an object; nobody here reads that object, and it costs a request 5 µs. undici 8 has the newer kind alone.

  /** A connection is there. Before `onConnect` nothing is written; after `onComplete` or `onError` no more calls follow. */
  onConnect(abort: (reason?: Error) => void): void {
    if (this.#ended === undefined && !this.#mayStart()) {
      this.#settle?.({ type: 'withheld' })
      this.#end('cut')
    }
    // An abort would close the connection, on which nothing was written yet; an error leaves it open.
    if (this.#ended !== undefined) throw new Error('the request is not to be sent any more')
    this.#abort = abort
    this.written = true
  }

  /** @returns false: the body is paused before its first byte. */
  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    this.#responded = true
    this.#resume = resume
    // RFC 9110 section 15.2.2: nobody asked to switch protocols, and what follows a 101 would not be HTTP. Other 1xx
    // responses are dropped.
    if (status < 100 || status === 101) this.abort('no final response')
    if (status >= 200) this.#settle?.({ type: 'response', head: { status, reason, rawHeaders } })
    return !this.#paused
  }

  /** @returns false: no more before `resume` is called. */
  onData(chunk: Buffer): boolean {
    // It comes after a resume; `prepareSocket` says why it must not pause again.
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

  /**
   * For the pool: iSales refused the handshake. With TLS 1.3 it does so after our side is through and the request is
   * written, but it has read nothing of it (RFC 8446 section 4.4.2.4).
   */
  refused(error: ConnectError): void {
    if (this.#responded) return
    this.written = false
    this.#fail(error)
  }

  /** Resolves when no more of the body will be collected. */
  collect(): Promise<Collected> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended)
    if (this.#size > MAX_COLLECTED) return Promise.resolve('part')
    return new Promise((resolve) => {
      this.#onCollected = resolve
    })
  }

  /** What has come of the body. */
  collected(): Buffer {
    const [first] = this.#chunks
    if (this.#chunks.length === 1 && first !== undefined) return first
    return Buffer.concat(this.#chunks, this.#size)
  }

  /** Puts another body in the place of a whole one. */
  replace(body: Buffer): void {
    this.#chunks = [body]
    this.#size = body.length
  }

  /** Takes the body: what was collected as one chunk, then whatever comes. */
  take(sink: Sink): void {
    const collected = this.collected()
    this.#chunks = []
    this.#sink = sink
    const more = collected.length === 0 || sink.onChunk(collected)
    if (this.#ended !== undefined) sink.onEnd(this.#ended === 'whole')
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
    if (this.#ended !== undefined) return
    const error = typeof reason === 'string' ? new Error(reason) : reason
    if (this.#abort !== undefined) return this.#abort(error)
    this.onAbort?.(this)
    this.#fail(error)
  }

  #fail(error: unknown): void {
    if (this.#ended !== undefined) return
    this.error = error
    this.#settle?.({ type: 'failed', error })
    this.#end('cut')
  }

  #end(ended: 'whole' | 'cut'): void {
    if (this.#ended !== undefined) return
    this.#ended = ended
    this.#onCollected?.(ended)
    this.#sink?.onEnd(ended === 'whole')
  }
}

/**
 * Why a request failed. `unreachable` and `tls`: there was no connection. `broken`: the connection or the response
 * broke. `invalid`: the request cannot be written as HTTP. `closed`: the pool was shut down.
 */
export type UpstreamFailure = 'unreachable' | 'tls' | 'broken' | 'timeout' | 'invalid' | 'closed'

/** What is known of a request that failed. */
export interface Failed {
  readonly failure: UpstreamFailure
  readonly cause: Cause
  readonly code: string
  readonly certificate?: CertificateSeen | undefined
}

/**
 * Names a failure by its class and code, never by message text.
 *
 * @param plain iSales is spoken to without TLS.
 */
export function classify(error: unknown, plain: boolean): Failed {
  const code = codeOf(error)
  if (error instanceof ConnectError) {
    const { why, certificate } = error
    const failure = connectFailureOf(why) === 'tls' ? 'tls' : 'unreachable'
    return { failure, cause: why, code, certificate }
  }
  const cause = causeOfError(code, { side: 'isales', plain })
  const { code: what } = cause
  const isNamed = what === 'timeout' || what === 'invalid' || what === 'closed'
  return { failure: isNamed ? what : 'broken', cause, code }
}
