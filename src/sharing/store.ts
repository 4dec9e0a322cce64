import type { StoreFailureReason } from '../causes.ts'
import { HOUR } from '../clock.ts'
import type { StoredValue } from '../token/index.ts'

// The store's one value for an account, and its only operation. The store knows no rule of tokens and logins. Metrics load only
// this file, because the rest of `sharing/` is loaded only if sharing is configured.

export interface StoreFailure {
  readonly reason: StoreFailureReason
  /** The store's own code, such as `NOAUTH`, if it rejected the command. */
  readonly code?: string | undefined
}

export interface Store {
  /**
   * Replaces the value by `desired` if it is `expected`, and returns the value afterwards. Values are bytes as latin1. Never rejects,
   * and ends within half a second.
   *
   * @param desired empty to read only.
   */
  compareAndSwap(expected: string, desired: string): Promise<StoredValue | StoreFailure>
  /** Connects; calls `onConnection` after every connection and every loss. Earlier requests wait at most 1 s for the first. */
  start(onConnection: () => void): void
  stop(): void
}

/** Milliseconds from the last write until the store deletes a value; longer than any token or pause. */
const KEPT_FOR = 48 * HOUR

/** Bytes; no replica writes a longer value. A long one could fill the memory of every replica. */
const MAX_VALUE = 32 * 1024

/** KEYS the value; ARGV expected, desired. A longer value counts as `too long`, which is unreadable and can be replaced. Managed services restrict scripts: the key is literally `KEYS[1]`, and no global is set. */
export const SCRIPT = `
local time = redis.call('TIME')
local value = redis.call('STRLEN', KEYS[1]) > ${MAX_VALUE} and 'too long' or redis.call('GET', KEYS[1]) or ''
if value == ARGV[1] and ARGV[2] ~= '' then
  value = ARGV[2]
  redis.call('SET', KEYS[1], value, 'PX', ${KEPT_FOR})
end
return {value, time[1], time[2]}`

export const STORE_OPERATIONS = ['swap', 'read'] as const

/** Describes a call of the store, for metrics. `failure` is undefined if it succeeded. */
export type StoreCall = Readonly<{
  operation: (typeof STORE_OPERATIONS)[number]
  durationMs: number
  failure: StoreFailureReason | undefined
}>
