import type { HandshakeFailure, ProblemCode } from '../causes.ts'
import { MINUTE, SECOND, type Clock } from '../clock.ts'
import type { Part, SettingProblem } from '../config/index.ts'
import type { EndedRequest } from '../outcomes.ts'
import type { AuthFailure, TokenEvent } from '../token/index.ts'
import type { Explained, Failure, Places } from '../words/index.ts'
import {
  add,
  CALM,
  countCall,
  countOne,
  noCalls,
  outcomeOf,
  RECENT,
  whyOf,
  type CallCounts,
  type CallFailure,
  type Calls,
} from './calls.ts'

/** What is remembered of what happened, as far as it is judged. */
export interface Remembered {
  readonly calls: Calls
  /** The last ten kinds that failed, were refused, or were not forwarded; the newest first. */
  readonly failedCalls: readonly FailedCall[]
  /** Refreshes that failed since one succeeded. */
  readonly refreshes: { readonly failed: number; readonly last: AuthFailure | undefined }
  /** Why the book of logins is not in `STATE_DIR`. Undefined: it is. */
  readonly stateTrouble: Failure | undefined
  /** What is wrong with files that are watched: what they held before stays in use. */
  readonly fileErrors: readonly SettingProblem[]
  /** The lifetime of the token is longer than can be believed. */
  readonly isLifetimeDoubtful: boolean
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

interface Slot extends CallCounts {
  readonly at: number
}

const MAX_FAILED = 10
const MAX_PATH = 200

export type Recorder = ReturnType<typeof createRecord>

/** Remembers what happens to calls, token and files. Bounded in memory, whatever comes. */
export function createRecord({ clock, places }: { clock: Clock; places: Places }) {
  const startedAt = clock.now()
  const [seconds, minutes]: [Slot[], Slot[]] = [[], []]
  const failedCalls: FailedCall[] = []
  /** What is known of the last call of each kind. */
  const whys: Partial<Record<CallFailure, Explained>> = {}
  let outage = { since: 0, failed: 0 }
  let succeededSince = 0
  let lastFailedAt: number | undefined
  let refreshes: Remembered['refreshes'] = { failed: 0, last: undefined }
  let isLifetimeDoubtful = false
  const fileErrors = new Map<Part, readonly SettingProblem[]>()
  let stateTrouble: Failure | undefined

  const slotsNow = (): readonly Slot[] => {
    const now = clock.now()
    return [slotAt(seconds, now, SECOND), slotAt(minutes, now, MINUTE)]
  }
  const countsOf = (ms: number): CallCounts =>
    seconds.filter(({ at }) => at > clock.now() - ms).reduce(add, noCalls())

  const keep = ({ method, target, status, code, requestId }: EndedRequest): void => {
    const path = target.replace(/[?#].*$/s, '').slice(0, MAX_PATH)
    const same = failedCalls.findIndex(
      (one) =>
        one.method === method && one.path === path && one.status === status && one.code === code,
    )
    const [before] = same === -1 ? [] : failedCalls.splice(same, 1)
    const count = (before?.count ?? 0) + 1
    failedCalls.push({ count, at: clock.now(), method, path, status, code, requestId })
    if (failedCalls.length > MAX_FAILED) failedCalls.shift()
  }

  return {
    /** On the monotonic clock. */
    startedAt,
    view: (): Remembered => ({
      calls: {
        latest: countsOf(CALM),
        recent: countsOf(RECENT),
        minute: countsOf(MINUTE),
        outage,
        succeededSince,
        lastFailedAt,
        whyOf: (failure) => whys[failure] ?? { code: 'internal', facts: [] },
      },
      failedCalls: failedCalls.toReversed(),
      refreshes,
      stateTrouble,
      fileErrors: [...fileErrors.values()].flat(),
      isLifetimeDoubtful,
    }),
    /** The calls of the last 60 minutes, the newest last; the present one has only begun. */
    hour: (): readonly Slot[] => {
      const now = Math.floor(clock.now() / MINUTE)
      const known = new Map(minutes.map((slot) => [slot.at / MINUTE, slot]))
      return Array.from({ length: 60 }, (_, index) => {
        const minute = now - 59 + index
        return known.get(minute) ?? { at: minute * MINUTE, ...noCalls() }
      })
    },

    callEnded(call: EndedRequest): void {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      for (const slot of slotsNow()) countCall(slot, call, outcome)
      if (outcome !== 'succeeded') keep(call)
      if (outcome === 'succeeded') {
        succeededSince += 1
        outage = { since: 0, failed: 0 }
      } else if (outcome !== 'refused' && outcome !== 'mistake') {
        whys[outcome] = whyOf(outcome, call, places)
        const now = clock.now()
        // After a minute without a failed call nobody knows whether iSales was away all the time.
        const isNew = outage.failed === 0 || now - (lastFailedAt ?? now) > MINUTE
        outage = isNew
          ? { since: now, failed: 1 }
          : { since: outage.since, failed: outage.failed + 1 }
        succeededSince = 0
        lastFailedAt = now
      }
    },

    /** A login of CTI-OBS was refused, or the TLS handshake of a client failed: neither is a call. */
    turnedAway(why: 'obs-login' | HandshakeFailure): void {
      for (const { blocked, handshakes } of slotsNow())
        countOne(why === 'obs-login' ? blocked : handshakes, why)
    },

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'granted') isLifetimeDoubtful = event.lifetimeDoubt === 'too-long'
      if (event.type !== 'granted' && event.type !== 'failed') return
      if (event.operation !== 'refresh') return
      const last = event.type === 'failed' ? event.failure : undefined
      refreshes = { failed: last === undefined ? 0 : refreshes.failed + 1, last }
    },

    onStateTrouble(why: Failure | undefined): void {
      stateTrouble = why
    },

    /** What is wrong with one part of the files now. */
    filesRead(part: Part, errors: readonly SettingProblem[]): void {
      fileErrors.set(part, errors)
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
