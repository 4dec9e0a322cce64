import { LRUCache } from 'lru-cache'
import { SECOND } from '../clock.ts'

/** Wrong passwords a second. */
const RATE = 5
/** Addresses that are remembered. */
const MAX_PEERS = 10_000

export type Throttle = ReturnType<typeof createThrottle>

/**
 * Slows the guessing of passwords: each address may send 5 wrong ones a second, and nobody is refused because others
 * guess. Clients behind one address cannot be distinguished.
 *
 * A bucket is the instant when it is full again: it holds what may be wrong within a second.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number) {
  const buckets = new LRUCache<string, number>({ max: MAX_PEERS })
  const bucketOf = (address: string): number => Math.max(buckets.get(address) ?? 0, now())
  return {
    /** True when a password from this address may be compared. */
    open: (address = ''): boolean => bucketOf(address) - now() <= SECOND - SECOND / RATE,
    /** The password from this address was wrong. */
    spend(address = ''): void {
      buckets.set(address, bucketOf(address) + SECOND / RATE)
    },
  }
}
