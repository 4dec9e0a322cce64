import type { TokenSnapshot } from '../token/events.ts'
import { mainFailure, mostFail, totalOf, type CallsView, type PathCounts } from './calls.ts'
import { createSpeaker, number, type Speaker } from './format.ts'
import { CALL_FAILURE_TEXTS, FINDINGS } from './texts.ts'

/**
 * What CTI-OBS gets, in one word; docs/metrics.md explains each. With the tone of the status page: `bad` means that
 * somebody has to act, `quiet` that there is nothing to judge yet.
 */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  refused: 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type Health = keyof typeof STATES

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
  const { token } = input
  const { say } = speaker
  if (input.draining) {
    const reason = say(FINDINGS.drainingReason)
    return [{ state: 'draining', title: say(FINDINGS.draining), reason, remedy: '' }]
  }
  const findings = [
    ofCredentials(input, speaker),
    ofToken(token, speaker),
    ofRejections(token, speaker),
    ...ofCalls(input, speaker),
    ofRenewal(token, speaker),
    ofSlowness(input.calls, speaker),
    ofClock(input, speaker),
    ofMistakes(input.calls, speaker),
  ].filter((finding) => finding !== undefined)
  return findings.some(({ state }) => state !== 'healthy')
    ? findings
    : [healthy(input, speaker), ...findings]
}

function healthy({ token: { usable }, calls: { minute } }: StateInput, { say }: Speaker): Finding {
  const finding = { state: 'healthy', remedy: '' } as const
  if (!usable) return { ...finding, title: say(FINDINGS.idle), reason: say(FINDINGS.idleReason) }
  const reason = say(totalOf(minute) === 0 ? FINDINGS.noCall : FINDINGS.everyCall)
  return { ...finding, title: say(FINDINGS.healthy), reason }
}

/** The login itself: refused, or used by somebody else. */
function ofCredentials(input: StateInput, { say }: Speaker): Finding | undefined {
  const { backoff, usable, lastFailure } = input.token
  const service = say(usable ? FINDINGS.tokenServes : FINDINGS.noService)
  if (input.token.conflict) {
    return {
      state: 'conflict',
      title: say(FINDINGS.conflict),
      reason: say(FINDINGS.conflictReason, { service }),
      remedy: say(FINDINGS.conflictRemedy),
      runbook: 'IsalesProxySessionConflict',
    }
  }
  if (backoff !== 'rejected' && backoff !== 'guarded') return undefined
  const { status = 0 } = lastFailure?.failure ?? {}
  const account = status === 401
  const request = status === 400 || status === 500
  const { passwordFile } = input
  const correct =
    passwordFile === undefined
      ? say(FINDINGS.correctEnvironment)
      : say(FINDINGS.correctFile, { file: passwordFile })
  return {
    state: 'refused',
    title: say(FINDINGS.credentials),
    reason: account
      ? say(FINDINGS.accountReason, { service })
      : request
        ? say(FINDINGS.requestReason, { status, service })
        : say(FINDINGS.credentialsReason, { service }),
    remedy: account ? say(FINDINGS.correctAccount) : correct,
    runbook: 'IsalesProxyAccountRejected',
  }
}

/** The last calls were rejected, and no newer token cured that. */
function ofRejections({ rejected }: TokenSnapshot, { say }: Speaker): Finding | undefined {
  if (!rejected) return undefined
  return {
    state: 'failing',
    title: say(FINDINGS.rejected),
    reason: say(FINDINGS.rejectedReason),
    remedy: say(FINDINGS.rejectedRemedy),
    runbook: 'IsalesProxyCallsRefused',
  }
}

/** Why there is no token that serves. */
function ofToken(token: TokenSnapshot, { say }: Speaker): Finding | undefined {
  const { usable, backoff, token: present, lastFailure, idle } = token
  if (usable || token.conflict || backoff === 'rejected' || backoff === 'guarded') {
    return undefined
  }
  if (idle && backoff === 'none') return undefined
  if (present === undefined && lastFailure === undefined) {
    const reason = say(FINDINGS.startingReason)
    return { state: 'starting', title: say(FINDINGS.starting), reason, remedy: '' }
  }
  const titled = { state: 'unauthenticated', title: say(FINDINGS.unauthenticated) } as const
  if (backoff === 'none') return { ...titled, reason: say(FINDINGS.waiting), remedy: '' }
  return {
    ...titled,
    reason: say(FINDINGS.loginsFail, { service: say(FINDINGS.noService) }),
    remedy: say(FINDINGS.loginsRemedy),
    runbook: 'IsalesProxyNotAuthenticated',
  }
}

function ofRenewal({ usable, backoff }: TokenSnapshot, { say }: Speaker): Finding | undefined {
  if (!usable || backoff !== 'transient') return undefined
  return {
    state: 'degraded',
    title: say(FINDINGS.renewal),
    reason: say(FINDINGS.renewalReason),
    remedy: say(FINDINGS.renewalRemedy),
    runbook: 'IsalesProxyAuthenticationFailing',
  }
}

/** What became of the calls: failed by network, iSales or proxy, or refused by iSales. */
function ofCalls(input: StateInput, speaker: Speaker): readonly (Finding | undefined)[] {
  const { refused, pages } = input.calls.minute
  return [
    ofFailures(input, speaker),
    refused > pages && input.token.usable && !input.token.rejected
      ? ofRefusals(input, speaker)
      : undefined,
    pages > 0 ? ofPages(input, speaker) : undefined,
  ]
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

function ofFailures({ calls, token }: StateInput, { say, duration }: Speaker): Finding | undefined {
  const worst = worstOf(calls, token.now)
  if (worst === undefined) return undefined
  const { kind, counts, ms } = worst
  const failure = mainFailure(counts.byFailure)
  // Why there is no token is said elsewhere.
  if (failure === 'no-token' && (!token.usable || token.backoff !== 'none')) return undefined
  const { failed } = counts
  const words = say(CALL_FAILURE_TEXTS[failure].words)
  const time = duration(Math.round(ms / 1000))
  const runbook = 'IsalesProxyCallsFailing'
  if (kind === 'recovering') {
    const succeeded = calls.succeededSince
    const reason = say(FINDINGS.recoveringReason, { time, succeeded, failed, words })
    return { state: 'degraded', title: say(FINDINGS.recovering), reason, remedy: '' }
  }
  const remedy = say(CALL_FAILURE_TEXTS[failure].remedy)
  if (kind === 'outage') {
    const reason = say(FINDINGS.outageReason, { time, failed, words })
    return { state: 'failing', title: say(FINDINGS.failing), reason, remedy, runbook }
  }
  const text = ms === MINUTE ? FINDINGS.minuteReason : FINDINGS.recentReason
  const reason = say(text, { failed, total: totalOf(counts), words })
  return kind === 'most'
    ? { state: 'failing', title: say(FINDINGS.failing), reason, remedy, runbook }
    : { state: 'degraded', title: say(FINDINGS.someFail), reason, remedy, runbook }
}

function ofRefusals({ calls: { minute }, paths }: StateInput, { say }: Speaker): Finding {
  const refused = minute.refused - minute.pages
  return {
    state: 'degraded',
    title: say(FINDINGS.someRefused),
    reason: say(FINDINGS.someRefusedReason, {
      refused,
      total: totalOf(minute),
      paths: refusedPaths(paths),
    }),
    remedy: say(FINDINGS.someRefusedRemedy),
    runbook: 'IsalesProxyCallsRefused',
  }
}

function ofPages({ calls: { minute }, paths }: StateInput, { say }: Speaker): Finding {
  return {
    state: 'degraded',
    title: say(FINDINGS.pages),
    reason: say(FINDINGS.pagesReason, { pages: minute.pages, paths: refusedPaths(paths) }),
    remedy: say(FINDINGS.pagesRemedy),
    runbook: 'IsalesProxyCallsRefused',
  }
}

/** `POST /a (5), GET /b (1)`: the three most frequent. */
function refusedPaths(paths: readonly PathCounts[]): string {
  const refused = paths.filter((each) => each.refused > 0)
  const shown = refused
    .slice(0, 3)
    .map(({ method, path, refused: count }) => `${method} ${path} (${number(count)})`)
  return refused.length > 3 ? `${shown.join(', ')}, …` : shown.join(', ')
}

function ofSlowness({ minute }: CallsView, { say }: Speaker): Finding | undefined {
  const { slow } = minute
  const total = totalOf(minute)
  if (slow < SLOW_LEAST || slow < total * SLOW_SHARE) return undefined
  return {
    state: 'degraded',
    title: say(FINDINGS.slow),
    reason: say(FINDINGS.slowReason, { slow, total }),
    remedy: say(FINDINGS.slowRemedy),
    runbook: 'IsalesProxyLatency',
  }
}

function ofClock(
  { clockAhead = 0, token }: StateInput,
  { say, duration }: Speaker,
): Finding | undefined {
  const early = token.lastFailure?.failure.detail === 'CERT_NOT_YET_VALID'
  const failing = early && token.failuresInRow > 0
  if (!failing && Math.abs(clockAhead) < CLOCK_TOLERANCE) return undefined
  const time = duration(Math.abs(clockAhead) / 1000)
  return {
    state: 'degraded',
    title: say(FINDINGS.clock),
    reason: failing
      ? say(FINDINGS.clockTls)
      : say(clockAhead > 0 ? FINDINGS.clockAhead : FINDINGS.clockBehind, { time }),
    remedy: say(FINDINGS.clockRemedy),
  }
}

/** Anybody who reaches the listener makes such mistakes, so they are no state of the proxy. */
function ofMistakes({ minute: { mistakes } }: CallsView, { say }: Speaker): Finding | undefined {
  const counts = Object.entries(mistakes)
  const count = counts.reduce((sum, [, each]) => sum + each, 0)
  if (count < MISTAKES_LEAST) return undefined
  return {
    state: 'healthy',
    title: say(FINDINGS.mistakes),
    reason: say(FINDINGS.mistakesReason, {
      count,
      codes: counts.map(([code, count]) => `${code} (${number(count)})`).join(', '),
    }),
    remedy: say(FINDINGS.mistakesRemedy),
  }
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
