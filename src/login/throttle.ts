import { peerOf } from '../http/peer.ts'

/** Wrong passwords a second. */
const OF_ONE = 5
const OF_ALL = 50
/** Milliseconds. */
const MEMORY = 60_000
/** Addresses that are remembered. */
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
 * wrong. Clients behind one address cannot be distinguished.
 *
 * @param now monotonic milliseconds.
 */
export function createThrottle(now: () => number): Throttle {
  const all = new Bucket(OF_ALL, now)
  const peers = new Map<string, Bucket>()
  /** Undefined: it was not wrong lately. */
  const wrongLately = (peer: string): Bucket | undefined => {
    const bucket = peers.get(peer)
    return bucket !== undefined && now() - bucket.spentAt < MEMORY ? bucket : undefined
  }
  return {
    open(address) {
      const bucket = wrongLately(peerOf(address))
      return bucket === undefined || (bucket.left() >= 1 && all.left() >= 1)
    },
    spend(address) {
      const peer = peerOf(address)
      const bucket = wrongLately(peer)
      if (bucket !== undefined) all.spend()
      const spent = bucket ?? new Bucket(OF_ONE, now)
      spent.spend()
      // The one that was wrong last is the last of the map, and forgotten last.
      peers.delete(peer)
      peers.set(peer, spent)
      const [oldest] = peers.keys()
      if (peers.size > MOST_PEERS && oldest !== undefined) peers.delete(oldest)
    },
  }
}

class Bucket {
  spentAt: number
  readonly #perSecond: number
  readonly #now: () => number
  #left: number

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#left = perSecond
    this.spentAt = now()
  }

  left(): number {
    const refilled = ((this.#now() - this.spentAt) * this.#perSecond) / 1000
    return Math.min(this.#perSecond, this.#left + refilled)
  }

  spend(): void {
    this.#left = this.left() - 1
    this.spentAt = this.#now()
  }
}
