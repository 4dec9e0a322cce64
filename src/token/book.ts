import { createHmac, randomBytes } from 'node:crypto'
import { HOUR, MINUTE, SECOND, type Clock } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type {
  Ask,
  BackoffState,
  Credentials,
  Deferred,
  Failed,
  IsalesClient,
  Outcome,
  RefreshTokens,
  TokenClient,
} from './client.ts'
import { isObject } from '../json.ts'
import {
  isGrant,
  isMissing,
  isRefusal,
  MIN_LIFETIME,
  type AuthFailure,
  type FailureKind,
  type Grant,
} from './protocol.ts'

/**
 * What is known of logins with some credentials. Instants are milliseconds on the monotonic clock. Credentials are
 * proven when iSales has granted them a token within 24 h and has not refused them since.
 */
export interface Entry {
  /** Logins since the last grant that iSales may have counted as a wrong password, one in flight included. */
  readonly attempts: number
  /** Those of them that it refused. */
  readonly refusals: number
  /** No login is sent before. */
  readonly notBefore: number
  /** Nor before this, whoever asks: four logins in 15 min do not lock an account. */
  readonly fullUntil: number
  readonly provenUntil: number
}

/** Where the book is. Nothing rejects. */
export interface BookStore {
  readonly read: (credentials: Credentials) => Promise<Entry | undefined>
  /** @returns false when the entry counts in memory only: it could not be written. */
  readonly write: (credentials: Credentials, entry: Entry) => Promise<boolean>
  /**
   * Keeps other processes from logging in, from reading the entry to writing its end. Whoever waited reads again.
   * Resolves with what ends it, or when the signal is aborted.
   */
  readonly lock: (signal: AbortSignal) => Promise<() => Promise<void>>
}

export type BookRules = Pick<Config, 'loginRejectedAttempts'>

const PROOF = 24 * HOUR
/** A refresh that prolongs a proof by less is not written. */
const PROOF_STEP = HOUR
const MAX_COUNT = 1e6
/** So many logins may count as wrong passwords in 15 min. */
const MAX_ATTEMPTS = 4
/** After one attempt, two, and more. So few do not lock an account: at most four in 15 min. */
const PAUSES = [5 * SECOND, 10 * SECOND] as const
const UNCLEAR_PAUSE = 8 * MINUTE
const REFUSED_PAUSE = 15 * MINUTE
/** The same credentials were refused after that: nobody has corrected them yet. */
const LONG_PAUSE = 4 * HOUR
const MIN_BACKOFF = 500
const MAX_BACKOFF = 30 * SECOND
/** An iSales that has not responded clearly ten times in a row is asked less often. */
const MANY_FAILURES = 10
const MAX_UNCLEAR = 5 * MINUTE
const EGRESS = 30 * SECOND
const MAX_EGRESS = 5 * MINUTE
/** `Retry-After: 0`, or a date that is past, would be a hot loop. */
const MIN_RETRY_AFTER = SECOND
const MAX_RETRY_AFTER = 5 * MINUTE

/** An entry as it is kept outside of the process: milliseconds from the moment that it was written. */
export interface StoredEntry extends Pick<Entry, 'attempts' | 'refusals'> {
  readonly pause: number
  readonly full: number
  readonly proof: number
}

export const NO_ENTRY: Entry = {
  attempts: 0,
  refusals: 0,
  notBefore: -Infinity,
  fullUntil: -Infinity,
  provenUntil: -Infinity,
}

/** The entry while a login is in flight: what a process that dies now leaves. */
export function begun(before: Entry, now: number, why?: Ask['why']): Entry {
  const attempts = before.attempts + 1
  const notBefore = now + pauseAfter(attempts, why)
  return { ...before, attempts, notBefore, ...fullAfter(attempts, now), provenUntil: -Infinity }
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
 * Why a token request waits. An entry with attempts spares the account: only logins wait. One without is the pause of another
 * replica after a failure that says nothing of the account: refreshes wait, too. A login that an operator asks for ends a
 * pause, unless it is the fifth in 15 min.
 */
export function waitOf(
  entry: Entry,
  { operation, why }: Pick<Ask, 'operation' | 'why'>,
  rules: BookRules,
  now: number,
): Deferred | undefined {
  const { notBefore, fullUntil } = entry
  const endsPause = operation === 'login' && why === 'operator'
  const ms = (endsPause ? Math.min(notBefore, fullUntil) : notBefore) - now
  if (ms <= 0 || (entry.attempts > 0 && operation === 'refresh')) return undefined
  return entry.attempts > 0
    ? { deferred: 'guarded', ms, backoff: backoffOf(entry, rules) }
    : { deferred: 'paused', ms, backoff: 'transient' }
}

/**
 * What follows a failed login.
 *
 * - refused: after 5 s, 10 s, from `LOGIN_REJECTED_ATTEMPTS` 15 min, then each 4 h.
 * - unclear: after 5 s, 10 s, then each 8 min; proven credentials 0.5 s doubling to 30 s, after ten failures to 5 min.
 * - untouched: 0.5 s doubling to 30 s. The egress proxy's refusal: 30 s doubling to 5 min.
 *
 * All but the first are jittered or prolonged by `Retry-After` (1 s to 5 min).
 *
 * @param before the entry before the login.
 * @param random in [0, 1).
 */
export function afterFailure(
  before: Entry,
  failure: AuthFailure,
  given: Pick<Ask, 'failures' | 'weight'> & {
    readonly why?: Ask['why']
    readonly rules: BookRules
    readonly now: number
    readonly random: number
  },
): Omit<Failed, 'failure'> & { readonly entry: Entry } {
  const { rules, failures, weight = 1, now, random } = given
  const { kind, retryAfter } = failure
  const isProven = now < before.provenUntil
  const isUntouched = kind === 'untouched' || kind === 'egress'
  const isRefused = kind === 'refused' || (kind === 'ambiguous' && !isProven)
  const asked =
    retryAfter === undefined ? 0 : Math.min(Math.max(retryAfter, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
  if (isUntouched || (isProven && !isRefused)) {
    const pause = Math.max(asked, backoff(kind, failures, random))
    const shown = before.refusals > 0 ? backoffOf(before, rules) : 'transient'
    return { entry: before, pause, counted: false, backoff: shown }
  }
  const attempts = before.attempts + weight
  const refusals = isRefused ? Math.max(before.refusals + 1, weight) : before.refusals
  const guard = isRefused ? refusals - rules.loginRejectedAttempts : -1
  const longest = guard > 0 ? LONG_PAUSE : guard === 0 ? REFUSED_PAUSE : 0
  const pause = Math.max(asked, longest, pauseAfter(attempts, given.why))
  const notBefore = now + pause
  const full = fullAfter(attempts, now)
  const entry = { attempts, refusals, notBefore, ...full, provenUntil: -Infinity }
  return { entry, pause, counted: true, backoff: backoffOf(entry, rules) }
}

/** What the account is spared by; `transient` when nothing was refused. */
export function backoffOf({ attempts, refusals }: Entry, rules: BookRules): BackoffState {
  if (refusals >= rules.loginRejectedAttempts || attempts > PAUSES.length) return 'guarded'
  return refusals > 0 ? 'rejected' : 'transient'
}

/** What two books know of the same credentials. An attempt that no grant has crossed out proves nothing. */
export function merged(entry: Entry, other: Entry): Entry {
  const attempts = Math.max(entry.attempts, other.attempts)
  return {
    attempts,
    refusals: Math.max(entry.refusals, other.refusals),
    notBefore: Math.max(entry.notBefore, other.notBefore),
    fullUntil: Math.max(entry.fullUntil, other.fullUntil),
    provenUntil: attempts > 0 ? -Infinity : Math.max(entry.provenUntil, other.provenUntil),
  }
}

export function stored(
  { notBefore, fullUntil, provenUntil, ...counts }: Entry,
  now: number,
): StoredEntry {
  const left = (until: number): number => Math.max(0, Math.ceil(until - now))
  return { ...counts, pause: left(notBefore), full: left(fullUntil), proof: left(provenUntil) }
}

/** @param age milliseconds since it was written. Below 0 a clock was set back: it counts as written now. */
export function restored(
  { pause, full, proof, ...counts }: StoredEntry,
  age: number,
  now: number,
): Entry {
  const writtenAt = now - Math.max(0, age)
  const fullUntil = full > 0 ? writtenAt + full : -Infinity
  return { ...counts, notBefore: writtenAt + pause, fullUntil, provenUntil: writtenAt + proof }
}

/** Undefined for what this program would not have written. */
export function parseStored(value: unknown): StoredEntry | undefined {
  if (!isObject(value)) return undefined
  const { attempts, refusals, pause, full, proof } = value
  const isEntry =
    isCount(attempts) &&
    isCount(refusals) &&
    isWithin(pause, LONG_PAUSE) &&
    isWithin(full, REFUSED_PAUSE) &&
    isWithin(proof, PROOF)
  return isEntry ? { attempts, refusals, pause, full, proof } : undefined
}

function isCount(value: unknown): value is number {
  return isWithin(value, MAX_COUNT) && Number.isInteger(value)
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= max
}

function fullAfter(attempts: number, now: number): Pick<Entry, 'fullUntil'> {
  return { fullUntil: attempts < MAX_ATTEMPTS ? -Infinity : now + REFUSED_PAUSE }
}

/** Where an operator ended a pause, the next login may not come when it would have been over. */
function pauseAfter(attempts: number, why: Ask['why'] | undefined): number {
  if (why === 'operator' && attempts >= MAX_ATTEMPTS) return REFUSED_PAUSE
  return PAUSES[attempts - 1] ?? UNCLEAR_PAUSE
}

/** The pause after a failure that does not count. */
function backoff(kind: FailureKind, failures: number, random: number): number {
  const doubled = (base: number, max: number): number => Math.min(max, base * 2 ** failures)
  if (kind === 'egress') return doubled(EGRESS, MAX_EGRESS)
  if (kind === 'untouched') return doubled(MIN_BACKOFF, MAX_BACKOFF) * random
  // In the upper half: iSales may have counted it.
  const max = failures < MANY_FAILURES ? MAX_BACKOFF : MAX_UNCLEAR
  return (doubled(MIN_BACKOFF, max) * (1 + random)) / 2
}

export interface BookOptions {
  readonly client: IsalesClient
  readonly book: BookStore
  readonly rules: BookRules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/** Ends nothing. */
export const NO_LOCK = (): Promise<void> => Promise.resolve()

/** Nobody waits for the outcome of an aborted ask. */
const ABORTED: Deferred = { deferred: 'busy', ms: SECOND }

/**
 * Wraps the client of iSales: each login is written into the book before it is sent, crossed out by a grant, and taken
 * back when nothing of the account was touched. So a crash at any moment counts as an attempt. A login that would come
 * too early is deferred.
 *
 * @example a wrong password, and a process that is killed
 *  0.0 s  written: 1 attempt, none before 5.0 s. iSales refuses it: 1 refusal
 *  5.0 s  written: 2 attempts, none before 15.0 s. The process is killed before iSales responds
 *  7.0 s  it is started again, and reads the entry: the login is deferred until 15.0 s
 * 15.0 s  written: 3 attempts. iSales refuses it: 2 refusals, and as the third attempt the next one is in 8 min
 *  8 min  the corrected password is another entry: it is granted, and proven for 24 h
 */
export function withBook({ client, book, rules, clock, random }: BookOptions): TokenClient {
  const find = async ({ credentials }: Ask): Promise<Entry> =>
    (await book.read(credentials)) ?? NO_ENTRY

  const login = async (ask: Ask): Promise<Outcome> => {
    const unlock = await book.lock(ask.signal)
    const outcome = ask.signal.aborted ? ABORTED : await loginUnderLock(ask)
    await unlock()
    return outcome
  }

  const loginUnderLock = async (ask: Ask): Promise<Outcome> => {
    const { credentials } = ask
    const before = await find(ask)
    const now = clock.now()
    const wait = waitOf(before, { ...ask, operation: 'login' }, rules, now)
    if (wait !== undefined) return wait
    const isWritten = await book.write(credentials, begun(before, now, ask.why))
    const outcome = await client.login(credentials, ask)
    if (isGrant(outcome)) {
      await book.write(credentials, granted(clock.now()))
      return outcome
    }
    const given = { ...ask, rules, now: clock.now(), random: random() }
    const { entry, ...verdict } = afterFailure(before, outcome, given)
    await book.write(credentials, entry)
    // A restart would forget it: the account is spared while this process lives.
    const pause = verdict.counted && !isWritten ? UNCLEAR_PAUSE : 0
    return { failure: outcome, ...verdict, pause: Math.max(verdict.pause, pause) }
  }

  /** Another process may have been refused meanwhile: the proof is prolonged under the lock, and nobody waits for it. */
  const prolongProof = async (ask: Ask): Promise<void> => {
    const unlock = await book.lock(ask.signal)
    const entry = prolonged(await find(ask), clock.now())
    if (entry !== undefined) await book.write(ask.credentials, entry)
    await unlock()
  }

  const refresh = async (ask: Ask, tokens: RefreshTokens): Promise<Outcome> => {
    const wait = waitOf(await find(ask), ask, rules, clock.now())
    if (wait !== undefined) return wait
    const outcome = await client.refresh(tokens, ask)
    const known = await find(ask)
    const now = clock.now()
    if (isGrant(outcome)) {
      if (prolonged(known, now) !== undefined) void prolongProof(ask)
      return withRefreshToken(outcome, tokens)
    }
    // It says nothing of the credentials; the login that follows tells more.
    if (isRefusal(outcome) || isMissing(outcome)) {
      const shown = known.attempts > 0 ? backoffOf(known, rules) : 'none'
      return { failure: outcome, pause: 0, counted: false, backoff: shown }
    }
    const given = { ...ask, rules, now, random: random() }
    const proven = { ...known, provenUntil: Infinity }
    const { entry: _, ...verdict } = afterFailure(proven, outcome, given)
    return { failure: outcome, ...verdict }
  }

  return (ask) => {
    const { operation, current } = ask
    if (operation === 'login' || current?.refreshToken === undefined) return login(ask)
    return refresh(ask, { ...current, refreshToken: current.refreshToken })
  }
}

/** A refresh that gives no refresh token leaves the former one in force (RFC 6749 section 6). */
function withRefreshToken(
  grant: Grant,
  { refreshToken, refreshExpiresAt: end }: RefreshTokens,
): Grant {
  if (grant.refreshToken !== undefined) return grant
  const refreshLifetime = end === undefined ? end : Math.max(MIN_LIFETIME, end - grant.sentAt)
  return { ...grant, refreshToken, refreshLifetime }
}

/** The book of one process: what a restart forgets. */
export function memoryBook(): BookStore {
  const key = randomBytes(32)
  const entries = new Map<string, Entry>()
  const idOf = ({ user, password }: Credentials): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password.reveal()]))
      .digest('base64')
  return {
    read: (credentials) => Promise.resolve(entries.get(idOf(credentials))),
    write(credentials, entry) {
      entries.set(idOf(credentials), entry)
      return Promise.resolve(true)
    },
    lock: () => Promise.resolve(NO_LOCK),
  }
}
