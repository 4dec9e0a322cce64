import { readSmallFile } from './files.ts'
import type { Config } from './load.ts'

/** Descriptors for everything but clients of `LISTEN` and iSales: the admin listener, files, the store, the log. */
const RESERVED = 128
/** Minimum limit, even if the process has fewer descriptors. */
const MIN_CONNECTIONS = 16

/** Returns the configured limit, or the one that the process has descriptors for. With none left, no call reaches iSales. */
export function connectionsWithin({ listenMaxConnections, isalesMaxConnections }: Config): number {
  const limits = readSmallFile('/proc/self/limits', 4096).toString()
  // Infinite if there is no limit, or if the system is not Linux.
  const descriptors = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity)
  const free = descriptors - RESERVED - isalesMaxConnections
  return Math.min(listenMaxConnections, Math.max(MIN_CONNECTIONS, free))
}
