import type { Metric, Registry } from 'prom-client'
import type { Distribution, RequestTally } from './tally.ts'

interface Row {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly metricName?: string
}

interface Published {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'histogram'
  readonly rows: () => readonly Row[]
}

/** Puts what the tally has counted on the metrics page, read when the page is. */
export function publishTally(registry: Registry, prefix: string, tally: RequestTally): void {
  publish(registry, {
    name: `${prefix}requests_total`,
    help: 'Requests that ended, by method and status class of the answer',
    type: 'counter',
    rows: () =>
      tally.counts().map(({ method, statusClass, count }) => ({
        labels: { method, status_class: statusClass },
        value: count,
      })),
  })
  publishDistribution(registry, {
    name: `${prefix}request_duration_seconds`,
    help: 'From the head of the request to the end of the answer',
    read: tally.durations,
  })
  publishDistribution(registry, {
    name: `${prefix}upstream_duration_seconds`,
    help: 'From sending to iSales to the head of its answer',
    read: tally.upstreamDurations,
  })
}

function publishDistribution(
  registry: Registry,
  options: {
    readonly name: string
    readonly help: string
    readonly read: () => Distribution
  },
): void {
  const { name, help, read } = options
  publish(registry, {
    name,
    help,
    type: 'histogram',
    rows() {
      const { bounds, counts, sum } = read()
      let total = 0
      const buckets = counts.map((count, index) => {
        total += count
        return {
          labels: { le: String(bounds[index] ?? '+Inf') },
          value: total,
          metricName: `${name}_bucket`,
        }
      })
      return [
        ...buckets,
        { labels: {}, value: sum, metricName: `${name}_sum` },
        { labels: {}, value: total, metricName: `${name}_count` },
      ]
    },
  })
}

function publish(registry: Registry, { name, help, type, rows }: Published): void {
  const metric = {
    name,
    get: () => Promise.resolve({ name, help, type, values: rows(), aggregator: 'sum' }),
  }
  // The page asks a metric for its name and `get()` only; the declared type is the union of the four classes.
  registry.registerMetric(metric as unknown as Metric)
}
