import type { StoreFailureReason } from '../causes.ts'

// What metrics and status page know of `sharing/`, whose other code is loaded only when it is configured.

export const STORE_OPERATIONS = ['swap', 'read'] as const
export type StoreOperationName = (typeof STORE_OPERATIONS)[number]

/** One call of the store; metrics are fed by nothing else. */
export interface StoreCall {
  readonly operation: StoreOperationName
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
