import type { Dispatcher } from 'undici'

/** One request, without the origin, which is the pool's. */
export type UpstreamRequest = Omit<Dispatcher.DispatchOptions, 'origin'>

/** What a handler may do about the attempt that it is told of. */
export interface UpstreamController {
  /** The field lines of the answer's head, name, value, name, value; those of a 1xx until the next head comes. */
  readonly rawHeaders: readonly Buffer[]
  /** No more `onResponseData` until `resume`; iSales is held back by TCP's own flow control. */
  pause(): void
  resume(): void
  /** Closes the connection; `onResponseError` follows, unless the attempt has ended. */
  abort(reason: Error): void
}

/** Who is told of one attempt, in this order; after `onResponseEnd` or `onResponseError` nothing more comes. */
export interface UpstreamHandler {
  /** A connection is there, and the next thing is writing to it. */
  onRequestStart(controller: UpstreamController): void
  /** A head; one with a status below 200 is followed by another. */
  onResponseStart(controller: UpstreamController, status: number, reason: string): void
  onResponseData(controller: UpstreamController, chunk: Buffer): void
  onResponseEnd(controller: UpstreamController): void
  /** `controller` is undefined when no connection came about. */
  onResponseError(controller: UpstreamController | undefined, error: unknown): void
}

/**
 * One attempt as undici's core tells it. These are the callbacks that undici 7 calls itself; a handler with the newer
 * ones is wrapped into them, and the wrapper first makes an object of the field lines, which costs 3 µs a request and
 * which nobody here looks at. undici 8 drops them: this file is all that has to change then.
 */
export class Attempt implements UpstreamController, Dispatcher.DispatchHandler {
  rawHeaders: readonly Buffer[] = []
  /** True when it has failed before there was a connection for it. */
  refused = false
  readonly #handler: UpstreamHandler
  #paused = false
  #resume: (() => void) | undefined
  #abort: ((reason?: Error) => void) | undefined

  constructor(handler: UpstreamHandler) {
    this.#handler = handler
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume?.()
  }

  abort(reason: Error): void {
    this.#abort?.(reason)
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.#handler.onRequestStart(this)
  }

  onHeaders(status: number, fields: Buffer[], resume: () => void, reason: string): boolean {
    this.#resume = resume
    this.rawHeaders = fields
    this.#handler.onResponseStart(this, status, reason)
    return !this.#paused
  }

  onData(chunk: Buffer): boolean {
    // The parser goes on after each pause with a piece of no bytes. Passed on, it would cost a write of its own; and
    // pausing at it would hold up the end of an answer that ends with its connection.
    if (chunk.length === 0) return true
    this.#handler.onResponseData(this, chunk)
    return !this.#paused
  }

  onComplete(): void {
    this.#handler.onResponseEnd(this)
  }

  onError(error: Error): void {
    this.refused = this.#abort === undefined
    this.#handler.onResponseError(this.refused ? undefined : this, error)
  }
}
