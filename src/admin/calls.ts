import { cause, causeOfStatus, type CauseCode } from '../causes.ts'
import { HOUR, MINUTE, SECOND, type Clock, type Timer } from '../clock.ts'
import type { EndedRequest } from '../outcomes.ts'
import type { ProblemCode } from '../http/index.ts'
import type { Log } from '../log/index.ts'
import { en, explain, type Failure, type Places } from '../words/index.ts'

/** How a call of CTI-OBS failed: an error of the proxy, a relayed 500, or another relayed 5xx. With its usual cause. */
const CAUSES = {
  'no-token': 'no-token',
  overloaded: 'overloaded',
  'out-of-time': 'no-connection',
  'upstream-unreachable': 'no-route',
  'upstream-tls': 'handshake',
  'upstream-broken': 'broken',
  'upstream-timeout': 'timeout',
  internal: 'internal',
  'isales-error': 'call-refused',
  'isales-unavailable': 'maintenance',
} as const satisfies Partial<Record<ProblemCode | 'isales-error' | 'isales-unavailable', CauseCode>>
export type CallFailure = keyof typeof CAUSES
const CALL_FAILURES = Object.keys(CAUSES) as readonly CallFailure[]

export type EndedCall = Pick<EndedRequest, 'method' | 'target' | 'status' | 'requestId'> &
  Partial<
    Pick<EndedRequest, 'code' | 'failure' | 'durationMs' | 'upstreamMs' | 'page' | 'rejected'>
  >

/** Calls of some time. Those that the proxy refused, or whose client left, are in none of the first three. */
export interface CallCounts {
  succeeded: number
  /** iSales rejected the token (`ISALES_REJECTED_STATUSES`, `_RESULTS`) or responded 401 or 403, and that was relayed. */
  refused: number
  failed: number
  readonly byFailure: Partial<Record<CallFailure, number>>
  /** Of the refused ones: the body was a web page, so that something before iSales refused them. */
  pages: number
  /** Of the succeeded ones: iSales responded with another 4xx, which is about the call and not about the token. */
  declined: number
  /** iSales took longer than `SLOW` to respond. */
  slow: number
  /** What the proxy did not forward, since CTI-OBS sent it wrong. */
  readonly mistakes: Partial<Record<ProblemCode, number>>
}

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

/** Milliseconds. */
/** CTI-OBS gives up after 3 s. */
const SLOW = 2 * SECOND
export const RECENT = 20 * SECOND
const MAX_FAILED = 10
const MAX_PATHS = 50
const MAX_PATH = 200

export type Calls = ReturnType<typeof createCalls>

/**
 * Remembers how calls ended: the last minute by second, the last hour by minute, the last that failed, and their paths.
 * Logs when calls begin or cease to fail. Bounded in memory, whatever comes.
 */
export function createCalls({
  clock,
  log,
  places,
}: {
  readonly clock: Clock
  readonly log: Log
  readonly places: Places
}) {
  const seconds: Slot[] = []
  const minutes: Slot[] = []
  const failed: FailedCall[] = []
  /** The one that was longest without a failure is first. */
  const paths = new Map<string, PathCounts>()
  /** What is known of the last call of each kind. */
  const latest: Partial<Record<CallFailure, Failure>> = {}
  const latestOf = (code: CallFailure): Failure => latest[code] ?? failureOf(code)
  let outage = { since: 0, ...noCalls() }
  let succeededSince = 0
  let lastFailedAt: number | undefined
  let tally = { requests: 0, errors: 0 }
  let timer: Timer | undefined
  /** The present period of failing calls. */
  let episode: { since: number; code: CallFailure; cause: string; share: number } | undefined
  /** Causes that were logged in it: timeouts and resets may take turns all night. */
  const said = new Set<string>()

  const recent = (ms: number): CallCounts =>
    seconds.filter(({ at }) => at > clock.now() - ms).reduce(add, noCalls())

  const view = () => ({
    minute: recent(MINUTE),
    /** The last 20 s. */
    recent: recent(RECENT),
    /** Since the last call that succeeded; its `since` is the first failure after it. */
    outage,
    /** Calls that succeeded since one failed. */
    succeededSince,
    /** On the monotonic clock. */
    lastFailedAt,
    latestOf,
  })

  const logChange = (): void => {
    const { failed } = recent(MINUTE)
    timer = failed === 0 ? undefined : clock.setTimer(logChange, SECOND)
    if (failed === 0) {
      if (episode === undefined) return
      const { since, ...fields } = episode
      said.clear()
      const durationSeconds = Math.round(((lastFailedAt ?? since) - since) / 1000)
      log('upstream-recovered', { ...fields, durationSeconds })
      episode = undefined
      return
    }
    const counts = withToken(recent(MINUTE))
    if (counts.failed === 0) return
    const worst = mostFail({ minute: counts, recent: withToken(recent(RECENT)) }) ?? counts
    const share = Math.round((worst.failed / totalOf(worst)) * 100) / 100
    const code = mainFailure(worst.byFailure)
    const why = latestOf(code)
    const key = `${code} ${why.cause.code}`
    const isWorse = episode === undefined || (episode.share <= 0.5 && share > 0.5)
    if (!isWorse && said.has(key)) return
    said.add(key)
    const fields = { code, cause: why.cause.code, share }
    episode = { since: episode?.since ?? clock.now(), ...fields }
    const { what, todo } = explain(en, places, why)
    const detail = en.sentences(what, todo)
    log('upstream-failing', { ...fields, detail }, share > 0.5 ? 'error' : 'warn')
  }

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

    ended(call: EndedCall): void {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      const now = clock.now()
      const slots = [slotAt(seconds, now, SECOND), slotAt(minutes, now, MINUTE)]
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
        if (outage.failed > 0) outage = { since: 0, ...noCalls() }
        return
      }
      tally.errors += 1
      countPath(remember(call), outcome === 'refused' ? 'refused' : 'failed')
      if (outcome === 'refused') return
      latest[outcome] = failureOf(outcome, call)
      if (outage.failed === 0) outage = { since: now, ...noCalls() }
      count(outage, call, outcome)
      succeededSince = 0
      lastFailedAt = now
      if (timer === undefined) logChange()
    },
  }
}

export type CallsView = ReturnType<Calls['view']>

export function noCalls(): CallCounts {
  return {
    succeeded: 0,
    refused: 0,
    failed: 0,
    byFailure: {},
    pages: 0,
    declined: 0,
    slow: 0,
    mistakes: {},
  }
}

/** Without the calls for which there was no token: token requests have lines of their own in the log. */
function withToken({ byFailure, ...counts }: CallCounts): CallCounts {
  const { 'no-token': missing = 0, ...others } = byFailure
  return { ...counts, failed: counts.failed - missing, byFailure: others }
}

export function totalOf({ succeeded, refused, failed }: CallCounts): number {
  return succeeded + refused + failed
}

/**
 * The counts that say that most calls fail; undefined: most succeed. Those of the last 20 s say it earlier than those of
 * the minute. A single failed call among many is no outage.
 */
export function mostFail({ minute, recent }: Pick<CallsView, 'minute' | 'recent'>) {
  const most = (counts: CallCounts): boolean => counts.failed > totalOf(counts) / 2
  if (recent.failed > 1 && most(recent)) return recent
  return most(minute) ? minute : undefined
}

/** The most frequent failure. */
export function mainFailure(byFailure: CallCounts['byFailure']): CallFailure {
  const count = (failure: CallFailure): number => byFailure[failure] ?? 0
  return CALL_FAILURES.reduce((main, each) => (count(each) > count(main) ? each : main))
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

function add(sum: CallCounts, more: CallCounts): CallCounts {
  for (const key of ['succeeded', 'refused', 'failed', 'pages', 'declined', 'slow'] as const)
    sum[key] += more[key]
  addEach(sum.byFailure, more.byFailure)
  addEach(sum.mistakes, more.mistakes)
  return sum
}

function addEach<Key extends string>(
  sum: Partial<Record<Key, number>>,
  more: Partial<Record<Key, number>>,
): void {
  for (const key of Object.keys(more) as Key[]) sum[key] = (sum[key] ?? 0) + (more[key] ?? 0)
}

/** Undefined: it says nothing of iSales, the proxy or CTI-OBS. */
function outcomeOf({ status, code, rejected = false, page = false }: EndedCall) {
  if (code === 'shutting-down' || status === 0) return undefined
  const failure = CALL_FAILURES.find((each) => each === code)
  if (failure !== undefined) return failure
  if (code !== undefined) return 'mistake'
  if (rejected || status === 401 || status === 403 || (page && status < 500)) return 'refused'
  if (status < 500) return 'succeeded'
  return status === 500 ? 'isales-error' : 'isales-unavailable'
}

/** Why it failed. */
function failureOf(outcome: CallFailure, call?: EndedCall): Failure {
  const why = { cause: cause(CAUSES[outcome]), call: true }
  if (outcome === 'isales-unavailable' && call !== undefined)
    return { ...why, cause: causeOfStatus(call), status: call.status }
  const isOfConnection = outcome.startsWith('upstream-') && outcome !== 'upstream-timeout'
  return isOfConnection ? { ...why, ...call?.failure } : why
}

function count(
  counts: CallCounts,
  { status, page = false, upstreamMs = 0 }: EndedCall,
  outcome: CallFailure | 'succeeded' | 'refused',
): void {
  if (upstreamMs > SLOW) counts.slow += 1
  if (outcome === 'succeeded') {
    counts.succeeded += 1
    if (status >= 400) counts.declined += 1
  } else if (outcome === 'refused') {
    counts.refused += 1
    if (page) counts.pages += 1
  } else {
    counts.failed += 1
    counts.byFailure[outcome] = (counts.byFailure[outcome] ?? 0) + 1
  }
}
