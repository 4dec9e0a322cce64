// What operators, probes and Prometheus read. It counts and remembers what happens to the token and to calls, judges it
// once, and shows it as metrics, as a page, as text and as JSON. Nothing can be changed through it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TokenEvent } from '../token/index.ts'
import { serveAdminApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import { createMonitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'

export type Admin = ReturnType<typeof openAdmin>

/** Counts and remembers what happens, and serves it. The process counts as started now. */
export function openAdmin(sources: AdminSources) {
  const monitor = createMonitor(sources)
  const metrics = createMetrics(sources, monitor)
  const serve = serveAdminApp({ ...sources, monitor, metrics })
  return {
    metrics,
    monitor,
    serve(request: IncomingMessage, response: ServerResponse): void {
      const { headers, httpVersion, url = '' } = request
      const target = url.replace(/^https?:\/\/[^/]*/i, '')
      // RFC 9112 section 3.2. Probes of load balancers are of HTTP/1.0 and have no Host.
      const hostMissing = headers.host === undefined && httpVersion !== '1.0'
      if (hostMissing || !target.startsWith('/')) response.writeHead(400).end()
      else serve(request, response, target)
    },
    onTokenEvent(event: TokenEvent): void {
      metrics.onTokenEvent(event)
      monitor.onTokenEvent(event)
    },
  }
}

export type { Status } from './model.ts'
