import { systemClock } from '../clock.ts'
import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'

type Found = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** Finds all addresses of a name, like `dns.lookup`. */
export type Resolve = (name: string, options: LookupAllOptions, found: Found) => void

export const resolveBySystem: Resolve = (name, options, found) => {
  systemLookup(name, options, found)
}

/**
 * A `lookup` for `net.connect`, of one name, that never has two queries in progress: each query occupies a thread of
 * libuv's pool until DNS responds, which may take longer than a request lives. While DNS fails, the addresses that
 * it gave last are used; while it hangs, they are used after half the timeout.
 *
 * @param timeout milliseconds that a connection waits for an address.
 */
export function createLookup(timeout: number, resolve: Resolve): LookupFunction {
  const waiting = new Set<Found>()
  let asking = false
  /** The latest addresses that DNS gave. */
  let known: LookupAddress[] = []

  return (name, options, callback) => {
    const found: Found = (error, addresses) => {
      timer.cancel()
      waiting.delete(found)
      const usable = error === null ? addresses : known
      callback(usable.length === 0 ? error : null, usable)
    }
    const timer = systemClock.setTimer(
      () => found(Object.assign(new Error('DNS is silent'), { code: 'EAI_AGAIN' }), []),
      known.length === 0 ? timeout : timeout / 2,
    )
    waiting.add(found)
    if (asking) return
    asking = true
    resolve(name, { ...options, all: true }, (error, addresses) => {
      asking = false
      if (error === null) known = addresses
      for (const each of waiting) each(error, addresses)
    })
  }
}
