import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import {
  OBS_LOGIN_OUTCOMES,
  OBS_REFRESH_OUTCOMES,
  REPLAY_OUTCOMES,
  type EndedRequest,
  type ObsLoginOutcome,
  type ObsRefreshOutcome,
  type ReplayOutcome,
} from '../http/ended.ts'
import { HANDSHAKE_FAILURES, type HandshakeFailure } from '../http/handshake.ts'
import { PROBLEM_CODES, REFUSAL_REASONS, type ProblemCode, type Refusal } from '../http/problem.ts'
import type { TokenEvent } from '../token/events.ts'
import { AUTH_FAILURE_REASONS, type Operation } from '../token/protocol.ts'
import { STORE_FAILURES, STORE_OPERATIONS, type StoreCall } from '../token/sharing.ts'
import { CONNECT_FAILURES, type ConnectFailure } from '../upstream/errors.ts'
import { PREFIX, createGauges, type GaugeOptions } from './metrics-gauges.ts'

const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]
const OUTCOMES = ['success', 'failure'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Seconds. */
const AUTH_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds. `SESSION_STORE_TIMEOUT` is 0.5 unless changed. */
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
/** Seconds. CTI-OBS gives up after 3 s, so the buckets before it are narrow. */
const REQUEST_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 2.75, 3, 5, 10, 30,
]

export interface MetricsOptions extends GaugeOptions {
  /** Each is a label value of its own in `token_rejections_total`; another status counts as `other`. */
  readonly rejectedStatuses: Iterable<number>
  /** Adds what prom-client reads of the process: CPU, memory, handles, event-loop lag, GC. Default: true. */
  readonly processMetrics?: boolean
}

/** The values of a counter since the start, summed by one label. */
export type Sums = Readonly<Record<string, number>>

/** What the status page reads of the counters. */
export interface Totals {
  readonly requests: Sums
  readonly errors: Sums
  readonly replays: Sums
  readonly authFailures: Sums
  readonly rejections: Sums
  readonly credentialReloads: Sums
  readonly conflicts: number
}

/** Counts what happens, and shows it to Prometheus. Label values come from closed sets, never from a client. */
export interface Metrics {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly requestEnded: (request: Omit<EndedRequest, 'target' | 'requestId'>) => void
  /** The listener responded with an error by itself, or closed a connection because there are too many. */
  readonly connectionFailed: (code: ProblemCode, refusal: Refusal | undefined) => void
  /** A client took nothing of its response, and was closed. */
  readonly slowClientClosed: () => void
  /** The TLS handshake of a client failed. */
  readonly handshakeFailed: (reason: HandshakeFailure) => void
  /** A connection to iSales was opened, or could not be. */
  readonly upstreamConnected: (outcome: 'opened' | ConnectFailure) => void
  readonly replayed: (outcome: ReplayOutcome) => void
  /** A login of CTI-OBS ended. */
  readonly obsLogin: (outcome: ObsLoginOutcome) => void
  /** A refresh of CTI-OBS ended. */
  readonly obsRefresh: (outcome: ObsRefreshOutcome) => void
  /** The secret files changed and were read. */
  readonly credentialsReloaded: (outcome: (typeof OUTCOMES)[number]) => void
  /** An operation of the shared store ended. */
  readonly storeCalled: (call: StoreCall) => void
  readonly totals: () => Promise<Totals>
  /** The page in Prometheus' text format. */
  readonly render: () => Promise<string>
  readonly contentType: string
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  const rejectedStatuses = [...options.rejectedStatuses].map(String)
  createGauges(registry, options)
  const counters = createCounters(registry, rejectedStatuses)
  if (options.processMetrics ?? true) collectProcessMetrics(registry)

  return {
    onTokenEvent(event) {
      switch (event.type) {
        case 'granted':
        case 'failed': {
          const { operation, type } = event
          const outcome = type === 'granted' ? 'success' : 'failure'
          counters.authAttempts.inc({ operation, outcome })
          counters.authDuration.observe({ operation }, event.durationMs / 1000)
          if (event.type === 'failed') {
            counters.authFailures.inc({ operation, reason: event.failure.reason })
          } else if (event.lifetimeAssumed) counters.lifetimesAssumed.inc()
          break
        }
        case 'token-rejected': {
          const status = String(event.status)
          counters.rejections.inc({ status: rejectedStatuses.includes(status) ? status : 'other' })
          break
        }
        case 'conflict':
          counters.conflicts.inc()
          break
        case 'adopted':
          counters.adopted.inc()
          break
        case 'held':
        case 'request-started':
        case 'credentials-changed':
          break
      }
    },
    requestEnded({ method, status, code, refusal, durationMs, upstreamMs }) {
      const known = METHODS.find((each) => each === method) ?? 'other'
      counters.requests.inc({ method: known, status_class: statusClass(status) })
      if (code !== undefined) counters.errors.inc({ code })
      if (refusal !== undefined) counters.refused.inc({ reason: refusal })
      if (durationMs !== undefined) counters.requestDuration.observe(durationMs / 1000)
      if (upstreamMs !== undefined) counters.upstreamDuration.observe(upstreamMs / 1000)
    },
    connectionFailed(code, refusal) {
      counters.errors.inc({ code })
      if (refusal !== undefined) counters.refused.inc({ reason: refusal })
    },
    slowClientClosed: () => counters.slowClientsClosed.inc(),
    handshakeFailed: (reason) => counters.handshakeFailures.inc({ reason }),
    upstreamConnected(outcome) {
      if (outcome === 'opened') counters.connectionsOpened.inc()
      else counters.connectFailures.inc({ reason: outcome })
    },
    replayed: (outcome) => counters.replays.inc({ outcome }),
    obsLogin: (outcome) => counters.obsLogins.inc({ outcome }),
    obsRefresh: (outcome) => counters.obsRefreshes.inc({ outcome }),
    storeCalled({ operation, durationMs, failure }) {
      const outcome = failure === undefined ? 'success' : 'failure'
      counters.storeOperations.inc({ operation, outcome })
      counters.storeDuration.observe({ operation }, durationMs / 1000)
      if (failure !== undefined) counters.storeFailures.inc({ reason: failure })
    },
    credentialsReloaded: (outcome) => counters.credentialReloads.inc({ outcome }),

    totals: async () => ({
      requests: await sums(counters.requests, 'status_class'),
      errors: await sums(counters.errors, 'code'),
      replays: await sums(counters.replays, 'outcome'),
      authFailures: await sums(counters.authFailures, 'reason'),
      rejections: await sums(counters.rejections, 'status'),
      conflicts: (await counters.conflicts.get()).values[0]?.value ?? 0,
      credentialReloads: await sums(counters.credentialReloads, 'outcome'),
    }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function createCounters(registry: Registry, rejectedStatuses: readonly string[]) {
  const registers = [registry]
  /** Every label set exists at 0 from the start: `rate()` misses the first of a series that begins with it. */
  const counter = (name: string, help: string, labels: LabelValues = {}): Counter => {
    const labelNames = Object.keys(labels)
    const metric = new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers })
    for (const labelSet of labelSets(labels)) metric.inc(labelSet, 0)
    return metric
  }
  const requestHistogram = (name: string, help: string): Histogram =>
    new Histogram({ name: `${PREFIX}${name}`, help, buckets: REQUEST_BUCKETS, registers })

  const authDuration = new Histogram({
    name: `${PREFIX}auth_duration_seconds`,
    help: 'How long logins and refreshes took',
    labelNames: ['operation'],
    buckets: AUTH_BUCKETS,
    registers,
  })
  for (const operation of OPERATIONS) authDuration.zero({ operation })
  const storeDuration = new Histogram({
    name: `${PREFIX}session_store_duration_seconds`,
    help: 'How long operations of the shared store took',
    labelNames: ['operation'],
    buckets: STORE_BUCKETS,
    registers,
  })
  for (const operation of STORE_OPERATIONS) storeDuration.zero({ operation })

  return {
    authAttempts: counter('auth_attempts_total', 'Logins and refreshes that ended, by outcome', {
      operation: OPERATIONS,
      outcome: OUTCOMES,
    }),
    authFailures: counter(
      'auth_failures_total',
      'Logins and refreshes that gave no token, by reason',
      { operation: OPERATIONS, reason: AUTH_FAILURE_REASONS },
    ),
    authDuration,
    lifetimesAssumed: counter(
      'auth_lifetime_assumed_total',
      'Tokens whose lifetime could not be believed, so that the default was taken',
    ),
    adopted: counter(
      'tokens_adopted_total',
      'Tokens that another replica obtained and this one uses',
    ),
    storeOperations: counter(
      'session_store_operations_total',
      'Operations of the shared store that ended, by outcome',
      { operation: STORE_OPERATIONS, outcome: OUTCOMES },
    ),
    storeFailures: counter(
      'session_store_failures_total',
      'Operations that the shared store did not do, by reason',
      { reason: STORE_FAILURES },
    ),
    storeDuration,
    conflicts: counter(
      'session_conflicts_total',
      'Times tokens were rejected so often that somebody else must be logging in as this user',
    ),
    rejections: counter(
      'token_rejections_total',
      'Tokens that a business call found rejected, by the status of its response',
      { status: [...rejectedStatuses, 'other'] },
    ),
    requests: counter(
      'requests_total',
      'Requests that ended, by method and status class of the response',
      { method: METHODS, status_class: STATUS_CLASSES },
    ),
    requestDuration: requestHistogram(
      'request_duration_seconds',
      'From the head of the request to the end of the response',
    ),
    upstreamDuration: requestHistogram(
      'upstream_duration_seconds',
      'From sending to iSales to the head of its response',
    ),
    errors: counter(
      'request_errors_total',
      'Requests to which the proxy itself responded with an error, by code',
      { code: PROBLEM_CODES },
    ),
    refused: counter(
      'requests_refused_total',
      'Requests that were refused before they were forwarded, by reason',
      { reason: REFUSAL_REASONS },
    ),
    slowClientsClosed: counter(
      'slow_clients_closed_total',
      'Clients that were closed because they took nothing of their response',
    ),
    handshakeFailures: counter(
      'client_handshake_failures_total',
      'TLS handshakes of clients that failed, by reason',
      { reason: HANDSHAKE_FAILURES },
    ),
    connectionsOpened: counter(
      'upstream_connections_opened_total',
      'Connections to iSales that were opened',
    ),
    connectFailures: counter(
      'upstream_connect_failures_total',
      'Connections to iSales that could not be opened, by the stage at which that failed',
      { reason: CONNECT_FAILURES },
    ),
    replays: counter(
      'replays_total',
      'Requests whose token iSales rejected, by what became of them',
      { outcome: REPLAY_OUTCOMES },
    ),
    obsLogins: counter('obs_logins_total', 'Logins of CTI-OBS to the proxy, by outcome', {
      outcome: OBS_LOGIN_OUTCOMES,
    }),
    obsRefreshes: counter('obs_refreshes_total', 'Refreshes of CTI-OBS at the proxy, by outcome', {
      outcome: OBS_REFRESH_OUTCOMES,
    }),
    credentialReloads: counter(
      'credential_reloads_total',
      'Times the secret files changed and were read anew, by outcome',
      { outcome: OUTCOMES },
    ),
  }
}

function collectProcessMetrics(registry: Registry): void {
  // A timer samples the lag of the event loop: at the default of 10 ms it alone would wake an idle
  // process 100 times a second, which doubles what it costs.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 })
  // Gauges with a counter's suffix, which promtool refuses; each only sums up the metric beside it.
  for (const kind of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  }
}

type LabelValues = Readonly<Record<string, readonly string[]>>

/** Every combination of the values. */
function labelSets(labels: LabelValues): readonly Readonly<Record<string, string>>[] {
  let sets: Readonly<Record<string, string>>[] = [{}]
  for (const [label, values] of Object.entries(labels)) {
    sets = sets.flatMap((set) =>
      values.map((value) => Object.fromEntries([...Object.entries(set), [label, value]])),
    )
  }
  return sets
}

async function sums(counter: Counter, label: string): Promise<Sums> {
  const totals: Record<string, number> = {}
  for (const { labels, value } of (await counter.get()).values) {
    const key = String(labels[label])
    totals[key] = (totals[key] ?? 0) + value
  }
  return totals
}

/** Status 0, the client left, counts as 4xx; a status that HTTP does not know as 5xx. */
function statusClass(status: number): (typeof STATUS_CLASSES)[number] {
  if (status === 0) return '4xx'
  return STATUS_CLASSES[Math.trunc(status / 100) - 1] ?? '5xx'
}
