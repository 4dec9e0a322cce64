/** What log, metrics and status page know of `sharing/`, whose code is loaded only when it is configured. */

/**
 * Why the store did not do what it was asked to. A closed set: each is a label value of
 * `session_store_failures_total`.
 *
 * - `unreachable`: no connection, or it broke.
 * - `timeout`: no reply in `SESSION_STORE_TIMEOUT`; the operation may have been executed.
 * - `tls`: a certificate or the handshake failed.
 * - `auth`: WRONGPASS, NOAUTH: user or password.
 * - `permission`: NOPERM: the ACL.
 * - `readonly`: READONLY: a replica.
 * - `memory`: OOM.
 * - `wrong-type`: WRONGTYPE: something else wrote the key.
 * - `cluster`: MOVED and its kin: the server is part of a cluster, which is not supported.
 * - `loading`: LOADING, MASTERDOWN, BUSY: not yet.
 * - `replicas`: NOREPLICAS: fewer replicas than `min-replicas-to-write`.
 * - `refused`: another error of the server.
 * - `malformed`: a reply that the operation does not have.
 */
export const STORE_FAILURES = [
  'unreachable',
  'timeout',
  'tls',
  'auth',
  'permission',
  'readonly',
  'memory',
  'wrong-type',
  'cluster',
  'loading',
  'replicas',
  'refused',
  'malformed',
] as const
export type StoreFailureReason = (typeof STORE_FAILURES)[number]

export const STORE_OPERATIONS = [
  'claim',
  'extend',
  'granted',
  'failed',
  'hold-off',
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
