import {
  causeOfStatus,
  codeOfRefusal,
  PROBLEMS,
  type Code,
  type HandshakeFailure,
} from '../causes.ts'
import { MINUTE, SECOND } from '../clock.ts'
import type { EndedRequest } from '../outcomes.ts'
import { explained, type Explained, type Places } from '../words/index.ts'

/** How a call of CTI-OBS failed: an error of the proxy, a relayed 500, or another relayed 5xx. */
// oxfmt-ignore
export const CALL_FAILURES = [
  'no-token', 'overloaded', 'out-of-time', 'upstream-unreachable', 'upstream-tls',
  'upstream-broken', 'upstream-timeout', 'internal', 'isales-error', 'isales-unavailable',
] as const
export type CallFailure = (typeof CALL_FAILURES)[number]
export type CallOutcome = CallFailure | 'succeeded' | 'refused' | 'mistake'

export type Counts<Key extends string> = Partial<Record<Key, number>>

/**
 * Calls of some time, by how they ended. Calls are those of the first three; those whose client left, and those of the drain,
 * are in none.
 *
 * - `succeeded`: iSales responded, and not as below: 200, 404.
 * - `refused`: a relayed rejection of the token, a 401 or 403, or a web page that is no 5xx.
 * - `failed`: 502 of the proxy, a relayed 500 or 503; `byFailure` says why.
 * - `pages`: of the refused ones, the web pages. They are of something before iSales.
 * - `declined`: of the succeeded ones, the other 4xx. They are about the call, and say that iSales works.
 * - `slow`: iSales took longer than 2 s. CTI-OBS gives up after 3 s.
 * - `mistakes`: what the proxy did not forward, by the code that explains it.
 * - `blocked`: of the mistakes, what only CTI-OBS sends: a POST refused by its path or for its ticket; and its login.
 * - `handshakes`: TLS handshakes of clients that failed.
 */
export interface CallCounts {
  succeeded: number
  refused: number
  failed: number
  readonly byFailure: Counts<CallFailure>
  pages: number
  declined: number
  slow: number
  readonly mistakes: Counts<Code>
  readonly blocked: Counts<Code>
  readonly handshakes: Counts<HandshakeFailure>
}

const SLOW = 2 * SECOND

/** A scanner or a load balancer is refused for these, too, but sends no POST. */
// oxfmt-ignore
const BLOCKING: ReadonlySet<string> = new Set([
  'double-slash', 'ambiguous-path', 'other-path', 'auth-path', 'ticket',
])

export function noCalls(): CallCounts {
  const none = { succeeded: 0, refused: 0, failed: 0, pages: 0, declined: 0, slow: 0 }
  return { ...none, byFailure: {}, mistakes: {}, blocked: {}, handshakes: {} }
}

export function totalOf({ succeeded, refused, failed }: CallCounts): number {
  return succeeded + refused + failed
}

export function add(sum: CallCounts, more: CallCounts): CallCounts {
  for (const key of ['succeeded', 'refused', 'failed', 'pages', 'declined', 'slow'] as const)
    sum[key] += more[key]
  for (const key of ['byFailure', 'mistakes', 'blocked', 'handshakes'] as const)
    for (const [each, count = 0] of Object.entries(more[key])) countOne(sum[key], each, count)
  return sum
}

export function countOne(counts: Counts<string>, key: string, times = 1): void {
  counts[key] = (counts[key] ?? 0) + times
}

/** Undefined: it says nothing of iSales, the proxy or CTI-OBS. */
export function outcomeOf(call: EndedRequest): CallOutcome | undefined {
  const { status, code, rejected = false, page = false } = call
  if (code === 'shutting-down' || status === 0) return undefined
  const failure = CALL_FAILURES.find((each) => each === code)
  if (failure !== undefined) return failure
  if (code !== undefined) return 'mistake'
  if (rejected || status === 401 || status === 403 || (page && status < 500)) return 'refused'
  if (status < 500) return 'succeeded'
  return status === 500 ? 'isales-error' : 'isales-unavailable'
}

/** Adds one call. */
export function countCall(counts: CallCounts, call: EndedRequest, outcome: CallOutcome): void {
  const { method, status, code, refusal, page = false, upstreamMs = 0 } = call
  if (upstreamMs > SLOW) counts.slow += 1
  if (outcome === 'succeeded') {
    counts.succeeded += 1
    if (status >= 400) counts.declined += 1
  } else if (outcome === 'refused') {
    counts.refused += 1
    if (page) counts.pages += 1
  } else if (outcome === 'mistake') {
    const why = refusal === undefined ? (code ?? 'bad-request') : codeOfRefusal(refusal)
    countOne(counts.mistakes, why)
    if (method === 'POST' && BLOCKING.has(refusal ?? '')) countOne(counts.blocked, why)
  } else {
    counts.failed += 1
    countOne(counts.byFailure, outcome)
  }
}

/** Why it failed. */
export function whyOf(outcome: CallFailure, call: EndedRequest, places: Places): Explained {
  const { status, failure } = call
  if (outcome === 'isales-error') return { code: 'call-refused', facts: [] }
  if (status === PROBLEMS['loop-detected'].status) return { code: 'loop-detected', facts: [] }
  if (outcome === 'isales-unavailable')
    return explained({ cause: causeOfStatus(call), status }, places, 'call')
  // `upstream-timeout` is its own cause.
  return failure === undefined || outcome === 'upstream-timeout'
    ? { code: outcome, facts: [] }
    : explained(failure, places, 'call')
}

/** The calls of now. Instants are on the monotonic clock. */
export interface Calls {
  /** The last 5 s. */
  readonly latest: CallCounts
  /** The last 20 s. They say an outage earlier than the minute. */
  readonly recent: CallCounts
  readonly minute: CallCounts
  /** The failures since the last call that succeeded, and when the first of them was. */
  readonly outage: { readonly since: number; readonly failed: number }
  /** Calls that succeeded since one failed. */
  readonly succeededSince: number
  readonly lastFailedAt: number | undefined
  /** What is known of the last call of a kind. */
  readonly whyOf: (failure: CallFailure) => Explained
}

/** Milliseconds. */
export const CALM = 5 * SECOND
export const RECENT = 20 * SECOND
const OUTAGE = 3 * SECOND
/** Calls that succeed after the last failure, before `failing` is over. */
const SUCCESSES = 3

/** Calls that fail, of how many, in which time, and most of them why. */
export interface Failing {
  readonly kind: 'outage' | 'most' | 'some' | 'over'
  readonly main: CallFailure
  readonly failed: number
  readonly total: number
  readonly ms: number
}

/**
 * How badly calls fail. Undefined: none failed in the last minute. The first that fits:
 *
 * - `outage`: none has succeeded for 3 s, and at least two failed. Counts since the last success.
 * - `over`: none has failed for 5 s, and three have succeeded. Counts of the minute.
 * - `most`: more than half failed in the last 20 s, two at least, or in the last minute. Counts of that time.
 * - `some`: all else. Counts of the minute.
 *
 * @example One call a second. iSales is down from 0 to 11 s.
 *    0 s  `some`: 1 of 60 calls of the minute
 *    3 s  `outage`: all 4 since 0 s
 *   12 s  `most`: 12 of the 20 calls since -7 s; the one of now succeeded
 *   16 s  `over`: 12 of the 60 calls of the minute
 *   71 s  undefined
 */
export function failingOf(calls: Calls, now: number): Failing | undefined {
  const { latest, recent, minute, outage, succeededSince, lastFailedAt = -Infinity } = calls
  if (minute.failed === 0) return undefined
  const main = mainFailure([latest, recent, minute])
  const failing = (kind: Failing['kind'], counts: CallCounts, ms: number): Failing => {
    return { kind, main, failed: counts.failed, total: totalOf(counts), ms }
  }
  const since = now - outage.since
  if (outage.failed > 1 && since >= OUTAGE)
    return { kind: 'outage', main, failed: outage.failed, total: outage.failed, ms: since }
  const isOver = now - lastFailedAt >= CALM && succeededSince >= SUCCESSES
  if (isOver) return failing('over', minute, MINUTE)
  // A single failed call is no outage.
  if (recent.failed > 1 && doMostFail(recent)) return failing('most', recent, RECENT)
  return failing(doMostFail(minute) ? 'most' : 'some', minute, MINUTE)
}

function doMostFail(counts: CallCounts): boolean {
  return counts.failed > totalOf(counts) / 2
}

/** The most frequent of the shortest time in which calls failed: a cause that is over is not named for long. */
function mainFailure(times: readonly CallCounts[]): CallFailure {
  const counts = times.find(({ failed }) => failed > 0)?.byFailure
  const count = (failure: CallFailure): number => counts?.[failure] ?? 0
  return CALL_FAILURES.reduce((main, each) => (count(each) > count(main) ? each : main))
}
