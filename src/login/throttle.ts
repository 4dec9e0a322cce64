import { LRUCache } from 'lru-cache'
import { peerOf } from '../http/peer.ts'

/** Wrong passwords a second. */
const OF_ONE = 5
const OF_ALL = 50
/** Milliseconds. */
const MEMORY = 60_000
/** Addresses, and networks, that are remembered. */
const MOST_PEERS = 10_000

/** Whether a password may be compared, by the address that it comes from. */
export interface Throttle {
  open(address: string | undefined): boolean
  /** It was wrong. */
  spend(address: string | undefined): void
}

/**
 * Slows the guessing of passwords. Each address has a bucket of wrong ones, and all that were wrong in the last minute
 * have one together. The password of an address that was not is always compared: nobody is refused because others are
 * wrong. A /48 of IPv6 holds 65536 addresses (see `peerOf`) of one owner, so it has a bucket as large as that of all.
 * Clients behind one address cannot be distinguished.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number): Throttle {
  const all = new Bucket(OF_ALL, now)
  const remembered = () =>
    new LRUCache<string, Bucket>({ max: MOST_PEERS, ttl: MEMORY, ttlResolution: 0, perf: { now } })
  const peers = remembered()
  const networks = remembered()
  return {
    open(address) {
      const peer = peerOf(address)
      const own = peers.get(peer)
      const network = networks.get(networkOf(peer))
      if (network !== undefined && network.left() < 1) return false
      return own === undefined || (own.left() >= 1 && all.left() >= 1)
    },
    spend(address) {
      const peer = peerOf(address)
      const own = peers.get(peer)
      if (own !== undefined) all.spend()
      spendOf(peers, peer, own ?? new Bucket(OF_ONE, now))
      const network = networkOf(peer)
      spendOf(networks, network, networks.get(network) ?? new Bucket(OF_ALL, now))
    },
  }
}

/** The /48 of an IPv6 peer. An IPv4 address is a network of its own, whose bucket never empties before its own. */
function networkOf(peer: string): string {
  return peer.split(':', 3).join(':')
}

/** Sets it again, so that it is remembered from now on. */
function spendOf(buckets: LRUCache<string, Bucket>, name: string, bucket: Bucket): void {
  bucket.spend()
  buckets.set(name, bucket)
}

class Bucket {
  readonly #perSecond: number
  readonly #now: () => number
  #left: number
  #spentAt: number

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#left = perSecond
    this.#spentAt = now()
  }

  left(): number {
    const refilled = ((this.#now() - this.#spentAt) * this.#perSecond) / 1000
    return Math.min(this.#perSecond, this.#left + refilled)
  }

  spend(): void {
    this.#left = this.left() - 1
    this.#spentAt = this.#now()
  }
}
