import type { StoreFailureReason } from './events.ts'

// What the store is asked, and what it replies. `scripts.ts` does each atomically. Durations are milliseconds.

/** How long a claim lasts unless it is extended. */
export const LEASE = 3000
/** The value of a pause. Earlier versions read it as a reason and the number of failures. */
export const PAUSE = 'held 1'
/** What is left of a pause, or of the pause of a book, is what is left of its key less this. */
export const PAUSE_GRACE = 600_000
export const BOOK_GRACE = 24 * 3600 * 1000
export const PROOF = 24 * 3600 * 1000
/** Characters of a record's id, before the dot. */
export const ID_LENGTH = 22
/** No count is higher. */
export const MAX_COUNT = 9999

/** Logins with some credentials since the last grant. */
export interface Book {
  readonly attempts: number
  readonly refusals: number
  /** Until the next login; without attempts, until the credentials are no longer proven. */
  readonly ms: number
}

/** Claims the right to ask iSales for a token. A claim for a login makes its entry in the book. */
export interface Claim {
  /** Id of the record that the caller knows; '' for none. */
  readonly seen: string
  /** `<16 characters of the process>-<number of the claim>`. */
  readonly lease: string
  readonly operation: 'login' | 'refresh'
  /** Names the credentials of the book. */
  readonly fingerprint: string
  /** An operator asks for a login, which ends each pause. */
  readonly forced: boolean
  /** The attempts that the caller knows. */
  readonly book: Book
  /** The pause while the first attempt is in flight, the second, and so on; the last is for all that follow. */
  readonly begun: readonly number[]
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
  | { readonly type: 'held'; readonly ms: number }
  /** It is too early for a login with these credentials. */
  | ({ readonly type: 'guarded' } & Book)
  /** The caller asks iSales. */
  | ({ readonly type: 'mine' } & Book)

/** Publishes a token. Without the lease it does so only when nobody else has it and the record is still `seen`. */
export interface Granted extends Pick<Claim, 'seen' | 'lease' | 'fingerprint'> {
  readonly record: string
  readonly ms: number
  /** `offer`: it was published before. */
  readonly operation: 'login' | 'refresh' | 'offer'
}

/** Ends a claim without a token. */
export interface Failed extends Pick<Claim, 'lease' | 'fingerprint'> {
  /** All replicas wait that long. 0: the next may claim now. */
  readonly pause: number
  /** Undefined: it stays as it is. Without the lease the higher counts. */
  readonly book: Book | undefined
}

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

/** The store of one account. Nothing rejects; everything ends within half a second. */
export interface SessionStore {
  claim(asked: Claim): Promise<ClaimReply | StoreFailure>
  extend(lease: string): Promise<void>
  /** `grant`: too late, the token of another process is there. */
  granted(asked: Granted): Promise<RecordReply | { readonly type: 'kept' } | StoreFailure>
  failed(asked: Failed): Promise<void>
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
