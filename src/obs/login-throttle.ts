import { LRUCache } from 'lru-cache'
import { peerOf } from '../http/peer.ts'

/** Wrong passwords a second. */
const OF_ONE = 5
const OF_ALL = 50
/** Milliseconds. */
const MEMORY = 60_000
/** Addresses, and networks, that are remembered. */
const MAX_PEERS = 10_000

/**
 * Slows the guessing of passwords. Each address has a bucket of wrong ones, and all that were wrong in the last minute
 * have one together. The password of an address that was not is always compared: nobody is refused because others are
 * wrong. A /48 of IPv6 holds 65536 addresses (see `peerOf`) of one owner, so it has a bucket as large as that of all.
 * Clients behind one address cannot be distinguished.
 *
 * A bucket is the instant when it is full again: it holds what may be wrong within a second.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number) {
  const buckets = () =>
    new LRUCache<string, number>({ max: MAX_PEERS, ttl: MEMORY, ttlResolution: 0, perf: { now } })
  const peers = buckets()
  const networks = buckets()
  let all = 0
  const isOpen = (bucket: number, perSecond: number): boolean =>
    bucket - now() <= 1000 - 1000 / perSecond
  const spent = (bucket: number, perSecond: number): number =>
    Math.max(bucket, now()) + 1000 / perSecond

  return {
    /** True when a password from this address may be compared. */
    open(address: string | undefined): boolean {
      const peer = peerOf(address)
      const own = peers.get(peer)
      if (!isOpen(networks.get(networkOf(peer)) ?? 0, OF_ALL)) return false
      return own === undefined || (isOpen(own, OF_ONE) && isOpen(all, OF_ALL))
    },
    /** It was wrong. The address is remembered from now on. */
    spend(address: string | undefined): void {
      const peer = peerOf(address)
      const network = networkOf(peer)
      if (peers.has(peer)) all = spent(all, OF_ALL)
      peers.set(peer, spent(peers.get(peer) ?? 0, OF_ONE))
      networks.set(network, spent(networks.get(network) ?? 0, OF_ALL))
    },
  }
}

/** The /48 of an IPv6 peer. An IPv4 address is a network of its own, whose bucket never empties before its own. */
function networkOf(peer: string): string {
  return peer.split(':', 3).join(':')
}
