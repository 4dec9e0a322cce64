import type { Dispatcher } from 'undici'
import type { Attempt } from './attempt.ts'
import { Client } from './undici-workarounds.ts'

/** One connection of the pool, and the way to open it again. */
export class PooledClient extends Client {
  /**
   * False: undici's pool gives it nothing more until it tells of a drain. One that undici refused a request for, which
   * is no HTTP, would never tell: it is as free as it was.
   */
  override dispatch(request: Dispatcher.DispatchOptions, attempt: Attempt): boolean {
    return super.dispatch(request, attempt) || attempt.refused
  }
}
