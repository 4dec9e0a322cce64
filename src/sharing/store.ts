import type {
  Claim,
  ClaimReply,
  Extend,
  Failed,
  FailedReply,
  Granted,
  GrantedReply,
  HoldOff,
  ReadReply,
} from './store-rules.ts'

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

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

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

type Asked<Operation> = Omit<Operation, 'type'>

/** The store of one account. Nothing rejects; everything ends within `SESSION_STORE_TIMEOUT`. */
export interface SessionStore {
  claim(asked: Asked<Claim>): Promise<ClaimReply | StoreFailure>
  extend(asked: Asked<Extend>): Promise<boolean | StoreFailure>
  granted(asked: Asked<Granted>): Promise<GrantedReply | StoreFailure>
  failed(asked: Asked<Failed>): Promise<FailedReply | StoreFailure>
  holdOff(asked: Asked<HoldOff>): Promise<boolean | StoreFailure>
  read(): Promise<ReadReply | StoreFailure>
  /** Asks the other replicas to look again. Best effort. */
  publish(): Promise<void>
  /** Replicas that listen, this one included. */
  replicas(): Promise<number | StoreFailure>
  /** Connects, and calls `look` after each connection and each time another replica publishes. */
  start(look: () => void): void
  /** Resolves when connected, or after `ms`. */
  connected(ms: number): Promise<void>
  stop(): void
}

export function isFailure(reply: unknown): reply is StoreFailure {
  return typeof reply === 'object' && reply !== null && 'type' in reply && reply.type === 'failure'
}
