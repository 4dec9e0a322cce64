// Counts every request by its class, and decides what is wrong with calls: the only windows and rules for calls.
import { HOUR, MINUTE, SECOND } from '../clock.ts'
import { CLASSES, OUTCOMES, type Outcome } from '../codes.ts'
import { ALL_CLASSES, PROBE, type RequestClass } from '../request-summary.ts'

/** Calls without a usable response: failed, rejected or refused ones, and those that their client left. */
export const LOST = OUTCOMES.filter(
  (each): each is CallFinding['outcome'] => CLASSES[each].is === 'lost',
)
/** Calls of which CTI-OBS has no use. */
export const USELESS: readonly Outcome[] = [...LOST, 'declined']
const ANSWERED = OUTCOMES.filter((each) => CLASSES[each].is === 'answered')
/** All calls. A stray request, a handshake or a successful login of CTI-OBS is not a call. */
const CALLS = OUTCOMES.filter((each) => CLASSES[each].is !== 'no-call')

/** Milliseconds, numbers of calls, and shares of the calls. */
export const RULES = {
  /** The calls of the last 5 s, filled up to three. */
  latest: { ms: 5 * SECOND, calls: 3, maxAge: 10 * MINUTE },
  /** The calls of the last minute, filled up to 20. */
  window: { ms: MINUTE, calls: 20, maxAge: 10 * MINUTE },
  /** A single call never causes a finding. */
  least: 2,
  /** `failing` if more than this share of the latest calls is lost. */
  failing: 0.5,
  /** The same from this share on, if declined calls count as well; also the share that is every call. */
  every: 0.8,
  /** `degraded` from this share of the latest calls or of the window. */
  lost: 0.05,
  /** A class with this share of the lost calls has its own finding; a rarer one has none. */
  part: 0.2,
  /** After an answered call, an unknown client may send refused ones: they alone are `failing` after an hour, or if a minute has ten. */
  refused: { ms: HOUR, calls: 10 },
  /** No client gets through if these connections were turned away, and no call was answered within `noAnswer`. */
  turnedAway: { count: 2, maxAge: 10 * MINUTE, noAnswer: MINUTE },
  /** The same, at once, if these calls and connections ended and every one was lost or turned away. */
  lockedOut: { ms: 6 * SECOND, count: 5 },
  /** Clients that leave after the TLS handshake count from so many on: a health check may come every 5 s. */
  probes: { ms: 19 * SECOND, count: 5 },
} as const

const isTurnedAway = ({ outcome, traits }: RequestClass): boolean =>
  CLASSES[outcome].is === 'no-call' && traits.turnedAway === true

export type Counts = Record<Outcome, number>

/** @param outcomes default: all calls. */
export function addUp(counts: Counts, outcomes: readonly Outcome[] = CALLS): number {
  return outcomes.reduce((sum, each) => sum + counts[each], 0)
}

/** Number of requests of each class, by the class's `index`. */
type Tally = Float64Array

function newTally(): Tally {
  return new Float64Array(ALL_CLASSES.length)
}

function add(tally: Tally, index: number, times = 1): void {
  tally[index] = (tally[index] ?? 0) + times
}

function sumOf(tally: Tally, isCounted: (of: RequestClass) => boolean): number {
  return ALL_CLASSES.reduce((sum, of) => sum + (isCounted(of) ? (tally[of.index] ?? 0) : 0), 0)
}

function countsOf(tally: Tally): Counts {
  const counts = Object.fromEntries(OUTCOMES.map((each) => [each, 0])) as Counts
  for (const { outcome, index } of ALL_CLASSES) counts[outcome] += tally[index] ?? 0
  return counts
}

/** End of a request, on the monotonic clock. */
export interface Ended {
  readonly at: number
  readonly of: RequestClass
}

export type CallsSeen = ReturnType<ReturnType<typeof createAccounting>['view']>
type Period = CallsSeen['latest']

/** A finding about calls: `count` of `total` within `span` milliseconds. Lost calls are counted together; `own` are of this class. */
export interface CallFinding {
  readonly outcome: Exclude<Outcome, 'granted' | 'answered'>
  readonly state: 'failing' | 'degraded'
  /** The most frequent among the latest calls; if the finding is over, in the window. */
  readonly cause: RequestClass
  readonly own: number
  readonly count: number
  readonly total: number
  readonly span: number
  /** When the last such call ended, if the finding is over; otherwise undefined. */
  readonly endedAt: number | undefined
}

/**
 * Returns what is wrong with the calls at `now`.
 *
 * @example One call per second. iSales is down from 0 to 11 s.
 *    0 s  nothing: one call of 60
 *    2 s  `failing`: 3 of the latest 5 calls are lost
 *   16 s  `degraded`, ended at 11 s: none of the latest, 12 of the window
 *   69 s  nothing: fewer than 5 % of the window
 */
export function checkCalls(seen: CallsSeen, now: number): readonly CallFinding[] {
  const { latest, window, lastAt } = seen
  const check = (
    outcomes: readonly CallFinding['outcome'][],
    share: number,
    isFailing = false,
  ): readonly CallFinding[] => {
    const countIn = ({ counts }: Period): number => addUp(counts, outcomes)
    const period = [latest, window].find((each) => isMany(countIn(each), share * each.total))
    if (period === undefined) return []
    // By the window as well, so that classes that take turns at losing most keep their findings.
    const isPart = (outcome: Outcome): boolean =>
      [latest, window].some((each) => isMany(each.counts[outcome], RULES.part * countIn(each)))
    const sorted = outcomes.toSorted((one, other) => period.counts[other] - period.counts[one])
    const shown = sorted.filter((outcome, index) => index === 0 || isPart(outcome))
    return shown.flatMap((outcome) => {
      const current = mostFrequent(latest, outcome)
      const cause = current ?? mostFrequent(window, outcome)
      if (cause === undefined) return []
      const isOver = current === undefined
      const of = isOver ? window : period
      return {
        outcome,
        state: isFailing && !isOver ? 'failing' : 'degraded',
        cause,
        own: of.counts[outcome],
        count: countIn(of),
        total: of.total,
        span: of.span,
        endedAt: isOver ? lastAt[outcome] : undefined,
      }
    })
  }
  const isUseless =
    latest.counts.declined >= RULES.least && isMost(seen, USELESS, RULES.every * latest.total)
  return [
    ...check(LOST, RULES.lost, isUseless || isFailing(seen, now)),
    ...check(['declined'], CLASSES.declined.share, isUseless),
    ...check(['slow'], CLASSES.slow.share),
    ...turnedAway(seen, now),
  ]
}

function isMany(count: number, least: number): boolean {
  return count >= Math.max(RULES.least, least)
}

/** Returns true if so many of the latest calls ended so. If these were filled up, the newest call as well. */
function isMost({ latest, newest }: CallsSeen, of: readonly Outcome[], least: number): boolean {
  if (latest.filled && !of.some((each) => each === newest)) return false
  return isMany(addUp(latest.counts, of), least)
}

function isFailing(seen: CallsSeen, now: number): boolean {
  const { latest, minute } = seen
  const { counts, total } = latest
  if (!isMost(seen, LOST, Math.floor(RULES.failing * total) + 1)) return false
  const answeredFor = now - seen.answeredAt
  if (addUp(counts, LOST) > counts.refused || answeredFor > RULES.refused.ms) return true
  return answeredFor > MINUTE && minute.refused >= RULES.refused.calls
}

/** Returns a finding if no client gets through to the proxy. */
function turnedAway(seen: CallsSeen, now: number): readonly CallFinding[] {
  const { answeredAt, isLockedOut } = seen
  const { count: least, maxAge, noAnswer } = RULES.turnedAway
  const [newest, oldest] = [seen.turnedAway.at(-1), seen.turnedAway.at(-least)]
  if (!newest || !oldest || oldest.at < now - maxAge || oldest.at <= answeredAt) return []
  const isQuiet = now - newest.at <= noAnswer && now - answeredAt > noAnswer
  if (!isQuiet && !(isLockedOut && now - newest.at <= RULES.lockedOut.ms)) return []
  const outcome = newest.of.outcome === 'handshake' ? 'handshake' : 'stray'
  const count = Math.max(least, seen.awayInMinute)
  const numbers = { own: count, count, total: count, span: MINUTE, endedAt: undefined }
  return [{ outcome, state: 'degraded', cause: newest.of, ...numbers }]
}

/** Returns the most frequent class of an outcome; undefined if there is none. */
export function mostFrequent({ tally }: Period, outcome: Outcome): RequestClass | undefined {
  const count = ({ index }: RequestClass): number => tally[index] ?? 0
  const own = ALL_CLASSES.filter((each) => each.outcome === outcome && count(each) > 0)
  return own.sort((one, other) => count(other) - count(one))[0]
}

/** Counts requests by periods of `size` milliseconds, and keeps the newest `most`. */
function createPeriods(size: number, most: number) {
  const list: { readonly at: number; readonly tally: Tally }[] = []
  const count = ({ at, of }: Ended): void => {
    let newest = list.at(-1)
    if (newest === undefined || at - newest.at >= size) {
      newest = { at: Math.floor(at / size) * size, tally: newTally() }
      list.push(newest)
      if (list.length > most) list.shift()
    }
    add(newest.tally, of.index)
  }
  return { list, count }
}

/** Counts requests. Bounded in memory, regardless of their number. */
export function createAccounting() {
  const totals = newTally()
  const quarters = createPeriods(SECOND / 4, 240)
  const minutes = createPeriods(MINUTE, 60)
  /** Latest calls, used if a period has too few. */
  let last: Ended[] = []
  const lastAt: Partial<Record<Outcome, number>> = {}
  let away: readonly Ended[] = []
  let probes: readonly Ended[] = []

  const sumOver = (now: number, ms: number): Tally => {
    const sum = newTally()
    for (const { at, tally } of quarters.list)
      if (at > now - ms) for (const each of ALL_CLASSES) add(sum, each.index, tally[each.index])
    return sum
  }

  /** Returns the calls of a rule's time; if they are too few, the last calls. */
  const lookBack = (now: number, rule: (typeof RULES)['latest' | 'window'], recent: Tally) => {
    const filled = addUp(countsOf(recent)) < rule.calls
    const calls = filled ? last.slice(-rule.calls).filter(({ at }) => now - at <= rule.maxAge) : []
    const tally = filled ? newTally() : recent
    for (const { of } of calls) add(tally, of.index)
    const counts = countsOf(tally)
    const span = Math.max(rule.ms, now - (calls[0]?.at ?? now))
    return { tally, counts, total: addUp(counts), span, filled }
  }

  return {
    count(of: RequestClass, now: number): void {
      const ended = { at: now, of }
      add(totals, of.label)
      quarters.count(ended)
      minutes.count(ended)
      lastAt[of.outcome] = now
      if (CLASSES[of.outcome].is !== 'no-call') {
        last.push(ended)
        if (last.length > RULES.window.calls) last.shift()
      } else if (isTurnedAway(of)) away = [...away, ended].slice(-RULES.turnedAway.count)
      else if (of === PROBE) {
        probes = [...probes, ended].slice(-RULES.probes.count)
        const since = probes.at(-RULES.probes.count)?.at ?? -Infinity
        if (now - since < RULES.probes.ms) away = probes.slice(-RULES.turnedAway.count)
      }
    },

    /** Checks only later calls with the labels of a class; totals and hour stay. */
    forget({ label }: RequestClass): void {
      for (const { tally } of quarters.list)
        for (const each of ALL_CLASSES) if (each.label === label) tally[each.index] = 0
      last = last.filter(({ of }) => of.label !== label)
    },

    totals: totals as ArrayLike<number>,

    view(now: number) {
      const minute = sumOver(now, MINUTE)
      const ended = sumOver(now, RULES.lockedOut.ms)
      const counts = countsOf(ended)
      return {
        latest: lookBack(now, RULES.latest, sumOver(now, RULES.latest.ms)),
        window: lookBack(now, RULES.window, minute),
        minute: countsOf(minute),
        /** Requests and connections of the last 60 s that ended because descriptors ran out. */
        withoutDescriptors: sumOf(minute, ({ cause }) => cause === 'no-descriptors'),
        /** Requests and connections of the last 60 s that were turned away. */
        awayInMinute: sumOf(minute, (of) => of === PROBE || isTurnedAway(of)),
        newest: last.at(-1)?.of.outcome,
        /** Every call and connection of the last 6 s was lost or turned away, and these are not few. */
        isLockedOut:
          addUp(counts, ANSWERED) === 0 &&
          addUp(counts) + sumOf(ended, isTurnedAway) >= RULES.lockedOut.count,
        /** Calls since the start. */
        total: addUp(countsOf(totals)),
        /** -Infinity if no call was answered. */
        answeredAt: Math.max(...ANSWERED.map((each) => lastAt[each] ?? -Infinity)),
        lastAt: lastAt as Readonly<typeof lastAt>,
        /** Last connections that ended as if CTI-OBS were misconfigured, the newest last. */
        turnedAway: away,
      }
    },

    /** Returns the last 60 minutes, the newest last; the current one is incomplete. */
    hour: (now: number) =>
      Array.from({ length: 60 }, (_, index) => {
        const at = (Math.floor(now / MINUTE) - 59 + index) * MINUTE
        const minute = minutes.list.find((each) => each.at === at)
        return { at, counts: countsOf(minute?.tally ?? newTally()) }
      }),
  }
}
