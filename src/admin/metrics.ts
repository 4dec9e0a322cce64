import { Registry, collectDefaultMetrics } from 'prom-client'
import { PROBLEM_CODES, type ProblemCode } from '../proxy/problem.ts'
import type { SessionEvent } from '../session/events.ts'
import { OUTCOMES, PREFIX, counter, type Outcome } from './metrics-counter.ts'
import { countSessionEvents, createGauges, type GaugeOptions } from './metrics-session.ts'
import { publishTally } from './metrics-tally.ts'
import { createRequestTally, type RequestCount, type RequestTally } from './tally.ts'

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
export const OBS_LOGIN_OUTCOMES = ['success', 'rejected', 'throttled', 'malformed'] as const
export type ObsLoginOutcome = (typeof OBS_LOGIN_OUTCOMES)[number]

export interface MetricsOptions extends GaugeOptions {
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
   * One request ended, and how long it took in seconds; `upstreamSeconds` below 0: it was never sent to iSales.
   * Called for each request: costs 45 ns.
   */
  readonly requestDone: RequestTally['add']
  readonly requestError: (code: ProblemCode) => void
  readonly replay: (outcome: ReplayOutcome) => void
  /** A login of CTI-OBS that was answered here. */
  readonly obsLogin: (outcome: ObsLoginOutcome) => void
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
  publishTally(registry, PREFIX, tally)
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
    values: OBS_LOGIN_OUTCOMES,
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

function collectProcessMetrics(registry: Registry): void {
  // The lag of the event loop is sampled by a timer: at the default of 10 ms it alone would wake an idle process 100
  // times a second, which doubles what it costs.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 })
  // Gauges with a counter's suffix, which promtool refuses; each only sums up the metric beside it.
  for (const kind of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  }
}
