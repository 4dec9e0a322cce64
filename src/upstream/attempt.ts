import type { Dispatcher } from 'undici'
import { isEmpty } from './undici-workarounds.ts'

/** One request, without the origin, which is the pool's. */
export type UpstreamRequest = Omit<Dispatcher.DispatchOptions, 'origin'>

/** One attempt to send a request. */
export interface UpstreamController {
  /** The header lines of the latest head: name, value, name, value, exactly as received. */
  readonly rawHeaders: readonly Buffer[]
  /** No more `onResponseData` until `resume`; TCP flow control then stops iSales. */
  pause(): void
  resume(): void
  /**
   * Ends the attempt; `onResponseError` follows before it returns, unless the attempt has ended. Before
   * `onRequestStart` nothing is written and no connection is lost; after it the connection is closed.
   */
  abort(reason: Error): void
}

/** Is called in this order; after `onResponseEnd` or `onResponseError` no more calls follow. */
export interface UpstreamHandler {
  /**
   * The request is about to be written; before this call nothing was. If it throws, the request is not written, the
   * connection stays open, and no more calls follow.
   */
  onRequestStart(controller: UpstreamController): void
  /** A status below 200 is followed by another head. */
  onResponseStart(controller: UpstreamController, status: number, reason: string): void
  onResponseData(controller: UpstreamController, chunk: Buffer): void
  onResponseEnd(controller: UpstreamController): void
  /** `controller` is undefined when nothing was written. */
  onResponseError(controller: UpstreamController | undefined, error: unknown): void
}

/** What undici calls, passed on to one handler. */
export class Attempt implements UpstreamController, Dispatcher.DispatchHandler {
  rawHeaders: readonly Buffer[] = []
  /** Called when undici has no more to do with it; `failed`: after it had started. */
  onDone: (failed: boolean) => void = () => undefined
  /** Called when it is aborted before it starts. */
  onAbort = (): void => undefined
  readonly request: UpstreamRequest
  readonly #handler: UpstreamHandler
  #controller: Dispatcher.DispatchController | undefined
  #ended = false

  constructor(request: UpstreamRequest, handler: UpstreamHandler) {
    this.request = request
    this.#handler = handler
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(reason: Error): void {
    if (this.#controller !== undefined) this.#controller.abort(reason)
    else if (!this.#ended) {
      this.onAbort()
      this.#fail(reason)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    try {
      if (!this.#ended) this.#handler.onRequestStart(this)
    } catch (error) {
      this.#ended = true
      throw error
    }
    // Thrown, because an abort would close the connection.
    if (this.#ended) throw new Error('aborted before the start')
    this.#controller = controller
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason = '',
  ): void {
    // Of HTTP/1.1, they are buffers.
    this.rawHeaders = controller.rawHeaders as Buffer[]
    this.#handler.onResponseStart(this, status, reason)
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (!isEmpty(chunk)) this.#handler.onResponseData(this, chunk)
  }

  onResponseEnd(): void {
    this.onDone(false)
    this.#ended = true
    this.#handler.onResponseEnd(this)
  }

  onResponseError(_controller: unknown, error: unknown): void {
    this.onDone(this.#controller !== undefined)
    if (!this.#ended) this.#fail(error)
  }

  #fail(error: unknown): void {
    this.#ended = true
    this.#handler.onResponseError(this.#controller === undefined ? undefined : this, error)
  }
}
