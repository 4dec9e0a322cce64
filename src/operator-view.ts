import { randomUUID } from 'node:crypto'
import type { Counts } from './admin/counts.ts'
import { createHealth } from './admin/health.ts'
import type { History } from './admin/history.ts'
import { readStatus } from './admin/status-read.ts'
import type { EffectiveSetting } from './admin/status.ts'
import { describeConfig, sourceText } from './config/rows.ts'
import type { ListenAddress } from './net/address.ts'
import { createListener, honoListener, type HonoListener, type Listener } from './net/listener.ts'
import { writeProblem } from './proxy/answer.ts'
import type { SessionSnapshot } from './session/events.ts'
import { ADMIN_LIMITS } from './wiring.ts'

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

interface OperatorViewParts {
  readonly address: ListenAddress
  readonly snapshot: () => SessionSnapshot
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
export function openOperatorView(parts: OperatorViewParts): Listener & Pick<HonoListener, 'load'> {
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
  const { serve, load } = honoListener(async () => {
    const [{ createAdminApp }, { createMetrics }] = await Promise.all([
      import('./admin/routes.ts'),
      import('./admin/metrics.ts'),
    ])
    const gauges = { snapshot, inFlight, version, wallClock }
    const metrics = createMetrics({ ...gauges, counts, collectDefaults: true })
    return createAdminApp({ metrics, health, status })
  })
  const listener = createListener({
    address: parts.address,
    limits: ADMIN_LIMITS,
    onRequest(request, response) {
      serve(request, response).catch(() => {
        writeProblem({ request, response, requestId: randomUUID() }, 'overloaded')
      })
    },
  })
  return { ...listener, load }
}
