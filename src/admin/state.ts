import { originalOf } from '../config/files.ts'
import type { EffectiveSetting } from '../config/load.ts'
import type { TokenSnapshot } from '../token/lifecycle.ts'
import {
  mainFailure,
  mostFail,
  totalOf,
  type CallCounts,
  type Calls,
  type CallsView,
  type PathCounts,
} from './calls.ts'
import { number, type Speaker } from './format.ts'
import { CALL_FAILURE_TEXTS } from './texts.ts'

export interface StateInput {
  readonly draining: boolean
  readonly token: TokenSnapshot
  readonly calls: Pick<Calls, 'view' | 'paths'>
  /** Why the book of logins is not in `STATE_DIR`; undefined: it is. */
  readonly stateTrouble: string | undefined
  readonly settings: readonly EffectiveSetting[]
}

/** Milliseconds. */
const OUTAGE = 3000
const CALM = 5000
const MINUTE = 60_000
const RECENT = 20_000
/** Calls that succeeded since the last failure, before anybody speaks of recovery. */
const SUCCESSES = 3
/** Of a minute: now and then a client errs, or a ticket ends. */
const MIN_MISTAKES = 3

export type Facts = ReturnType<typeof factsOf>

/** What the findings ask of the input, with what they say in one language. */
export function factsOf(input: StateInput, speaker: Speaker) {
  const { token, settings } = input
  const { usable, conflict, backoff, lastFailure } = token
  const view = input.calls.view()
  const setting = (name: string) => settings.find((each) => each.name === name)
  const loginRefused = backoff === 'rejected' || backoff === 'guarded'
  const certificateEarly =
    token.failuresInRow > 0 && lastFailure?.failure.cause.code === 'not-yet-valid'
  return {
    ...input,
    ...speaker,
    ...view.minute,
    total: totalOf(view.minute),
    service: speaker.say(usable ? 'tokenServes' : 'noService'),
    /** The status with which iSales refuses the login, 0: without one; undefined: it does not. */
    refusedBy: loginRefused && !conflict ? (lastFailure?.failure.status ?? 0) : undefined,
    noToken: usable || conflict || loginRefused ? undefined : noTokenYet(token),
    failing: failingOf(view, token, speaker),
    refusedPaths: refusedPaths(input.calls.paths()),
    mistakes: mistakesIn(view.minute),
    /** By our clock. */
    certificateEarly,
    /** Undefined: the password comes from the environment. */
    passwordFile: fileOf(setting('ISALES_PASSWORD')?.source),
  }
}

/** Which token is missing; undefined: none is needed now. */
function noTokenYet({ token, lastFailure, idle, backoff }: TokenSnapshot) {
  if (idle && backoff === 'none') return undefined
  if (token === undefined && lastFailure === undefined) return 'first'
  return backoff === 'none' ? 'next' : 'failed'
}

/** The counts of failed calls that are worth saying, and since when; undefined: none failed in the last minute. */
export function worstOf(
  { minute, recent, outage, succeededSince, lastFailedAt }: CallsView,
  now: number,
) {
  if (minute.failed === 0 || lastFailedAt === undefined) return undefined
  if (outage.failed > 1 && now - outage.since >= OUTAGE && lastFailedAt > now - MINUTE)
    return { kind: 'outage', counts: outage, ms: now - outage.since } as const
  const calm = now - lastFailedAt
  if (calm >= CALM && succeededSince >= SUCCESSES)
    return { kind: 'recovering', counts: minute, ms: calm } as const
  const most = mostFail({ minute, recent })
  if (most === undefined) return { kind: 'some', counts: minute, ms: MINUTE } as const
  return { kind: 'most', counts: most, ms: most === recent ? RECENT : MINUTE } as const
}

/** Calls that the network, iSales or the proxy let fail. */
function failingOf(calls: CallsView, token: TokenSnapshot, { say, fill, duration }: Speaker) {
  const worst = worstOf(calls, token.now)
  if (worst === undefined) return undefined
  const { kind, counts, ms } = worst
  const failure = mainFailure(counts.byFailure)
  // Why there is no token is said elsewhere.
  if (failure === 'no-token' && (!token.usable || token.backoff !== 'none')) return undefined
  const { words, remedy } = CALL_FAILURE_TEXTS[failure]
  return {
    kind,
    failed: counts.failed,
    total: totalOf(counts),
    succeeded: calls.succeededSince,
    time: duration(Math.round(ms / 1000)),
    period: say(ms === RECENT ? 'twentySeconds' : 'minute'),
    words: fill(words),
    remedy: fill(remedy),
  }
}

/** `POST /a (5), GET /b (1)`: the three most frequent. */
function refusedPaths(paths: readonly PathCounts[]): string {
  const refused = paths.filter((each) => each.refused > 0)
  const shown = refused.map((each) => `${each.method} ${each.path} (${number(each.refused)})`)
  return [...shown.slice(0, 3), ...(refused.length > 3 ? ['…'] : [])].join(', ')
}

/** What the proxy refused to forward. */
function mistakesIn({ mistakes }: CallCounts) {
  const counts = Object.entries(mistakes)
  const count = counts.reduce((sum, [, each]) => sum + each, 0)
  const codes = counts.map(([code, each]) => `${code} (${number(each)})`).join(', ')
  return count >= MIN_MISTAKES && { count, codes }
}

/** Which file a person corrects, of `file /run/secrets/password`. */
function fileOf(source = ''): string | undefined {
  const [, file] = /^file (.*)/s.exec(source) ?? []
  return file === undefined ? undefined : originalOf(file)
}

/**
 * Why the pod gets no calls, for the body of `/readyz`; undefined: it is ready. Failing calls do not end readiness: a pod
 * that leaves its Service heals nothing.
 */
export function unreadiness(
  { listening, draining }: { readonly listening: boolean; readonly draining: boolean },
  { usable, rejected, idle, backoff, lastFailure }: TokenSnapshot,
): Readonly<Record<string, string>> | undefined {
  if (draining) return { reason: 'draining' }
  if (!listening) return { reason: 'starting' }
  if (usable) return undefined
  if (rejected) return { reason: 'token-rejected', backoff }
  // The next call logs in first, as the last login did.
  if (idle && backoff === 'none') return undefined
  if (lastFailure === undefined) return { reason: 'no-token' }
  return { reason: 'no-token', backoff, lastFailure: lastFailure.failure.reason }
}
