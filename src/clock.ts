export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

/** Converts milliseconds to seconds, rounded to a millisecond. */
export function toSeconds(ms: number): number {
  return Math.round(ms) / SECOND
}

/** A monotonic clock, its timers, and the date. Tests pass in a clock of their own. */
export interface Clock {
  /** Milliseconds. Never goes back, even if the date changes. */
  now(): number
  /** Milliseconds since 1970, for what outlives the process or is shown to people. */
  date(): number
  /** Delays are capped at 24 days (setTimeout's limit). The timer does not keep the process alive. */
  setTimer(run: () => void, ms: number): Timer
}

export interface Timer {
  cancel(): void
}

/**
 * Resolves after `ms` milliseconds, or as soon as the signal is aborted.
 *
 * @param waiters contains, while it waits, a function that resolves it. Default: none.
 */
export function delay(
  clock: Clock,
  ms: number,
  signal?: AbortSignal,
  waiters?: Set<() => void>,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const end = (): void => {
      waiters?.delete(end)
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimer(end, ms)
    signal?.addEventListener('abort', end)
    waiters?.add(end)
  })
}

/** Resolves as `work` does, or with undefined after `ms` milliseconds or as soon as the signal is aborted. */
export function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const ends = new Set<() => void>()
  const late = delay(clock, ms, signal, ends).then(() => undefined)
  return Promise.race([work, late]).finally(() => {
    for (const end of ends) end()
  })
}

/** Node fires a timer immediately if its delay exceeds this value. */
const MAX_TIMER = 2 ** 31 - 1

/**
 * Uses CLOCK_MONOTONIC, which a changed date does not move and which runs while the process is stopped. Node fires
 * timers before it reads from sockets, so a response that arrived while the process was stopped would be too late. The
 * actions of timers therefore run after the reads.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  setTimer(run, ms) {
    let afterReads: NodeJS.Immediate | undefined
    const expire = (): void => {
      afterReads = setImmediate(run)
    }
    const timer = setTimeout(expire, Math.min(ms, MAX_TIMER)).unref()
    return {
      cancel() {
        clearTimeout(timer)
        clearImmediate(afterReads)
      },
    }
  },
}
