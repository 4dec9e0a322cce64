import { totalOf } from './calls.ts'
import type { Speaker } from './format.ts'
import type { Metrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'
import { worstOf } from './state.ts'

/** A date in ISO 8601, UTC. */
type Instant = string

/** The body of `/status.json`, and all that the page shows. */
export type Status = Awaited<ReturnType<typeof readStatus>>

/** What `readStatus` reads. The counters are those that Prometheus scrapes. */
export interface StatusOptions extends AdminSources {
  readonly monitor: Monitor
  readonly metrics: Metrics
}

/** Durations are seconds. Null: there is none, or it is not known. Sentences are in the speaker's language. */
export async function readStatus(options: StatusOptions, speaker: Speaker) {
  const { monitor, metrics, running } = options
  const byStatusClass = await metrics.sums('requests_total', 'status_class')
  const errors = await metrics.sums('request_errors_total', 'code')
  const replays = await metrics.sums('replays_total', 'outcome')
  const failures = await metrics.sums('auth_failures_total', 'reason')
  const rejections = await metrics.sums('token_rejections_total')
  const reloads = await metrics.sums('credential_reloads_total', 'outcome')
  const conflicts = await metrics.sums('session_conflicts_total')
  const { calls } = monitor
  const findings = monitor.findings(speaker)
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
    upSeconds: seconds(now - monitor.startedAt),
    /** There is a usable token that iSales is not known to reject. */
    authenticated: snapshot.usable && !snapshot.rejected,
    /** How long requests would go on working if every login failed from now. */
    outageBudgetSeconds: seconds(snapshot.outageBudget),
    token: token && {
      generation: token.generation,
      obtainedAt: date(token.obtainedAt),
      expiresAt: date(token.expiresAt),
      lifetimeSeconds: seconds(token.lifetime),
      ageSeconds: seconds(now - token.obtainedAt),
      /** Until it is no longer sent, which is a little before its end; counts down below 0. */
      usableForSeconds: seconds(token.usableUntil - now),
      refreshTokenExpiresAt: optionalDate(token.refreshExpiresAt),
    },
    renewal: {
      /** The login or refresh in flight now. */
      exchange: snapshot.request ?? null,
      backoff: snapshot.backoff,
      nextAt: optionalDate(nextRequestAt),
      nextInSeconds: Number.isFinite(nextRequestAt)
        ? seconds(Math.max(0, nextRequestAt - now))
        : null,
      lastSuccessAt: optionalDate(snapshot.lastSuccessAt),
      failuresInRow: snapshot.failuresInRow,
      lastFailure: lastFailure && {
        at: date(lastFailure.at),
        operation: lastFailure.operation,
        reason: lastFailure.failure.reason,
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
      retryInSeconds: failed === undefined ? null : seconds(failed.retryIn),
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
      durationSeconds: seconds(durationMs),
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
        seconds: seconds(worst.ms),
      },
      lastFailedAt: optionalDate(lastFailedAt),
      /** By minute, the newest last. */
      lastHour: calls.hour().map(({ at, succeeded, refused, failed }) => {
        return { at: date(at), succeeded, refused, failed }
      }),
      /** The last ten that did not succeed, the newest first. */
      lastFailed: calls.failed().map(({ at, method, path, status, code = null, requestId }) => {
        return { at: date(at), method, path, status, code, requestId }
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
    settings: options.settings.map(({ name, value, source }) => ({
      name,
      // A second check behind the redaction of the settings: a proxy's URL may hold a password.
      value: value?.replaceAll(/\/\/[^\s/,]*@/g, '//[redacted]@') ?? null,
      source,
    })),
  }
}

function calendarDate(ms: number | undefined): Instant | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

/** Of milliseconds; to the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
