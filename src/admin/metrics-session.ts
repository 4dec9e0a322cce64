import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { AUTH_FAILURE_REASONS, type Operation } from '../isales/protocol.ts'
import { BACKOFF_STATES, type SessionEvent, type SessionSnapshot } from '../session/events.ts'
import { OUTCOMES, PREFIX, counter } from './metrics-counter.ts'

const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]

export interface GaugeOptions {
  /** Read once at each scrape. */
  readonly snapshot: () => SessionSnapshot
  /** Requests under way now. */
  readonly inFlight: () => number
  readonly version: string
  /** Milliseconds since 1970; session instants are monotonic and become dates with it. */
  readonly wallClock: () => number
}

export function countSessionEvents(
  registry: Registry,
  rejectionStatuses: readonly number[],
): (event: SessionEvent) => void {
  const { attempts, failures, duration, assumed, conflicts } = exchangeCounters(registry)
  const statuses = rejectionStatuses.map(String)
  const rejections = counter(registry, {
    name: 'token_rejections_total',
    help: 'Tokens that a business call found rejected, by the status of its answer',
    label: 'status',
    values: [...statuses, 'other'],
  })

  return (event) => {
    switch (event.type) {
      case 'granted':
        attempts.inc({ operation: event.operation, outcome: 'success' })
        duration.observe({ operation: event.operation }, event.durationMs / 1000)
        if (event.lifetimeAssumed) assumed.inc()
        break
      case 'failed':
        attempts.inc({ operation: event.operation, outcome: 'failure' })
        failures.inc({ operation: event.operation, reason: event.failure.reason })
        duration.observe({ operation: event.operation }, event.durationMs / 1000)
        break
      case 'token-rejected':
        rejections.add(statuses.includes(String(event.status)) ? String(event.status) : 'other')
        break
      case 'conflict':
        conflicts.inc()
        break
      case 'exchange-started':
      case 'credentials-changed':
        break
    }
  }
}

/** Whatever can be counted of an exchange stands at 0 from the start, so that `rate()` sees the first one. */
function exchangeCounters(registry: Registry) {
  const registers = [registry]
  const attempts = new Counter({
    name: `${PREFIX}auth_attempts_total`,
    help: 'Logins and refreshes that ended, by outcome',
    labelNames: ['operation', 'outcome'],
    registers,
  })
  const failures = new Counter({
    name: `${PREFIX}auth_failures_total`,
    help: 'Logins and refreshes that gave no token, by reason',
    labelNames: ['operation', 'reason'],
    registers,
  })
  const duration = new Histogram({
    name: `${PREFIX}auth_duration_seconds`,
    help: 'How long logins and refreshes took',
    labelNames: ['operation'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const assumed = new Counter({
    name: `${PREFIX}auth_lifetime_assumed_total`,
    help: 'Tokens whose lifetime could not be believed, so that the default was taken',
    registers,
  })
  const conflicts = new Counter({
    name: `${PREFIX}session_conflicts_total`,
    help: 'Times tokens were rejected so often that somebody else must be logging in as this user',
    registers,
  })
  for (const operation of OPERATIONS) {
    for (const outcome of OUTCOMES) attempts.inc({ operation, outcome }, 0)
    for (const reason of AUTH_FAILURE_REASONS) failures.inc({ operation, reason }, 0)
    duration.zero({ operation })
  }
  return { attempts, failures, duration, assumed, conflicts }
}

/** The gauges are set together from one snapshot, so that a page never contradicts itself. */
export function createGauges(registry: Registry, options: GaugeOptions): () => void {
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `${PREFIX}${name}`, help, registers: [registry] })

  const authenticated = gauge('authenticated', '1 while a usable token is at hand, else 0')
  const budget = gauge(
    'outage_budget_seconds',
    'How long requests would go on working if every login failed from now',
  )
  const expiry = gauge('token_expiry_timestamp_seconds', 'When the token ends; 0: there is none')
  const renewal = gauge(
    'token_next_renewal_timestamp_seconds',
    'When the next login or refresh begins; 0: none is planned',
  )
  const success = gauge(
    'token_last_success_timestamp_seconds',
    'When a token was last obtained; 0: never',
  )
  const refreshExpiry = gauge(
    'refresh_token_expiry_timestamp_seconds',
    'When the refresh token ends; 0: there is none, or its end is not known',
  )
  const waiters = gauge('token_waiters', 'Requests that wait for a token')
  const inFlight = gauge('requests_in_flight', 'Requests under way')
  const backoff = new Gauge({
    name: `${PREFIX}auth_backoff_state`,
    help: 'What holds the next login back: 1 for the present state, 0 for the others',
    labelNames: ['state'],
    registers: [registry],
  })
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the version is a label',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: options.version }, 1)

  return () => {
    const now = options.snapshot()
    const { session } = now
    const wall = options.wallClock()
    const date = (instant: number | undefined): number =>
      instant === undefined || !Number.isFinite(instant)
        ? 0
        : Math.round(wall + instant - now.now) / 1000
    authenticated.set(now.usable ? 1 : 0)
    budget.set(now.outageBudget / 1000)
    expiry.set(date(session?.endsAt))
    renewal.set(date(now.exchange === undefined ? now.nextExchangeAt : now.now))
    success.set(date(now.lastSuccessAt))
    refreshExpiry.set(date(session?.refreshEndsAt))
    waiters.set(now.waiters)
    inFlight.set(options.inFlight())
    for (const state of BACKOFF_STATES) backoff.set({ state }, state === now.backoff ? 1 : 0)
  }
}
