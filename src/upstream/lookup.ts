import { systemClock } from '../clock.ts'
import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'

type Found = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** Finds all addresses of a name, like `dns.lookup`. */
export type Resolve = (name: string, options: LookupAllOptions, found: Found) => void

export interface LookupOptions {
  /** Milliseconds that a connection waits for an address. */
  readonly timeout: number
  readonly resolve: Resolve
}

interface Name {
  readonly waiting: Set<Found>
  asking: boolean
  /** The latest addresses that DNS gave. */
  known: LookupAddress[] | undefined
}

export const resolveBySystem: Resolve = (name, options, found) => {
  systemLookup(name, options, found)
}

/**
 * A `lookup` for `net.connect` that never has two queries for one name in progress: each query occupies a thread of
 * libuv's pool until DNS responds, which may take longer than a request lives. While DNS fails, the addresses that
 * it gave last are used; while it hangs, they are used after half the timeout.
 */
export function createLookup({ timeout, resolve }: LookupOptions): LookupFunction {
  const names = new Map<string, Name>()

  const ask = (hostname: string, name: Name, options: LookupAllOptions): void => {
    name.asking = true
    resolve(hostname, options, (error, addresses) => {
      name.asking = false
      if (error === null) name.known = addresses
      for (const found of name.waiting) found(error, addresses)
    })
  }

  return (hostname, options, callback) => {
    let name = names.get(hostname)
    if (name === undefined) {
      name = { waiting: new Set(), asking: false, known: undefined }
      names.set(hostname, name)
    }
    const { waiting, known } = name
    const found: Found = (error, addresses) => {
      timer.cancel()
      waiting.delete(found)
      const usable = error === null ? addresses : (known ?? [])
      const [first] = usable
      if (first === undefined) callback(error, [])
      else if (options.all === true) callback(null, usable)
      else callback(null, first.address, first.family)
    }
    const timer = systemClock.setTimer(
      () => found(new Error('no response from DNS in time'), []),
      known === undefined ? timeout : timeout / 2,
    )
    waiting.add(found)
    if (!name.asking) ask(hostname, name, { ...options, all: true })
  }
}
