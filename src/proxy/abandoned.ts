import type { UpstreamController } from '../upstream/pool.ts'
import { LARGEST_HELD } from './inspect.ts'

/**
 * The attempt whose answer was a rejection, while its request waits for a newer token. What is left of the answer is
 * read so that the connection can be used again, but not at any price.
 */
export class Abandoned {
  readonly #controller: UpstreamController
  #bytes = 0

  constructor(controller: UpstreamController) {
    this.#controller = controller
  }

  /** Callbacks that carry another controller are of the attempt that counts. */
  is(controller: UpstreamController): boolean {
    return controller === this.#controller
  }

  received(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > LARGEST_HELD) this.letGo()
  }

  /** Closes its connection, unless the answer has ended. */
  letGo(): void {
    this.#controller.abort(new Error('nobody waits for the end of a rejection'))
  }
}
