import type { AuthFailureReason, Operation } from '../token/protocol.ts'
import type { BackoffState } from '../token/events.ts'

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

/** One setting as it is in force; a secret comes redacted. */
export interface EffectiveSetting {
  readonly name: string
  /** Null: not set, and there is no default. */
  readonly value: string | null
  /** Where it came from: default, environment, or a file. */
  readonly source: string
}

/** A date in ISO 8601, UTC. */
export type Instant = string

/** What `/status.json` answers and the page shows. Durations are seconds. */
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
  /** The last exchanges, the newest last. */
  readonly exchanges: readonly ExchangeStatus[]
  readonly failures: Readonly<Record<AuthFailureReason, number>>
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
  /** Until it is not sent any more, which is a little before its end; counts down below 0. */
  readonly usableForSeconds: number
  /** Null: there is none, or its end is not known. */
  readonly refreshTokenExpiresAt: Instant | null
}

export interface RenewalStatus {
  /** Under way now. */
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
  /** Answered by the proxy itself with an error, by code; only codes that came. */
  readonly errors: Readonly<Record<string, number>>
  readonly replays: Readonly<Record<string, number>>
}
