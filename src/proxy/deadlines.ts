import type { Clock, Timer } from '../session/clock.ts'

/** Something that must have ended by an instant. */
export interface Expiring {
  /** Instant on the monotonic clock; written by `Deadlines.add`. */
  deadline: number
  /** Called once, past the deadline, unless removed before. */
  expire(): void
}

/**
 * Deadlines of one common length, so that they fall due in the order in which they were added: a queue and one
 * timer serve any number of requests, and a request costs no timer of its own.
 */
export interface Deadlines {
  add(entry: Expiring, now: number): void
  remove(entry: Expiring): void
}

/** @param length milliseconds; 0: nothing ever falls due. */
export function createDeadlines(clock: Clock, length: number): Deadlines {
  const queue = new Set<Expiring>()
  let timer: Timer | undefined

  const sweep = (): void => {
    timer = undefined
    const now = clock.now()
    for (const entry of queue) {
      if (entry.deadline > now) {
        timer = clock.setTimer(sweep, entry.deadline - now)
        return
      }
      queue.delete(entry)
      entry.expire()
    }
  }

  return {
    add(entry, now) {
      if (length === 0) return
      entry.deadline = now + length
      queue.add(entry)
      timer ??= clock.setTimer(sweep, length)
    },
    remove(entry) {
      queue.delete(entry)
    },
  }
}
