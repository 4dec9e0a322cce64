import { describeConfig, sourceText } from '../config/describe.ts'
import type { BackoffState, TokenSnapshot } from '../token/events.ts'
import type { AuthFailureReason, Operation } from '../token/protocol.ts'
import type { HistoryView } from './history.ts'
import type { Sums, Totals } from './metrics.ts'

/**
 * What the page says first.
 *
 * - `healthy`: a usable token, and renewals work.
 * - `renewing`: no usable token, and one is being fetched.
 * - `failing`: renewals fail for a reason that may pass, or are held off.
 * - `rejected`: iSales refuses the credentials; somebody has to act.
 * - `starting`: the first login has not ended yet.
 * - `draining`: shutting down.
 */
export const STATUS_STATES = [
  'healthy',
  'renewing',
  'failing',
  'rejected',
  'starting',
  'draining',
] as const
export type StatusState = (typeof STATUS_STATES)[number]

/** One setting in force; a secret is redacted. */
export interface EffectiveSetting {
  readonly name: string
  /** Null: not set, and there is no default. */
  readonly value: string | null
  /** Where it came from: default, environment, or a file. */
  readonly source: string
}

/** A date in ISO 8601, UTC. */
export type Instant = string

/** The body of `/status.json`, and all that the page shows. Durations are seconds. */
export interface Status {
  readonly state: StatusState
  readonly version: string
  readonly time: Instant
  readonly upSeconds: number
  /** Requests are forwarded now. */
  readonly authenticated: boolean
  /** How long requests would go on working if every login failed from now. */
  readonly outageBudgetSeconds: number
  readonly token: TokenStatus | null
  readonly renewal: RenewalStatus
  /** The last 60 logins and refreshes, the newest last. */
  readonly exchanges: readonly ExchangeStatus[]
  /** Failed logins and refreshes since the start, by reason; a reason that never came is at 0. */
  readonly failures: Readonly<Record<string, number>>
  readonly conflicts: OccurrencesStatus
  readonly rejections: OccurrencesStatus
  readonly credentialChanges: OccurrencesStatus
  readonly requests: RequestsStatus
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
}

export interface StatusOptions {
  readonly snapshot: () => TokenSnapshot
  readonly history: () => HistoryView
  readonly totals: () => Promise<Totals>
  readonly running: { readonly draining: boolean; readonly inFlight: number }
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly version: string
  /** When the process started, on the monotonic clock. */
  readonly startedAt: number
  readonly settings: readonly EffectiveSetting[]
}

export async function readStatus(options: StatusOptions): Promise<Status> {
  const { version, settings, running, startedAt } = options
  const totals = await options.totals()
  const snapshot = options.snapshot()
  const { now, session } = snapshot
  const { tokenRequests, lastAt } = options.history()
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
    state: stateOf(snapshot, running.draining),
    version,
    time: date(now),
    upSeconds: seconds(now - startedAt),
    authenticated: snapshot.usable,
    outageBudgetSeconds: seconds(snapshot.outageBudget),
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
    renewal: renewalStatus(snapshot, optionalDate),
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
      waitingForToken: snapshot.waiters,
      total: sumOf(totals.requests),
      byStatusClass: totals.requests,
      errors: Object.fromEntries(Object.entries(totals.errors).filter(([, count]) => count > 0)),
      replays: totals.replays,
    },
    settings: settings.map(({ name, value, source }) => ({
      name,
      value: value === null ? null : withoutUserinfo(value),
      source,
    })),
  }
}

function stateOf(snapshot: TokenSnapshot, draining: boolean): StatusState {
  const { backoff, usable, session, lastFailure } = snapshot
  if (draining) return 'draining'
  if (backoff === 'rejected' || backoff === 'guarded') return 'rejected'
  if (backoff !== 'none') return 'failing'
  if (usable) return 'healthy'
  return session === undefined && lastFailure === undefined ? 'starting' : 'renewing'
}

function renewalStatus(
  snapshot: TokenSnapshot,
  optionalDate: (instant: number | undefined) => Instant | null,
): RenewalStatus {
  const { lastFailure, nextExchangeAt = Infinity, now } = snapshot
  const nextAt = optionalDate(nextExchangeAt)
  return {
    exchange: snapshot.exchange ?? null,
    backoff: snapshot.backoff,
    nextAt,
    nextInSeconds: nextAt === null ? null : seconds(Math.max(0, nextExchangeAt - now)),
    lastSuccessAt: optionalDate(snapshot.lastSuccessAt),
    failuresInRow: snapshot.failuresInRow,
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

/** The configuration in force; secrets are redacted. */
export function effectiveSettings(
  loaded: Parameters<typeof describeConfig>[0],
): readonly EffectiveSetting[] {
  return describeConfig(loaded).map(({ setting, value, source }) => ({
    name: setting,
    value: value ?? null,
    source: sourceText(source),
  }))
}

/** A second check behind the redaction of the settings: a proxy's URL may hold a password. */
function withoutUserinfo(value: string): string {
  return value.replaceAll(/\/\/[^\s/,]*@/g, '//[redacted]@')
}

function sumOf(sums: Sums): number {
  return Object.values(sums).reduce((sum, count) => sum + count, 0)
}

/** Of milliseconds; to the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
