import type { CauseCode } from '../causes.ts'
import { HOUR, MINUTE, SECOND } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { AuthFailure, Operation } from './isales-client.ts'

// Limits logins to at most four within 15 min with one wrong password, however iSales answers.

/** Logins with some credentials. Instants are milliseconds on the monotonic clock. */
export interface AttemptRecord {
  /** Logins since the last grant that iSales may have counted as a wrong password, including one in flight. */
  readonly attempts: number
  /** Attempts that iSales rejected. */
  readonly rejections: number
  /** Start of the next pause: an attempt's start or end, its `Retry-After`'s end, or later to pause for 15.5 min. */
  readonly pauseFrom: number
  /** When the last attempt began or failed. */
  readonly attemptedAt: number
  /** When the last granted login was sent. Attempts before it are over. */
  readonly grantedAt: number
  /** 24 h after the last granted token, unless iSales has rejected the credentials since. */
  readonly knownGoodUntil: number
  /** Cause of the last failed login that counted. Undefined after a grant. */
  readonly lastCode: CauseCode | undefined
  /** The last attempt is not in the shared store, which is unavailable: each replica may have made one. */
  readonly unshared: boolean
}

/**
 * Why the next login waits.
 *
 * - `none`: no login failed, or none is needed.
 * - `transient`: a failure unrelated to the credentials (network, TLS, timeout, 429, 5xx, malformed).
 * - `rejected`: iSales rejected the credentials; 5 s, then 10 s.
 * - `login-pause`: after `LOGIN_REJECTED_ATTEMPTS` rejections, or three attempts that iSales may have rejected. Long pauses
 *   keep the account unlocked.
 */
export const BACKOFFS = ['none', 'transient', 'rejected', 'login-pause'] as const
export type BackoffState = (typeof BACKOFFS)[number]

/** Settings that decide on tokens. Milliseconds. */
export type Rules = Pick<
  Config,
  'clientDeadline' | 'isalesRefreshPath' | 'isalesTokenHeader' | 'loginRejectedAttempts'
>

export const NO_ATTEMPTS: AttemptRecord = {
  attempts: 0,
  rejections: 0,
  pauseFrom: -Infinity,
  attemptedAt: -Infinity,
  grantedAt: -Infinity,
  knownGoodUntil: -Infinity,
  lastCode: undefined,
  unshared: false,
}

export const KNOWN_GOOD_FOR = 24 * HOUR
/** Avoids a write for a shorter extension. */
const KNOWN_GOOD_STEP = HOUR
/** An operator can end the pause after fewer attempts. */
export const MAX_ATTEMPTS = 4
/** After one, two, three and four attempts, so that the fifth follows at least 15 min after the first. */
const PAUSES = [5 * SECOND, 10 * SECOND, 2.5 * MINUTE, 12.5 * MINUTE] as const
const LATER_PAUSE = 5 * MINUTE
/** After two attempts with known good credentials: iSales probably has an outage. */
const KNOWN_GOOD_PAUSE = 30 * SECOND
/** After `LOGIN_REJECTED_ATTEMPTS` rejections. */
const REJECTED_PAUSE = 15 * MINUTE
/** After more rejections. */
const LONG_PAUSE = 4 * HOUR
/** After a fourth login that an operator forced, or an unshared one. */
const FULL_PAUSE = 15.5 * MINUTE
export const MAX_AHEAD = FULL_PAUSE - LATER_PAUSE
const MIN_BACKOFF = 500
const MAX_BACKOFF = 30 * SECOND
/** For a refresh that got iSales's published 500: it uses no password. */
const MAX_REFRESH_BACKOFF = 15 * SECOND
/** After this many failed logins in a row, those without an answer are repeated less often. */
export const MANY_FAILURES = 10
const MAX_UNKNOWN = 5 * MINUTE
const EGRESS = 30 * SECOND
const MAX_EGRESS = 5 * MINUTE
/** `Retry-After: 0` would cause a hot loop. */
const MIN_RETRY_AFTER = SECOND
const MAX_RETRY_AFTER = 5 * MINUTE
/** The state is shown as `login-pause` from this attempt on. */
export const PAUSED_FROM = 3

function pauseOf({ attempts, knownGoodUntil, pauseFrom }: AttemptRecord): number {
  if (attempts === 2 && knownGoodUntil > pauseFrom) return KNOWN_GOOD_PAUSE
  return PAUSES[attempts - 1] ?? LATER_PAUSE
}

/**
 * Returns the instant before which no login is sent.
 *
 * @param forced an operator ends the pause. Default: false.
 */
export function loginFrom(record: AttemptRecord, rules: Rules, forced = false): number {
  const { attempts, rejections, pauseFrom, unshared } = record
  if (attempts === 0 || (forced && attempts < MAX_ATTEMPTS)) return -Infinity
  const more = rejections - rules.loginRejectedAttempts
  const longest = more > 0 ? LONG_PAUSE : more === 0 ? REJECTED_PAUSE : 0
  const pause = Math.max(longest, pauseOf(record), unshared ? FULL_PAUSE : 0)
  return pauseFrom + (forced ? Math.min(pause, REJECTED_PAUSE) : pause)
}

/** Returns the record while a login is in flight, and after the process is killed. */
export function recordStart(
  record: AttemptRecord,
  now: number,
  { forced = false, alone = false } = {},
): AttemptRecord {
  const attempts = record.attempts + 1
  const started = { ...record, attempts, pauseFrom: now, attemptedAt: now, unshared: alone }
  if (!forced || attempts < MAX_ATTEMPTS) return started
  return { ...started, pauseFrom: now + FULL_PAUSE - pauseOf(started) }
}

/** Returns the record after a granted login. Keeps attempts that other processes began later. */
export function recordGrant(
  record: AttemptRecord,
  before: AttemptRecord,
  { sentAt, now }: { readonly sentAt: number; readonly now: number },
): AttemptRecord {
  const good = { ...NO_ATTEMPTS, grantedAt: sentAt, knownGoodUntil: now + KNOWN_GOOD_FOR }
  const later = record.attempts - before.attempts - 1
  if (later <= 0) return good
  const rejections = Math.max(0, record.rejections - before.rejections)
  const { knownGoodUntil } = rejections > 0 ? record : good
  return { ...record, attempts: later, rejections, grantedAt: sentAt, knownGoodUntil }
}

/** Returns the record after a refresh, which extends `knownGoodUntil` but does not begin it. */
export function extendKnownGood(record: AttemptRecord, now: number): AttemptRecord {
  const { knownGoodUntil } = record
  const until = now + KNOWN_GOOD_FOR
  const isDue = now < knownGoodUntil && knownGoodUntil < until - KNOWN_GOOD_STEP
  return isDue ? { ...record, knownGoodUntil: until } : record
}

/** Returns undefined if a failed login does not count: iSales did not process it, or did not answer known good credentials. */
export function countAs(
  { kind, status }: AuthFailure,
  before: AttemptRecord,
  now: number,
): 'rejection' | 'attempt' | undefined {
  const isKnownGood = now < before.knownGoodUntil
  if (kind === 'rejected') return 'rejection'
  if (kind === 'ambiguous') return isKnownGood ? 'attempt' : 'rejection'
  return kind === 'unknown' && (status !== undefined || !isKnownGood) ? 'attempt' : undefined
}

/**
 * Returns the record after a failed login. A login that does not count is taken back.
 *
 * @param before the record before the login began.
 */
export function recordFailure(
  record: AttemptRecord,
  before: AttemptRecord,
  failure: AuthFailure,
  now: number,
): AttemptRecord {
  const counted = countAs(failure, before, now)
  const others = Math.max(0, record.attempts - 1)
  if (counted === undefined)
    return record.attempts === before.attempts + 1 ? before : { ...record, attempts: others }
  const isRejection = counted === 'rejection'
  return {
    ...record,
    attempts: others + 1,
    rejections: record.rejections + (isRejection ? 1 : 0),
    pauseFrom: Math.max(record.pauseFrom, now + retryAfterOf(failure)),
    attemptedAt: now,
    knownGoodUntil: isRejection ? -Infinity : record.knownGoodUntil,
    lastCode: failure.cause.code,
  }
}

/**
 * Returns the pause in milliseconds after a failure that does not count: 0.5 s doubling to 30 s, or to 5 min after ten
 * `unknown` logins, or to 15 s for a refresh that got a 500. If the egress proxy rejects its user (407), 30 s doubling to 5 min. Jittered,
 * and prolonged by `Retry-After` (1 s to 5 min).
 *
 * @param failures of the operation in a row before this one.
 * @param random in [0, 1).
 */
export function backoffAfter(
  failure: AuthFailure,
  operation: Operation,
  failures: number,
  random: number,
): number {
  const { kind, cause } = failure
  const least = retryAfterOf(failure)
  const doubled = (base: number, max: number): number => Math.min(max, base * 2 ** failures)
  if (cause.code === 'egress-login') return Math.max(least, doubled(EGRESS, MAX_EGRESS))
  if (kind === 'not-processed') return Math.max(least, doubled(MIN_BACKOFF, MAX_BACKOFF) * random)
  // iSales received the request: jitter only the upper half.
  const isRare = operation === 'login' && failures >= MANY_FAILURES
  const most = isRare ? MAX_UNKNOWN : MAX_BACKOFF
  const max = kind === 'ambiguous' ? MAX_REFRESH_BACKOFF : most
  return Math.max(least, (doubled(MIN_BACKOFF, max) * (1 + random)) / 2)
}

function retryAfterOf({ retryAfter }: AuthFailure): number {
  if (retryAfter === undefined) return 0
  return Math.min(Math.max(retryAfter, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
}

/** Merges two records of the same credentials: the larger of each field. A later grant deletes the attempts before it. */
export function mergeRecords(one: AttemptRecord, other: AttemptRecord): AttemptRecord {
  const grantedAt = Math.max(one.grantedAt, other.grantedAt)
  const valid = [one, other].filter(
    (side) => side.attemptedAt > grantedAt || side.grantedAt === grantedAt,
  )
  const most = (field: 'attempts' | 'rejections' | 'pauseFrom' | 'attemptedAt'): number =>
    Math.max(...valid.map((side) => side[field]))
  const rejections = most('rejections')
  const [latest, earlier] = valid.toSorted((side, next) => next.pauseFrom - side.pauseFrom)
  return {
    attempts: most('attempts'),
    rejections,
    pauseFrom: most('pauseFrom'),
    attemptedAt: most('attemptedAt'),
    grantedAt,
    knownGoodUntil: rejections > 0 ? -Infinity : Math.max(one.knownGoodUntil, other.knownGoodUntil),
    lastCode: latest?.lastCode ?? earlier?.lastCode,
    unshared: false,
  }
}

/**
 * Merges the home's record with one that was changed in memory, and adds the attempts of both.
 *
 * @param base the record before these changes.
 */
export function addAttempts(
  stored: AttemptRecord,
  mine: AttemptRecord,
  base: AttemptRecord,
): AttemptRecord {
  const merged = mergeRecords(stored, mine)
  // A later grant deletes attempts before it. Stored instants are rounded.
  const isGranted = merged.grantedAt > base.grantedAt + SECOND
  const sum = (field: 'attempts' | 'rejections'): number =>
    Math.max(merged[field], isGranted ? 0 : stored[field] + mine[field] - base[field])
  return { ...merged, attempts: sum('attempts'), rejections: sum('rejections') }
}
