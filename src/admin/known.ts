import { secondsOf } from '../clock.ts'
import { explain } from '../words/index.ts'
import { factsOf, type Facts } from './facts.ts'
import { judge } from './findings.ts'
import type { Metrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'
import type { Speaker } from './speaker.ts'

/** A date in ISO 8601, UTC. */
type Instant = string

/** What `/status.json` holds besides its tables. */
export type Known = Awaited<ReturnType<typeof readKnown>>

/** What `readStatus` reads. The counters are those that Prometheus scrapes. */
export interface StatusOptions extends AdminSources {
  readonly monitor: Monitor
  readonly metrics: Metrics
  readonly facts: () => Facts
}

/** The sources with what the records hold, and the facts of both. */
export function statusOptions(
  sources: AdminSources,
  { monitor, metrics }: Pick<StatusOptions, 'monitor' | 'metrics'>,
): StatusOptions {
  return { ...sources, metrics, monitor, facts: () => factsOf(sources, monitor) }
}

/** Durations are seconds. Null: there is none, or it is not known. Sentences are in the speaker's language. */
export async function readKnown(options: StatusOptions, speaker: Speaker) {
  const { monitor, metrics, running } = options
  const byStatusClass = await metrics.sums('requests_total', 'status_class')
  const errors = await metrics.sums('request_errors_total', 'code')
  const replays = await metrics.sums('replays_total', 'outcome')
  const failures = await metrics.sums('auth_failures_total', 'reason')
  const rejections = await metrics.sums('token_rejections_total')
  const reloads = await metrics.sums('credential_reloads_total', 'outcome')
  const conflicts = await metrics.sums('session_conflicts_total')
  const facts = options.facts()
  const { token: snapshot, calls, failing, sharing = null } = facts
  const findings = judge(facts, speaker)
  const { now, token = null, lastFailure = null, nextRequestAt = Infinity } = snapshot
  const certificates = options.certificates()
  const date = (instant: number): Instant =>
    new Date(Math.round(facts.wallNow + instant - now)).toISOString()
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
    utcOffset: facts.utcOffset,
    upSeconds: secondsOf(now - monitor.startedAt),
    authenticated: facts.authenticated,
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
      /** iSales has refused user and password since the last grant. */
      refused: snapshot.refused,
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
    /** Null: each replica has a token of its own. */
    sharing: sharing && {
      /** `alone`: the shared store cannot be used. */
      state: sharing.state,
      reason: sharing.reason ?? null,
      /** The store's own code, where it refused. */
      code: sharing.code ?? null,
      since: date(sharing.since),
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
      lastMinute: { total: facts.total, ...facts.minute },
      /** The failed calls that are worth saying, of how many, in which time; null: there are none. */
      worst: failing
        ? {
            kind: failing.kind,
            failed: failing.failed,
            total: failing.total,
            seconds: secondsOf(failing.ms),
          }
        : null,
      lastFailedAt: optionalDate(calls.lastFailedAt),
      /** By minute, the newest last. */
      lastHour: monitor.calls.hour().map(({ at, succeeded, refused, failed }) => {
        return { at: date(at), succeeded, refused, failed }
      }),
      /** The last ten that did not succeed, those that are alike as one, the newest first. */
      lastFailed: monitor.calls.failed().map((call) => {
        const { count, method, path, status, code = null, requestId } = call
        return { count, at: date(call.at), method, path, status, code, requestId }
      }),
      /** Of the last hour, the most frequent first; ten at most. */
      failedPaths: facts.paths.slice(0, 10).map(({ method, path, refused, failed, lastAt }) => {
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

function calendarDate(ms: number | undefined): Instant | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
