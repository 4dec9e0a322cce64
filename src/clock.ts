export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

/** Of milliseconds, to the millisecond. */
export function secondsOf(ms: number): number {
  return Math.round(ms) / SECOND
}

/** The monotonic clock and its timers. Tests pass in one of their own. */
export interface Clock {
  /** Milliseconds. Never goes back, whatever happens to the date. */
  now(): number
  /** A time over 24 days is taken as 24 days. The timer does not keep the process alive. */
  setTimer(run: () => void, ms: number): Timer
}

export interface Timer {
  cancel(): void
}

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const end = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimer(end, ms)
    signal?.addEventListener('abort', end)
  })
}

/** Node fires a timer immediately when its delay is over this. */
const MAX_TIMER = 2 ** 31 - 1

/**
 * CLOCK_MONOTONIC: a changed date does not move it, and it runs while the process is stopped. Node fires timers before
 * it reads: a response that came while the process did not run would be too late. So what a timer does is done after
 * the reads.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
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
