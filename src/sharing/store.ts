import type { StoreFailureReason } from '../token/sharing.ts'

// What the store is asked, and what it replies. `scripts.ts` does each atomically. Durations are milliseconds.

/** Claims the right to ask iSales for a token. */
export interface Claim {
  readonly type: 'claim'
  /** Id of the record that the caller knows; '' for none. */
  readonly seen: string
  /** `<16 characters of the process>-<number of the claim>`. */
  readonly lease: string
  readonly leaseMs: number
  readonly operation: 'login' | 'refresh'
  /** Names the credentials; a guard belongs to one fingerprint. */
  readonly fingerprint: string
  readonly holdGrace: number
  readonly guardGrace: number
  /** Refusals of these credentials that the caller knows of. */
  readonly refusals: number
}

export type ClaimReply =
  /** The record is not the one that the caller knows; '' when there is none. */
  | { readonly type: 'grant'; readonly record: string; readonly pttl: number }
  /** Another process asks iSales. */
  | { readonly type: 'busy'; readonly ms: number }
  /** iSales gave no token to another process, which said when to try again. */
  | { readonly type: 'held'; readonly ms: number; readonly hold: string }
  /** iSales refused these credentials. */
  | { readonly type: 'guarded'; readonly ms: number; readonly refusals: number }
  /** The caller asks iSales. `hold` is what the last failure left, '' for none. */
  | { readonly type: 'mine'; readonly hold: string; readonly refusals: number }

export interface Extend {
  readonly type: 'extend'
  readonly lease: string
  readonly leaseMs: number
}

/** Publishes a token. Without the lease it does so only when nobody else has it and the record is still `seen`. */
export interface Granted {
  readonly type: 'granted'
  readonly seen: string
  readonly lease: string
  readonly record: string
  readonly ms: number
  readonly fingerprint: string
}

export type GrantedReply =
  | { readonly type: 'kept' }
  | { readonly type: 'late'; readonly record: string; readonly pttl: number }

/** Ends a claim without a token. */
export interface Failed {
  readonly type: 'failed'
  readonly lease: string
  readonly fingerprint: string
  readonly failure:
    | { readonly kind: 'none' }
    | { readonly kind: 'hold'; readonly text: string; readonly ms: number; readonly grace: number }
    | {
        readonly kind: 'refused'
        /** Refusals that the caller knew of before this one. */
        readonly known: number
        readonly grace: number
        /** The pause after the first refusal, the second, and so on; the last is for all that follow. */
        readonly pauses: readonly number[]
      }
}

export interface FailedReply {
  readonly mine: boolean
  /** Refusals of these credentials, this one included; 0 unless the failure was one. */
  readonly refusals: number
}

export interface Read {
  readonly type: 'read'
}

export interface ReadReply {
  readonly record: string
  readonly pttl: number
}

/** Asks all replicas to wait, unless they wait that long already. */
export interface HoldOff {
  readonly type: 'hold-off'
  readonly text: string
  readonly ms: number
  readonly grace: number
}

/** Characters of a record's id, before the dot. */
export const ID_LENGTH = 22

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
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

export function guardKey(fingerprint: string): string {
  return `guard:${fingerprint}`
}
