import type { Counts } from './counts.ts'
import { createAdminApp } from './app.ts'
import { createHealth } from './health.ts'
import { createMetrics } from './metrics.ts'
import type { History } from './history.ts'
import { readStatus } from './status-read.ts'
import type { EffectiveSetting } from './status.ts'
import { describeConfig, sourceText } from '../config/describe.ts'
import { serveHono, type Serve } from '../http/hono.ts'
import type { TokenSnapshot } from '../token/events.ts'

/** The configuration in force as the status page shows it; secrets come redacted. */
export function effectiveSettings(
  loaded: Parameters<typeof describeConfig>[0],
): readonly EffectiveSetting[] {
  return describeConfig(loaded).map(({ setting, value, source }) => ({
    name: setting,
    value: value ?? null,
    source: sourceText(source),
  }))
}

interface AdminParts {
  readonly snapshot: () => TokenSnapshot
  readonly counts: Counts
  readonly history: History
  readonly running: {
    readonly listening: boolean
    readonly draining: boolean
    readonly inFlight: number
  }
  readonly version: string
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly settings: readonly EffectiveSetting[]
}

/** What an operator, a probe and Prometheus read. */
export function openAdmin(parts: AdminParts): Serve {
  const { snapshot, counts, history, running } = parts
  const startedAt = snapshot().now
  const listening = (): boolean => running.listening
  const draining = (): boolean => running.draining
  const inFlight = (): number => running.inFlight
  const { wallClock, version, settings } = parts
  const health = createHealth({ snapshot, listening, draining })
  const status = () =>
    readStatus({
      snapshot,
      history: history.view,
      counts,
      inFlight,
      wallClock,
      draining,
      version,
      startedAt,
      settings,
    })
  const gauges = { snapshot, inFlight, version, wallClock }
  const metrics = createMetrics({ ...gauges, counts, collectDefaults: true })
  return serveHono(createAdminApp({ metrics, health, status }))
}
