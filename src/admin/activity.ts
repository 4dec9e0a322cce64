import { SECOND, type Clock } from '../clock.ts'
import type { ReloadGroup, SettingProblem } from '../config/index.ts'
import type { Outcome, RequestClass, RequestSummary } from '../request-summary.ts'
import { printable } from '../terminal.ts'
import type { AuthFailure, TokenEvent } from '../token/index.ts'
import {
  explained,
  type Fact,
  type FailureDetails,
  type DiagnosticContext,
} from '../messages/index.ts'
import { createAccounting, LOST, type CallsSeen } from './accounting.ts'

/** What is remembered of what happened, as far as it is judged. */
export interface Activity {
  readonly calls: CallsSeen
  /** What is known of the last request of a class. */
  readonly factsOf: (of: RequestClass) => readonly Fact[]
  /** The last ten kinds of calls that iSales did not answer; the newest first. */
  readonly failedCalls: readonly FailedCall[]
  /** Refreshes that failed since one succeeded. */
  readonly refreshes: { readonly failed: number; readonly last: AuthFailure | undefined }
  /** Why the login-attempt record is not in `STATE_DIR`. Undefined: it is. */
  readonly storageError: FailureDetails | undefined
  /** What is wrong with files that are watched: their previous contents stay in use. */
  readonly fileErrors: readonly SettingProblem[]
  /** Why the lifetime of the token is not plausible. */
  readonly lifetimeDoubt: 'long-lifetime' | 'short-lifetime' | undefined
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
  readonly of: RequestClass
  readonly requestId: string
}

/** Milliseconds. Tokens that end sooner than the proxy renews them. */
const SHORT_LIFETIME = 3 * SECOND
const MAX_FAILED = 10
const MAX_CHANGES = 6
const MAX_PATH = 200
/** Characters of what a client sent. */
const MAX_FACT = 64
const RESULT = /^[\d-]{1,16}$/
const FAILED: ReadonlySet<Outcome> = new Set<Outcome>([...LOST, 'declined'])

export type ActivityRecorder = ReturnType<typeof recordActivity>

/** Remembers what happens to requests, token and files. Bounded in memory, whatever happens. */
export function recordActivity({
  clock,
  diagnostics,
}: {
  clock: Clock
  diagnostics: DiagnosticContext
}) {
  const startedAt = clock.now()
  const accounting = createAccounting()
  const failedCalls: FailedCall[] = []
  const changes: { readonly at: number; readonly state: string }[] = []
  const lastOf = new Map<RequestClass, RequestSummary>()
  let refreshes: Activity['refreshes'] = { failed: 0, last: undefined }
  let lifetimeDoubt: Activity['lifetimeDoubt']
  let shortInRow = 0
  const fileErrors = new Map<ReloadGroup, readonly SettingProblem[]>()
  let storageError: FailureDetails | undefined

  const keep = ({ method, target, status, requestId }: RequestSummary, of: RequestClass): void => {
    const path = pathOf(target).slice(0, MAX_PATH)
    const same = failedCalls.findIndex(
      (one) => one.of === of && one.method === method && one.path === path && one.status === status,
    )
    const [before] = same === -1 ? [] : failedCalls.splice(same, 1)
    const count = (before?.count ?? 0) + 1
    failedCalls.push({ count, at: clock.now(), method, path, status, of, requestId })
    if (failedCalls.length > MAX_FAILED) failedCalls.shift()
  }

  return {
    /** On the monotonic clock. */
    startedAt,
    /** Requests since the start, by the place of their class in `REQUEST_CLASSES`. */
    totals: accounting.totals,
    view: (): Activity => ({
      calls: accounting.view(clock.now()),
      factsOf: (of) => factsOf(lastOf.get(of), of, diagnostics),
      failedCalls: failedCalls.toReversed(),
      refreshes,
      storageError,
      fileErrors: [...fileErrors.values()].flat(),
      lifetimeDoubt,
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

    onState(state: string): void {
      if (changes.at(-1)?.state === state) return
      changes.push({ at: clock.now(), state })
      if (changes.length > MAX_CHANGES) changes.shift()
    },

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'granted') {
        // A login may return the rest of the current token: one proves nothing.
        const isShort = event.token.lifetime < SHORT_LIFETIME && !event.sameToken
        shortInRow = isShort ? shortInRow + 1 : 0
        const isLong = event.lifetimeDoubt === 'too-long'
        lifetimeDoubt = isLong ? 'long-lifetime' : shortInRow > 1 ? 'short-lifetime' : undefined
      }
      if (event.type === 'adopted' && event.token.lifetime >= SHORT_LIFETIME) {
        shortInRow = 0
        if (lifetimeDoubt === 'short-lifetime') lifetimeDoubt = undefined
      }
      if (event.type !== 'granted' && event.type !== 'failed') return
      if (event.operation !== 'refresh') return
      const last = event.type === 'failed' ? event.failure : undefined
      refreshes = { failed: last === undefined ? 0 : refreshes.failed + 1, last }
    },

    onStorageError(error: FailureDetails | undefined): void {
      storageError = error
    },

    /** What is wrong with one part of the files now. */
    filesRead(part: ReloadGroup, errors: readonly SettingProblem[]): void {
      fileErrors.set(part, errors)
    },
  }
}

/** The path of a target, without its query. */
function pathOf(target: string): string {
  return target.replace(/[?#].*$/s, '')
}

function factsOf(
  summary: RequestSummary | undefined,
  { outcome }: RequestClass,
  diagnostics: DiagnosticContext,
): readonly Fact[] {
  if (summary === undefined) return []
  const { failure, status, result, host, method, target, login } = summary
  if (failure !== undefined) return explained(failure, diagnostics, 'call').facts
  const facts: Fact[] = []
  if (host !== undefined) facts.push(['host', shown(host)])
  // Of iSales's text no more than a number, so that it can be no secret.
  if (result !== undefined && RESULT.test(result)) facts.push(['result', result])
  // A status of the proxy's own says no more than the code.
  if (summary.code === undefined && login === undefined && status > 0)
    facts.push(['status', status])
  if (target !== '' && outcome !== 'failed')
    facts.push(['path', shown(`${method} ${pathOf(target)}`)])
  return facts
}

function shown(text: string): string {
  return printable(text.slice(0, MAX_FACT)).slice(0, MAX_FACT)
}
