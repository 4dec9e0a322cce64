import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { AUTH_FAILURE_REASONS, type Operation } from '../isales/protocol.ts'
import { PROBLEM_CODES, type ProblemCode } from '../proxy/problem.ts'
import { BACKOFF_STATES, type SessionEvent, type SessionSnapshot } from '../session/events.ts'
import { publishTally } from './metrics-tally.ts'
import { createRequestTally, type RequestCount, type RequestTally } from './tally.ts'

export const METRICS_PREFIX = 'isales_proxy_'

const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]

/** How an exchange, a local login or a reload of the secret files ended. */
export const OUTCOMES = ['success', 'failure'] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * What became of a request whose first answer was a rejection.
 *
 * - `healed`: sent again with a newer token, and not rejected this time.
 * - `rejected`: sent again, and rejected again.
 * - `failed`: sent again, and no answer came.
 * - `no-token`: not sent again, no newer token came in time.
 * - `not-kept`: not sent again, the body was larger than what is kept for it.
 */
export const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token', 'not-kept'] as const
export type ReplayOutcome = (typeof REPLAY_OUTCOMES)[number]

export interface MetricsOptions {
  /** Read once at each scrape. */
  readonly snapshot: () => SessionSnapshot
  /** Requests under way now. */
  readonly inFlight: () => number
  readonly version: string
  /** Milliseconds since 1970; session instants are monotonic and become dates with it. */
  readonly wallClock: () => number
  /** The statuses that may be a rejection: each is a label value, any other counts as `other`. Default 401 and 403. */
  readonly rejectionStatuses?: readonly number[]
  /** Adds what prom-client tells of the process: CPU, memory, handles, event-loop lag, GC. */
  readonly collectDefaults: boolean
}

/** What has been counted since the start, for the status page. */
export interface MetricsTotals {
  readonly requests: readonly RequestCount[]
  readonly errors: ReadonlyMap<ProblemCode, number>
  readonly replays: ReadonlyMap<ReplayOutcome, number>
  readonly inFlight: number
}

/** The metrics of the process. No path, user, or anything that a client can make up is ever a label value. */
export interface Metrics {
  readonly onSessionEvent: (event: SessionEvent) => void
  /**
   * One request ended, and how long it took in seconds; the last argument below 0: it was never sent to iSales.
   * Called for each request: costs 45 ns.
   */
  readonly requestDone: RequestTally['add']
  readonly requestError: (code: ProblemCode) => void
  readonly replay: (outcome: ReplayOutcome) => void
  /** A login of CTI-OBS that was answered here. */
  readonly obsLogin: (outcome: Outcome) => void
  /** The secret files changed and were read anew. */
  readonly credentialReload: (outcome: Outcome) => void
  readonly totals: () => Promise<MetricsTotals>
  /** The page in Prometheus' text format. */
  readonly render: () => Promise<string>
  readonly contentType: string
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  const tally = createRequestTally()
  const onSessionEvent = countSessionEvents(registry, options.rejectionStatuses ?? [401, 403])
  const setGauges = createGauges(registry, options)
  publishTally(registry, METRICS_PREFIX, tally)
  const reloads = counter(registry, {
    name: 'credential_reloads_total',
    help: 'Times the secret files changed and were read anew, by outcome',
    label: 'outcome',
    values: OUTCOMES,
  })
  const replays = counter(registry, {
    name: 'replays_total',
    help: 'Requests whose token iSales rejected, by what became of them',
    label: 'outcome',
    values: REPLAY_OUTCOMES,
  })
  const obsLogins = counter(registry, {
    name: 'obs_logins_total',
    help: 'Logins of CTI-OBS that were answered here, by outcome',
    label: 'outcome',
    values: OUTCOMES,
  })
  const errors = counter(registry, {
    name: 'request_errors_total',
    help: 'Requests that the proxy itself answered with an error, by code',
    label: 'code',
    values: PROBLEM_CODES,
  })
  if (options.collectDefaults) collectProcessMetrics(registry)

  return {
    onSessionEvent,
    requestDone: tally.add,
    requestError: errors.add,
    replay: replays.add,
    obsLogin: obsLogins.add,
    credentialReload: reloads.add,

    totals: async () => ({
      requests: tally.counts(),
      errors: await errors.read(),
      replays: await replays.read(),
      inFlight: options.inFlight(),
    }),

    render() {
      setGauges()
      return registry.metrics()
    },

    contentType: registry.contentType,
  }
}

function countSessionEvents(
  registry: Registry,
  rejectionStatuses: readonly number[],
): Metrics['onSessionEvent'] {
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
    name: `${METRICS_PREFIX}auth_attempts_total`,
    help: 'Logins and refreshes that ended, by outcome',
    labelNames: ['operation', 'outcome'],
    registers,
  })
  const failures = new Counter({
    name: `${METRICS_PREFIX}auth_failures_total`,
    help: 'Logins and refreshes that gave no token, by reason',
    labelNames: ['operation', 'reason'],
    registers,
  })
  const duration = new Histogram({
    name: `${METRICS_PREFIX}auth_duration_seconds`,
    help: 'How long logins and refreshes took',
    labelNames: ['operation'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const assumed = new Counter({
    name: `${METRICS_PREFIX}auth_lifetime_assumed_total`,
    help: 'Tokens whose lifetime could not be believed, so that the default was taken',
    registers,
  })
  const conflicts = new Counter({
    name: `${METRICS_PREFIX}session_conflicts_total`,
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
function createGauges(registry: Registry, options: MetricsOptions): () => void {
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `${METRICS_PREFIX}${name}`, help, registers: [registry] })

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
    name: `${METRICS_PREFIX}auth_backoff_state`,
    help: 'What holds the next login back: 1 for the present state, 0 for the others',
    labelNames: ['state'],
    registers: [registry],
  })
  new Gauge({
    name: `${METRICS_PREFIX}build_info`,
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

interface CounterOptions<Value extends string> {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly values: readonly Value[]
}

/** A counter with one label from a closed set. */
function counter<Value extends string>(registry: Registry, options: CounterOptions<Value>) {
  const { label, values } = options
  const metric = new Counter({
    name: `${METRICS_PREFIX}${options.name}`,
    help: options.help,
    labelNames: [label],
    registers: [registry],
  })
  const bound = new Map(values.map((value) => [value, metric.labels(value)]))
  for (const child of bound.values()) child.inc(0)
  return {
    add: (value: Value): void => {
      bound.get(value)?.inc()
    },
    read: async (): Promise<ReadonlyMap<Value, number>> => {
      const { values: rows } = await metric.get()
      const counts = new Map(rows.map((row) => [String(row.labels[label]), row.value]))
      return new Map(values.map((value) => [value, counts.get(value) ?? 0]))
    },
  }
}

function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  // Gauges with a counter's suffix, which promtool refuses; each only sums up the metric beside it.
  for (const kind of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  }
}
