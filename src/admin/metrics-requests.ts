import { helpOf } from './metric-helps.ts'
import { Counter, type Histogram, type Registry } from 'prom-client'
import type { EndedRequest } from '../outcomes.ts'
import type { ProblemCode, Refusal } from '../causes.ts'

// What every request changes is counted in plain arrays and handed to prom-client when the page is read. Its own
// counters hash their labels at each call, and its histograms make a closure: a tenth of a request's CPU.

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Seconds. CTI-OBS gives up after 3 s, so the buckets before it are narrow. */
const BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 2.75, 3, 5, 10, 30,
]

/**
 * @param countFailed counts what went wrong with a request.
 * @returns counts a request.
 */
export function createRequestMetrics(
  prefix: string,
  registry: Registry,
  countFailed: (code: ProblemCode | undefined, refusal: Refusal | undefined) => void,
) {
  const registers = [registry]
  const sets = METHODS.flatMap((method) =>
    STATUS_CLASSES.map((status_class) => ({ method, status_class })),
  )
  const counts = sets.map(() => 0)
  const requests: Counter = new Counter({
    name: `${prefix}requests_total`,
    help: helpOf('requests_total'),
    labelNames: ['method', 'status_class'],
    registers,
    collect() {
      for (const [index, labels] of sets.entries()) requests.inc(labels, counts[index])
      counts.fill(0)
    },
  })
  const observeRequest = requestHistogram(prefix, 'request_duration_seconds', registry)
  const observeUpstream = requestHistogram(prefix, 'upstream_duration_seconds', registry)

  return (request: Omit<EndedRequest, 'target' | 'requestId'>): void => {
    const { method, status, code, refusal, durationMs, upstreamMs } = request
    const known = METHODS.findIndex((each) => each === method)
    const row = known === -1 ? METHODS.indexOf('other') : known
    const index = row * STATUS_CLASSES.length + statusClass(status)
    counts[index] = (counts[index] ?? 0) + 1
    if (durationMs !== undefined) observeRequest(durationMs / 1000)
    if (upstreamMs !== undefined) observeUpstream(upstreamMs / 1000)
    if (code !== undefined || refusal !== undefined) countFailed(code, refusal)
  }
}

/** The index in `STATUS_CLASSES`: 0, the client left, counts as 4xx; a status that HTTP does not know as 5xx. */
function statusClass(status: number): number {
  if (status === 0) return 3
  return status >= 100 && status < 500 ? Math.trunc(status / 100) - 1 : 4
}

/**
 * A histogram without labels, which the registry reads by `get` as it reads its own.
 *
 * @returns observes seconds.
 */
function requestHistogram(prefix: string, of: string, registry: Registry) {
  const [name, help] = [`${prefix}${of}`, helpOf(of)]
  /** One for each bucket, not cumulative; the last has no bound. */
  const counts = [...BUCKETS, Infinity].map(() => 0)
  let sum = 0
  const get = () => {
    let total = 0
    const values = counts.map((count, index) => {
      total += count
      return valueOf('bucket', total, { le: BUCKETS[index] ?? '+Inf' })
    })
    values.push(valueOf('sum', sum), valueOf('count', total))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
  const valueOf = (of: string, value: number, labels: { le?: number | string } = {}) => {
    return { metricName: `${name}_${of}`, labels, value }
  }
  registry.registerMetric({ name, get } as unknown as Histogram)
  return (seconds: number): void => {
    let bucket = 0
    while (seconds > (BUCKETS[bucket] ?? Infinity)) bucket += 1
    counts[bucket] = (counts[bucket] ?? 0) + 1
    sum += seconds
  }
}
