import { MINUTE, SECOND, toSeconds, type Clock } from '../clock.ts'
import { hostsFormat, type ReloadGroup, type SettingProblem } from '../config/index.ts'
import type { Outcome } from '../codes.ts'
import {
  authorityOf,
  REJECTED,
  pathOf,
  type RequestClass,
  type RequestSummary,
} from '../request-summary.ts'
import { excerpt } from '../terminal.ts'
import type { TokenEvent } from '../token/index.ts'
import {
  explained,
  settingFacts,
  type Fact,
  type FailureDetails,
  type DiagnosticContext,
} from '../messages/index.ts'
import { createAccounting, LOST } from './accounting.ts'

/** Calls of the same kind that were lost or declined; `at` and `requestId` belong to the last. */
export interface FailedCall extends Pick<RequestSummary, 'method' | 'status' | 'requestId'> {
  readonly count: number
  /** On the monotonic clock. */
  readonly at: number
  /** Without the query. */
  readonly path: string
  readonly of: RequestClass
}

/** Milliseconds. A token with a shorter life ends before the proxy renews it. */
export const SHORT_LIFETIME = 3 * SECOND
/** Milliseconds. Calls are slow then. */
export const MIN_STALL = 2 * SECOND
const MAX_FAILED = 10
const MAX_CHANGES = 6
/** Characters. */
const MAX_PATH = 200
/** Characters of a text from a client. */
const MAX_FACT = 64
const RESULT = /^[\d-]{1,16}$/
const FAILED: ReadonlySet<Outcome> = new Set<Outcome>([...LOST, 'declined'])

export type ActivityRecorder = ReturnType<typeof recordActivity>

export type Activity = ReturnType<ActivityRecorder['view']>

/** Records what happens to requests, token and files. Bounded in memory, regardless of the number of events. */
export function recordActivity(clock: Clock, diagnostics: DiagnosticContext) {
  const startedAt = clock.now()
  const accounting = createAccounting()
  const failedCalls: FailedCall[] = []
  const changes: { readonly at: number; readonly state: string }[] = []
  const lastOf = new Map<RequestClass, RequestSummary>()
  let lifetimeDoubt: 'long-lifetime' | 'short-lifetime' | undefined
  let shortInRow = 0
  const fileErrors = new Map<ReloadGroup, readonly SettingProblem[]>()
  const fileChanges = new Map<ReloadGroup, { readonly at: number; readonly settings: string }>()
  let statedLifetime: number | undefined
  let loginAt: number | undefined
  /** The last `renew`, and whether a token has yet to follow. */
  let [renewAskedAt, awaitsToken] = [-Infinity, false]
  let beatAt: number | undefined
  let stall: { readonly endedAt: number; readonly ms: number } | undefined
  let storageError: FailureDetails | undefined

  const keep = (summary: RequestSummary, of: RequestClass): void => {
    const { method, status, requestId } = summary
    const path = pathOf(summary).slice(0, MAX_PATH)
    const same = failedCalls.findIndex(
      (one) => one.of === of && one.method === method && one.path === path && one.status === status,
    )
    const [before] = same === -1 ? [] : failedCalls.splice(same, 1)
    const count = (before?.count ?? 0) + 1
    failedCalls.push({ count, at: clock.now(), method, path, status, of, requestId })
    if (failedCalls.length > MAX_FAILED) failedCalls.shift()
  }

  /** Returns what is known of the last request of a class. */
  const factsOf = (of: RequestClass): readonly Fact[] => {
    const summary = lastOf.get(of)
    if (summary === undefined) return []
    const { failure, status, result, host, bodySize, left, durationMs, login } = summary
    const facts: Fact[] = []
    if (failure !== undefined) facts.push(...explained(failure, diagnostics, 'call').facts)
    if (host !== undefined) {
      // Without its port, as ALLOWED_HOSTS accepts it, and then as a whole.
      const name = host.replace(/:\d*$/, '')
      const isFit = hostsFormat.parse(name)?.length === 1
      const isTarget = authorityOf(summary.target) !== undefined
      facts.push([isTarget ? 'targetHost' : 'host', isFit ? name : excerpt(name, MAX_FACT)])
      if (!isFit && !isTarget) facts.push(['detail', 'unfit-host'])
    }
    if (bodySize !== undefined && bodySize >= 0) facts.push(['bodySize', bodySize])
    if (left === 'response' && durationMs !== undefined)
      facts.push(['leftAfter', { seconds: toSeconds(durationMs) }])
    facts.push(...settingFacts(of.traits, diagnostics))
    // A number is the only part of iSales's text that cannot be a secret.
    if (result !== undefined && RESULT.test(result)) facts.push(['result', result])
    // A status of the proxy itself adds nothing to the code.
    const isOurs = summary.code !== undefined || left !== undefined
    if (failure === undefined && !isOurs && login === undefined && status > 0)
      facts.push(['status', status])
    const path = pathOf(summary)
    if (path !== '') facts.push(['path', excerpt(`${summary.method} ${path}`, MAX_FACT)])
    return facts
  }

  /** Returns the pause of the process that ends now, if its beat is that late. */
  const lateBeat = (now: number) => {
    const ms = now - (beatAt ?? now) - SECOND
    return ms > MIN_STALL ? { endedAt: now, ms } : undefined
  }

  return {
    /** On the monotonic clock. */
    startedAt,
    /** Requests of each class since the start, by the class's `index`. */
    totals: accounting.totals,
    view: () => ({
      startedAt,
      calls: accounting.view(clock.now()),
      factsOf,
      /** The newest first. */
      failedCalls: failedCalls.toReversed(),
      /** Undefined if the login-attempt record is in `STATE_DIR`, or need not be. */
      storageError,
      /** Problems of watched files, whose previous contents stay in use. */
      fileErrors: [...fileErrors.values()].flat(),
      lifetimeDoubt,
      /** In seconds, if it was too long. */
      statedLifetime,
      /** The last change of the files of each group. */
      fileChanges: fileChanges as ReadonlyMap<
        ReloadGroup,
        { readonly at: number; readonly settings: string }
      >,
      /** When the last login succeeded. */
      loginAt,
      /** -Infinity without a `renew`. */
      renewAskedAt,
      /** When and how long the process stood still within the last minute; calls may end before the late beat. */
      stall:
        lateBeat(clock.now()) ??
        (stall !== undefined && clock.now() - stall.endedAt < MINUTE ? stall : undefined),
    }),
    hour: () => accounting.hour(clock.now()),
    /** The last changes of the state, the newest first. */
    changes: () => changes.toReversed(),

    requestEnded(summary: RequestSummary, of: RequestClass): void {
      accounting.count(of, clock.now())
      if (of.outcome === 'answered') return
      lastOf.set(of, summary)
      if (FAILED.has(of.outcome)) keep(summary, of)
    },

    onState: (state: string): void => {
      if (changes.at(-1)?.state === state) return
      changes.push({ at: clock.now(), state })
      if (changes.length > MAX_CHANGES) changes.shift()
    },

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'granted' && event.operation === 'login') loginAt = clock.now()
      const isAsked = event.type === 'renew-asked'
      const isToken = event.type === 'granted' || event.type === 'adopted'
      const isRemedy = isToken && awaitsToken && clock.now() - renewAskedAt < MINUTE
      // Calls that were rejected before the operator's remedy took effect say nothing about it.
      if (isRemedy || isAsked) accounting.forget(REJECTED)
      if (isToken || isAsked) awaitsToken = isAsked
      if (isAsked) renewAskedAt = clock.now()
      if (event.type === 'granted') {
        // A login may return the rest of the current token, so a single short lifetime means nothing.
        const isShort = event.token.lifetime.ms < SHORT_LIFETIME && !event.sameToken
        shortInRow = isShort ? shortInRow + 1 : 0
        const isLong = event.token.lifetime.doubt === 'too-long'
        statedLifetime = event.token.lifetime.stated
        lifetimeDoubt = isLong ? 'long-lifetime' : shortInRow > 1 ? 'short-lifetime' : undefined
      }
      if (event.type === 'adopted' && event.token.lifetime.ms >= SHORT_LIFETIME) {
        shortInRow = 0
        if (lifetimeDoubt === 'short-lifetime') lifetimeDoubt = undefined
      }
    },

    /** Call it every second. */
    beat(): void {
      const now = clock.now()
      stall = lateBeat(now) ?? stall
      beatAt = now
    },

    onStorageError(error: FailureDetails | undefined): void {
      storageError = error
    },

    filesChanged(group: ReloadGroup, settings: string): void {
      fileChanges.set(group, { at: clock.now(), settings })
    },

    filesRead(group: ReloadGroup, errors: readonly SettingProblem[]): void {
      fileErrors.set(group, errors)
    },
  }
}
