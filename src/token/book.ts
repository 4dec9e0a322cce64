import { HOUR, MINUTE, SECOND, type Clock } from '../clock.ts'
import type { Config, Secret } from '../config/index.ts'
import { isObject } from '../json.ts'
import {
  isGrant,
  isMissing,
  isRefusal,
  MIN_LIFETIME,
  type AuthFailure,
  type Credentials,
  type FailureKind,
  type Grant,
  type IsalesClient,
} from './protocol.ts'
import {
  NO_BACKOFF,
  type Ask,
  type Backoff,
  type Deferred,
  type Outcome,
  type Token,
  type TokenClient,
} from './token.ts'

/**
 * What is known of logins with some credentials. Instants are milliseconds on the monotonic clock. Credentials are
 * proven when iSales has granted them a token within 24 h and has not refused them since.
 */
export interface Entry {
  /** Logins since the last grant that iSales may have counted as a wrong password, one in flight included. */
  readonly attempts: number
  /** Those of them that it refused. */
  readonly refusals: number
  /** When the last one began or ended, or its `Retry-After` ends. Of a fourth one that an operator forced, 7 min later. */
  readonly at: number
  /** A login is in flight. */
  readonly open: boolean
  readonly provenUntil: number
}

/** The entry that follows, from the present one; undefined: it stays. Called again when another process was quicker. */
export type Change = (entry: Entry, now: number) => Entry | undefined

export interface Updated {
  readonly entry: Entry
  readonly isChanged: boolean
  /** False: it counts in memory only, since it could not be written. Default: true. */
  readonly isWritten?: boolean
}

/** Where the book is. */
export interface BookStore {
  /** Never rejects. */
  readonly update: (credentials: Credentials, change: Change) => Promise<Updated>
}

export type BookRules = Pick<Config, 'loginRejectedAttempts'>

export const NO_ENTRY: Entry = {
  attempts: 0,
  refusals: 0,
  at: -Infinity,
  open: false,
  provenUntil: -Infinity,
}

const PROOF = 24 * HOUR
/** A refresh that prolongs a proof by less is not written. */
const PROOF_STEP = HOUR
const MAX_COUNT = 1e6
/** What is stored has no more of them. */
const MAX_ENTRIES = 20
/** Logins that an operator may have at any time; after them one in 15 min. */
const MAX_ATTEMPTS = 4
/** After one attempt, two, and more. So few do not lock an account: at most four in 15 min. */
const PAUSES = [5 * SECOND, 10 * SECOND] as const
const UNCLEAR_PAUSE = 8 * MINUTE
const REFUSED_PAUSE = 15 * MINUTE
/** After the fourth login, where an operator ended the pause before it: the next one is in 15 min, too. */
const FORCED_AHEAD = REFUSED_PAUSE - UNCLEAR_PAUSE
/** The same credentials were refused after that: nobody has corrected them yet. */
const LONG_PAUSE = 4 * HOUR
/** A login in flight is waited for so long, then it is taken as one that failed: its process may have been killed. */
const OPEN_FOR = 3 * SECOND
/** Between two looks at it. */
const LOOK_EVERY = 50
const MIN_BACKOFF = 500
const MAX_BACKOFF = 30 * SECOND
/** An iSales that has not responded clearly ten times in a row is asked less often. */
const MANY_FAILURES = 10
const MAX_UNCLEAR = 5 * MINUTE
const EGRESS = 30 * SECOND
const MAX_EGRESS = 5 * MINUTE
/** `Retry-After: 0` would be a hot loop. */
const MIN_RETRY_AFTER = SECOND
const MAX_RETRY_AFTER = 5 * MINUTE
/** From so many on logins come so rarely that the account is not locked. */
const GUARDED = 3

// The rules.

/** No login before, but one that an operator asks for. */
export function notBefore(entry: Entry, { loginRejectedAttempts }: BookRules): number {
  const { attempts, refusals, at } = entry
  if (attempts === 0) return -Infinity
  const guard = refusals - loginRejectedAttempts
  const longest = guard > 0 ? LONG_PAUSE : guard === 0 ? REFUSED_PAUSE : 0
  return at + Math.max(longest, PAUSES[attempts - 1] ?? UNCLEAR_PAUSE)
}

/** Why a login waits; undefined: it does not. */
export function waitOf(
  entry: Entry,
  { forced = false }: Pick<Ask, 'forced'>,
  rules: BookRules,
  now: number,
): Deferred | undefined {
  if (entry.open && Math.abs(now - entry.at) < OPEN_FOR) return { deferred: 'busy', ms: LOOK_EVERY }
  const full = entry.attempts < MAX_ATTEMPTS ? -Infinity : entry.at + REFUSED_PAUSE
  const from = notBefore(entry, rules)
  // A login in flight that is dated ahead is looked for, too.
  const most = entry.open && entry.at > now ? OPEN_FOR : Infinity
  const ms = Math.min(most, (forced ? Math.min(from, full) : from) - now)
  return ms > 0 ? { deferred: 'guarded', ms, backoff: backoffOf(entry, rules) } : undefined
}

/** The entry while a login is in flight: what a process that dies now leaves. It proves nothing. */
export function begun(entry: Entry, now: number, forced = false): Entry {
  const attempts = entry.attempts + 1
  const at = forced && attempts >= MAX_ATTEMPTS ? now + FORCED_AHEAD : now
  return { ...entry, attempts, at, open: true, provenUntil: -Infinity }
}

/** The entry after a grant. */
export function granted(now: number): Entry {
  return { ...NO_ENTRY, provenUntil: now + PROOF }
}

/** The entry after a refresh; undefined when it stays. A refresh proves nothing by itself. */
export function prolonged({ provenUntil }: Entry, now: number): Entry | undefined {
  const isDue = now < provenUntil && provenUntil < now + PROOF - PROOF_STEP
  return isDue ? granted(now) : undefined
}

/**
 * What a failed login counts as: refused, or without a verdict of iSales on credentials that are not proven. Undefined: it
 * does not count.
 *
 * @param before the entry before the login.
 */
export function countOf(
  { kind }: AuthFailure,
  before: Entry,
  now: number,
): 'refusal' | 'attempt' | undefined {
  const isProven = now < before.provenUntil
  if (kind === 'refused' || (kind === 'ambiguous' && !isProven)) return 'refusal'
  return kind === 'untouched' || kind === 'egress' || isProven ? undefined : 'attempt'
}

/**
 * The entry after a failed login. One that does not count is taken back.
 *
 * @param before the entry before it began.
 * @param weight as how many attempts it counts.
 */
export function failed(
  entry: Entry,
  before: Entry,
  failure: AuthFailure,
  { weight, now }: { readonly weight: number; readonly now: number },
): Entry {
  const count = countOf(failure, before, now)
  const others = Math.max(0, entry.attempts - 1)
  const isOurs = entry.attempts === before.attempts + 1
  if (count === undefined)
    return isOurs ? { ...before, open: false } : { ...entry, attempts: others, open: false }
  const refusals = count === 'refusal' ? Math.max(entry.refusals + 1, weight) : entry.refusals
  const at = Math.max(entry.at, now + retryAfterOf(failure))
  return { attempts: others + weight, refusals, at, open: false, provenUntil: -Infinity }
}

/**
 * Milliseconds until the next token request after a failure that does not count: 0.5 s doubling to 30 s, after ten
 * unclear ones to 5 min. The egress proxy's refusal: 30 s doubling to 5 min. Jittered, and prolonged by `Retry-After`
 * (1 s to 5 min).
 *
 * @param failures in a row before this one.
 * @param random in [0, 1).
 */
export function pauseAfter(failure: AuthFailure, failures: number, random: number): number {
  return Math.max(retryAfterOf(failure), backoff(failure.kind, failures, random))
}

function backoff(kind: FailureKind, failures: number, random: number): number {
  const doubled = (base: number, max: number): number => Math.min(max, base * 2 ** failures)
  if (kind === 'egress') return doubled(EGRESS, MAX_EGRESS)
  if (kind === 'untouched') return doubled(MIN_BACKOFF, MAX_BACKOFF) * random
  // In the upper half: iSales may have counted it.
  const max = failures < MANY_FAILURES ? MAX_BACKOFF : MAX_UNCLEAR
  return (doubled(MIN_BACKOFF, max) * (1 + random)) / 2
}

function retryAfterOf({ retryAfter }: AuthFailure): number {
  if (retryAfter === undefined) return 0
  return Math.min(Math.max(retryAfter, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
}

/** What the account is spared by. */
export function backoffOf({ attempts, refusals }: Entry, rules: BookRules): Backoff {
  const refused = refusals > 0
  if (refusals >= rules.loginRejectedAttempts || attempts >= GUARDED)
    return { state: 'guarded', refused }
  return { state: refused ? 'rejected' : 'transient', refused }
}

/** What two books know of the same credentials. An attempt that no grant has crossed out proves nothing. */
export function merged(entry: Entry, other: Entry): Entry {
  const attempts = Math.max(entry.attempts, other.attempts)
  return {
    attempts,
    refusals: Math.max(entry.refusals, other.refusals),
    at: Math.max(entry.at, other.at),
    open: entry.open || other.open,
    provenUntil: attempts > 0 ? -Infinity : Math.max(entry.provenUntil, other.provenUntil),
  }
}

// A book outside of the process: its instants are by another clock, and null where there is none.

/**
 * The latest entries, as JSON.
 *
 * @param offset what the other clock is ahead of ours, milliseconds.
 */
export function storedBook(book: ReadonlyMap<string, Entry>, offset: number) {
  // A grant leaves no other instant than that of its proof.
  const last = ({ at, provenUntil }: Entry): number => Math.max(at, provenUntil - PROOF)
  const latest = [...book].sort(([, one], [, other]) => last(other) - last(one))
  const kept = latest.slice(0, MAX_ENTRIES)
  return Object.fromEntries(kept.map(([name, entry]) => [name, stored(entry, offset)]))
}

function stored({ at, provenUntil, ...rest }: Entry, offset: number) {
  const instant = (time: number): number | null =>
    Number.isFinite(time) ? Math.round(time + offset) : null
  return { ...rest, at: instant(at), provenUntil: instant(provenUntil) }
}

/**
 * Undefined for what this program would not have written. What lies further ahead than anything that it writes was
 * written before the clock was set back, and is taken as now.
 */
export function parseStoredBook(
  value: unknown,
  offset: number,
  now: number,
): ReadonlyMap<string, Entry> | undefined {
  if (!isObject(value)) return undefined
  const book = new Map<string, Entry>()
  for (const [name, each] of Object.entries(value)) {
    const entry = parseStored(each, offset, now)
    if (entry === undefined) return undefined
    book.set(name, entry)
  }
  return book
}

function parseStored(value: unknown, offset: number, now: number): Entry | undefined {
  if (!isObject(value)) return undefined
  const { attempts, refusals, open } = value
  const instant = (time: unknown, most: number): number | undefined => {
    if (time === null) return -Infinity
    if (typeof time !== 'number') return undefined
    return time - offset > now + most ? now : time - offset
  }
  const at = instant(value['at'], FORCED_AHEAD)
  const provenUntil = instant(value['provenUntil'], PROOF)
  const isWhole = isCount(attempts) && isCount(refusals) && typeof open === 'boolean'
  if (!isWhole || at === undefined || provenUntil === undefined) return undefined
  return { attempts, refusals, at, open, provenUntil }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_COUNT
}

// Token requests by the book.

export interface BookOptions {
  readonly client: IsalesClient
  readonly book: BookStore
  readonly rules: BookRules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/** Nobody waits for the outcome of an aborted request. */
const ABORTED: Deferred = { deferred: 'busy', ms: SECOND }
const TRANSIENT: Backoff = { state: 'transient', refused: false }

/**
 * Wraps the client of iSales: each login is written into the book before it is sent, crossed out by a grant, and taken
 * back when nothing of the account was touched. So a crash at any moment counts as an attempt. A login that would come
 * too early is deferred.
 *
 * @example a wrong password, and a process that is killed
 *  0.0 s  written: 1 attempt, open. iSales refuses it: 1 refusal, and no login before 5.0 s
 *  5.0 s  written: 2 attempts, open. The process is killed before iSales responds
 *  7.0 s  it is started again, and looks each 50 ms until 8.0 s: the login is deferred until 15.0 s
 * 15.0 s  written: 3 attempts. iSales refuses it: 2 refusals, and as the third attempt the next one is in 8 min
 *  8 min  the corrected password is another entry: it is granted, and proven for 24 h
 */
export function withBook({ client, book, rules, clock, random }: BookOptions): TokenClient {
  /** Writes the login as begun. @returns the entry before it, or why it waits. */
  const begin = async (ask: Ask) => {
    while (!ask.signal.aborted) {
      let before = NO_ENTRY
      const { entry, isChanged, isWritten } = await book.update(ask.credentials, (present, now) => {
        before = present
        return waitOf(present, ask, rules, now) === undefined
          ? begun(present, now, ask.forced)
          : undefined
      })
      if (isChanged) return { before, isWritten: isWritten !== false }
      const wait = waitOf(entry, ask, rules, clock.now())
      if (wait?.deferred === 'guarded') return wait
      await new Promise<void>((resolve) => {
        clock.setTimer(resolve, LOOK_EVERY)
      })
    }
    return ABORTED
  }

  const login = async (ask: Ask): Promise<Outcome> => {
    const { credentials, weight = 1, failures } = ask
    const begins = await begin(ask)
    if ('deferred' in begins) return begins
    const { before, isWritten } = begins
    const failure = await client.login(credentials, ask)
    if (isGrant(failure)) {
      await book.update(credentials, (_, now) => granted(now))
      return failure
    }
    const counted = countOf(failure, before, clock.now()) !== undefined
    const { entry } = await book.update(credentials, (present, now) =>
      failed(present, before, failure, { weight, now }),
    )
    // What could not be written a restart would forget: the account is spared while this process lives.
    const least = isWritten ? 0 : UNCLEAR_PAUSE
    const pause = counted
      ? Math.max(least, notBefore(entry, rules) - clock.now())
      : pauseAfter(failure, failures, random())
    return { failure, pause, counted, backoff: backoffOf(entry, rules) }
  }

  const refresh = async (ask: Ask, current: Token, refreshToken: Secret): Promise<Outcome> => {
    const failure = await client.refresh({ token: current.token, refreshToken }, ask)
    if (isGrant(failure)) {
      // Nobody waits for it.
      void book.update(ask.credentials, prolonged)
      return withRefreshToken(failure, current)
    }
    // It says nothing of the credentials; the login that follows tells more.
    const isOver = isRefusal(failure) || isMissing(failure)
    const pause = isOver ? 0 : pauseAfter(failure, ask.failures, random())
    return { failure, pause, counted: false, backoff: isOver ? NO_BACKOFF : TRANSIENT }
  }

  return (ask) => {
    const { operation, current } = ask
    if (operation === 'login' || current?.refreshToken === undefined) return login(ask)
    return refresh(ask, current, current.refreshToken)
  }
}

/** A refresh that gives no refresh token leaves the former one in force (RFC 6749 section 6). */
function withRefreshToken(grant: Grant, { refreshToken, refreshExpiresAt: end }: Token): Grant {
  if (grant.refreshToken !== undefined) return grant
  const refreshLifetime = end === undefined ? end : Math.max(MIN_LIFETIME, end - grant.sentAt)
  return { ...grant, refreshToken, refreshLifetime }
}
