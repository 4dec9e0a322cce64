import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Serve } from '../http/hono.ts'
import type { TokenEvent } from '../token/events.ts'
import { createMetrics } from './metrics.ts'
import { createMonitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'

export type Admin = ReturnType<typeof openAdmin>

/** Counts and remembers what happens, and serves it. The process counts as started now. */
export function openAdmin(sources: AdminSources) {
  const monitor = createMonitor(sources)
  const metrics = createMetrics(sources, monitor)
  let opening: Promise<Serve> | undefined
  /** Loaded for the first request: no call of CTI-OBS waits for Hono and the status page. */
  const load = () =>
    (opening ??= import('./app.ts').then(({ serveAdminApp }) =>
      serveAdminApp({ ...sources, monitor, metrics }),
    ))
  return {
    metrics,
    monitor,
    load,
    async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const { headers, httpVersion, url = '' } = request
      const target = url.replace(/^https?:\/\/[^/]*/i, '')
      // RFC 9112 section 3.2. Probes of load balancers are of HTTP/1.0 and have no Host.
      const hostMissing = headers.host === undefined && httpVersion !== '1.0'
      if (hostMissing || !target.startsWith('/')) response.writeHead(400).end()
      else {
        const serve = await load()
        serve(request, response, target)
      }
    },
    onTokenEvent(event: TokenEvent): void {
      metrics.onTokenEvent(event)
      monitor.onTokenEvent(event)
    },
  }
}
