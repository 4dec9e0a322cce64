import { performance } from 'node:perf_hooks'
import type { Clock } from './session/clock.ts'

/** More than this and Node's timer would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/** CLOCK_MONOTONIC: a changed date does not move it, and it goes on while the process is stopped. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(run, ms) {
    const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER)).unref()
    return {
      cancel() {
        clearTimeout(timer)
      },
    }
  },
}
