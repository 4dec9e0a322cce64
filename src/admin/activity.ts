import { MINUTE, SECOND, toSeconds, type Clock } from '../clock.ts'
import { hostsFormat, type ReloadGroup, type SettingProblem } from '../config/index.ts'
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
  type Explained,
  type Fact,
  type FailureDetails,
  type DiagnosticContext,
} from '../messages/index.ts'
import { createAccounting, USELESS, type Ended } from './accounting.ts'

/** Calls of the same kind that were lost or declined; `at` and `requestId` belong to the last. */
interface FailedCall extends Ended, Pick<RequestSummary, 'method' | 'status' | 'requestId'> {
  readonly count: number
  /** Without the query. */
  readonly path: string
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
const TOO_SHORT: Explained = { code: 'short-lifetime', facts: [] }
const RESULT = /^[\d-]{1,16}$/

export type ActivityRecorder = ReturnType<typeof recordActivity>

/** Records what happens to requests, token and files. Bounded in memory, regardless of the number of events. */
export function recordActivity(clock: Clock, diagnostics: DiagnosticContext) {
  const accounting = createAccounting()
  const failedCalls = new Map<string, FailedCall>()
  const changes: { readonly at: number; readonly state: string }[] = []
  const lastOf = new Map<RequestClass, RequestSummary>()
  const fileErrors = new Map<ReloadGroup, readonly SettingProblem[]>()
  /** The last granted lifetime was too long. */
  let tooLong: Explained | undefined
  /** Granted tokens with a short lifetime. */
  let shortInRow = 0
  /** No token has followed the last `renew` yet. */
  let awaitsToken = false
  let beatAt = Infinity
  let stall = { endedAt: -Infinity, ms: 0 }
  /** Instants are on the monotonic clock. */
  const seen = {
    startedAt: clock.now(),
    /** When the last login succeeded. */
    loginAt: undefined as number | undefined,
    /** -Infinity without a `renew`. */
    renewAskedAt: -Infinity,
    /** Undefined if the login-attempt record is in `STATE_DIR`, or need not be. */
    storageError: undefined as Explained | undefined,
    /** The last change of the files of each group. */
    fileChanges: new Map<ReloadGroup, { readonly at: number; readonly settings: string }>(),
  }

  const keep = (summary: RequestSummary, of: RequestClass): void => {
    const { method, status, requestId } = summary
    const path = pathOf(summary).slice(0, MAX_PATH)
    const kind = `${of.index} ${status} ${method} ${path}`
    const count = (failedCalls.get(kind)?.count ?? 0) + 1
    failedCalls.delete(kind)
    failedCalls.set(kind, { count, at: clock.now(), method, path, status, of, requestId })
    const [oldest = ''] = failedCalls.keys()
    if (failedCalls.size > MAX_FAILED) failedCalls.delete(oldest)
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
    const isOurs = (failure ?? summary.code ?? left ?? login) !== undefined
    if (!isOurs && status > 0) facts.push(['status', status])
    const path = pathOf(summary)
    if (path !== '') facts.push(['path', excerpt(`${summary.method} ${path}`, MAX_FACT)])
    return facts
  }

  /** Returns the pause of the process that ends now, if its beat is that late. */
  const lateBeat = () => {
    const ms = clock.now() - beatAt - SECOND
    return ms > MIN_STALL ? { endedAt: clock.now(), ms } : undefined
  }

  return {
    /** Requests of each class since the start, by the class's `index`. */
    totals: accounting.totals,
    view: () => ({
      ...seen,
      calls: accounting.view(clock.now()),
      factsOf,
      lifetimeDoubt: tooLong ?? (shortInRow > 1 ? TOO_SHORT : undefined),
      /** The newest first. */
      failedCalls: [...failedCalls.values()].toReversed(),
      /** Problems of watched files, whose previous contents stay in use. */
      fileErrors: [...fileErrors.values()].flat(),
      /** When and how long the process stood still within the last minute; calls may end before the late beat. */
      stall: lateBeat() ?? (clock.now() - stall.endedAt < MINUTE ? stall : undefined),
    }),
    hour: () => accounting.hour(clock.now()),
    /** The last changes of the state, the newest first. */
    changes: () => changes.toReversed(),

    requestEnded(summary: RequestSummary, of: RequestClass): void {
      accounting.count(of, clock.now())
      if (of.outcome === 'answered') return
      lastOf.set(of, summary)
      if (USELESS.includes(of.outcome)) keep(summary, of)
    },

    onState: (state: string): void => {
      if (changes.at(-1)?.state === state) return
      changes.push({ at: clock.now(), state })
      if (changes.length > MAX_CHANGES) changes.shift()
    },

    onTokenEvent(event: TokenEvent): void {
      const now = clock.now()
      const isAsked = event.type === 'renew-asked'
      if (!isAsked && event.type !== 'granted' && event.type !== 'adopted') return
      // Calls that were rejected before the operator's remedy took effect say nothing about it.
      if (isAsked || (awaitsToken && now - seen.renewAskedAt < MINUTE)) accounting.forget(REJECTED)
      awaitsToken = isAsked
      if (event.type === 'renew-asked') seen.renewAskedAt = now
      else if (event.type === 'granted') {
        const { ms, doubt, stated } = event.token.lifetime
        if (event.operation === 'login') seen.loginAt = now
        // A login may return the rest of the current token, so a single short lifetime means nothing.
        shortInRow = ms < SHORT_LIFETIME && !event.sameToken ? shortInRow + 1 : 0
        const facts: readonly Fact[] = stated === undefined ? [] : [['statedLifetime', stated]]
        tooLong = doubt === 'too-long' ? { code: 'long-lifetime', facts } : undefined
      } else if (event.token.lifetime.ms >= SHORT_LIFETIME) shortInRow = 0
    },

    /** Call it every second. */
    beat(): void {
      stall = lateBeat() ?? stall
      beatAt = clock.now()
    },

    onStorageError(error: FailureDetails | undefined): void {
      seen.storageError = error && explained(error, diagnostics, 'login')
    },

    filesChanged(group: ReloadGroup, settings: string): void {
      seen.fileChanges.set(group, { at: clock.now(), settings })
    },

    filesRead(group: ReloadGroup, errors: readonly SettingProblem[]): void {
      fileErrors.set(group, errors)
    },
  }
}
