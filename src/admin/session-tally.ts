import { AUTH_FAILURE_REASONS, type AuthFailureReason, type Operation } from '../token/protocol.ts'
import type { TokenEvent } from '../token/events.ts'
import { createCounter, type Counter } from './counter.ts'
import { createDistribution, type Distribution } from './distribution.ts'

/** How an exchange, or a reload of the secret files, ended. */
export const OUTCOMES = ['success', 'failure'] as const
export type Outcome = (typeof OUTCOMES)[number]

export const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]

/** Seconds. */
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** What the logins and refreshes of one kind came to. */
export interface ExchangeTally {
  readonly attempts: Counter<Outcome>
  readonly failures: Counter<AuthFailureReason>
  readonly durations: () => Distribution
}

/** What happened to the session since the start, in numbers. */
export interface SessionTally {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly exchanges: Readonly<Record<Operation, ExchangeTally>>
  /** By the status of the answer that rejected the token; one that was not expected counts as `other`. */
  readonly rejections: Counter<string>
  readonly lifetimesAssumed: () => number
  readonly conflicts: () => number
}

/** @param rejectionStatuses each counts by itself. */
export function createSessionTally(rejectionStatuses: readonly number[]): SessionTally {
  const exchanges = { login: exchangeTally(), refresh: exchangeTally() }
  const statuses = rejectionStatuses.map(String)
  const rejections = createCounter([...statuses, 'other'])
  let lifetimesAssumed = 0
  let conflicts = 0

  return {
    exchanges,
    rejections,
    lifetimesAssumed: () => lifetimesAssumed,
    conflicts: () => conflicts,

    onTokenEvent(event) {
      switch (event.type) {
        case 'granted':
          exchanges[event.operation].ended('success', event.durationMs)
          if (event.lifetimeAssumed) lifetimesAssumed += 1
          break
        case 'failed':
          exchanges[event.operation].ended('failure', event.durationMs)
          exchanges[event.operation].failures.add(event.failure.reason)
          break
        case 'token-rejected':
          rejections.add(statuses.includes(String(event.status)) ? String(event.status) : 'other')
          break
        case 'conflict':
          conflicts += 1
          break
        case 'request-started':
        case 'credentials-changed':
          break
      }
    },
  }
}

function exchangeTally() {
  const attempts = createCounter(OUTCOMES)
  const durations = createDistribution(BOUNDS)
  return {
    attempts,
    failures: createCounter(AUTH_FAILURE_REASONS),
    durations: durations.read,
    ended(outcome: Outcome, durationMs: number): void {
      attempts.add(outcome)
      durations.observe(durationMs / 1000)
    },
  }
}
