import { secondsOf } from '../clock.ts'
import { explain } from '../words/index.ts'
import { totalOf } from './calls.ts'
import { judge, STATES, worstOf, type Findings } from './findings.ts'
import type { Metrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'
import { number, type Speaker } from './speaker.ts'

/** A date in ISO 8601, UTC. */
type Instant = string

/** The body of `/status.json`: page, text, charts and the command `status` render it, and arrange nothing. */
export type Status = Awaited<ReturnType<typeof readStatus>>
type Facts = Awaited<ReturnType<typeof readFacts>>

/** What `readStatus` reads. The counters are those that Prometheus scrapes. */
export interface StatusOptions extends AdminSources {
  readonly monitor: Monitor
  readonly metrics: Metrics
  readonly findings: (speaker?: Speaker) => Findings
}

/** The sources with what the records hold, and one judgement of both. */
export function statusOptions(
  sources: AdminSources,
  records: Pick<StatusOptions, 'monitor' | 'metrics'>,
): StatusOptions {
  const { metrics, monitor } = records
  const findings = (speaker?: Speaker): Findings =>
    judge(
      {
        draining: sources.running.draining,
        token: sources.token(),
        sharing: sources.sharing(),
        calls: monitor.calls,
        stateTrouble: monitor.trouble(),
        isLifetimeDoubtful: monitor.isLifetimeDoubtful(),
        places: sources.places,
        wallNow: sources.wallClock(),
        utcOffset: sources.utcOffset(),
      },
      speaker,
    )
  return { ...sources, metrics, monitor, findings }
}

/** Durations are seconds. Null: there is none, or it is not known. Sentences are in the speaker's language. */
export async function readStatus(options: StatusOptions, speaker: Speaker) {
  const facts = await readFacts(options, speaker)
  return { ...facts, ...arrange(facts, speaker) }
}

async function readFacts(options: StatusOptions, speaker: Speaker) {
  const { monitor, metrics, running } = options
  const byStatusClass = await metrics.sums('requests_total', 'status_class')
  const errors = await metrics.sums('request_errors_total', 'code')
  const replays = await metrics.sums('replays_total', 'outcome')
  const failures = await metrics.sums('auth_failures_total', 'reason')
  const rejections = await metrics.sums('token_rejections_total')
  const reloads = await metrics.sums('credential_reloads_total', 'outcome')
  const conflicts = await metrics.sums('session_conflicts_total')
  const { calls } = monitor
  const findings = options.findings(speaker)
  const snapshot = options.token()
  const { now, token = null, lastFailure = null, nextRequestAt = Infinity, asked } = snapshot
  const failed = asked.end?.outcome === 'granted' ? undefined : asked.end
  const view = calls.view()
  const { minute, lastFailedAt } = view
  const worst = worstOf(view, now) ?? null
  const sharing = options.sharing() ?? null
  const certificates = options.certificates()
  const wall = options.wallClock()
  const date = (instant: number): Instant =>
    new Date(Math.round(wall + instant - now)).toISOString()
  const optionalDate = (instant = Infinity): Instant | null =>
    Number.isFinite(instant) ? date(instant) : null

  return {
    ...findings[0],
    /** The first is the headline above. */
    findings,
    /** What people call this proxy. */
    instance: options.instance,
    /** Name of the host or pod. */
    host: options.host,
    version: options.version,
    /** Of the process. */
    pid: options.pid ?? null,
    time: date(now),
    /** Minutes by which the local time of the machine is ahead of UTC. */
    utcOffset: options.utcOffset(),
    upSeconds: secondsOf(now - monitor.startedAt),
    /** There is a usable token that iSales is not known to reject. */
    authenticated: snapshot.usable && !snapshot.rejected,
    /** How long requests would go on working if every login failed from now. */
    outageBudgetSeconds: secondsOf(snapshot.outageBudget),
    token: token && {
      generation: token.generation,
      obtainedAt: date(token.obtainedAt),
      expiresAt: date(token.expiresAt),
      lifetimeSeconds: secondsOf(token.lifetime),
      ageSeconds: secondsOf(now - token.obtainedAt),
      /** Until it is no longer sent, which is a little before its end; counts down below 0. */
      usableForSeconds: secondsOf(token.usableUntil - now),
      refreshTokenExpiresAt: optionalDate(token.refreshExpiresAt),
    },
    renewal: {
      /** The login or refresh in flight now. */
      exchange: snapshot.request ?? null,
      backoff: snapshot.backoff,
      nextAt: optionalDate(nextRequestAt),
      nextInSeconds: Number.isFinite(nextRequestAt)
        ? secondsOf(Math.max(0, nextRequestAt - now))
        : null,
      lastSuccessAt: optionalDate(snapshot.lastSuccessAt),
      failuresInRow: snapshot.failuresInRow,
      lastFailure: lastFailure && {
        at: date(lastFailure.at),
        operation: lastFailure.operation,
        reason: lastFailure.failure.reason,
        cause: lastFailure.failure.cause,
        explained: explain(speaker.words, options.places, lastFailure.failure),
        httpStatus: lastFailure.failure.status ?? null,
        detail: lastFailure.failure.detail,
      },
    },
    /** The login that an operator last asked for, by SIGHUP or the command `renew`. */
    asked: {
      /** Rises with each ask; 0: there was none. */
      number: asked.number,
      /** The account was guarded when it was asked for. */
      guarded: asked.guarded,
      /** Null: it has not ended. */
      outcome: asked.end?.outcome ?? null,
      reason: failed?.reason ?? null,
      retryInSeconds: failed === undefined ? null : secondsOf(failed.retryIn),
    },
    /** Null: each replica has a token of its own. */
    sharing: sharing && {
      /** `alone`: the shared store cannot be used. */
      state: sharing.state,
      reason: sharing.reason ?? null,
      since: date(sharing.since),
      /** Replicas that share, this one included. */
      replicas: sharing.replicas ?? null,
      /** When the present token came from another replica. */
      adoptedAt: optionalDate(sharing.adoptedAt),
    },
    /** The last 60 logins and refreshes, the newest last. Null as reason: it succeeded. */
    exchanges: monitor.tokenRequests().map(({ at, operation, durationMs, reason }) => ({
      at: date(at),
      operation,
      durationSeconds: secondsOf(durationMs),
      reason: reason ?? null,
    })),
    /** Failed logins and refreshes since the start, by reason; a reason that never came is at 0. */
    failures,
    conflicts: {
      count: sum(conflicts),
      lastAt: optionalDate(monitor.lastAt('conflict')),
    },
    rejections: { count: sum(rejections), lastAt: optionalDate(monitor.lastAt('token-rejected')) },
    credentialChanges: {
      count: reloads['success'] ?? 0,
      lastAt: optionalDate(monitor.lastAt('credentials-changed')),
    },
    requests: {
      inFlight: running.inFlight,
      waitingForToken: snapshot.waiters,
      total: sum(byStatusClass),
      byStatusClass,
      /** Errors of the proxy itself, by code; only codes that came. */
      errors: Object.fromEntries(Object.entries(errors).filter(([, count]) => count > 0)),
      replays,
      /** Calls of the last 60 s; what the client did wrong, or gave up, is not among them. */
      lastMinute: { total: totalOf(minute), ...minute },
      /** The failed calls that are worth saying, of how many, in which time; null: none failed in the last minute. */
      worst: worst && {
        kind: worst.kind,
        failed: worst.counts.failed,
        total: totalOf(worst.counts),
        seconds: secondsOf(worst.ms),
      },
      lastFailedAt: optionalDate(lastFailedAt),
      /** By minute, the newest last. */
      lastHour: calls.hour().map(({ at, succeeded, refused, failed }) => {
        return { at: date(at), succeeded, refused, failed }
      }),
      /** The last ten that did not succeed, those that are alike as one, the newest first. */
      lastFailed: calls.failed().map((call) => {
        const { count, method, path, status, code = null, requestId } = call
        return { count, at: date(call.at), method, path, status, code, requestId }
      }),
      /** Of the last hour, the most frequent first; ten at most. */
      failedPaths: calls
        .paths()
        .slice(0, 10)
        .map(({ method, path, refused, failed, lastAt }) => {
          return { method, path, refused, failed, lastAt: date(lastAt) }
        }),
    },
    /** When each certificate ends; null: none is configured, or it cannot be read. */
    certificates: {
      listener: calendarDate(certificates.listener),
      client: calendarDate(certificates.client),
      ca: calendarDate(certificates.ca),
    },
    settings: options.settings,
  }
}

/** What page and text show below the findings, in one language. What is 0 or never was is left out. */
function arrange(status: Facts, speaker: Speaker) {
  const { say } = speaker
  const cards: readonly (readonly [string, readonly (Fact | false)[]])[] = [
    [say('renewal'), renewalFacts(status, speaker)],
    [say('token'), tokenFacts(status, speaker)],
    [say('calls'), callFacts(status, speaker)],
    [say('certificates'), certificateFacts(status, speaker)],
  ]
  return {
    /** The number that matters most; null: there is none. */
    figure: figureOf(status, speaker) ?? null,
    cards: cards
      .map(([title, facts]) => ({ title, facts: facts.filter((fact) => fact !== false) }))
      .filter(({ facts }) => facts.length > 0),
    tables: tablesOf(status, speaker).filter(({ rows }) => rows.length > 0),
    settingTables: settingTables(status, speaker),
  }
}

/** Name and value; the third says that the value needs attention. */
export type Fact = readonly [name: string, value: string, marked?: boolean]

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The number that matters most: how many calls fail, how long the token serves, or when the next login begins. */
function figureOf(status: Facts, { say, duration, countdown }: Speaker) {
  const { exchange, nextInSeconds, failuresInRow } = status.renewal
  const { worst, lastMinute } = status.requests
  const failing = status.state === 'failing' || status.state === 'degraded'
  if (failing && worst !== null && worst.kind !== 'recovering') {
    const above = say('failedFor', { time: duration(Math.round(worst.seconds)) })
    return { above, value: say('failedOf', worst), marked: true }
  }
  if (status.state === 'degraded' && worst === null && lastMinute.refused > 0) {
    const value = say('failedOf', { failed: lastMinute.refused, total: lastMinute.total })
    return { above: say('refusedInMinute'), value, marked: true }
  }
  const marked = STATES[status.state] === 'bad' || failuresInRow > 0
  if (status.authenticated)
    return { above: say('budget'), value: countdown(status.outageBudgetSeconds), marked }
  if (exchange !== null) return { above: say('nextAttempt'), value: say('now'), marked }
  if (nextInSeconds === null) return undefined
  return { above: say('nextAttemptIn'), value: countdown(nextInSeconds), marked }
}

function renewalFacts(status: Facts, speaker: Speaker): readonly (Fact | false)[] {
  const { say, words, duration, ago } = speaker
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned =
    nextInSeconds === null ? say('notPlanned') : say('in', { time: duration(nextInSeconds) })
  return [
    [
      say(failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal'),
      exchange === null ? planned : say('inProgress', { operation: say(exchange) }),
    ],
    backoff !== 'none' && [say('backoff'), words.backoffs[backoff], true],
    failuresInRow > 0 && [say('failedInRow'), number(failuresInRow), true],
    sharingFact(status, speaker),
    [say('lastSuccess'), lastSuccessAt === null ? say('never') : ago(lastSuccessAt, status.time)],
  ]
}

/** Nothing unless it is configured. */
function sharingFact({ sharing, time }: Facts, { say, ago }: Speaker): Fact | false {
  if (sharing === null) return false
  const { state, replicas, since, adoptedAt } = sharing
  const name = say('sharedToken')
  if (state === 'alone') return [name, say('alone', { ago: ago(since, time) }), true]
  const others = (replicas ?? 1) - 1
  const shared =
    replicas === null
      ? say('shared')
      : others > 1
        ? say('sharedWith', { count: others })
        : say(others === 1 ? 'sharedWithOne' : 'sharedWithNone')
  if (adoptedAt === null) return [name, shared]
  return [name, say('adopted', { shared, ago: ago(adoptedAt, time) })]
}

function tokenFacts(status: Facts, { say, until, ago }: Speaker): readonly (Fact | false)[] {
  const { token, time } = status
  const end = token?.refreshTokenExpiresAt
  const occurred = (name: string, { count, lastAt }: Facts['conflicts']): Fact | false =>
    lastAt !== null && [name, say('occurred', { count, ago: ago(lastAt, time) })]
  return [
    [say('tokensSoFar'), number(token?.generation ?? 0)],
    [
      say('refreshToken'),
      token === null ? say('none') : end ? until(end, time) : say('endNotKnown'),
    ],
    occurred(say('rejectedEarly'), status.rejections),
    occurred(say('conflicts'), status.conflicts),
    occurred(say('secretChanged'), status.credentialChanges),
  ]
}

function callFacts({ requests, time }: Facts, { say, ago }: Speaker): readonly (Fact | false)[] {
  const { lastMinute, lastFailedAt, byStatusClass, inFlight, waitingForToken } = requests
  const counted = (name: string, count = 0, marked = false): Fact | false =>
    count > 0 && [name, number(count), marked]
  return [
    [say('lastMinute'), number(lastMinute.total)],
    counted(say('refusedByIsales'), lastMinute.refused, true),
    counted(say('failed'), lastMinute.failed, true),
    lastFailedAt !== null && [say('lastFailed'), ago(lastFailedAt, time)],
    counted(say('inFlight'), inFlight),
    counted(say('waitingForToken'), waitingForToken),
    [say('sinceStart'), number(requests.total)],
    ...Object.entries(byStatusClass).map(([status, count]) =>
      counted(say('withStatus', { status }), count),
    ),
    counted(say('saved'), requests.replays['healed']),
  ]
}

function certificateFacts({ certificates, time }: Facts, { say, until, words }: Speaker) {
  return (['listener', 'client', 'ca'] as const).map((name): Fact | false => {
    const end = certificates[name]
    if (end === null) return false
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [say(`${name}Certificate`), `${until(end, time)}${words.comma}${end.slice(0, 10)}`, soon]
  })
}

function tablesOf(status: Facts, { say, words, ago, clockTime }: Speaker): readonly Table[] {
  const { requests, failures, time, utcOffset } = status
  const counts = (
    of: Readonly<Record<string, number>>,
    meanings: Readonly<Record<string, string>>,
  ) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, meanings[name] ?? '', number(count)])
  return [
    {
      title: say('failedCalls'),
      head: [say('time'), say('call'), say('status'), say('code'), say('times'), say('requestId')],
      rows: requests.lastFailed.map(({ at, method, path, status: code, ...call }) => [
        clockTime(at, utcOffset),
        `${method} ${path}`,
        String(code),
        call.code ?? '',
        number(call.count),
        call.requestId,
      ]),
    },
    {
      title: say('failedPaths'),
      head: [say('path'), say('refused'), say('failedCount'), say('last')],
      rows: requests.failedPaths.map(({ method, path, refused, failed, lastAt }) => [
        `${method} ${path}`,
        number(refused),
        number(failed),
        ago(lastAt, time),
      ]),
    },
    {
      title: say('failedLogins'),
      head: [say('reason'), say('meaning'), say('count')],
      rows: counts(failures, words.authFailures),
    },
    {
      title: say('errors'),
      head: [say('code'), say('meaning'), say('count')],
      rows: counts(requests.errors, words.problems),
    },
  ]
}

/** Those of this instance, then those that have their default. */
function settingTables({ settings }: Facts, { say }: Speaker): readonly [Table, Table] {
  const rows = (own: boolean) =>
    settings
      .filter(({ source }) => own === (source !== 'default'))
      .map(({ name, value, source }) => {
        const shown = value === null ? say('notSet') : value === '' ? say('empty') : value
        const [, path] = /^file (.*)/s.exec(source) ?? []
        const from = path === undefined ? say('environment') : say('file', { path })
        return own ? [name, shown, from] : [name, shown]
      })
  const head = [say('setting'), say('value')]
  return [
    { title: say('setHere'), head: [...head, say('from')], rows: rows(true) },
    { title: say('defaults'), head, rows: rows(false) },
  ]
}

function calendarDate(ms: number | undefined): Instant | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
