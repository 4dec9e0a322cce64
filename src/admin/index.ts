// What operators, probes and Prometheus read. It counts and remembers what happens to the token and to calls, judges it
// once, and shows it as metrics, as a page, as text and as JSON. Nothing can be changed through it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TokenEvent } from '../token/index.ts'
import { serveAdminApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import { statusOptions } from './known.ts'
import { createMonitor } from './monitor.ts'
import type { AdminSources, RecordOptions } from './sources.ts'

export type Records = ReturnType<typeof openRecords>

/** Counts and remembers what happens. The process counts as started now. */
export function openRecords(options: RecordOptions) {
  const monitor = createMonitor(options)
  const metrics = createMetrics(options)
  return {
    metrics,
    monitor,
    onTokenEvent(event: TokenEvent): void {
      metrics.onTokenEvent(event)
      monitor.onTokenEvent(event)
    },
  }
}

/** Judges and serves what the records hold and what the sources say now. */
export function openAdmin(sources: AdminSources, records: Records) {
  const options = statusOptions(sources, records)
  records.metrics.addGauges(sources, options.facts)
  const serve = serveAdminApp(options)
  return {
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

export type { Status } from './model.ts'
