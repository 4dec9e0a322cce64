import type { StoreFailureReason } from '../causes.ts'

// What the store holds of one account, and how it is changed atomically. The store knows no rule of tokens and logins.

/** How long a claim lasts unless it is made again, milliseconds. */
const LEASE = 3000
/** The first characters of a value name it, and those of a lease its process. */
export const ID_LENGTH = 16

/** Names a value, be it ours or not; '' for an empty key. */
export function idOf(value: string): string {
  return value.slice(0, ID_LENGTH)
}

export interface Claim {
  /** Id of the token that the caller knows; '' for none. */
  readonly seen: string
  /** `<16 characters of the process>-<a name of the claim>`. */
  readonly lease: string
  /** The key of the book. */
  readonly book: string
}

/** What a key holds, and for how long. */
export interface Value {
  /** '' where there is no such key; of a put: nothing is written. */
  readonly value: string
  /** What is left of the life of the key, milliseconds; below 0 where there is no such key. */
  readonly ms: number
}

export interface Put extends Value {
  /** Of the claim. */
  readonly lease: string
  /** `token`, or that of the book. */
  readonly key: string
  /** Ends the claim. */
  readonly release: boolean
}

export const REPLIES = ['newer', 'busy', 'mine', 'done', 'late'] as const

/**
 * What the store replies.
 *
 * - `newer`: the token is not the one that the caller knows. The value is the token.
 * - `busy`: another process has the lease, for `ms`.
 * - `mine`: the caller has the lease. The value is the book.
 * - `done`: the value is written.
 * - `late`: the caller does not have the lease, and nothing is written. The value is the token.
 */
export interface Reply extends Value {
  readonly type: (typeof REPLIES)[number]
}

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

/** The keys of one account. Nothing rejects; everything ends within half a second. */
export interface Cell {
  /** Asks for the right to ask iSales. Made again, it lasts on. */
  claim(asked: Claim): Promise<Reply | StoreFailure>
  put(asked: Put): Promise<Reply | StoreFailure>
  /** The token: `late`, as for a put without a claim. */
  read(): Promise<Reply | StoreFailure>
  /** Asks the other replicas to look again. */
  publish(): Promise<void>
  /** Replicas that listen, this one included; undefined: not known. */
  replicas(): Promise<number | undefined>
  /**
   * Connects, and calls `look` after each connection and each time a replica publishes. What is asked before waits for the
   * first connection, a second at most.
   */
  start(look: () => void): void
  stop(): void
}

/**
 * KEYS of both: the token, the lease, and the book or, of a put, what is written. Managed services restrict scripts: every
 * key is literally `KEYS[n]`, nothing is published, no global is set. A lease with a longer life than ours was written by
 * somebody else, and is ignored.
 */
export const SCRIPTS = {
  /** ARGV seen lease. */
  claim: `
local token = redis.call('GET', KEYS[1]) or ''
if string.sub(token, 1, ${ID_LENGTH}) ~= ARGV[1] then
  return {'newer', token, redis.call('PTTL', KEYS[1])}
end
local holder, left = redis.call('GET', KEYS[2]) or '', redis.call('PTTL', KEYS[2])
local isMine = string.sub(holder, 1, ${ID_LENGTH}) == string.sub(ARGV[2], 1, ${ID_LENGTH})
if not isMine and left >= 0 and left <= ${LEASE} then return {'busy', '', left} end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ${LEASE})
return {'mine', redis.call('GET', KEYS[3]) or '', redis.call('PTTL', KEYS[3])}`,

  /** ARGV lease value ms release. Without a lease it is a read. */
  put: `
if ARGV[1] == '' or redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'late', redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end
if ARGV[4] == 'true' then redis.call('DEL', KEYS[2]) end
return {'done', '', 0}`,
} as const
