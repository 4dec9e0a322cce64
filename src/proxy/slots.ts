import type { Clock, Timer } from '../clock.ts'

/** Milliseconds until the next look for a response to cut. */
const INTERVAL = 500

/**
 * Limits the calls in flight. While a response waits for its client, calls without a slot wait in order of arrival, and
 * the response is cut in their favor.
 */
export function createSlots(max: number, evictSlowest: () => number | undefined, clock: Clock) {
  let used = 0
  let timer: Timer | undefined
  /** Each gives its call a slot. */
  const line = new Set<() => void>()

  /** Returns false if no response is being relayed. */
  const evict = (): boolean => {
    timer?.cancel()
    if (line.size === 0) return false
    const pause = evictSlowest()
    timer = clock.setTimer(evict, pause || INTERVAL)
    return pause !== undefined
  }

  return {
    used: () => used,

    take(): boolean {
      if (used >= max) return false
      used += 1
      return true
    },

    /** Calls `onSlot` with a slot. Resolves then, after `ms` milliseconds, or when aborted. */
    wait: (ms: number, signal: AbortSignal, onSlot: () => void): Promise<void> =>
      new Promise((resolve) => {
        const stop = (): void => {
          line.delete(give)
          late.cancel()
          resolve()
        }
        const give = (): void => {
          stop()
          onSlot()
        }
        const late = clock.setTimer(stop, ms)
        signal.addEventListener('abort', stop, { once: true })
        line.add(give)
        if (line.size === 1 && !evict()) stop()
      }),

    /** Gives a slot back, to the call that has waited longest. */
    release(): void {
      const [next] = line
      if (next === undefined) used -= 1
      else next()
      evict()
    },
  }
}
