import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Counts } from './counts.ts'
import { publishCounts } from './metrics-counts.ts'
import { createGauges, type GaugeOptions } from './metrics-gauges.ts'

export interface MetricsOptions extends GaugeOptions {
  readonly counts: Counts
  /** Adds what prom-client tells of the process: CPU, memory, handles, event-loop lag, GC. */
  readonly collectDefaults: boolean
}

export interface Metrics {
  /** The page in Prometheus' text format. */
  readonly render: () => Promise<string>
  readonly contentType: string
}

/** The metrics page. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  const setGauges = createGauges(registry, options)
  publishCounts(registry, options.counts)
  if (options.collectDefaults) collectProcessMetrics(registry)

  return {
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
