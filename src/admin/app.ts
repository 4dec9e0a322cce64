import { isIP } from 'node:net'
import { Hono, type MiddlewareHandler } from 'hono'
import { serveHono, type Serve } from '../http/hono.ts'
import { createHealth, type Health, type HealthOptions, type Verdict } from './health.ts'
import type { Metrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import { REFRESH, STATUS_POLICY, renderStatusPage } from './status-page.tsx'
import { readStatus, type Status, type StatusOptions } from './status.ts'

export interface AdminOptions {
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
  readonly health: Health
  readonly status: () => Promise<Status>
  /** Lower-case names without port that open the status page, beside every address. */
  readonly hosts: ReadonlySet<string>
}

/** What every response forbids the browser; the status page adds its own style sheet. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const

export interface AdminParts extends Omit<
  StatusOptions,
  'monitor' | 'running' | 'totals' | 'startedAt'
> {
  readonly monitor: Monitor
  readonly running: HealthOptions['running'] & StatusOptions['running']
  readonly metrics: Metrics
  readonly hosts: ReadonlySet<string>
}

/** Serves the admin listener. The process counts as started now. */
export function openAdmin(parts: AdminParts): Serve {
  const { metrics, monitor, running } = parts
  const startedAt = monitor.token().now
  const status = (): Promise<Status> => readStatus({ ...parts, totals: metrics.totals, startedAt })
  const health = createHealth({ token: monitor.token, running })
  const serve = serveHono(createAdminApp({ metrics, health, status, hosts: parts.hosts }))
  return (request, response) => {
    const { headers, httpVersion, url = '' } = request
    const target = url.replace(/^https?:\/\/[^/]*/i, '')
    // RFC 9112 section 3.2. Probes of load balancers are of HTTP/1.0 and have no Host.
    const hostMissing = headers.host === undefined && httpVersion !== '1.0'
    if (hostMissing || !target.startsWith('/')) response.writeHead(400).end()
    else serve(request, response, target)
  }
}

/** What an operator, a probe and Prometheus read. Nothing can be changed through it. */
export function createAdminApp({ metrics, health, status, hosts }: AdminOptions): Hono {
  const app = new Hono()

  app.use(async (context, next) => {
    const { method } = context.req
    if (method !== 'GET' && method !== 'HEAD') {
      context.res = context.text('Only GET and HEAD\n', 405, { Allow: 'GET, HEAD' })
    } else {
      await next()
    }
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value)
    }
  })

  const probe = (verdict: () => Verdict) => () => {
    const { status, body } = verdict()
    return Response.json(body, { status })
  }
  app.get('/livez', probe(health.live))
  app.get('/startupz', probe(health.started))
  app.get('/readyz', probe(health.ready))

  app.get('/metrics', async (context) =>
    context.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
  )

  // A page that rebinds its own name to this address (DNS rebinding) must not read who logs in where.
  const byOwnName: MiddlewareHandler = async (context, next) => {
    const host = context.req.header('host')
    if (host === undefined || isOurs(host, hosts)) await next()
    else context.res = context.text('Host is not this proxy, nor in ADMIN_HOSTS\n', 421)
  }
  app.get('/status.json', byOwnName, async (context) => context.json(await status()))
  app.get('/', byOwnName, async (context) => {
    const refreshing = context.req.query('refresh') !== 'off'
    return context.html(renderStatusPage({ status: await status(), refreshing }), 200, {
      'Content-Security-Policy': STATUS_POLICY,
      // A header and not a <meta>: WCAG 2.2.1 wants a refresh that the reader can pause.
      ...(refreshing ? { Refresh: String(REFRESH) } : {}),
    })
  })

  app.notFound((context) => context.text('Not found\n', 404))
  app.onError((_error, context) => context.text('Internal error\n', 500))
  return app
}

function isOurs(host: string, hosts: ReadonlySet<string>): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return hosts.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}
