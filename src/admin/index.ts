// What operators, probes and Prometheus read. It counts requests by their class, remembers what happens to the token, judges
// both once, and shows that as metrics, as a page, as text and as JSON, and in the log. Nothing can be changed through it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveHono } from '../hono-adapter.ts'
import type { RequestSummary, RequestClass } from '../request-summary.ts'
import type { TokenEvent } from '../token/index.ts'
import { recordActivity } from './activity.ts'
import { createAdminApp } from './admin-app.ts'
import { diagnose } from './diagnosis.ts'
import { watchFindings } from './findings-log.ts'
import { createMetrics } from './metrics.ts'
import type { AdminSources, RecordOptions } from './sources.ts'
import { diagnosisInput } from './status-json.ts'

export type Telemetry = ReturnType<typeof openTelemetry>

/** Counts and remembers what happens. The process counts as started now. */
export function openTelemetry(options: RecordOptions) {
  const activity = recordActivity(options)
  const metrics = createMetrics(options, activity.totals)
  return {
    options,
    metrics,
    activity,
    requestEnded(summary: RequestSummary, of: RequestClass): void {
      metrics.requestEnded(summary)
      activity.requestEnded(summary, of)
    },
    onTokenEvent(event: TokenEvent): void {
      metrics.onTokenEvent(event)
      activity.onTokenEvent(event)
    },
  }
}

/** Judges and serves what the telemetry holds and what the sources say now. */
export function openAdmin(
  given: Omit<AdminSources, keyof RecordOptions>,
  { options, metrics, activity }: Telemetry,
) {
  const sources = { ...options, ...given }
  const findings = () => diagnose(diagnosisInput(sources, activity))
  metrics.addGauges(sources, findings)
  const app = createAdminApp({ sources, metrics, activity })
  const serve = serveHono(app)
  return {
    app,
    findings,
    /** Writes what the page says to the log, from now on. */
    watch: () =>
      watchFindings({ ...sources, onState: (state) => activity.onState(state) }, findings),
    serve(request: IncomingMessage, response: ServerResponse): void {
      const { headers, httpVersion, url = '' } = request
      const target = url.replace(/^https?:\/\/[^/]*/i, '')
      // RFC 9112 section 3.2. Probes of load balancers are of HTTP/1.0 and have no Host.
      const hostMissing = headers.host === undefined && httpVersion !== '1.0'
      if (hostMissing || !target.startsWith('/')) response.writeHead(400).end()
      else serve(request, response, target)
    },
  }
}

export type { Status } from './status-json.ts'
