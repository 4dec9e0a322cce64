import {
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
  register as processRegistry,
} from 'prom-client'
import {
  CONNECT_FAILURES,
  HANDSHAKE_FAILURES,
  PROBLEM_CODES,
  REFUSAL_REASONS,
  STORE_FAILURES,
  type AuthFailureReason,
  type ConnectFailure,
  type ProblemCode,
  type Refusal,
} from '../causes.ts'
import {
  OBS_LOGIN_OUTCOMES,
  OBS_REFRESH_OUTCOMES,
  REPLAY_OUTCOMES,
  type EndedRequest,
} from '../outcomes.ts'
import { STORE_OPERATIONS, type StoreCall } from '../sharing/index.ts'
import { BACKOFFS, type AuthFailure, type Operation, type TokenEvent } from '../token/index.ts'
import { pagesOf } from '../words/index.ts'
import { FINDING_NAMES, isAuthenticated, STATES, type Finding } from './judge.ts'
import type { AdminSources } from './sources.ts'

const PREFIX = 'isales_proxy_'
const OPERATIONS = ['login', 'refresh'] as const satisfies readonly Operation[]
const OUTCOMES = ['success', 'failure'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const
/** Seconds. CTI-OBS gives up after 3 s, so the buckets before it are narrow. */
const REQUEST_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 2.75, 3, 5, 10, 30,
]
/** Seconds. */
const AUTH_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds. An operation ends within 0.5. */
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Which statuses a failure of each reason may have; `none`: there was no response. */
const FAILURE_STATUSES: Readonly<Record<AuthFailureReason, readonly string[]>> = {
  rejected: ['400', '401', '403', 'none'],
  result: ['200', '500', 'other'],
  throttled: ['429'],
  unavailable: ['none', '500', '502', '503', '504', 'other'],
  timeout: ['none', '408'],
  tls: ['none'],
  malformed: ['200', '401', '403', '404', '405', '407', 'other'],
}

/** A counter without labels has one set, which is empty. */
const NO_LABELS = labelSets({})

/** All label sets of each. Label values come from closed sets, never from a client. */
const counters = (rejectedStatuses: readonly string[]) =>
  ({
    auth_attempts_total: labelSets({ operation: OPERATIONS, outcome: OUTCOMES }),
    auth_failures_total: Object.entries(FAILURE_STATUSES).flatMap(([reason, status]) =>
      labelSets({ operation: OPERATIONS, reason: [reason], status }),
    ),
    auth_lifetime_assumed_total: NO_LABELS,
    client_handshake_failures_total: labelSets({ reason: HANDSHAKE_FAILURES }),
    credential_reloads_total: labelSets({ outcome: OUTCOMES }),
    obs_logins_total: labelSets({ outcome: OBS_LOGIN_OUTCOMES }),
    obs_refreshes_total: labelSets({ outcome: OBS_REFRESH_OUTCOMES }),
    replays_total: labelSets({ outcome: REPLAY_OUTCOMES }),
    request_errors_total: labelSets({ code: PROBLEM_CODES }),
    requests_refused_total: labelSets({ reason: REFUSAL_REASONS }),
    requests_total: labelSets({ method: METHODS, status_class: STATUS_CLASSES }),
    session_conflicts_total: NO_LABELS,
    session_store_failures_total: labelSets({ reason: STORE_FAILURES }),
    session_store_operations_total: labelSets({ operation: STORE_OPERATIONS, outcome: OUTCOMES }),
    state_failures_total: NO_LABELS,
    token_rejections_total: labelSets({ status: [...rejectedStatuses, 'other'] }),
    tokens_adopted_total: NO_LABELS,
    upstream_connect_failures_total: labelSets({ reason: CONNECT_FAILURES }),
    upstream_connections_opened_total: NO_LABELS,
  }) as const

type Counters = ReturnType<typeof counters>
type CounterName = keyof Counters
/** The label set of a counter; nothing for one without labels. */
type Labels<Name extends CounterName> = [keyof Counters[Name][number]] extends [never]
  ? [labels?: undefined]
  : [labels: Counters[Name][number]]

/** Every combination of the values. */
function labelSets<Values extends Readonly<Record<string, readonly string[]>>>(values: Values) {
  let sets: Readonly<Record<string, string>>[] = [{}]
  for (const [label, each] of Object.entries(values)) {
    sets = sets.flatMap((set) => each.map((value) => Object.assign({}, set, { [label]: value })))
  }
  return sets as { readonly [Label in keyof Values]: Values[Label][number] }[]
}

export type Metrics = ReturnType<typeof createMetrics>

/** Counts what happens, and shows it to Prometheus. */
export function createMetrics(options: Pick<AdminSources, 'rejectedStatuses'>) {
  const registry = new Registry()
  const rejectedStatuses = options.rejectedStatuses.map(String)
  const byName = createCounters(registry, rejectedStatuses)
  const histogram = (name: string, buckets: number[], operations: readonly string[]) => {
    const [labelNames, registers] = [['operation'], [registry]]
    const help = helpOf(name)
    const metric = new Histogram({ name: `${PREFIX}${name}`, help, labelNames, buckets, registers })
    for (const operation of operations) metric.zero({ operation })
    return metric
  }
  const authDuration = histogram('auth_duration_seconds', AUTH_BUCKETS, OPERATIONS)
  const storeDuration = histogram('session_store_duration_seconds', STORE_BUCKETS, STORE_OPERATIONS)
  const observeRequest = requestHistogram(registry, 'request_duration_seconds')
  const observeUpstream = requestHistogram(registry, 'upstream_duration_seconds')
  const count = <Name extends CounterName>(name: Name, ...[labels]: Labels<Name>): void =>
    byName.get(name)?.inc(labels ?? {})
  const refused = (code: ProblemCode | undefined, refusal: Refusal | undefined): void => {
    if (code !== undefined) count('request_errors_total', { code })
    if (refusal !== undefined) count('requests_refused_total', { reason: refusal })
  }

  return {
    count,

    /** Adds what is read at each scrape. */
    addGauges: (sources: AdminSources, findings: () => readonly [Finding, ...Finding[]]): void =>
      createGauges(registry, sources, findings),

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'granted' || event.type === 'failed') {
        const { operation, durationMs } = event
        const outcome = event.type === 'granted' ? 'success' : 'failure'
        count('auth_attempts_total', { operation, outcome })
        authDuration.observe({ operation }, durationMs / 1000)
      }
      if (event.type === 'failed') {
        const { operation, failure } = event
        const status = failureStatus(failure)
        count('auth_failures_total', { operation, reason: failure.reason, status })
      } else if (event.type === 'granted' && event.lifetimeDoubt === 'missing') {
        count('auth_lifetime_assumed_total')
      } else if (event.type === 'token-rejected') {
        const status = String(event.status)
        const known = rejectedStatuses.includes(status)
        count('token_rejections_total', { status: known ? status : 'other' })
      } else if (event.type === 'conflict') count('session_conflicts_total')
      else if (event.type === 'adopted') count('tokens_adopted_total')
    },

    requestEnded(request: Omit<EndedRequest, 'target' | 'requestId'>): void {
      const { method, status, code, refusal, durationMs, upstreamMs } = request
      const known = METHODS.find((each) => each === method) ?? 'other'
      count('requests_total', { method: known, status_class: statusClass(status) })
      if (durationMs !== undefined) observeRequest(durationMs / 1000)
      if (upstreamMs !== undefined) observeUpstream(upstreamMs / 1000)
      refused(code, refusal)
    },

    /** The listener responded with an error by itself, or closed a connection because there are too many. */
    refused,

    /** A connection to iSales was opened, or could not be. */
    upstreamConnected(outcome: 'opened' | ConnectFailure): void {
      if (outcome === 'opened') count('upstream_connections_opened_total')
      else count('upstream_connect_failures_total', { reason: outcome })
    },

    /** An operation of the shared store ended. */
    storeCalled({ operation, durationMs, failure }: StoreCall): void {
      const outcome = failure === undefined ? 'success' : 'failure'
      count('session_store_operations_total', { operation, outcome })
      storeDuration.observe({ operation }, durationMs / 1000)
      if (failure !== undefined) count('session_store_failures_total', { reason: failure })
    },

    /** The page in Prometheus' text format. */
    render: async () => `${await registry.metrics()}\n${await processRegistry.metrics()}`,
    contentType: registry.contentType,
  }
}

/** 0, the client left, is of the class 4xx; a status that HTTP does not know of 5xx. */
function statusClass(status: number): (typeof STATUS_CLASSES)[number] {
  if (status === 0) return '4xx'
  return STATUS_CLASSES[Math.trunc(status / 100) - 1] ?? '5xx'
}

const ROW = /^\| `isales_proxy_(\w+)` \|[^|]*\|[^|]*\| ([^|]*) \|/gm
let helps: ReadonlyMap<string, string> | undefined

/** What a metric shows, as Prometheus has it in `# HELP`: the words of its row in docs/metrics.md. */
function helpOf(name: string): string {
  const rows = () => (pagesOf('en').get('metrics.md') ?? '').matchAll(ROW)
  helps ??= new Map(Array.from(rows(), ([, metric = '', help = '']) => [metric, help]))
  return helps.get(name) ?? name
}

/** Every label set exists at 0 from the start: `rate()` misses the first of a series that begins with it. */
function createCounters(registry: Registry, rejectedStatuses: readonly string[]) {
  const made = Object.entries(counters(rejectedStatuses)).map(([name, sets]) => {
    const help = helpOf(name)
    const labelNames = Object.keys(sets[0] ?? {})
    const registers = [registry]
    const metric = new Counter<string>({ name: `${PREFIX}${name}`, help, labelNames, registers })
    for (const labels of sets) metric.inc(labels, 0)
    return [name, metric] as const
  })
  return new Map<string, Counter>(made)
}

/**
 * A histogram without labels, which the registry reads by `get` as it reads its own. Each request is counted in a plain array:
 * prom-client's histogram makes closures for each value, and two of them take a tenth of a request's CPU.
 *
 * @returns observes seconds.
 */
function requestHistogram(registry: Registry, of: string) {
  const [name, help] = [`${PREFIX}${of}`, helpOf(of)]
  /** One for each bucket, not cumulative; the last has no bound. */
  const counts = [...REQUEST_BUCKETS, Infinity].map(() => 0)
  let sum = 0
  const valueOf = (part: string, value: number, labels: { le?: number | string } = {}) => {
    return { metricName: `${name}_${part}`, labels, value }
  }
  const get = () => {
    let total = 0
    const values = counts.map((count, index) => {
      total += count
      return valueOf('bucket', total, { le: REQUEST_BUCKETS[index] ?? '+Inf' })
    })
    values.push(valueOf('sum', sum), valueOf('count', total))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
  registry.registerMetric({ name, get } as unknown as Histogram)
  return (seconds: number): void => {
    let bucket = 0
    while (seconds > (REQUEST_BUCKETS[bucket] ?? Infinity)) bucket += 1
    counts[bucket] = (counts[bucket] ?? 0) + 1
    sum += seconds
  }
}

function failureStatus({ reason, status }: AuthFailure): string {
  const text = status === undefined ? 'none' : String(status)
  return FAILURE_STATUSES[reason].includes(text) ? text : 'other'
}

/** Everything that is read at a scrape. */
function createGauges(
  registry: Registry,
  sources: AdminSources,
  findings: () => readonly [Finding, ...Finding[]],
): void {
  const { token, sharing, running, clock } = sources
  const registers = [registry]
  /** @param read gives a number, or one for each value of the label. */
  const gauge = (name: string, read: () => number | Readonly<Record<string, number>>, label = '') =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help: helpOf(name),
      labelNames: label === '' ? [] : [label],
      registers,
      collect() {
        const numbers = read()
        if (typeof numbers === 'number') return this.set(numbers)
        for (const [value, number] of Object.entries(numbers)) this.set({ [label]: value }, number)
      },
    })
  const stateGauge = (name: string, states: readonly string[], read: () => string) =>
    gauge(
      name,
      () => ({ ...Object.fromEntries(states.map((each) => [each, 0])), [read()]: 1 }),
      'state',
    )
  /** Seconds since 1970; 0 for what is not there or not known. */
  const date = (instant = Infinity): number => {
    if (!Number.isFinite(instant)) return 0
    return Math.round(sources.wallClock() + instant - clock.now()) / 1000
  }

  gauge('authenticated', () => Number(isAuthenticated(token())))
  gauge('outage_budget_seconds', () => token().outageBudget / 1000)
  gauge('token_expiry_timestamp_seconds', () => date(token().token?.expiresAt))
  gauge('token_next_renewal_timestamp_seconds', () =>
    date(token().request === undefined ? token().nextRequestAt : token().now),
  )
  gauge('token_last_success_timestamp_seconds', () => date(token().lastSuccessAt))
  gauge('refresh_token_expiry_timestamp_seconds', () => date(token().token?.refreshExpiresAt))
  gauge('token_waiters', () => token().waiters)
  gauge('requests_in_flight', () => running.inFlight)
  gauge('upstream_connections', sources.upstreamConnections)
  stateGauge('state', Object.keys(STATES), () => findings()[0].state)
  gauge(
    'finding',
    () => {
      const said = new Set<string>(findings().map(({ finding }) => finding))
      return Object.fromEntries(FINDING_NAMES.map((name) => [name, Number(said.has(name))]))
    },
    'finding',
  )
  stateGauge('auth_backoff_state', BACKOFFS, () => token().backoff)
  stateGauge('session_sharing_state', ['off', 'shared', 'alone'], () => sharing()?.state ?? 'off')
  gauge(
    'certificate_expiry_timestamp_seconds',
    () => {
      const { listener = 0, client = 0, ca = 0 } = sources.certificates()
      return { listener: listener / 1000, client: client / 1000, ca: ca / 1000 }
    },
    'certificate',
  )
  const always = (instance: string) => () => ({ [instance]: 1 })
  gauge('info', always(sources.instance), 'instance_name')
  gauge('build_info', always(sources.version), 'version')
  const dropped = new Counter({
    name: `${PREFIX}log_lines_dropped_total`,
    help: helpOf('log_lines_dropped_total'),
    registers,
    collect() {
      dropped.reset()
      dropped.inc(sources.logLinesDropped())
    },
  })
}

// Of the process, once: a timer samples the lag of the event loop, and cannot be stopped. At the default of 10 ms it alone
// would wake an idle process 100 times a second, which doubles what it costs.
collectDefaultMetrics({ eventLoopMonitoringPrecision: 50 })
// Gauges with a counter's suffix, which promtool refuses; each only sums up the metric beside it.
for (const kind of ['handles', 'requests', 'resources'])
  processRegistry.removeSingleMetric(`nodejs_active_${kind}_total`)
