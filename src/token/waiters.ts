import type { Clock } from '../clock.ts'
import type { Token } from './token.ts'

/** Why no session came; `retryAfter` in milliseconds. */
export interface Unavailable {
  readonly unavailable: 'no-token' | 'overloaded' | 'shutting-down'
  readonly retryAfter: number
}

export interface Wish {
  /** Only a session of a later generation will do. */
  readonly after: number
  /** Instant on the monotonic clock; past it the wait ends with `no-token`. */
  readonly deadline: number
  /** Aborting frees the place at once: the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/** Requests that wait for a token: bounded in number, each bounded in time, all released together. */
export interface Waiters {
  count(): number
  wait(wish: Wish, retryAfter: () => number): Promise<Token | Unavailable>
  /** Gives the session to all whom it suits. */
  release(session: Token): void
  /** Ends the waits that cannot be met: nothing will happen before `until`. */
  failBefore(until: number, outcome: Unavailable): void
}

interface Waiter extends Wish {
  readonly settle: (outcome: Token | Unavailable) => void
}

export function createWaiters(options: { readonly clock: Clock; readonly limit: number }): Waiters {
  const { clock, limit } = options
  const waiters = new Set<Waiter>()

  return {
    count: () => waiters.size,

    wait(wish, retryAfter) {
      // The event of a signal that has fired already never comes.
      if (wish.signal?.aborted === true) {
        return Promise.resolve({ unavailable: 'no-token', retryAfter: retryAfter() })
      }
      if (waiters.size >= limit) {
        return Promise.resolve({ unavailable: 'overloaded', retryAfter: 1000 })
      }
      return new Promise((resolve) => {
        const settle = (outcome: Token | Unavailable): void => {
          waiters.delete(waiter)
          timer.cancel()
          wish.signal?.removeEventListener('abort', expire)
          resolve(outcome)
        }
        const expire = (): void => {
          settle({ unavailable: 'no-token', retryAfter: retryAfter() })
        }
        const waiter: Waiter = { ...wish, settle }
        const timer = clock.setTimer(expire, Math.max(0, wish.deadline - clock.now()))
        wish.signal?.addEventListener('abort', expire)
        waiters.add(waiter)
      })
    },

    release(session) {
      for (const waiter of waiters) {
        if (session.generation > waiter.after) waiter.settle(session)
      }
    },

    failBefore(until, outcome) {
      for (const waiter of waiters) {
        if (waiter.deadline < until) waiter.settle(outcome)
      }
    },
  }
}
