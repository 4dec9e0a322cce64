import { isCauseCode, type CauseCode } from '../codes.ts'
import { HOUR, MINUTE, SECOND } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { isObject } from '../json.ts'
import type { AuthFailure, FailureKind } from './isales-client.ts'

// How often iSales is asked to log in: at most four times in 15 min with one wrong password, however it answers.

/** What is known of logins with some credentials. Instants are milliseconds on the monotonic clock. */
export interface AttemptRecord {
  /** Logins since the last grant that iSales may have counted as a wrong password, one in flight included. */
  readonly attempts: number
  /** The attempts that iSales refused. */
  readonly refusals: number
  /** Start or end of the last attempt, or the end of its `Retry-After`; later if the next login must wait for 15.5 min. */
  readonly at: number
  /** When the last granted login was sent. Attempts before it are over. */
  readonly grantedAt: number
  /** iSales granted a token within 24 h before, and has not refused the credentials since. */
  readonly knownGoodUntil: number
  /** The cause of the last failed login that counted. Undefined after a grant. */
  readonly lastCode: CauseCode | undefined
}

/**
 * Why the next token request waits.
 *
 * - `none`: nothing; the next token request is an ordinary renewal.
 * - `transient`: a failure that says nothing about the credentials (network, TLS, timeout, 429, 5xx, malformed).
 * - `rejected`: iSales refused the credentials; 5 s, then 10 s.
 * - `guarded`: after `LOGIN_REJECTED_ATTEMPTS` refusals, or three attempts that iSales may have refused; the next logins are
 *   so rare that the account is not locked.
 */
export const BACKOFFS = ['none', 'transient', 'rejected', 'guarded'] as const
export type BackoffState = (typeof BACKOFFS)[number]

/** Why the next token request waits, and whether iSales has refused the credentials since the last grant. */
export interface Backoff {
  readonly state: BackoffState
  readonly refused: boolean
}
export const NO_BACKOFF: Backoff = { state: 'none', refused: false }

export type GuardRules = Pick<Config, 'loginRejectedAttempts'>

const NEVER = { at: -Infinity, grantedAt: -Infinity, knownGoodUntil: -Infinity }
export const NO_ATTEMPTS: AttemptRecord = {
  attempts: 0,
  refusals: 0,
  lastCode: undefined,
  ...NEVER,
}

const KNOWN_GOOD_FOR = 24 * HOUR
/** A refresh that extends it by less is not worth a write. */
const KNOWN_GOOD_STEP = HOUR
const MAX_COUNT = 1e6
const MAX_RECORDS = 20
/** An operator may end the pauses before these; later ones keep their length. */
const MAX_ATTEMPTS = 4
/** After one attempt, two, three and four. With the fifth attempt, 15 min have passed since the first. */
const PAUSES = [5 * SECOND, 10 * SECOND, 2.5 * MINUTE, 12.5 * MINUTE] as const
const LATER_PAUSE = 5 * MINUTE
/** After two attempts of credentials that are known good: iSales is probably ill, and recovers within half a minute. */
const KNOWN_GOOD_PAUSE = 30 * SECOND
/** After `LOGIN_REJECTED_ATTEMPTS` refusals. */
const REFUSED_PAUSE = 15 * MINUTE
/** After more refusals: nobody has corrected the credentials. */
const LONG_PAUSE = 4 * HOUR
/** After a fourth login that an operator forced, or a login that only this process knows. */
const FULL_PAUSE = 15.5 * MINUTE
const MAX_AHEAD = FULL_PAUSE - LATER_PAUSE
const MIN_BACKOFF = 500
const MAX_BACKOFF = 30 * SECOND
/** A refresh that iSales answered with its 500 touches no password. */
const MAX_REFRESH_BACKOFF = 15 * SECOND
/** An iSales that has not responded clearly ten times in a row is asked less often. */
const MANY_FAILURES = 10
const MAX_UNKNOWN = 5 * MINUTE
const EGRESS = 30 * SECOND
const MAX_EGRESS = 5 * MINUTE
/** `Retry-After: 0` would be a hot loop. */
const MIN_RETRY_AFTER = SECOND
const MAX_RETRY_AFTER = 5 * MINUTE
/** From so many attempts on, people see a guard. */
const GUARDED = 3

function pauseOf({ attempts, knownGoodUntil, at }: AttemptRecord): number {
  if (attempts === 2 && knownGoodUntil > at) return KNOWN_GOOD_PAUSE
  return PAUSES[attempts - 1] ?? LATER_PAUSE
}

/**
 * Returns the instant before which no login is sent.
 *
 * @param forced an operator ends the pause. Default: false.
 */
export function loginFrom(record: AttemptRecord, rules: GuardRules, forced = false): number {
  const { attempts, refusals, at } = record
  if (attempts === 0 || (forced && attempts < MAX_ATTEMPTS)) return -Infinity
  const more = refusals - rules.loginRejectedAttempts
  const longest = more > 0 ? LONG_PAUSE : more === 0 ? REFUSED_PAUSE : 0
  const pause = Math.max(longest, pauseOf(record))
  return at + (forced ? Math.min(pause, REFUSED_PAUSE) : pause)
}

/** Dates the record so that the next login is 15.5 min away. */
function ahead(record: AttemptRecord, now: number): AttemptRecord {
  return { ...record, at: now + FULL_PAUSE - pauseOf({ ...record, at: now }) }
}

/** Returns the record while a login is in flight: what a process that is killed now leaves. */
export function recordStart(record: AttemptRecord, now: number, forced = false): AttemptRecord {
  const started = { ...record, attempts: record.attempts + 1, at: now }
  return forced && started.attempts >= MAX_ATTEMPTS ? ahead(started, now) : started
}

/** Returns the record after a granted login. Attempts that others began after it stay. */
export function recordGrant(
  record: AttemptRecord,
  before: AttemptRecord,
  { sentAt, now }: { readonly sentAt: number; readonly now: number },
): AttemptRecord {
  const good = { ...NO_ATTEMPTS, grantedAt: sentAt, knownGoodUntil: now + KNOWN_GOOD_FOR }
  const later = record.attempts - before.attempts - 1
  if (later <= 0) return good
  const refusals = Math.max(0, record.refusals - before.refusals)
  const { at, knownGoodUntil } = refusals > 0 ? record : { ...good, at: record.at }
  return { ...record, attempts: later, refusals, at, grantedAt: sentAt, knownGoodUntil }
}

/** Returns the record after a refresh. A refresh makes nothing known good by itself. */
export function extendKnownGood(record: AttemptRecord, now: number): AttemptRecord {
  const { knownGoodUntil } = record
  const until = now + KNOWN_GOOD_FOR
  const isDue = now < knownGoodUntil && knownGoodUntil < until - KNOWN_GOOD_STEP
  return isDue ? { ...record, knownGoodUntil: until } : record
}

/**
 * Returns what a failed login counts as. Undefined, it does not count: nothing of the account was touched, or
 * credentials that are known good got no answer.
 */
export function countAs(
  { kind, status }: AuthFailure,
  before: AttemptRecord,
  now: number,
): 'refusal' | 'attempt' | undefined {
  const isKnownGood = now < before.knownGoodUntil
  if (kind === 'refused') return 'refusal'
  if (kind === 'ambiguous') return isKnownGood ? 'attempt' : 'refusal'
  return kind === 'unknown' && (status !== undefined || !isKnownGood) ? 'attempt' : undefined
}

/**
 * Returns the record after a failed login. A login that does not count is taken back.
 *
 * @param before the record before the login began.
 * @param alone other processes cannot see the record, and may each try as well: one login counts as four. Default: false.
 */
export function recordFailure(
  record: AttemptRecord,
  before: AttemptRecord,
  failure: AuthFailure,
  {
    rules,
    now,
    alone,
  }: { readonly rules: GuardRules; readonly now: number; readonly alone: boolean },
): AttemptRecord {
  const counted = countAs(failure, before, now)
  const others = Math.max(0, record.attempts - 1)
  if (counted === undefined)
    return record.attempts === before.attempts + 1 ? before : { ...record, attempts: others }
  const least = alone ? rules.loginRejectedAttempts : 0
  const isRefusal = counted === 'refusal'
  const failed = {
    ...record,
    attempts: Math.max(others + 1, alone ? MAX_ATTEMPTS : 0),
    refusals: isRefusal ? Math.max(record.refusals + 1, least) : record.refusals,
    at: Math.max(record.at, now + retryAfterOf(failure)),
    knownGoodUntil: isRefusal ? -Infinity : record.knownGoodUntil,
    lastCode: failure.cause.code,
  }
  return alone ? ahead(failed, now) : failed
}

/**
 * Returns the pause after a failure that does not count, in milliseconds: 0.5 s doubling to 30 s, after ten unknown ones to
 * 5 min. The egress proxy's refusal: 30 s doubling to 5 min. A refresh that was answered with 500: to 15 s. Jittered, and
 * prolonged by `Retry-After` (1 s to 5 min).
 *
 * @param failures in a row before this one.
 * @param random in [0, 1).
 */
export function backoffAfter(failure: AuthFailure, failures: number, random: number): number {
  return Math.max(retryAfterOf(failure), backoff(failure.kind, failures, random))
}

function backoff(kind: FailureKind, failures: number, random: number): number {
  const doubled = (base: number, max: number): number => Math.min(max, base * 2 ** failures)
  if (kind === 'egress') return doubled(EGRESS, MAX_EGRESS)
  if (kind === 'not-processed') return doubled(MIN_BACKOFF, MAX_BACKOFF) * random
  // In the upper half: iSales has seen it.
  const most = failures < MANY_FAILURES ? MAX_BACKOFF : MAX_UNKNOWN
  const max = kind === 'ambiguous' ? MAX_REFRESH_BACKOFF : most
  return (doubled(MIN_BACKOFF, max) * (1 + random)) / 2
}

function retryAfterOf({ retryAfter }: AuthFailure): number {
  if (retryAfter === undefined) return 0
  return Math.min(Math.max(retryAfter, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
}

/** Returns why logins wait, as people see it. */
export function guardState({ attempts, refusals }: AttemptRecord, rules: GuardRules): Backoff {
  const refused = refusals > 0
  if (refusals >= rules.loginRejectedAttempts || attempts >= GUARDED)
    return { state: 'guarded', refused }
  return { state: refused ? 'rejected' : 'transient', refused }
}

/**
 * Returns what two places know of the same credentials: the larger of each field. A later grant crosses out the attempts
 * before it.
 */
export function mergeRecords(one: AttemptRecord, other: AttemptRecord): AttemptRecord {
  const grantedAt = Math.max(one.grantedAt, other.grantedAt)
  const valid = [one, other].filter((side) => side.at > grantedAt || side.grantedAt === grantedAt)
  const most = (field: 'attempts' | 'refusals' | 'at'): number =>
    Math.max(...valid.map((side) => side[field]))
  const refusals = most('refusals')
  const [latest, earlier] = valid.toSorted((side, next) => next.at - side.at)
  return {
    attempts: most('attempts'),
    refusals,
    at: most('at'),
    grantedAt,
    knownGoodUntil: refusals > 0 ? -Infinity : Math.max(one.knownGoodUntil, other.knownGoodUntil),
    lastCode: latest?.lastCode ?? earlier?.lastCode,
  }
}

// Records outside of the process: their instants are by another clock, and null for none.

export type Records = ReadonlyMap<string, AttemptRecord>

/**
 * Returns the latest records as JSON.
 *
 * @param offset by how much the other clock is ahead of ours, in milliseconds.
 */
export function storedRecords(records: Records, offset: number) {
  const instant = (time: number): number | null =>
    Number.isFinite(time) ? Math.round(time + offset) : null
  const last = ({ at, grantedAt }: AttemptRecord): number => Math.max(at, grantedAt)
  const stored = ({ at, grantedAt, knownGoodUntil, ...rest }: AttemptRecord) => {
    const [begun, granted, until] = [at, grantedAt, knownGoodUntil].map(instant)
    return { ...rest, at: begun, grantedAt: granted, knownGoodUntil: until }
  }
  const latest = [...records].sort(([, one], [, other]) => last(other) - last(one))
  const kept = latest.slice(0, MAX_RECORDS)
  return Object.fromEntries(kept.map(([name, record]) => [name, stored(record)]))
}

/**
 * Returns undefined for anything that this program would not have written. An instant further ahead than anything that it
 * writes is from before the other clock was set back, and is taken as now.
 */
export function parseRecords(value: unknown, offset: number, now: number): Records | undefined {
  if (!isObject(value)) return undefined
  const records = new Map<string, AttemptRecord>()
  for (const [name, each] of Object.entries(value)) {
    const record = parseRecord(each, offset, now)
    if (record === undefined) return undefined
    records.set(name, record)
  }
  return records
}

function parseRecord(value: unknown, offset: number, now: number): AttemptRecord | undefined {
  if (!isObject(value)) return undefined
  const { attempts, refusals, lastCode } = value
  const instant = (field: string, most: number): number => {
    const time = value[field]
    if (time === null) return -Infinity
    if (typeof time !== 'number') return NaN
    return time - offset > now + most ? now : time - offset
  }
  const at = instant('at', MAX_AHEAD)
  const grantedAt = instant('grantedAt', 0)
  const knownGoodUntil = instant('knownGoodUntil', KNOWN_GOOD_FOR)
  const isWhole = isCount(attempts) && isCount(refusals) && !Number.isNaN(at + grantedAt)
  if (!isWhole || Number.isNaN(knownGoodUntil)) return undefined
  if (lastCode !== undefined && !isCauseCode(lastCode)) return undefined
  return { attempts, refusals, at, grantedAt, knownGoodUntil, lastCode }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_COUNT
}
