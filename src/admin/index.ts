// The admin port and its data, for operators, probes and Prometheus. Requests are counted by their class, and token events
// are recorded; one diagnosis of both is shown as metrics, page, text, JSON and log. The port changes nothing.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveHono } from '../hono-adapter.ts'
import { refusedRequest } from '../request-summary.ts'
import type { ActivityRecorder } from './activity.ts'
import { createAdminApp } from './admin-app.ts'
import { diagnose } from './diagnosis.ts'
import { watchFindings } from './findings-log.ts'
import { addGauges, type Metrics } from './metrics.ts'
import { diagnosisInput, type AdminSources } from './sources.ts'

/** Diagnoses activity and current state, and serves the result. */
export function openAdmin(sources: AdminSources, metrics: Metrics, activity: ActivityRecorder) {
  const findings = () => diagnose(diagnosisInput(sources, activity))
  addGauges(metrics, sources, findings)
  const app = createAdminApp(sources, metrics, activity)
  const serve = serveHono(app)
  return {
    app,
    findings,
    /** Begins to log the findings of the page. */
    watch: () => watchFindings(sources, findings, activity),
    serve(request: IncomingMessage, response: ServerResponse): void {
      const { headers, httpVersion, method, url = '' } = request
      // A call of CTI-OBS, whose `obsUrl` has the wrong port.
      if (method === 'POST')
        sources.onMisdirected(refusedRequest(request, 'admin-port', randomUUID()))
      const target = url.replace(/^https?:\/\/[^/]*/i, '')
      // RFC 9112 section 3.2. Probes of load balancers use HTTP/1.0, without Host.
      const hostMissing = headers.host === undefined && httpVersion !== '1.0'
      if (hostMissing || !target.startsWith('/')) response.writeHead(400).end()
      else serve(request, response, target)
    },
  }
}

export type { Status } from './status-json.ts'
export { recordActivity, type ActivityRecorder } from './activity.ts'
export { createMetrics, type Metrics } from './metrics.ts'
export type { AdminSources } from './sources.ts'
