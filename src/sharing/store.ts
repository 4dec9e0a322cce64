import type { StoreFailureReason } from '../token/sharing.ts'

// What the store is asked, and what it replies. `scripts.ts` does each atomically. Durations are milliseconds.

/** How long a claim lasts unless it is extended. */
export const LEASE = 3000
/** Counts of failures and of refusals outlive their pause: what is left of a key less this is what is left of the pause. */
export const HOLD_GRACE = 600_000
export const GUARD_GRACE = 24 * 3600 * 1000
/** Characters of a record's id, before the dot. */
export const ID_LENGTH = 22

/** What `hold` has after a conflict; else it is the kind of the failure and how many there were in a row. */
export const CONFLICT = 'conflict 0'

/** Claims the right to ask iSales for a token. */
export interface Claim {
  /** Id of the record that the caller knows; '' for none. */
  readonly seen: string
  /** `<16 characters of the process>-<number of the claim>`. */
  readonly lease: string
  readonly operation: 'login' | 'refresh'
  /** Names the credentials; a guard belongs to one fingerprint. */
  readonly fingerprint: string
  /** Refusals of these credentials that the caller knows of. */
  readonly refusals: number
  /** An operator asks for a login, which ends each pause. */
  readonly forced: boolean
}

/** What is in the key `grant`; `record` is '' when there is nothing. */
export interface RecordReply {
  readonly type: 'grant'
  readonly record: string
  readonly pttl: number
}

export type ClaimReply =
  /** The record is not the one that the caller knows. */
  | RecordReply
  /** Another process asks iSales. */
  | { readonly type: 'busy' }
  /** iSales gave no token to another process, which said when to try again. */
  | { readonly type: 'held'; readonly ms: number; readonly hold: string }
  /** iSales refused these credentials. */
  | { readonly type: 'guarded'; readonly ms: number; readonly refusals: number }
  /** The caller asks iSales. `hold` is what the last failure left, '' for none. */
  | { readonly type: 'mine'; readonly hold: string; readonly refusals: number }

/** Publishes a token. Without the lease it does so only when nobody else has it and the record is still `seen`. */
export interface Granted {
  readonly seen: string
  readonly lease: string
  readonly record: string
  readonly ms: number
  /** Of the credentials whose guard ends. */
  readonly fingerprint: string
}

/** Ends a claim without a token. */
export interface Failed {
  readonly lease: string
  readonly fingerprint: string
  readonly failure:
    | { readonly kind: 'none' }
    | { readonly kind: 'hold'; readonly text: string; readonly ms: number }
    | {
        readonly kind: 'refused'
        /** Refusals that the caller knew of before this one. */
        readonly known: number
        /** The pause after the first refusal, the second, and so on; the last is for all that follow. */
        readonly pauses: readonly number[]
      }
}

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

/** The store of one account. Nothing rejects; everything ends within `SESSION_STORE_TIMEOUT`. */
export interface SessionStore {
  claim(asked: Claim): Promise<ClaimReply | StoreFailure>
  extend(lease: string): Promise<void>
  /** `grant`: too late, the token of another process is there. */
  granted(asked: Granted): Promise<RecordReply | { readonly type: 'kept' } | StoreFailure>
  failed(asked: Failed): Promise<void>
  /** Somebody else logs in as this user: all replicas wait for `ms`, unless they wait that long already. */
  holdOff(ms: number): Promise<void>
  read(): Promise<RecordReply | StoreFailure>
  /** Asks the other replicas to look again. */
  publish(): Promise<void>
  /** Replicas that listen, this one included; undefined: not known. */
  replicas(): Promise<number | undefined>
  /**
   * Connects, and calls `look` after each connection and each time another replica publishes. Resolves with the first
   * connection, or after a second.
   */
  start(look: () => void): Promise<void>
  stop(): void
}
