import { readFileSync } from 'node:fs'
import type { Config } from './load.ts'

/** Descriptors for everything but clients of `LISTEN` and iSales: the admin listener, files, the store, the log. */
const RESERVED = 128
/** Connections that are served however few descriptors there are. */
const MIN_CONNECTIONS = 16

/**
 * The limit of the configuration, or a lower one that the process has descriptors for: with none left nobody could
 * connect, and no call could reach iSales.
 */
export function connectionsWithin({
  listenMaxConnections,
  isalesMaxConnections,
}: Pick<Config, 'listenMaxConnections' | 'isalesMaxConnections'>): number {
  const free = descriptors() - RESERVED - isalesMaxConnections
  return Math.min(listenMaxConnections, Math.max(MIN_CONNECTIONS, free))
}

/** Infinite: there is no limit, or one that only Linux would tell. */
function descriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}
