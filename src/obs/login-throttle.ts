import { LRUCache } from 'lru-cache'

/** Wrong passwords a second. */
const OF_ONE = 5
const OF_ALL = 50
/** Milliseconds. */
const MEMORY = 60_000
/** Addresses that are remembered. */
const MAX_PEERS = 10_000

export type Throttle = ReturnType<typeof createThrottle>

/**
 * Slows the guessing of passwords. Each address may send 5 wrong passwords a second, and all addresses together that
 * sent one in the last minute 50. A password is always compared when its address sent no wrong one in the last minute,
 * so that nobody is refused because others guess. Clients behind one address cannot be distinguished.
 *
 * A bucket is the instant when it is full again: it holds what may be wrong within a second.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number) {
  const peers = new LRUCache<string, number>({
    max: MAX_PEERS,
    ttl: MEMORY,
    ttlResolution: 0,
    perf: { now },
  })
  let all = 0
  const isOpen = (bucket: number, perSecond: number): boolean =>
    bucket - now() <= 1000 - 1000 / perSecond
  const spent = (bucket: number, perSecond: number): number =>
    Math.max(bucket, now()) + 1000 / perSecond

  return {
    /** True when a password from this address may be compared. */
    open(address = ''): boolean {
      const own = peers.get(address)
      return own === undefined || (isOpen(own, OF_ONE) && isOpen(all, OF_ALL))
    },
    /** The password from this address was wrong. */
    spend(address = ''): void {
      if (peers.has(address)) all = spent(all, OF_ALL)
      peers.set(address, spent(peers.get(address) ?? 0, OF_ONE))
    },
  }
}
