import type { Clock, Timer } from '../clock.ts'

// When something is done again.

/**
 * Runs after so many milliseconds, and again and again.
 *
 * @param run does not reject, and gives the milliseconds until the next run.
 * @returns what ends it.
 */
export function repeat(clock: Clock, first: number, run: () => Promise<number>): () => void {
  let timer: Timer | undefined
  let isOver = false
  const plan = (ms: number): void => {
    if (!isOver) timer = clock.setTimer(() => void run().then(plan), ms)
  }
  plan(first)
  return () => {
    isOver = true
    timer?.cancel()
  }
}

/**
 * One run at a time, and one more after it, however often it is asked for.
 *
 * @param run does not reject.
 */
export function coalesced(run: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  /** The run that has not begun. */
  let next: Promise<void> | undefined
  return () => {
    next ??= last = last.then(() => {
      next = undefined
      return run()
    })
    return next
  }
}
