import type { StoreFailureReason } from '../causes.ts'

// What the store is asked, how it does that atomically, and what it replies. Durations are milliseconds.

/** How long a claim lasts unless it is extended. */
export const LEASE = 3000
/** The value of a pause. Earlier versions read it as a reason and the number of failures. */
export const PAUSE = 'held 1'
/** No pause of ours is longer, nor that of a book. */
export const MAX_PAUSE = 600_000
export const MAX_GUARD = 4 * 3600 * 1000
/** What is left of a pause, or of the pause of a book, is what is left of its key less this. */
export const PAUSE_GRACE = 600_000
export const BOOK_GRACE = 24 * 3600 * 1000
export const PROOF = 24 * 3600 * 1000
/** Characters of a record's id, before the dot, and of a process' id, before the dash. */
export const ID_LENGTH = 22
export const PROCESS_LENGTH = 16
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

/** Publishes a token. Without this very lease it does so only when no other process has one and the record is still `seen`. */
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

/**
 * What the store replies; `record` is '' and a number 0 where it has nothing to say.
 *
 * - `grant`: the record is not the one that the caller knows, or the token of another process is there. `record` is what
 *   the key holds, `ms` its PTTL.
 * - `busy`: another process asks iSales.
 * - `held`: iSales gave no token to another process, which said when to try again: in `ms`.
 * - `guarded`: it is too early for a login with these credentials. With the book.
 * - `mine`: the caller asks iSales. With the book.
 * - `kept`: the token is published.
 */
export interface Reply extends Book {
  readonly type: 'grant' | 'busy' | 'held' | 'guarded' | 'mine' | 'kept'
  readonly record: string
}

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

/** The store of one account. Nothing rejects; everything ends within half a second. */
export interface SessionStore {
  claim(asked: Claim): Promise<Reply | StoreFailure>
  extend(lease: string): Promise<void>
  granted(asked: Granted): Promise<Reply | StoreFailure>
  failed(asked: Failed): Promise<void>
  read(): Promise<Reply | StoreFailure>
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

// The scripts.

/**
 * What somebody else wrote into a key counts as nothing, and so does a wait that is longer than any of ours: the clock of
 * the store was set back.
 */
const BOOK = `
local function book()
  local attempts, refusals =
    string.match(redis.call('GET', KEYS[3]) or '', '^(%d%d?%d?%d?) (%d%d?%d?%d?)$')
  local left = attempts and redis.call('PTTL', KEYS[3]) or 0
  attempts, refusals = tonumber(attempts) or 0, tonumber(refusals) or 0
  if attempts > 0 then left = left - ${BOOK_GRACE} end
  return attempts, refusals, attempts > 0 and left > ${MAX_GUARD} and 0 or math.max(left, 0)
end
local function write(attempts, refusals, ms)
  local text = math.min(attempts, ${MAX_COUNT}) .. ' ' .. math.min(refusals, ${MAX_COUNT})
  redis.call('SET', KEYS[3], text, 'PX', attempts > 0 and ms + ${BOOK_GRACE} or ms)
end`

/** The lease of a process has no space in it, and a pause has one. A process knows its own, whatever its number is. */
const HOLDER = `
local lease = redis.call('GET', KEYS[2]) or ''
local lasts = redis.call('PTTL', KEYS[2])
local isPause = string.find(lease, ' ', 1, true) ~= nil
local isOwn = string.sub(lease, 1, ${PROCESS_LENGTH}) == string.sub(ARGV[2], 1, ${PROCESS_LENGTH})
local isTaken = not isPause and not isOwn and lasts >= 0 and lasts <= ${LEASE}
local held = isPause and lasts - ${PAUSE_GRACE} or 0
if held > ${MAX_PAUSE} then held = 0 end`

/**
 * What the store executes atomically, by the name of the operation. `test/sharing/store-rules.ts` specifies it. KEYS of
 * each are grant, lease and book. Managed services restrict scripts: every key is literally `KEYS[n]`, nothing is
 * published, no global is set.
 */
export const SCRIPTS = {
  /** ARGV seen lease operation forced attempts refusals ms begun1 begun2 and so on. */
  claim: `${BOOK}${HOLDER}
local record = redis.call('GET', KEYS[1]) or ''
if string.sub(record, 1, ${ID_LENGTH}) ~= ARGV[1] then
  return {'grant', record, redis.call('PTTL', KEYS[1]), 0, 0}
end
if isTaken then return {'busy', '', 0, 0, 0} end
local isFree = ARGV[4] == 'true'
if held > 0 and not isFree then return {'held', '', held, 0, 0} end
local attempts, refusals, left = book()
if tonumber(ARGV[5]) > 0 then
  left = math.max(attempts > 0 and left or 0, tonumber(ARGV[7]))
  attempts = math.max(attempts, tonumber(ARGV[5]))
  refusals = math.max(refusals, tonumber(ARGV[6]))
end
if ARGV[3] == 'login' then
  if attempts > 0 and left > 0 and not isFree then return {'guarded', '', left, attempts, refusals} end
  write(attempts + 1, refusals, tonumber(ARGV[7 + math.min(attempts + 1, #ARGV - 7)]))
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ${LEASE})
return {'mine', '', left, attempts, refusals}`,

  /** ARGV lease. */
  extend: `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ${LEASE}) end`,

  /** ARGV seen lease record ms operation. A paused process cannot overwrite a newer token. */
  granted: `${BOOK}${HOLDER}
local record = redis.call('GET', KEYS[1]) or ''
if lease ~= ARGV[2] and (isTaken or string.sub(record, 1, ${ID_LENGTH}) ~= ARGV[1]) then
  return {'grant', record, redis.call('PTTL', KEYS[1]), 0, 0}
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= 'offer' then
  redis.call('DEL', KEYS[2])
  local attempts, _, left = book()
  if ARGV[5] == 'login' or (attempts == 0 and left > 0) then write(0, 0, ${PROOF}) end
end
return {'kept', '', 0, 0, 0}`,

  /** ARGV lease pause, then attempts refusals ms of the book. A late process lowers no count: iSales counted it, too. */
  failed: `${BOOK}
local isMine = redis.call('GET', KEYS[2]) == ARGV[1]
if #ARGV > 2 then
  local attempts, refusals, ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local a, r, left = book()
  if not isMine and a > 0 then
    ms = math.max(attempts > 0 and ms or 0, left)
    attempts, refusals = math.max(attempts, a), math.max(refusals, r)
  end
  if attempts > 0 or ms > 0 then write(attempts, refusals, ms) else redis.call('DEL', KEYS[3]) end
end
if not isMine then return end
if ARGV[2] == '0' then redis.call('DEL', KEYS[2])
else redis.call('SET', KEYS[2], '${PAUSE}', 'PX', ARGV[2] + ${PAUSE_GRACE}) end`,

  read: `
return {'grant', redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1]), 0, 0}`,
} as const
