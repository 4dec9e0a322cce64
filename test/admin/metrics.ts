import { createCounts, type Counts } from '../../src/admin/counts.ts'
import { createMetrics, type Metrics, type MetricsOptions } from '../../src/admin/metrics.ts'
import { snapshot } from './token.ts'

export const WALL = 1_760_000_000_000

/** The page, and what it is fed with. */
export function metricsWith(
  changes: Partial<MetricsOptions> = {},
  rejectionStatuses: readonly number[] = [401, 403],
): Metrics & Counts {
  const counts = createCounts(rejectionStatuses)
  const metrics = createMetrics({
    counts,
    snapshot: () => snapshot(),
    inFlight: () => 0,
    version: '1.2.3',
    wallClock: () => WALL,
    collectDefaults: false,
    ...changes,
  })
  return { ...metrics, ...counts }
}

/** The value of one line of the page, without the prefix. */
export async function valueOf(metrics: Metrics, series: string): Promise<number> {
  const page = await metrics.render()
  const line = page.split('\n').find((line) => line.startsWith(`isales_proxy_${series} `))
  if (line === undefined) throw new Error(`no ${series} on the page`)
  return Number(line.slice(line.lastIndexOf(' ') + 1))
}
