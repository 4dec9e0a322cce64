import type { EffectiveSetting } from '../config/load.ts'
import { DOCUMENTATION } from '../http/documentation.ts'
import type { BackoffState } from '../token/events.ts'
import type { AuthFailureReason, Operation } from '../token/protocol.ts'
import type { SharingSnapshot, StoreFailureReason } from '../token/sharing.ts'
import type { CertificateEnds, CertificateName } from './certificates.ts'
import type { HistoryView } from './history.ts'
import type { Sums, Totals } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import type { CallFailure, JudgedToken, State } from './state.ts'

/** A date in ISO 8601, UTC. */
export type Instant = string

/** The body of `/status.json`, and all that the page shows. Durations are seconds. */
export interface Status {
  readonly state: State
  /** The state in a few words. */
  readonly title: string
  readonly reason: string
  /** What to do; empty when there is nothing to do. */
  readonly remedy: string
  /** URL of what to do in detail. */
  readonly runbook: string | null
  /** Name of the host or pod. */
  readonly host: string
  readonly version: string
  readonly time: Instant
  readonly upSeconds: number
  /** There is a usable token that iSales is not known to reject. */
  readonly authenticated: boolean
  /** How long requests would go on working if every login failed from now. */
  readonly outageBudgetSeconds: number
  readonly token: TokenStatus | null
  readonly renewal: RenewalStatus
  /** Null: each replica has a token of its own. */
  readonly sharing: SharingStatus | null
  /** The last 60 logins and refreshes, the newest last. */
  readonly exchanges: readonly ExchangeStatus[]
  /** Failed logins and refreshes since the start, by reason; a reason that never came is at 0. */
  readonly failures: Readonly<Record<string, number>>
  readonly conflicts: OccurrencesStatus
  readonly rejections: OccurrencesStatus
  readonly credentialChanges: OccurrencesStatus
  readonly requests: RequestsStatus
  /** When each certificate ends; null: none is configured, or it cannot be read. */
  readonly certificates: Readonly<Record<CertificateName, Instant | null>>
  readonly settings: readonly EffectiveSetting[]
}

export interface TokenStatus {
  readonly generation: number
  readonly obtainedAt: Instant
  readonly expiresAt: Instant
  readonly lifetimeSeconds: number
  readonly ageSeconds: number
  /** Until it is no longer sent, which is a little before its end; counts down below 0. */
  readonly usableForSeconds: number
  /** Null: there is none, or its end is not known. */
  readonly refreshTokenExpiresAt: Instant | null
}

export interface SharingStatus {
  /** `alone`: the shared store cannot be used. */
  readonly state: 'shared' | 'alone'
  readonly reason: StoreFailureReason | null
  readonly since: Instant
  /** Replicas that share, this one included; null: not known. */
  readonly replicas: number | null
  /** When the present token came from another replica; null: it did not. */
  readonly adoptedAt: Instant | null
}

export interface RenewalStatus {
  /** In flight now. */
  readonly exchange: Operation | null
  readonly backoff: BackoffState
  readonly nextAt: Instant | null
  readonly nextInSeconds: number | null
  readonly lastSuccessAt: Instant | null
  readonly failuresInRow: number
  readonly lastFailure: {
    readonly at: Instant
    readonly operation: Operation
    readonly reason: AuthFailureReason
    readonly httpStatus: number | null
    readonly detail: string
  } | null
}

export interface ExchangeStatus {
  readonly at: Instant
  readonly operation: Operation
  readonly durationSeconds: number
  /** Null: it succeeded. */
  readonly reason: AuthFailureReason | null
}

export interface OccurrencesStatus {
  readonly count: number
  readonly lastAt: Instant | null
}

export interface RequestsStatus {
  readonly inFlight: number
  readonly waitingForToken: number
  readonly total: number
  readonly byStatusClass: Readonly<Record<string, number>>
  /** Errors of the proxy itself, by code; only codes that came. */
  readonly errors: Readonly<Record<string, number>>
  readonly replays: Readonly<Record<string, number>>
  /** Calls of the last 60 s; what the client did wrong, or gave up, is not among them. */
  readonly lastMinute: {
    readonly total: number
    readonly failed: number
    readonly byFailure: Readonly<Partial<Record<CallFailure, number>>>
  }
  /** When a call last failed. */
  readonly lastFailedAt: Instant | null
}

export interface StatusOptions {
  readonly monitor: Pick<Monitor, 'verdict' | 'token' | 'calls' | 'lastFailedAt'>
  readonly history: () => HistoryView
  readonly totals: () => Promise<Totals>
  /** Undefined: not configured. */
  readonly sharing?: (() => SharingSnapshot | undefined) | undefined
  readonly certificates: () => CertificateEnds
  readonly running: { readonly inFlight: number }
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly version: string
  readonly host: string
  /** When the process started, on the monotonic clock. */
  readonly startedAt: number
  readonly settings: readonly EffectiveSetting[]
}

export async function readStatus(options: StatusOptions): Promise<Status> {
  const { version, host, settings, running, startedAt, monitor } = options
  const totals = await options.totals()
  const verdict = monitor.verdict()
  const token = monitor.token()
  const { now, session } = token
  const { tokenRequests, lastAt } = options.history()
  const sharing = options.sharing?.()
  const ends = options.certificates()
  const wall = options.wallClock()
  const date = (instant: number): Instant =>
    new Date(Math.round(wall + instant - now)).toISOString()
  const optionalDate = (instant = Infinity): Instant | null =>
    Number.isFinite(instant) ? date(instant) : null
  const occurrences = (count: number, last: number | undefined): OccurrencesStatus => ({
    count,
    lastAt: optionalDate(last),
  })

  return {
    ...verdict,
    runbook:
      verdict.runbook === undefined
        ? null
        : `${DOCUMENTATION}/operations.md#${verdict.runbook.toLowerCase()}`,
    host,
    version,
    time: date(now),
    upSeconds: seconds(now - startedAt),
    authenticated: token.usable,
    outageBudgetSeconds: seconds(token.outageBudget),
    token:
      session === undefined
        ? null
        : {
            generation: session.generation,
            obtainedAt: date(session.obtainedAt),
            expiresAt: date(session.expiresAt),
            lifetimeSeconds: seconds(session.lifetime),
            ageSeconds: seconds(now - session.obtainedAt),
            usableForSeconds: seconds(session.usableUntil - now),
            refreshTokenExpiresAt: optionalDate(session.refreshExpiresAt),
          },
    renewal: renewalStatus(token, optionalDate),
    sharing:
      sharing === undefined
        ? null
        : {
            state: sharing.state,
            reason: sharing.reason ?? null,
            since: date(sharing.since),
            replicas: sharing.replicas ?? null,
            adoptedAt: optionalDate(sharing.adoptedAt),
          },
    exchanges: tokenRequests.map(({ at, operation, durationMs, reason }) => ({
      at: date(at),
      operation,
      durationSeconds: seconds(durationMs),
      reason: reason ?? null,
    })),
    failures: totals.authFailures,
    conflicts: occurrences(totals.conflicts, lastAt.conflict),
    rejections: occurrences(sumOf(totals.rejections), lastAt['token-rejected']),
    credentialChanges: occurrences(
      totals.credentialReloads['success'] ?? 0,
      lastAt['credentials-changed'],
    ),
    requests: {
      inFlight: running.inFlight,
      waitingForToken: token.waiters,
      total: sumOf(totals.requests),
      byStatusClass: totals.requests,
      errors: Object.fromEntries(Object.entries(totals.errors).filter(([, count]) => count > 0)),
      replays: totals.replays,
      lastMinute: monitor.calls(),
      lastFailedAt: optionalDate(monitor.lastFailedAt()),
    },
    certificates: {
      listener: calendarDate(ends.listener),
      client: calendarDate(ends.client),
      ca: calendarDate(ends.ca),
    },
    settings: settings.map(({ name, value, source }) => ({
      name,
      value: value === null ? null : withoutUserinfo(value),
      source,
    })),
  }
}

function renewalStatus(
  token: JudgedToken,
  optionalDate: (instant: number | undefined) => Instant | null,
): RenewalStatus {
  const { lastFailure, nextExchangeAt = Infinity, now } = token
  const nextAt = optionalDate(nextExchangeAt)
  return {
    exchange: token.exchange ?? null,
    backoff: token.backoff,
    nextAt,
    nextInSeconds: nextAt === null ? null : seconds(Math.max(0, nextExchangeAt - now)),
    lastSuccessAt: optionalDate(token.lastSuccessAt),
    failuresInRow: token.failuresInRow,
    lastFailure:
      lastFailure === undefined
        ? null
        : {
            at: optionalDate(lastFailure.at) ?? '',
            operation: lastFailure.operation,
            reason: lastFailure.failure.reason,
            httpStatus: lastFailure.failure.status ?? null,
            detail: lastFailure.failure.detail,
          },
  }
}

/** A second check behind the redaction of the settings: a proxy's URL may hold a password. */
function withoutUserinfo(value: string): string {
  return value.replaceAll(/\/\/[^\s/,]*@/g, '//[redacted]@')
}

function calendarDate(ms: number | undefined): Instant | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function sumOf(sums: Sums): number {
  return Object.values(sums).reduce((sum, count) => sum + count, 0)
}

/** Of milliseconds; to the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
