import { HOUR, MINUTE, SECOND } from '../clock.ts'
import type { ProblemCode } from '../http/index.ts'
import type { Failure } from '../words/index.ts'
import {
  add,
  count,
  failureOf,
  noCalls,
  outcomeOf,
  type CallCounts,
  type CallFailure,
  type EndedCall,
  type TurnedAway,
} from './call-counts.ts'
import { createCallsLog } from './calls-log.ts'
import { CALM, RECENT, type CallsView } from './failing.ts'
import type { RecordOptions } from './sources.ts'

interface Slot extends CallCounts {
  readonly at: number
}

export interface FailedCall {
  /** How many of the same ended so; `at` and `requestId` are of the last. */
  readonly count: number
  /** On the monotonic clock. */
  readonly at: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly code: ProblemCode | undefined
  readonly requestId: string
}

/** What became of the calls of one path that did not succeed. */
export interface PathCounts {
  readonly method: string
  readonly path: string
  refused: number
  failed: number
  lastAt: number
}

const MAX_FAILED = 10
const MAX_PATHS = 50
const MAX_PATH = 200

/**
 * Remembers how calls ended: the last minute by second, the last hour by minute, the last that failed, and their paths.
 * Bounded in memory, whatever comes.
 */
export function createCalls(options: Pick<RecordOptions, 'clock' | 'log' | 'places'>) {
  const { clock } = options
  const seconds: Slot[] = []
  const minutes: Slot[] = []
  const failed: FailedCall[] = []
  /** The one that was longest without a failure is first. */
  const paths = new Map<string, PathCounts>()
  /** What is known of the last call of each kind. */
  const causes: Partial<Record<CallFailure, Failure>> = {}
  let outage = { since: 0, failed: 0 }
  let succeededSince = 0
  let lastFailedAt: number | undefined
  let tally = { requests: 0, errors: 0 }

  const slotsNow = (): readonly Slot[] => {
    const now = clock.now()
    return [slotAt(seconds, now, SECOND), slotAt(minutes, now, MINUTE)]
  }
  const countsOf = (ms: number): CallCounts =>
    seconds.filter(({ at }) => at > clock.now() - ms).reduce(add, noCalls())

  const view = (): CallsView => ({
    latest: countsOf(CALM),
    recent: countsOf(RECENT),
    minute: countsOf(MINUTE),
    outage,
    succeededSince,
    lastFailedAt,
    causeOf: (failure) => causes[failure] ?? failureOf(failure),
  })

  const callsLog = createCallsLog(options, view)

  const remember = ({ method, target, status, code, requestId }: EndedCall): FailedCall => {
    const path = target.replace(/[?#].*$/s, '').slice(0, MAX_PATH)
    const same = failed.findIndex(
      (one) =>
        one.method === method && one.path === path && one.status === status && one.code === code,
    )
    const [before] = same === -1 ? [] : failed.splice(same, 1)
    const count = (before?.count ?? 0) + 1
    const call = { count, at: clock.now(), method, path, status, code, requestId }
    failed.push(call)
    if (failed.length > MAX_FAILED) failed.shift()
    return call
  }

  const countPath = ({ method, path, at }: FailedCall, outcome: 'refused' | 'failed'): void => {
    const key = `${method} ${path}`
    const counts = paths.get(key) ?? { method, path, refused: 0, failed: 0, lastAt: at }
    counts[outcome] += 1
    counts.lastAt = at
    paths.delete(key)
    paths.set(key, counts)
    const [oldest] = paths.keys()
    if (oldest !== undefined && paths.size > MAX_PATHS) paths.delete(oldest)
  }

  return {
    view,
    /** The last 60 minutes, the newest last; the present one has only begun. */
    hour: (): readonly Slot[] => {
      const now = Math.floor(clock.now() / MINUTE)
      const known = new Map(minutes.map((slot) => [slot.at / MINUTE, slot]))
      return Array.from({ length: 60 }, (_, index) => {
        const minute = now - 59 + index
        return known.get(minute) ?? { at: minute * MINUTE, ...noCalls() }
      })
    },
    /** The last ten kinds that failed, were refused, or were not forwarded; the newest first. */
    failed: (): readonly FailedCall[] => failed.toReversed(),
    /** Of the last hour, the most frequent first; a path counts anew after an hour without a failure. */
    paths: (): readonly PathCounts[] => {
      for (const [key, { lastAt }] of paths) if (lastAt <= clock.now() - HOUR) paths.delete(key)
      return [...paths.values()].sort(
        (one, other) => other.refused + other.failed - one.refused - one.failed,
      )
    },
    /** Calls, and those of them that did not succeed, since it was last called. */
    takeTally: () => {
      const taken = tally
      tally = { requests: 0, errors: 0 }
      return taken
    },

    turnedAway(why: TurnedAway): void {
      for (const { turnedAway } of slotsNow()) turnedAway[why] = (turnedAway[why] ?? 0) + 1
    },

    ended(call: EndedCall): void {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      const slots = slotsNow()
      if (outcome === 'mistake') {
        const { code = 'bad-request' } = call
        for (const { mistakes } of slots) mistakes[code] = (mistakes[code] ?? 0) + 1
        remember(call)
        return
      }
      for (const slot of slots) count(slot, call, outcome)
      tally.requests += 1
      if (outcome === 'succeeded') {
        succeededSince += 1
        outage = { since: 0, failed: 0 }
        return
      }
      tally.errors += 1
      countPath(remember(call), outcome === 'refused' ? 'refused' : 'failed')
      if (outcome === 'refused') return
      causes[outcome] = failureOf(outcome, call)
      const now = clock.now()
      outage = { since: outage.failed === 0 ? now : outage.since, failed: outage.failed + 1 }
      succeededSince = 0
      lastFailedAt = now
      callsLog.begin()
    },
  }
}

/** Of the present second or minute; 60 of them are kept. */
function slotAt(slots: Slot[], now: number, size: number): Slot {
  const at = Math.floor(now / size) * size
  const last = slots.at(-1)
  if (last?.at === at) return last
  const slot = { at, ...noCalls() }
  slots.push(slot)
  if (slots.length > 60) slots.shift()
  return slot
}
