import type { UpstreamController, UpstreamHandler, UpstreamRequest } from './attempt.ts'
import { classify } from './errors.ts'

/** What became of one HTTP exchange; failures are named by where they happened, never by message text. */
export type PostResult =
  | {
      readonly ok: true
      readonly status: number
      readonly retryAfter?: string | undefined
      readonly body: string | undefined
    }
  | {
      readonly ok: false
      readonly failure: 'unreachable' | 'tls' | 'broken' | 'timeout'
      readonly code: string
    }

/** One POST to iSales on connections of its own, so that a login never queues behind business calls. */
export type Post = (request: {
  readonly path: string
  readonly headers: readonly string[]
  readonly body: string
  /** Aborting ends the exchange; the result is then of no interest. */
  readonly signal: AbortSignal
}) => Promise<PostResult>

/** Bytes; the answer to a login has a few hundred. */
const LARGEST_ANSWER = 64 * 1024

/**
 * One POST whose answer is read whole.
 *
 * @param timeout milliseconds for all of it.
 */
export function createPost(
  dispatch: (request: UpstreamRequest, handler: UpstreamHandler) => void,
  timeout: number,
): Post {
  return ({ path, headers, body, signal }) =>
    new Promise((resolve) => {
      const exchanging = new Exchanging((result) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        resolve(result)
      })
      const giveUp = (): void => {
        exchanging.giveUp()
      }
      const timer = setTimeout(giveUp, timeout)
      signal.addEventListener('abort', giveUp)
      if (signal.aborted) giveUp()
      else dispatch({ path, method: 'POST', headers: [...headers], body }, exchanging)
    })
}

class Exchanging implements UpstreamHandler {
  readonly #resolve: (result: PostResult) => void
  #settled = false
  #controller: UpstreamController | undefined
  #status = 0
  #retryAfter: string | undefined
  readonly #pieces: Buffer[] = []
  #bytes = 0

  constructor(resolve: (result: PostResult) => void) {
    this.#resolve = resolve
  }

  onRequestStart(controller: UpstreamController): void {
    // Thrown before anything is written: what nobody waits for is not asked.
    if (this.#settled) throw new Error('the exchange was given up')
    this.#controller = controller
  }

  onResponseStart(controller: UpstreamController, status: number): void {
    this.#status = status
    this.#retryAfter = fieldOf(controller.rawHeaders, 'retry-after')
  }

  onResponseData(controller: UpstreamController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes <= LARGEST_ANSWER) {
      this.#pieces.push(chunk)
    } else {
      this.#answered(undefined)
      controller.abort(new Error('the answer is too long'))
    }
  }

  onResponseEnd(): void {
    this.#answered(Buffer.concat(this.#pieces, this.#bytes).toString('utf8'))
  }

  onResponseError(_controller: UpstreamController | undefined, error: unknown): void {
    const { failure, code } = classify(error)
    const ours = failure === 'invalid' || failure === 'closed'
    this.#settle({ ok: false, failure: ours ? 'broken' : failure, code })
  }

  giveUp(): void {
    this.#settle({ ok: false, failure: 'timeout', code: 'no whole answer in time' })
    this.#controller?.abort(new Error('the exchange was given up'))
  }

  #answered(body: string | undefined): void {
    this.#settle({ ok: true, status: this.#status, retryAfter: this.#retryAfter, body })
  }

  #settle(result: PostResult): void {
    if (this.#settled) return
    this.#settled = true
    this.#resolve(result)
  }
}

/** The first one's value. */
function fieldOf(lines: readonly Buffer[], lowerName: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toString('latin1').toLowerCase() === lowerName)
      return lines[i + 1]?.toString('latin1')
  }
  return undefined
}
