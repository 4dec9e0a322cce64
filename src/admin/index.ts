// What operators, probes and Prometheus read. It remembers what happens to the token and to calls, judges it once, and shows
// it as metrics, as a page, as text and as JSON, and in the log. Nothing can be changed through it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveHono } from '../hono.ts'
import type { TokenEvent } from '../token/index.ts'
import { createAdminApp } from './admin-app.ts'
import { logFindings } from './findings-log.ts'
import { findingsOf } from './judge.ts'
import { createMetrics } from './metrics.ts'
import { createRecord } from './record.ts'
import type { AdminSources, RecordOptions } from './sources.ts'
import { seen } from './status-json.ts'

export type Records = ReturnType<typeof openRecords>

/** Counts and remembers what happens. The process counts as started now. */
export function openRecords(options: RecordOptions) {
  const record = createRecord(options)
  const metrics = createMetrics(options)
  return {
    options,
    metrics,
    record,
    onTokenEvent(event: TokenEvent): void {
      metrics.onTokenEvent(event)
      record.onTokenEvent(event)
    },
  }
}

/** Judges and serves what the records hold and what the sources say now. */
export function openAdmin(
  given: Omit<AdminSources, keyof RecordOptions>,
  { options, metrics, record }: Records,
) {
  const sources = { ...options, ...given }
  const findings = () => findingsOf(seen(sources, record))
  metrics.addGauges(sources, findings)
  const app = createAdminApp({ sources, metrics, record })
  const serve = serveHono(app)
  return {
    app,
    findings,
    /** Writes what the page says to the log, from now on. @returns what ends it. */
    log: () => logFindings(sources.clock, sources.log, findings),
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
