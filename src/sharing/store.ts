import type { StoreFailureReason } from '../codes.ts'
import { HOUR } from '../clock.ts'
import type { StoredValue } from '../token/index.ts'

// What the store has of one account: one value, and how it is changed. The store knows no rule of tokens and logins.
// Metrics and status page know no more of `sharing/`, whose other code is loaded only when it is configured.

export interface StoreFailure {
  readonly reason: StoreFailureReason
  /** The store's own code, such as `NOAUTH`, if it refused. */
  readonly code?: string | undefined
}

export interface Store {
  /**
   * If the value is `seen`, replaces it by `next`. Values are bytes as latin1. Never rejects, and ends within half a second.
   *
   * @param next empty: only read.
   * @returns the value afterwards.
   */
  compareAndSwap(seen: string, next: string): Promise<StoredValue | StoreFailure>
  /**
   * Connects, and calls `onConnection` after each connection and each loss of one. Earlier requests wait for the first
   * connection, a second at most.
   */
  start(onConnection: () => void): void
  stop(): void
}

/** Milliseconds that a value is kept after it was written: longer than any token or pause. */
const KEPT_FOR = 48 * HOUR

/** KEYS the value; ARGV seen next. Managed services restrict scripts: the key is literally `KEYS[1]`, no global is set. */
export const SCRIPT = `
local time = redis.call('TIME')
local value = redis.call('GET', KEYS[1]) or ''
if value == ARGV[1] and ARGV[2] ~= '' then
  value = ARGV[2]
  redis.call('SET', KEYS[1], value, 'PX', ${KEPT_FOR})
end
return {value, time[1], time[2]}`

export const STORE_OPERATIONS = ['swap', 'read'] as const

/** One call of the store; metrics are fed by nothing else. */
export interface StoreCall {
  readonly operation: (typeof STORE_OPERATIONS)[number]
  readonly durationMs: number
  /** Undefined: it succeeded. */
  readonly failure: StoreFailureReason | undefined
}

export interface SharingSnapshot {
  readonly state: 'shared' | 'alone'
  /** Why the process is alone. */
  readonly reason: StoreFailureReason | undefined
  /** The store's own code, such as `NOAUTH`, if it refused. */
  readonly code: string | undefined
  /** When the state was entered, on the monotonic clock. */
  readonly since: number
  /** When the token in use was adopted from another replica, on the monotonic clock; undefined: it was not. */
  readonly adoptedAt: number | undefined
}
