// Counts every request by its class, and judges the calls among them: the one set of windows, and the one table of rules.
import { HOUR, MINUTE, SECOND } from '../clock.ts'
import { OUTCOMES, REQUEST_CLASSES, type Outcome, type RequestClass } from '../request-summary.ts'

/** Calls that CTI-OBS got no response of iSales for. */
export const LOST = ['abandoned', 'refused', 'failed', 'rejected'] as const satisfies Outcome[]
/** All calls. A stray request, a handshake or a login of CTI-OBS is not a call. */
export const CALLS = [...LOST, 'declined', 'slow', 'answered'] as const satisfies Outcome[]
export type CallOutcome = (typeof CALLS)[number]
const IS_CALL: ReadonlySet<Outcome> = new Set(CALLS)

/** Milliseconds, numbers of calls, and shares of the calls. */
const RULES = {
  /** The calls of the last 5 s, filled up to three. */
  latest: { ms: 5 * SECOND, calls: 3, maxAge: 10 * MINUTE },
  /** The calls of the last minute, filled up to 20. */
  window: { ms: MINUTE, calls: 20, maxAge: 30 * MINUTE },
  /** A single call is no finding. */
  least: 2,
  /** More than half of the latest calls are lost: `failing`. */
  failing: 0.5,
  /** So many of the latest calls or of the window: `degraded`. */
  lost: 0.05,
  slow: 0.05,
  declined: 0.5,
  /** A stranger's POSTs are not `failing` if a call was answered within so long. */
  worksFor: HOUR,
  /** The last two connections that ended before a call, and no call answered within a minute: no client gets through. */
  turnedAway: { count: 2, maxAge: 10 * MINUTE },
} as const

/** What a misconfigured CTI-OBS, or a certificate of ours, makes of every connection. */
// oxfmt-ignore
const MISCONFIGURED: ReadonlySet<string> = new Set([
  'tls-to-http', 'plain-http', 'not-trusted', 'no-certificate', 'unknown-ca', 'bad-certificate', 'client-name',
])

export type Counts = Record<Outcome, number>
const NO_COUNTS = Object.fromEntries(OUTCOMES.map((each) => [each, 0])) as Counts
export const noCounts = (): Counts => ({ ...NO_COUNTS })

export function addUp(counts: Counts): number {
  return CALLS.reduce((sum, each) => sum + counts[each], 0)
}

/** When a request ended, and how. Instants are on the monotonic clock. */
interface Ended {
  readonly at: number
  readonly of: RequestClass
}

/** The calls of `span` milliseconds. `filled`: those of the time of the rule were too few. */
interface Period {
  readonly counts: Counts
  readonly total: number
  readonly lost: number
  readonly span: number
  readonly filled: boolean
}

/** The requests of now. */
export interface CallsSeen {
  readonly latest: Period
  readonly window: Period
  /** The requests of the last 60 s. */
  readonly minute: Counts
  /** What the latest calls ended with, and how often. */
  readonly latestCauses: ReadonlyMap<RequestClass, number>
  readonly newest: Outcome | undefined
  /** Calls since the start. */
  readonly total: number
  /** -Infinity: none was. */
  readonly answeredAt: number
  readonly lastAt: Partial<Readonly<Record<Outcome, number>>>
  /** The last connections that ended as a misconfigured CTI-OBS ends them, the newest last. */
  readonly turnedAway: readonly Ended[]
}

/** What is to be said of calls: `count` of `total` within `span` milliseconds. */
export interface CallFinding {
  readonly outcome: Exclude<Outcome, 'granted' | 'answered'>
  readonly state: 'failing' | 'degraded'
  /** Undefined: none of the latest calls ended so. */
  readonly cause: RequestClass | undefined
  readonly count: number
  readonly total: number
  readonly span: number
  /** The last one ended then, and the finding is over. Undefined: it is not. */
  readonly endedAt: number | undefined
}

/**
 * Judges the calls of now.
 *
 * @example One call a second. iSales is down from 0 to 11 s.
 *    0 s  nothing: one call of 60
 *    1 s  `degraded`: 2 of the latest 5 calls are lost
 *    2 s  `failing`: 3 of the latest 5
 *   14 s  `degraded`: 2 of the latest 5
 *   16 s  `degraded`, ended at 11 s: none of the latest, 12 of the window
 *   69 s  nothing: fewer than 5 % of the window
 */
export function judgeCalls(seen: CallsSeen, now: number): readonly CallFinding[] {
  const { latest, window, lastAt } = seen
  const findings: CallFinding[] = []
  const judge = (
    state: CallFinding['state'],
    outcome: CallFinding['outcome'],
    share: number,
    countOf: (period: Period) => number,
  ): void => {
    const period = [latest, window].find(
      (each) => countOf(each) >= Math.max(RULES.least, share * each.total),
    )
    if (period === undefined) return
    const cause = mostOf(seen.latestCauses, outcome)
    const endedAt = cause === undefined ? lastAt[outcome] : undefined
    const { total, span } = period
    findings.push({ outcome, state, cause, count: countOf(period), total, span, endedAt })
  }
  // Said of what is lost now, before what was lost.
  const { counts } = latest.lost > 0 ? latest : window
  const lost = LOST.reduce((most, each) => (counts[each] > counts[most] ? each : most))
  judge(isFailing(seen, now) ? 'failing' : 'degraded', lost, RULES.lost, (period) => period.lost)
  for (const outcome of ['declined', 'slow'] as const)
    judge('degraded', outcome, RULES[outcome], (period) => period.counts[outcome])
  return [...findings, ...turnedAway(seen, now)]
}

function isFailing({ latest, newest, answeredAt }: CallsSeen, now: number): boolean {
  const { lost, total, filled, counts } = latest
  if (lost < RULES.least || lost <= RULES.failing * total) return false
  if (filled && !LOST.some((each) => each === newest)) return false
  return lost > counts.refused || now - answeredAt > RULES.worksFor
}

/** No client gets through to the proxy. */
function turnedAway(seen: CallsSeen, now: number): readonly CallFinding[] {
  const { answeredAt, minute } = seen
  const { count: least, maxAge } = RULES.turnedAway
  const all = seen.turnedAway.filter(({ at }) => now - at <= maxAge && at > answeredAt)
  const newest = all.at(-1)
  if (newest === undefined || all.length < least) return []
  if (now - newest.at > MINUTE || now - answeredAt <= MINUTE) return []
  const outcome = newest.of.outcome === 'handshake' ? 'handshake' : 'stray'
  const count = Math.max(least, minute[outcome])
  const said = { count, total: count, span: MINUTE, endedAt: undefined }
  return [{ outcome, state: 'degraded', cause: newest.of, ...said }]
}

function mostOf(causes: CallsSeen['latestCauses'], outcome: Outcome): RequestClass | undefined {
  const own = [...causes].filter(([each, count]) => each.outcome === outcome && count > 0)
  return own.sort(([, one], [, other]) => other - one)[0]?.[0]
}

function periodOf(counts: Counts, span: number, filled: boolean): Period {
  const lost = LOST.reduce((sum, each) => sum + counts[each], 0)
  return { counts, total: addUp(counts), lost, span, filled }
}

/** Milliseconds. */
const TICK = SECOND / 4
type Causes = Map<RequestClass, number>

interface Bucket {
  readonly at: number
  readonly counts: Counts
  readonly causes: Causes
}

/** Adds a bucket for the present tick or minute, unless it is there. */
function bucketAt(buckets: Bucket[], now: number, size: number): Bucket {
  const newest = buckets.at(-1)
  if (newest !== undefined && now - newest.at < size) return newest
  const bucket = { at: Math.floor(now / size) * size, counts: noCounts(), causes: new Map() }
  buckets.push(bucket)
  return bucket
}

function addTo(sums: Causes, of: RequestClass, count = 1): void {
  sums.set(of, (sums.get(of) ?? 0) + count)
}

/** Counts the requests of the last `ms` milliseconds: their sums, and by tick what leaves them. */
function slidingCounts(ms: number) {
  const ticks: Bucket[] = []
  const counts = noCounts()
  const causes: Causes = new Map()
  const forget = (now: number): void => {
    while (ticks[0] !== undefined && ticks[0].at <= now - ms) {
      const old = ticks.shift() as Bucket
      for (const outcome of OUTCOMES) counts[outcome] -= old.counts[outcome]
      for (const [of, count] of old.causes) addTo(causes, of, -count)
    }
  }
  return {
    count(of: RequestClass, now: number): void {
      const tick = bucketAt(ticks, now, TICK)
      if (ticks.length > ms / TICK) forget(now)
      tick.counts[of.outcome] += 1
      counts[of.outcome] += 1
      if (of.outcome === 'answered') return
      addTo(tick.causes, of)
      addTo(causes, of)
    },
    read(now: number) {
      forget(now)
      return { counts: { ...counts }, causes }
    },
  }
}

/** Counts requests. Bounded in memory, whatever happens. */
export function createAccounting() {
  /** Of each class since the start. */
  const totals = REQUEST_CLASSES.map(() => 0)
  const sliding = { latest: slidingCounts(RULES.latest.ms), window: slidingCounts(MINUTE) }
  const minutes: Bucket[] = []
  /** The last calls, to fill up with. */
  const last: Ended[] = []
  const lastAt: Partial<Record<Outcome, number>> = {}
  let away: readonly Ended[] = []
  let total = 0

  /** The calls of the time of a rule; if they are too few, the last calls. */
  const lookBack = (now: number, name: keyof typeof sliding) => {
    const rule = RULES[name]
    const { counts: minute, causes } = sliding[name].read(now)
    const recent = periodOf(minute, rule.ms, false)
    if (recent.total >= rule.calls) return { period: recent, causes, minute }
    const calls = last.slice(-rule.calls).filter(({ at }) => now - at <= rule.maxAge)
    const [counts, lastCauses]: [Counts, Causes] = [noCounts(), new Map()]
    for (const { of } of calls) {
      counts[of.outcome] += 1
      addTo(lastCauses, of)
    }
    const span = Math.max(rule.ms, now - (calls[0]?.at ?? now))
    return { period: periodOf(counts, span, true), causes: lastCauses, minute }
  }

  return {
    /** Counts one request. */
    count(of: RequestClass, now: number): void {
      const { outcome, index } = of
      totals[index] = (totals[index] ?? 0) + 1
      sliding.latest.count(of, now)
      sliding.window.count(of, now)
      bucketAt(minutes, now, MINUTE).counts[outcome] += 1
      if (minutes.length > 60) minutes.shift()
      lastAt[outcome] = now
      if (IS_CALL.has(outcome)) {
        total += 1
        last.push({ at: now, of })
        if (last.length > RULES.window.calls) last.shift()
      } else if (MISCONFIGURED.has(of.cause))
        away = [...away, { at: now, of }].slice(-RULES.turnedAway.count)
    },

    totals: totals as readonly number[],

    view(now: number): CallsSeen {
      const latest = lookBack(now, 'latest')
      const { period: window, minute } = lookBack(now, 'window')
      const { answered = -Infinity, slow = -Infinity, declined = -Infinity } = lastAt
      return {
        latest: latest.period,
        window,
        latestCauses: latest.causes,
        minute,
        newest: last.at(-1)?.of.outcome,
        total,
        answeredAt: Math.max(answered, slow, declined),
        lastAt,
        turnedAway: away,
      }
    },

    /** The last 60 minutes, the newest last; the present one has only begun. */
    hour(now: number): readonly Pick<Bucket, 'at' | 'counts'>[] {
      const first = Math.floor(now / MINUTE) - 59
      const known = new Map(minutes.map((each) => [each.at / MINUTE, each]))
      return Array.from({ length: 60 }, (_, index) => {
        const at = (first + index) * MINUTE
        return known.get(first + index) ?? { at, counts: noCounts() }
      })
    },
  }
}
