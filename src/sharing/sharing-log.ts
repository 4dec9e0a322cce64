import type { StoreFailureReason } from '../causes.ts'
import type { Log } from '../log/index.ts'
import { en, explainedStore, lineOf, type Places } from '../words/index.ts'

// What log, metrics and status page know of `sharing/`, whose other code is loaded only when it is configured.

export const STORE_OPERATIONS = ['swap', 'read'] as const
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
  | {
      readonly type: 'alone'
      readonly reason: StoreFailureReason
      /** The store's own, where it refused. */
      readonly code: string | undefined
    }
  /** It does again. */
  | { readonly type: 'shared' }
  /** What is in the store was not sealed with our key, or is damaged. */
  | { readonly type: 'unreadable' }

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

/** Writes one line for each change of what is shared. */
export function sharingLog(log: Log, places: Places): (event: SharingEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'alone':
        return log('sharing-alone', {
          reason: event.reason,
          code: event.code,
          detail: lineOf(en, explainedStore(event, places)),
        })
      case 'shared':
        return log('sharing-restored')
      case 'unreadable':
        return log('shared-token-unreadable')
    }
  }
}
