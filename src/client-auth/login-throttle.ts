import { LRUCache } from 'lru-cache'
import { SECOND } from '../clock.ts'

/** Wrong passwords per second and address. */
const RATE = 5
/** Maximum number of addresses to remember. */
const MAX_PEERS = 10_000

export type Throttle = ReturnType<typeof createThrottle>

/**
 * Limits password guessing: every address may send 5 wrong passwords per second, independent of other addresses. A
 * bucket is the time at which it is full again; its capacity is one second's worth of attempts.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number) {
  const buckets = new LRUCache<string, number>({ max: MAX_PEERS })
  const bucketOf = (address: string): number => Math.max(buckets.get(address) ?? 0, now())
  return {
    /** Returns true if a password from this address may be compared. */
    open: (address = ''): boolean => bucketOf(address) - now() <= SECOND - SECOND / RATE,
    /** Records a wrong password from this address. */
    spend(address = ''): void {
      buckets.set(address, bucketOf(address) + SECOND / RATE)
    },
  }
}
