import {
  Counter,
  Histogram,
  Registry,
  collectDefaultMetrics,
  register as processRegistry,
} from 'prom-client'
import {
  CONNECT_FAILURES,
  STORE_FAILURES,
  toAuthFailure,
  type AuthFailureReason,
  type ConnectFailure,
} from '../causes.ts'
import { REPLAY_OUTCOMES, REQUEST_CLASSES, type RequestSummary } from '../request-summary.ts'
import { STORE_OPERATIONS, type StoreCall } from '../sharing/index.ts'
import { BACKOFFS, type Operation, type TokenEvent } from '../token/index.ts'
import { loadPages } from '../messages/index.ts'
import { FINDING_NAMES, STATES } from '../codes.ts'
import { isAuthenticated, type Finding } from './diagnosis.ts'
import type { AdminSources } from './sources.ts'

const PREFIX = 'isales_proxy_'
const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]
const RESULTS = ['success', 'failure'] as const
/** Seconds. CTI-OBS gives up after 3 s, so the buckets before it are narrow. */
const REQUEST_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 2.75, 3, 5, 10, 30,
]
/** Seconds. */
const AUTH_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds. An operation ends within 0.5. */
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Durations of calls that wait for prom-client, at most until a scrape. */
const MAX_PENDING = 256

/** Statuses that a failure with a reason may have; `none` without a response. */
const FAILURE_STATUSES: Readonly<Record<AuthFailureReason, readonly string[]>> = {
  rejected: ['400', '401', '403', 'none'],
  result: ['200', '500', 'other'],
  throttled: ['429'],
  unavailable: ['none', '500', '502', '503', '504', 'other'],
  timeout: ['none', '408', 'other'],
  tls: ['none'],
  malformed: ['200', '401', '403', '404', '405', '407', 'other'],
}

/** All label sets of every counter. Label values come from closed sets, never from a client. */
const counters = (rejectedStatuses: readonly string[]) =>
  ({
    auth_attempts_total: labelSets({ operation: OPERATIONS, outcome: RESULTS }),
    auth_failures_total: Object.entries(FAILURE_STATUSES).flatMap(([reason, status]) =>
      labelSets({ operation: OPERATIONS, reason: [reason], status }),
    ),
    auth_lifetime_assumed_total: [{}],
    credential_reloads_total: labelSets({ outcome: RESULTS }),
    replays_total: labelSets({ outcome: REPLAY_OUTCOMES }),
    session_conflicts_total: [{}],
    session_store_failures_total: labelSets({ reason: STORE_FAILURES }),
    session_store_operations_total: labelSets({ operation: STORE_OPERATIONS, outcome: RESULTS }),
    state_failures_total: [{}],
    token_rejections_total: labelSets({ status: [...rejectedStatuses, 'other'] }),
    tokens_adopted_total: [{}],
    upstream_connect_failures_total: labelSets({ reason: CONNECT_FAILURES }),
    upstream_connections_opened_total: [{}],
  }) as const

type Counters = ReturnType<typeof counters>

function labelSets<Values extends Readonly<Record<string, readonly string[]>>>(values: Values) {
  let sets: Readonly<Record<string, string>>[] = [{}]
  for (const [label, each] of Object.entries(values)) {
    sets = sets.flatMap((set) => each.map((value) => Object.assign({}, set, { [label]: value })))
  }
  return sets as { readonly [Label in keyof Values]: Values[Label][number] }[]
}

export type Metrics = ReturnType<typeof createMetrics>

/**
 * Creates the metrics for Prometheus.
 *
 * @param rejected statuses with which iSales rejects a token.
 * @param requests numbers of requests since the start, by the `index` of their class.
 */
export function createMetrics(rejected: readonly number[], requests: ArrayLike<number>) {
  const registry = new Registry()
  const registers = [registry]
  const rejectedStatuses = rejected.map(String)
  const byName = new Map<string, Counter>()
  // Creates every label set at 0, because `rate()` misses the first increment of a new series.
  for (const [of, sets] of Object.entries(counters(rejectedStatuses))) {
    const labelNames = Object.keys(sets[0] ?? {})
    const metric = new Counter<string>({ ...describe(of), labelNames, registers })
    for (const labels of sets) metric.inc(labels, 0)
    byName.set(of, metric)
  }
  const histogram = (of: string, buckets: number[], operations: readonly string[]) => {
    const labelNames = ['operation']
    const metric = new Histogram({ ...describe(of), labelNames, buckets, registers })
    for (const operation of operations) metric.zero({ operation })
    return metric
  }
  /** Returns a function that observes milliseconds of a call. prom-client gets many at once: one alone costs a call a microsecond. */
  const callHistogram = (of: string) => {
    const pending: number[] = []
    const collect = (): void => {
      for (const ms of pending.splice(0)) metric.observe(ms / 1000)
    }
    const metric = new Histogram({ ...describe(of), buckets: REQUEST_BUCKETS, registers, collect })
    return (ms: number): void => {
      if (pending.push(ms) >= MAX_PENDING) collect()
    }
  }
  const authDuration = histogram('auth_duration_seconds', AUTH_BUCKETS, OPERATIONS)
  const storeDuration = histogram('session_store_duration_seconds', STORE_BUCKETS, STORE_OPERATIONS)
  const requestDuration = callHistogram('request_duration_seconds')
  const upstreamDuration = callHistogram('upstream_duration_seconds')
  const count = <Name extends keyof Counters>(name: Name, labels: Counters[Name][number]): void =>
    byName.get(name)?.inc(labels)
  addMetric(registry, 'requests_total', 'counter', () =>
    REQUEST_CLASSES.map(({ outcome, cause, index }) => {
      return { labels: { outcome, cause }, value: requests[index] ?? 0 }
    }),
  )

  return {
    count,

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'granted' || event.type === 'failed') {
        const { operation, durationMs } = event
        const outcome = event.type === 'granted' ? 'success' : 'failure'
        count('auth_attempts_total', { operation, outcome })
        authDuration.observe({ operation }, durationMs / 1000)
      }
      if (event.type === 'failed') {
        const { operation, failure } = event
        const reason = toAuthFailure(failure.cause)
        const status = toLabel(failure.status ?? 'none', FAILURE_STATUSES[reason])
        count('auth_failures_total', { operation, reason, status })
      } else if (event.type === 'granted' && event.token.lifetime.doubt === 'missing') {
        count('auth_lifetime_assumed_total', {})
      } else if (event.type === 'token-rejected') {
        count('token_rejections_total', { status: toLabel(event.status, rejectedStatuses) })
      } else if (event.type === 'conflict') count('session_conflicts_total', {})
      else if (event.type === 'adopted') count('tokens_adopted_total', {})
    },

    requestEnded(summary: Pick<RequestSummary, 'durationMs' | 'upstreamMs'>): void {
      const { durationMs, upstreamMs } = summary
      if (durationMs !== undefined) requestDuration(durationMs)
      if (upstreamMs !== undefined) upstreamDuration(upstreamMs)
    },

    upstreamConnected(outcome: 'opened' | ConnectFailure): void {
      if (outcome === 'opened') count('upstream_connections_opened_total', {})
      else count('upstream_connect_failures_total', { reason: outcome })
    },

    storeCalled({ operation, durationMs, failure }: StoreCall): void {
      const outcome = failure === undefined ? 'success' : 'failure'
      count('session_store_operations_total', { operation, outcome })
      storeDuration.observe({ operation }, durationMs / 1000)
      if (failure !== undefined) count('session_store_failures_total', { reason: failure })
    },

    registry,
    render: async () => `${await registry.metrics()}\n${await processRegistry.metrics()}`,
    contentType: registry.contentType,
  }
}

/** Returns a status as the value of a label that has these values, and `other`. */
function toLabel(status: number | 'none', known: readonly string[]): string {
  return known.includes(String(status)) ? String(status) : 'other'
}

/** Returns the name and the `# HELP` of a metric: the first sentence of its row in docs/metrics.md. */
function describe(of: string) {
  const name = `${PREFIX}${of}`
  const row = new RegExp(String.raw`^\| \`${name}\` \|[^|]*\| ([^|]*?)(?:\. [^|]*)? \|`, 'm')
  const [, help = of] = row.exec(loadPages('en').get('metrics.md') ?? '') ?? []
  return { name, help }
}

type Sample = Readonly<{ labels: Readonly<Record<string, string>>; value: number }>

/** Registers a metric whose values are read at every scrape. */
function addMetric(registry: Registry, of: string, type: string, read: () => readonly Sample[]) {
  const described = describe(of)
  const get = () => ({ ...described, type, aggregator: 'sum', values: read() })
  registry.registerMetric({ name: described.name, get } as unknown as Counter)
}

/** Adds what is read at every scrape. */
export function addGauges(
  { registry }: Metrics,
  sources: AdminSources,
  findings: () => readonly [Finding, ...Finding[]],
): void {
  const { token, sharing, running, clock } = sources
  /** @param read returns a number, or one for every value of the label. */
  const gauge = (name: string, read: () => number | Readonly<Record<string, number>>, label = '') =>
    addMetric(registry, name, 'gauge', () => {
      const numbers = read()
      if (typeof numbers === 'number') return [{ labels: {}, value: numbers }]
      return Object.entries(numbers).map(([each, value]) => ({ labels: { [label]: each }, value }))
    })
  /** Shows 1 for every value of the label that `read` returns, and 0 for the others. */
  const flags = (name: string, all: readonly string[], read: () => unknown[], label = 'state') => {
    const numbers = (set: unknown[]) => all.map((each) => [each, Number(set.includes(each))])
    gauge(name, () => Object.fromEntries(numbers(read())), label)
  }
  /** Returns seconds since 1970; 0 if there is no such instant. */
  const date = (instant = Infinity): number => {
    if (!Number.isFinite(instant)) return 0
    return Math.round(clock.date() + instant - clock.now()) / 1000
  }

  gauge('authenticated', () => Number(isAuthenticated(token())))
  gauge('token_usable_seconds', () => token().usableFor / 1000)
  gauge('token_expiry_timestamp_seconds', () => date(token().token?.expiresAt))
  gauge('token_next_renewal_timestamp_seconds', () =>
    date(token().request === undefined ? token().nextRequestAt : token().now),
  )
  gauge('token_obtained_timestamp_seconds', () => date(token().token?.sentAt))
  gauge('refresh_token_expiry_timestamp_seconds', () => date(token().token?.refreshExpiresAt))
  gauge('token_waiters', () => token().waiters)
  gauge('requests_in_flight', () => running.inFlight)
  gauge('upstream_connections', sources.upstreamConnections)
  flags('state', Object.keys(STATES), () => [findings()[0].state])
  const current = () => findings().flatMap(({ finding, isOver }) => (isOver ? [] : finding))
  flags('finding', FINDING_NAMES, current, 'finding')
  flags('auth_backoff_state', BACKOFFS, () => [token().login.kind])
  flags('session_sharing_state', ['off', 'shared', 'local'], () => [sharing()?.state ?? 'off'])
  const expiries = () => {
    const { listener = 0, client = 0, ca = 0 } = sources.certificates()
    return { listener: listener / 1000, client: client / 1000, ca: ca / 1000 }
  }
  gauge('certificate_expiry_timestamp_seconds', expiries, 'certificate')
  const always = (instance: string) => () => ({ [instance]: 1 })
  gauge('info', always(sources.instance), 'instance_name')
  gauge('build_info', always(sources.version), 'version')
  addMetric(registry, 'log_lines_dropped_total', 'counter', () => [
    { labels: {}, value: sources.stdout.dropped() },
  ])
}

// Once per process, because the timer that samples the lag of the event loop cannot be stopped. Its default of 10 ms would
// wake an idle process 100 times per second and double its CPU.
collectDefaultMetrics({ eventLoopMonitoringPrecision: 50 })
// promtool rejects these gauges with a counter's suffix; each is only the sum of another metric.
for (const kind of ['handles', 'requests', 'resources'])
  processRegistry.removeSingleMetric(`nodejs_active_${kind}_total`)
