import { MINUTE, SECOND } from '../clock.ts'
import type { Explained } from '../words/index.ts'
import { CALL_FAILURES, totalOf, type CallCounts, type CallFailure } from './call-counts.ts'

/** Milliseconds. */
const OUTAGE = 3 * SECOND
export const CALM = 5 * SECOND
/** What the counts of `recent` are of. It says an outage earlier than the minute. */
export const RECENT = 20 * SECOND
/** Calls that succeeded since the last failure, before anybody speaks of recovery. */
const SUCCESSES = 3

/** The calls of now. */
export interface CallsView {
  /** The last 5 s. */
  readonly latest: CallCounts
  /** The last 20 s. */
  readonly recent: CallCounts
  readonly minute: CallCounts
  /** The failures since the last call that succeeded, and when the first of them was. */
  readonly outage: { readonly since: number; readonly failed: number }
  /** Calls that succeeded since one failed. */
  readonly succeededSince: number
  /** On the monotonic clock. */
  readonly lastFailedAt: number | undefined
  /** What is known of the last call of a kind. */
  readonly whyOf: (failure: CallFailure) => Explained
}

/** Calls that fail, of how many, in which time, and most of them why. */
export interface Failing {
  readonly kind: 'outage' | 'recovering' | 'most' | 'some'
  readonly main: CallFailure
  readonly failed: number
  readonly total: number
  readonly ms: number
}

/**
 * How badly calls fail. Undefined: none failed in the last minute. The first that fits:
 *
 * - `outage`: none has succeeded for 3 s, and at least two failed. Counts since the last success.
 * - `recovering`: none has failed for 5 s, and three have succeeded. Counts of the minute.
 * - `most`: more than half failed in the last 20 s, two at least, or in the last minute. Counts of that time.
 * - `some`: counts of the minute.
 *
 * @example One call a second. iSales is down from 0 to 11 s.
 *    0 s  `some`: 1 of 60 calls of the minute
 *    3 s  `outage`: all 4 since 0 s
 *   12 s  `most`: 12 of the 20 calls since -7 s; the one of now succeeded
 *   16 s  `recovering`: 12 of the 60 calls of the minute
 *   71 s  undefined
 */
export function failingOf(
  { latest, recent, minute, outage, succeededSince, lastFailedAt = -Infinity }: CallsView,
  now: number,
): Failing | undefined {
  if (minute.failed === 0) return undefined
  const main = mainFailure([latest, recent, minute])
  const failing = (kind: Failing['kind'], counts: CallCounts, ms: number): Failing => {
    return { kind, main, failed: counts.failed, total: totalOf(counts), ms }
  }
  const [since, calm] = [now - outage.since, now - lastFailedAt]
  if (outage.failed > 1 && since >= OUTAGE)
    return { kind: 'outage', main, failed: outage.failed, total: outage.failed, ms: since }
  if (calm >= CALM && succeededSince >= SUCCESSES) return failing('recovering', minute, calm)
  // A single failed call is no outage.
  if (recent.failed > 1 && isMost(recent)) return failing('most', recent, RECENT)
  return failing(isMost(minute) ? 'most' : 'some', minute, MINUTE)
}

function isMost(counts: CallCounts): boolean {
  return counts.failed > totalOf(counts) / 2
}

/** The most frequent of the shortest time in which calls failed: a cause that is over is not named for long. */
function mainFailure(times: readonly CallCounts[]): CallFailure {
  const counts = times.find(({ failed }) => failed > 0)?.byFailure
  const count = (failure: CallFailure): number => counts?.[failure] ?? 0
  return CALL_FAILURES.reduce((main, each) => (count(each) > count(main) ? each : main))
}
