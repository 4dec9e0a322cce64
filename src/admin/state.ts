import type { TokenSnapshot } from '../token/events.ts'
import { mainFailure, mostFail, totalOf, type CallsView, type PathCounts } from './calls.ts'
import { CALL_FAILURE_TEXTS, FINDINGS, PARTS, type FindingText, type Health } from './findings.ts'
import { createSpeaker, number, type Speaker, type Values } from './format.ts'

export interface StateInput {
  readonly draining: boolean
  readonly token: TokenSnapshot
  readonly calls: CallsView
  /** Those that failed in the last hour. */
  readonly paths: readonly PathCounts[]
  /** Milliseconds by which this machine's clock is ahead of that of iSales; undefined: not known. */
  readonly clockAhead: number | undefined
  /** The file that the password comes from; undefined: the environment. */
  readonly passwordFile: string | undefined
  /** `STATE_DIR`, which the command `renew` needs. */
  readonly stateDir: string | undefined
}

export interface Finding {
  readonly state: Health
  readonly title: string
  readonly reason: string
  /** What to do; empty when there is nothing to do. */
  readonly remedy: string
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string
}

/** Milliseconds. */
const OUTAGE = 3000
const CALM = 5000
const MINUTE = 60_000
const CLOCK_TOLERANCE = 30_000
/** Calls that succeeded since the last failure, before anybody speaks of recovery. */
const SUCCESSES = 3
/** A slow call of so many; below two there is none. */
const SLOW_SHARE = 0.05
const SLOW_LEAST = 2
/** Now and then a client errs, or a ticket ends. */
const MISTAKES_LEAST = 3

const ENGLISH = createSpeaker('en')

/** All that is to be said, the most important first: it gives the state. */
export function judge(input: StateInput, speaker: Speaker = ENGLISH): readonly Finding[] {
  const { calls, token } = input
  if (input.draining) return [find(speaker, FINDINGS.draining)]
  const findings = [
    ofCredentials(input, speaker),
    ofToken(token, speaker),
    // The last calls were rejected, and no newer token cured that.
    token.rejected ? find(speaker, FINDINGS.rejected) : undefined,
    ofFailures(input, speaker),
    ...ofRefusals(input, speaker),
    token.usable && token.backoff === 'transient' ? find(speaker, FINDINGS.renewal) : undefined,
    ofSlowness(calls, speaker),
    ofClock(input, speaker),
    ofMistakes(calls, speaker),
  ].filter((finding) => finding !== undefined)
  if (findings.some(({ state }) => state !== 'healthy')) return findings
  const called = totalOf(calls.minute) > 0 ? FINDINGS.everyCall : FINDINGS.noCall
  return [find(speaker, token.usable ? called : FINDINGS.idle), ...findings]
}

/** Of a text; the values of its reason are those of all its texts. */
function find<T extends FindingText>(
  { say }: Speaker,
  { state, title, reason, remedy, runbook }: T,
  ...values: Values<T['reason'][0]>
): Finding {
  return {
    state,
    title: say<readonly [string, string]>(title),
    reason: say<T['reason']>(reason, ...values),
    remedy: remedy === undefined ? '' : say<readonly [string, string]>(remedy),
    ...(runbook === undefined ? {} : { runbook }),
  }
}

/** The login itself: used by somebody else, or refused. */
function ofCredentials(input: StateInput, speaker: Speaker): Finding | undefined {
  const { backoff, usable, lastFailure, conflict } = input.token
  const { say } = speaker
  const service = say(usable ? PARTS.tokenServes : PARTS.noService)
  if (conflict) return find(speaker, FINDINGS.conflict, { service })
  if (backoff !== 'rejected' && backoff !== 'guarded') return undefined
  const { status = 0 } = lastFailure?.failure ?? {}
  if (status === 401) {
    const directory = input.stateDir
    const remedy =
      directory === undefined
        ? say(PARTS.correctAccountSignal)
        : say(PARTS.correctAccountRenew, { directory })
    return { ...find(speaker, FINDINGS.account, { service }), remedy }
  }
  const finding =
    status === 400 || status === 500
      ? find(speaker, FINDINGS.request, { status, service })
      : find(speaker, FINDINGS.credentials, { service })
  const file = input.passwordFile
  const remedy =
    file === undefined ? say(PARTS.correctEnvironment) : say(PARTS.correctFile, { file })
  return { ...finding, remedy }
}

/** Why there is no token that serves. */
function ofToken(snapshot: TokenSnapshot, speaker: Speaker): Finding | undefined {
  const { usable, backoff, token, lastFailure, idle, conflict } = snapshot
  if (usable || conflict || backoff === 'rejected' || backoff === 'guarded') return undefined
  if (idle && backoff === 'none') return undefined
  if (token === undefined && lastFailure === undefined) return find(speaker, FINDINGS.starting)
  if (backoff === 'none') return find(speaker, FINDINGS.waiting)
  return find(speaker, FINDINGS.loginsFail, { service: speaker.say(PARTS.noService) })
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
  return { kind: 'most', counts: most, ms: most === recent ? 20_000 : MINUTE } as const
}

/** Calls that the network, iSales or the proxy let fail. */
function ofFailures({ calls, token }: StateInput, speaker: Speaker): Finding | undefined {
  const worst = worstOf(calls, token.now)
  if (worst === undefined) return undefined
  const { kind, counts, ms } = worst
  const failure = mainFailure(counts.byFailure)
  // Why there is no token is said elsewhere.
  if (failure === 'no-token' && (!token.usable || token.backoff !== 'none')) return undefined
  const { say, duration } = speaker
  const { failed } = counts
  const words = say(CALL_FAILURE_TEXTS[failure].words)
  const remedy = say(CALL_FAILURE_TEXTS[failure].remedy)
  const time = duration(Math.round(ms / 1000))
  if (kind === 'recovering') {
    const { succeededSince: succeeded } = calls
    return find(speaker, FINDINGS.recovering, { time, succeeded, failed, words })
  }
  if (kind === 'outage')
    return { ...find(speaker, FINDINGS.outage, { time, failed, words }), remedy }
  const ofMinute = kind === 'most' ? FINDINGS.mostOfMinute : FINDINGS.someOfMinute
  const text = ms === MINUTE ? ofMinute : FINDINGS.mostOfRecent
  return { ...find(speaker, text, { failed, total: totalOf(counts), words }), remedy }
}

/** Calls that iSales refused, or something before it. */
function ofRefusals({ calls, token, paths }: StateInput, speaker: Speaker): readonly Finding[] {
  const { minute } = calls
  const { pages } = minute
  const refused = minute.refused - pages
  const values = { refused, pages, total: totalOf(minute), paths: refusedPaths(paths) }
  return [
    ...(refused > 0 && token.usable && !token.rejected
      ? [find(speaker, FINDINGS.someRefused, values)]
      : []),
    ...(pages > 0 ? [find(speaker, FINDINGS.pages, values)] : []),
  ]
}

/** `POST /a (5), GET /b (1)`: the three most frequent. */
function refusedPaths(paths: readonly PathCounts[]): string {
  const refused = paths.filter((each) => each.refused > 0)
  const shown = refused
    .slice(0, 3)
    .map(({ method, path, refused: count }) => `${method} ${path} (${number(count)})`)
  return refused.length > 3 ? `${shown.join(', ')}, …` : shown.join(', ')
}

function ofSlowness({ minute }: CallsView, speaker: Speaker): Finding | undefined {
  const { slow } = minute
  const total = totalOf(minute)
  if (slow < SLOW_LEAST || slow < total * SLOW_SHARE) return undefined
  return find(speaker, FINDINGS.slow, { slow, total })
}

function ofClock({ clockAhead = 0, token }: StateInput, speaker: Speaker): Finding | undefined {
  const early = token.lastFailure?.failure.detail === 'CERT_NOT_YET_VALID'
  if (early && token.failuresInRow > 0) return find(speaker, FINDINGS.clockTls)
  if (Math.abs(clockAhead) < CLOCK_TOLERANCE) return undefined
  const time = speaker.duration(Math.abs(clockAhead) / 1000)
  return find(speaker, clockAhead > 0 ? FINDINGS.clockAhead : FINDINGS.clockBehind, { time })
}

/** Anybody who reaches the listener makes such mistakes, so they are no state of the proxy. */
function ofMistakes({ minute: { mistakes } }: CallsView, speaker: Speaker): Finding | undefined {
  const counts = Object.entries(mistakes)
  const count = counts.reduce((sum, [, each]) => sum + each, 0)
  if (count < MISTAKES_LEAST) return undefined
  const codes = counts.map(([code, each]) => `${code} (${number(each)})`).join(', ')
  return find(speaker, FINDINGS.mistakes, { count, codes })
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
