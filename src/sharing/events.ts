import type { Log } from '../log/logger.ts'

// What log, metrics and status page know of `sharing/`, whose other code is loaded only when it is configured.

/**
 * Why the store did not do what it was asked to, in words. A closed set: each is a label value of
 * `session_store_failures_total`, and docs/sharing.md says what to do about it. After `timeout` the operation may have
 * been executed.
 */
export const STORE_FAILURES = {
  unreachable: 'no connection to the store',
  timeout: 'the store is too slow',
  tls: 'certificate or handshake of the store failed',
  auth: 'user or password refused by the store',
  denied: 'the store is in protected mode: give it a password, or set protected-mode no',
  permission: 'the user may not do this at the store',
  readonly: 'the store is a replica',
  memory: 'the memory of the store is full',
  'wrong-type': 'something else wrote the key',
  cluster: 'the store is part of a cluster',
  loading: 'the store is loading its data',
  replicas: 'the store has too few replicas',
  refused: 'the store refused it',
  malformed: 'reply of the store not understood',
} as const
export type StoreFailureReason = keyof typeof STORE_FAILURES

export const STORE_OPERATIONS = [
  'claim',
  'extend',
  'granted',
  'failed',
  'read',
  'publish',
  'replicas',
] as const
export type StoreOperationName = (typeof STORE_OPERATIONS)[number]

/** One call of the store; metrics are fed by nothing else. */
export interface StoreCall {
  readonly operation: StoreOperationName
  readonly durationMs: number
  /** Undefined: it was done. */
  readonly failure: StoreFailureReason | undefined
}

export type SharingEvent =
  /** The store does not do what it is asked to. */
  | { readonly type: 'alone'; readonly reason: StoreFailureReason }
  /** It does again. */
  | { readonly type: 'shared' }
  /** What is in the store was not sealed with our key, or is damaged. */
  | { readonly type: 'unreadable' }

export interface SharingSnapshot {
  readonly state: 'shared' | 'alone'
  /** Why it is alone. */
  readonly reason: StoreFailureReason | undefined
  /** When the state was entered, on the monotonic clock. */
  readonly since: number
  /** Replicas that listen, this one included; undefined: not known. */
  readonly replicas: number | undefined
  /** When the token at hand came from another replica, on the monotonic clock; undefined: it did not. */
  readonly adoptedAt: number | undefined
}

/** Writes one line for each change of what is shared. */
export function sharingLog(log: Log): (event: SharingEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'alone':
        return log('sharing-alone', { reason: event.reason, detail: STORE_FAILURES[event.reason] })
      case 'shared':
        return log('sharing-restored')
      case 'unreadable':
        return log('shared-token-unreadable')
    }
  }
}
