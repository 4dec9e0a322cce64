import type { StoreFailureReason } from '../causes.ts'
import { HOUR } from '../clock.ts'

// What the store holds of one account: one value, and how it is changed. The store knows no rule of tokens and logins.
// Metrics and status page know no more of `sharing/`, whose other code is loaded only when it is configured.

export interface Seen {
  /** '' where there is none. Bytes as latin1. */
  readonly value: string
  /** The time of the store, milliseconds since 1970. */
  readonly at: number
}

export interface StoreFailure {
  readonly reason: StoreFailureReason
  /** The store's own code, such as `NOAUTH`, where it refused. */
  readonly code?: string | undefined
}

export interface Cell {
  /**
   * Compare and swap: where the value is `seen`, it is `next` from now on. Never rejects, and ends within half a second.
   *
   * @param next '' for a read.
   * @returns the value after that.
   */
  swap(seen: string, next: string): Promise<Seen | StoreFailure>
  /**
   * Connects, and calls `look` after each connection and each loss of one. What is asked before waits for the first
   * connection, a second at most.
   */
  start(look: () => void): void
  stop(): void
}

/** Milliseconds that a value is kept after it was written: longer than any token, pause or proof. */
const KEPT_FOR = 48 * HOUR

/** KEYS the value; ARGV seen next. Managed services restrict scripts: the key is literally `KEYS[1]`, no global is set. */
export const SWAP = `
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
  /** Undefined: it was done. */
  readonly failure: StoreFailureReason | undefined
}

export interface SharingSnapshot {
  readonly state: 'shared' | 'alone'
  /** Why it is alone. */
  readonly reason: StoreFailureReason | undefined
  /** The store's own code, such as `NOAUTH`, where it refused. */
  readonly code: string | undefined
  /** When the state was entered, on the monotonic clock. */
  readonly since: number
  /** When the token at hand came from another replica, on the monotonic clock; undefined: it did not. */
  readonly adoptedAt: number | undefined
}
