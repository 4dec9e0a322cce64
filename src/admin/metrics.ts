import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import {
  OBS_LOGIN_OUTCOMES,
  OBS_REFRESH_OUTCOMES,
  REPLAY_OUTCOMES,
  type EndedRequest,
} from '../http/ended.ts'
import { HANDSHAKE_FAILURES } from '../http/handshake.ts'
import { PROBLEM_CODES, REFUSAL_REASONS, type ProblemCode, type Refusal } from '../http/problem.ts'
import { type TokenEvent } from '../token/events.ts'
import { BACKOFFS } from '../token/ask.ts'
import { STORE_FAILURES, STORE_OPERATIONS, type StoreCall } from '../sharing/events.ts'
import { type AuthFailure, type AuthFailureReason, type Operation } from '../token/protocol.ts'
import { CONNECT_FAILURES, type ConnectFailure } from '../upstream/errors.ts'
import { createRequestMetrics } from './metrics-requests.ts'
import type { Monitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'
import { STATES } from './findings.ts'

const PREFIX = 'isales_proxy_'
const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]
const OUTCOMES = ['success', 'failure'] as const
/** Seconds. */
const AUTH_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds. An operation ends within 0.5. */
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
export type Metrics = ReturnType<typeof createMetrics>

/** Counts what happens, and shows it to Prometheus. Label values come from closed sets, never from a client. */
export function createMetrics(sources: AdminSources, monitor: Pick<Monitor, 'state'>) {
  const registry = new Registry()
  const rejectedStatuses = sources.rejectedStatuses.map(String)
  createGauges(registry, sources, monitor)
  const counters = createCounters(registry, rejectedStatuses)
  const requests = createRequestMetrics(PREFIX, registry)
  const registries = [registry, processMetrics()]

  return {
    ...counters,
    requests: requests.requests,

    onTokenEvent(event: TokenEvent): void {
      switch (event.type) {
        case 'granted':
        case 'failed': {
          const { operation, type } = event
          const outcome = type === 'granted' ? 'success' : 'failure'
          counters.authAttempts.inc({ operation, outcome })
          counters.authDuration.observe({ operation }, event.durationMs / 1000)
          if (event.type === 'failed') {
            const { reason } = event.failure
            counters.authFailures.inc({ operation, reason, status: failureStatus(event.failure) })
          } else if (event.lifetimeDoubt === 'missing') counters.lifetimesAssumed.inc()
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
        case 'rejection-relayed':
        case 'request-started':
        case 'credentials-changed':
          break
      }
    },

    requestEnded(request: Omit<EndedRequest, 'target' | 'requestId'>): void {
      const { status, code, refusal, durationMs, upstreamMs } = request
      requests.countRequest(request.method, status, durationMs, upstreamMs)
      if (code !== undefined) counters.errors.inc({ code })
      if (refusal !== undefined) counters.refused.inc({ reason: refusal })
    },

    /** The listener responded with an error by itself, or closed a connection because there are too many. */
    connectionFailed(code: ProblemCode, refusal: Refusal | undefined): void {
      counters.errors.inc({ code })
      if (refusal !== undefined) counters.refused.inc({ reason: refusal })
    },

    /** A connection to iSales was opened, or could not be. */
    upstreamConnected(outcome: 'opened' | ConnectFailure): void {
      if (outcome === 'opened') counters.connectionsOpened.inc()
      else counters.connectFailures.inc({ reason: outcome })
    },

    /** An operation of the shared store ended. */
    storeCalled({ operation, durationMs, failure }: StoreCall): void {
      const outcome = failure === undefined ? 'success' : 'failure'
      counters.storeOperations.inc({ operation, outcome })
      counters.storeDuration.observe({ operation }, durationMs / 1000)
      if (failure !== undefined) counters.storeFailures.inc({ reason: failure })
    },

    /** The page in Prometheus' text format. */
    render: async () => (await Promise.all(registries.map((each) => each.metrics()))).join('\n'),
    contentType: registry.contentType,
  }
}

type LabelValues = Readonly<Record<string, readonly string[]>>

/** A counter that takes only the label values that it was made with. */
interface ClosedCounter<Labels extends LabelValues> extends Pick<Counter, 'get'> {
  inc(labels: { readonly [Label in keyof Labels]: Labels[Label][number] }, count?: number): void
}

function createCounters(registry: Registry, rejectedStatuses: readonly string[]) {
  const registers = [registry]
  const total = (name: string, help: string): Counter =>
    new Counter({ name: `${PREFIX}${name}`, help, registers })
  /** Every label set exists at 0 from the start: `rate()` misses the first of a series that begins with it. */
  const counter = <Labels extends LabelValues>(
    name: string,
    help: string,
    labels: Labels,
  ): ClosedCounter<Labels> => {
    const labelNames = Object.keys(labels)
    const metric = new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers })
    for (const labelSet of labelSets(labels)) metric.inc(labelSet, 0)
    return metric
  }
  const histogram = (
    name: string,
    help: string,
    buckets: number[],
    operations: readonly string[],
  ): Histogram => {
    const labelNames = ['operation']
    const metric = new Histogram({ name: `${PREFIX}${name}`, help, labelNames, buckets, registers })
    for (const operation of operations) metric.zero({ operation })
    return metric
  }

  return {
    authAttempts: counter('auth_attempts_total', 'Logins and refreshes that ended, by outcome', {
      operation: OPERATIONS,
      outcome: OUTCOMES,
    }),
    authFailures: authFailures(registry),
    stateFailures: total(
      'state_failures_total',
      'Times the book of logins in STATE_DIR could not be read or written',
    ),
    authDuration: histogram(
      'auth_duration_seconds',
      'How long logins and refreshes took',
      AUTH_BUCKETS,
      OPERATIONS,
    ),
    lifetimesAssumed: total(
      'auth_lifetime_assumed_total',
      'Tokens whose lifetime could not be believed, so that the default was taken',
    ),
    adopted: total(
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
      { reason: Object.keys(STORE_FAILURES) },
    ),
    storeDuration: histogram(
      'session_store_duration_seconds',
      'How long operations of the shared store took',
      STORE_BUCKETS,
      STORE_OPERATIONS,
    ),
    conflicts: total(
      'session_conflicts_total',
      'Times tokens were rejected so often that somebody else must be logging in as this user',
    ),
    rejections: counter(
      'token_rejections_total',
      'Tokens that a business call found rejected, by the status of its response',
      { status: [...rejectedStatuses, 'other'] },
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
    slowClientsClosed: total(
      'slow_clients_closed_total',
      'Clients that were closed because they took nothing of their response',
    ),
    handshakeFailures: counter(
      'client_handshake_failures_total',
      'TLS handshakes of clients that failed, by reason',
      { reason: Object.keys(HANDSHAKE_FAILURES) },
    ),
    connectionsOpened: total(
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

/** Which statuses a failure of each reason may have; `none`: there was no response. */
const FAILURE_STATUSES: Readonly<Record<AuthFailureReason, readonly string[]>> = {
  rejected: ['400', '401', '403', 'none'],
  result: ['200', '500'],
  throttled: ['429'],
  unavailable: ['none', '500', '502', '503', '504', 'other'],
  timeout: ['none', '408'],
  tls: ['none'],
  malformed: ['200', '401', '403', '404', '405', '407', 'other'],
}

function failureStatus({ reason, status }: AuthFailure): string {
  const text = status === undefined ? 'none' : String(status)
  return FAILURE_STATUSES[reason].includes(text) ? text : 'other'
}

function authFailures(registry: Registry): Counter {
  const metric = new Counter({
    name: `${PREFIX}auth_failures_total`,
    help: 'Logins and refreshes that gave no token, by reason and status of the response',
    labelNames: ['operation', 'reason', 'status'],
    registers: [registry],
  })
  for (const [reason, statuses] of Object.entries(FAILURE_STATUSES)) {
    for (const labels of labelSets({ operation: OPERATIONS, status: statuses })) {
      metric.inc({ ...labels, reason }, 0)
    }
  }
  return metric
}

/** Every combination of the values. */
function labelSets(labels: LabelValues): readonly Readonly<Record<string, string>>[] {
  let sets: Readonly<Record<string, string>>[] = [{}]
  for (const [label, values] of Object.entries(labels)) {
    sets = sets.flatMap((set) => values.map((value) => Object.assign({}, set, { [label]: value })))
  }
  return sets
}

/** Everything that is read when the page is. */
function createGauges(
  registry: Registry,
  sources: AdminSources,
  { state }: Pick<Monitor, 'state'>,
): void {
  const { token } = sources
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  /** @param read gives a number for each value of the label. */
  const labelledGauge = (
    label: string,
    name: string,
    help: string,
    read: () => Readonly<Record<string, number>>,
  ) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number)
      },
    })
  const stateGauge = (name: string, help: string, states: readonly string[], read: () => string) =>
    labelledGauge('state', name, `${help}: 1 for the present state, 0 for the others`, () => {
      const present = read()
      return Object.fromEntries(states.map((state) => [state, Number(state === present)]))
    })
  /** Seconds since 1970; 0 for what is not there or not known. */
  const date = (instant = Infinity): number => {
    if (!Number.isFinite(instant)) return 0
    return Math.round(sources.wallClock() + instant - sources.clock.now()) / 1000
  }

  gauge(
    'authenticated',
    '1 while a usable token is there that iSales is not known to reject, else 0',
    () => Number(token().usable && !token().rejected),
  )
  gauge(
    'outage_budget_seconds',
    'How long requests would go on working if every login failed from now',
    () => token().outageBudget / 1000,
  )
  gauge('token_expiry_timestamp_seconds', 'When the token ends; 0: there is none', () =>
    date(token().token?.expiresAt),
  )
  gauge(
    'token_next_renewal_timestamp_seconds',
    'When the next login or refresh begins; 0: none is planned',
    () => {
      const { request, nextRequestAt, now } = token()
      return date(request === undefined ? nextRequestAt : now)
    },
  )
  gauge('token_last_success_timestamp_seconds', 'When a token was last obtained; 0: never', () =>
    date(token().lastSuccessAt),
  )
  gauge(
    'refresh_token_expiry_timestamp_seconds',
    'When the refresh token ends; 0: there is none, or its end is not known',
    () => date(token().token?.refreshExpiresAt),
  )
  gauge('token_waiters', 'Requests that wait for a token', () => token().waiters)
  gauge('requests_in_flight', 'Requests in flight', () => sources.running.inFlight)
  gauge('upstream_connections', 'Connections to iSales that are open', sources.upstreamConnections)
  gauge(
    'session_replicas',
    'Replicas that share the token through the store, this one included; 0: not known, or not shared',
    () => sources.sharing()?.replicas ?? 0,
  )
  stateGauge('state', 'What CTI-OBS gets', Object.keys(STATES), state)
  stateGauge(
    'auth_backoff_state',
    'What delays the next login',
    Object.keys(BACKOFFS),
    () => token().backoff,
  )
  stateGauge(
    'session_sharing_state',
    'Whether replicas share one token',
    ['off', 'shared', 'alone'],
    () => sources.sharing()?.state ?? 'off',
  )
  labelledGauge(
    'certificate',
    'certificate_expiry_timestamp_seconds',
    'When a certificate ends; 0: none is configured, or it cannot be read',
    () => {
      const { listener = 0, client = 0, ca = 0 } = sources.certificates()
      return { listener: listener / 1000, client: client / 1000, ca: ca / 1000 }
    },
  )
  labelledGauge('instance_name', 'info', 'Always 1; the name of the instance is a label', () => ({
    [sources.instance]: 1,
  }))
  labelledGauge('version', 'build_info', 'Always 1; the version is a label', () => ({
    [sources.version]: 1,
  }))
  const dropped = new Counter({
    name: `${PREFIX}log_lines_dropped_total`,
    help: 'Lines of the log that could not be written',
    registers,
    collect() {
      dropped.reset()
      dropped.inc(sources.logLinesDropped())
    },
  })
}

let processRegistry: Registry | undefined

/** Made once: its timer and its observer of garbage collection cannot be stopped. */
function processMetrics(): Registry {
  if (processRegistry !== undefined) return processRegistry
  const register = new Registry()
  // A timer samples the lag of the event loop: at the default of 10 ms it alone would wake an idle
  // process 100 times a second, which doubles what it costs.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 50 })
  // Gauges with a counter's suffix, which promtool refuses; each only sums up the metric beside it.
  for (const kind of ['handles', 'requests', 'resources']) {
    register.removeSingleMetric(`nodejs_active_${kind}_total`)
  }
  processRegistry = register
  return register
}

/** The values of a counter since the start, summed by one label. */
export async function sumsOf(
  counter: Pick<Counter, 'get'>,
  label: string,
): Promise<Readonly<Record<string, number>>> {
  const sums: Record<string, number> = {}
  for (const { labels, value } of (await counter.get()).values) {
    const key = String(labels[label])
    sums[key] = (sums[key] ?? 0) + value
  }
  return sums
}
