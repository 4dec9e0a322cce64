import { readFileSync } from 'node:fs'
import type { Config } from '../config/index.ts'

/** Descriptors for everything but clients of `LISTEN` and iSales: the admin listener, files, the store, the log. */
const RESERVED = 128
/** Connections that are served however low the limit is. */
const MIN_CONNECTIONS = 16

type Limits = Pick<Config, 'listenMaxConnections' | 'maxInFlight'>

/**
 * The limits of the configuration, or lower ones that the process has descriptors for: without one, nobody could
 * connect, and no call could reach iSales. Both limits are lowered by the same number.
 *
 * @param descriptors undefined: no limit.
 */
export function withinDescriptors(
  config: Limits & Pick<Config, 'isalesMaxConnections'>,
  descriptors: number | undefined,
): Limits {
  const { listenMaxConnections: wanted, maxInFlight, isalesMaxConnections } = config
  const room = (descriptors ?? Infinity) - RESERVED - isalesMaxConnections
  const listenMaxConnections = Math.min(wanted, Math.max(MIN_CONNECTIONS, room))
  return {
    listenMaxConnections,
    maxInFlight: Math.max(1, maxInFlight - (wanted - listenMaxConnections)),
  }
}

/** Descriptors that this process may have open; undefined: no limit, or one that only Linux would tell. */
export function descriptorLimit(): number | undefined {
  try {
    const [, limit] =
      /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === undefined ? undefined : Number(limit)
  } catch {
    return undefined
  }
}
