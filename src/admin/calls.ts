import { MINUTE, SECOND, type Clock } from '../clock.ts'
import type { HandshakeFailure, ProblemCode } from '../causes.ts'
import type { Explained, Places } from '../words/index.ts'
import {
  add,
  count,
  countOne,
  noCalls,
  outcomeOf,
  whyOf,
  type CallCounts,
  type CallFailure,
  type EndedCall,
} from './call-counts.ts'
import { CALM, RECENT, type CallsView } from './failing.ts'

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

const MAX_FAILED = 10
const MAX_PATH = 200

/**
 * Remembers how calls ended: the last minute by second, the last hour by minute, and the last that failed. Bounded in
 * memory, whatever comes.
 */
export function createCalls({ clock, places }: { readonly clock: Clock; readonly places: Places }) {
  const seconds: Slot[] = []
  const minutes: Slot[] = []
  const failed: FailedCall[] = []
  /** What is known of the last call of each kind. */
  const causes: Partial<Record<CallFailure, Explained>> = {}
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

  const remember = ({ method, target, status, code, requestId }: EndedCall): void => {
    const path = target.replace(/[?#].*$/s, '').slice(0, MAX_PATH)
    const same = failed.findIndex(
      (one) =>
        one.method === method && one.path === path && one.status === status && one.code === code,
    )
    const [before] = same === -1 ? [] : failed.splice(same, 1)
    const times = (before?.count ?? 0) + 1
    failed.push({ count: times, at: clock.now(), method, path, status, code, requestId })
    if (failed.length > MAX_FAILED) failed.shift()
  }

  return {
    view: (): CallsView => ({
      latest: countsOf(CALM),
      recent: countsOf(RECENT),
      minute: countsOf(MINUTE),
      outage,
      succeededSince,
      lastFailedAt,
      whyOf: (failure) => causes[failure] ?? { code: 'internal', facts: [] },
    }),
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
    /** Calls, and those of them that did not succeed, since it was last called. */
    takeTally: () => {
      const taken = tally
      tally = { requests: 0, errors: 0 }
      return taken
    },

    /** A login of CTI-OBS was refused, or the TLS handshake of a client failed: neither is a call. */
    turnedAway: (why: 'obs-login' | HandshakeFailure): void => {
      for (const { blocked, handshakes } of slotsNow())
        countOne(why === 'obs-login' ? blocked : handshakes, why)
    },

    ended(call: EndedCall): void {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      for (const slot of slotsNow()) count(slot, call, outcome)
      if (outcome === 'mistake') {
        remember(call)
        return
      }
      tally.requests += 1
      if (outcome === 'succeeded') {
        succeededSince += 1
        outage = { since: 0, failed: 0 }
        return
      }
      tally.errors += 1
      remember(call)
      if (outcome === 'refused') return
      causes[outcome] = whyOf(outcome, call, places)
      const now = clock.now()
      outage = { since: outage.failed === 0 ? now : outage.since, failed: outage.failed + 1 }
      succeededSince = 0
      lastFailedAt = now
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
