import type { TokenSnapshot } from '../token/events.ts'
import type { Counts } from './counts.ts'
import type { HistoryView } from './history.ts'
import type {
  EffectiveSetting,
  Instant,
  OccurrencesStatus,
  RenewalStatus,
  RequestsStatus,
  Status,
  StatusState,
  TokenStatus,
} from './status.ts'
import { STATUS_CLASSES } from './tally.ts'

export interface StatusOptions {
  readonly snapshot: () => TokenSnapshot
  readonly history: () => HistoryView
  readonly counts: Counts
  /** Requests under way now. */
  readonly inFlight: () => number
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly draining: () => boolean
  readonly version: string
  /** When the process started, on the monotonic clock. */
  readonly startedAt: number
  readonly settings: readonly EffectiveSetting[]
}

/** Reads how everything stands, in one go. */
export function readStatus(options: StatusOptions): Status {
  const { version, settings } = options
  const snapshot = options.snapshot()
  const wall = options.wallClock()
  const date = (instant: number): Instant => toDate(wall + instant - snapshot.now)
  return {
    state: stateOf(snapshot, options.draining()),
    version,
    time: date(snapshot.now),
    upSeconds: seconds(snapshot.now - options.startedAt),
    authenticated: snapshot.usable,
    outageBudgetSeconds: seconds(snapshot.outageBudget),
    token: tokenStatus(snapshot, date),
    renewal: renewalStatus(snapshot, date),
    ...pastStatus(options.history(), date),
    requests: requestsStatus(options.counts, options.inFlight(), snapshot.waiters),
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

type ToDate = (instant: number) => Instant

function tokenStatus(snapshot: TokenSnapshot, date: ToDate): TokenStatus | null {
  const { session, now } = snapshot
  if (session === undefined) return null
  return {
    generation: session.generation,
    obtainedAt: date(session.obtainedAt),
    expiresAt: date(session.expiresAt),
    lifetimeSeconds: seconds(session.lifetime),
    ageSeconds: seconds(now - session.obtainedAt),
    usableForSeconds: seconds(session.usableUntil - now),
    refreshTokenExpiresAt:
      session.refreshExpiresAt === undefined ? null : date(session.refreshExpiresAt),
  }
}

function renewalStatus(snapshot: TokenSnapshot, date: ToDate): RenewalStatus {
  const { lastFailure, lastSuccessAt, nextExchangeAt, now } = snapshot
  const planned = nextExchangeAt !== undefined && Number.isFinite(nextExchangeAt)
  return {
    exchange: snapshot.exchange ?? null,
    backoff: snapshot.backoff,
    nextAt: planned ? date(nextExchangeAt) : null,
    nextInSeconds: planned ? seconds(Math.max(0, nextExchangeAt - now)) : null,
    lastSuccessAt: lastSuccessAt === undefined ? null : date(lastSuccessAt),
    failuresInRow: snapshot.failuresInRow,
    lastFailure:
      lastFailure === undefined
        ? null
        : {
            at: date(lastFailure.at),
            operation: lastFailure.operation,
            reason: lastFailure.failure.reason,
            httpStatus: lastFailure.failure.status ?? null,
            detail: lastFailure.failure.detail,
          },
  }
}

function pastStatus(history: HistoryView, date: ToDate) {
  const occurrences = ({ count, lastAt }: HistoryView['conflicts']): OccurrencesStatus => ({
    count,
    lastAt: lastAt === undefined ? null : date(lastAt),
  })
  return {
    exchanges: history.exchanges.map(({ at, operation, durationMs, reason }) => ({
      at: date(at),
      operation,
      durationSeconds: seconds(durationMs),
      reason: reason ?? null,
    })),
    failures: history.failures,
    conflicts: occurrences(history.conflicts),
    rejections: occurrences(history.rejections),
    credentialChanges: occurrences(history.credentialChanges),
  }
}

function requestsStatus(counts: Counts, inFlight: number, waiters: number): RequestsStatus {
  const rows = counts.requests.counts()
  const byStatusClass = Object.fromEntries(
    STATUS_CLASSES.map((statusClass) => [
      statusClass,
      rows
        .filter((row) => row.statusClass === statusClass)
        .reduce((sum, row) => sum + row.count, 0),
    ]),
  )
  return {
    inFlight,
    waitingForToken: waiters,
    total: Object.values(byStatusClass).reduce((sum, count) => sum + count, 0),
    byStatusClass,
    errors: Object.fromEntries([...counts.errors.read()].filter(([, count]) => count > 0)),
    replays: Object.fromEntries(counts.replays.read()),
  }
}

/** A proxy's URL may hold a user and a password. What makes the list should have redacted it; this makes sure. */
function withoutUserinfo(value: string): string {
  return value.replaceAll(/\/\/[^\s/,]*@/g, '//[redacted]@')
}

function toDate(wall: number): Instant {
  return new Date(Math.round(wall)).toISOString()
}

/** To the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
