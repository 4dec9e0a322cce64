import { Hono } from 'hono'
import type { Health, Verdict } from './health.ts'
import type { Metrics } from './metrics.ts'
import { REFRESH, STATUS_POLICY, renderStatusPage } from './status-page.tsx'
import type { Status } from './status.ts'

export interface AdminOptions {
  readonly metrics: Metrics
  readonly health: Health
  /** Feeds `/` and `/status.json`. */
  readonly status: () => Status
}

/** What every answer of the admin listener forbids the browser; the status page loosens it for its own style sheet. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const

/** The admin app: what an operator, a probe and Prometheus read. Nothing can be changed through it. */
export function createAdminApp({ metrics, health, status }: AdminOptions): Hono {
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

  app.get('/metrics', async (context) =>
    context.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
  )
  const probe = (verdict: () => Verdict) => () => {
    const { status, body } = verdict()
    return Response.json(body, { status })
  }
  app.get('/livez', probe(health.live))
  app.get('/startupz', probe(health.started))
  app.get('/readyz', probe(health.ready))

  serveStatus(app, status)

  app.notFound((context) => context.text('Not found\n', 404))
  app.onError((_error, context) => context.text('Internal error\n', 500))
  return app
}

function serveStatus(app: Hono, status: () => Status): void {
  app.get('/', (context) => {
    const refreshing = context.req.query('refresh') !== 'off'
    return context.html(renderStatusPage({ status: status(), refreshing }), 200, {
      'Content-Security-Policy': STATUS_POLICY,
      // A field and not a <meta>, which an accessible page must not have: the reader can hold this one still.
      ...(refreshing ? { Refresh: String(REFRESH) } : {}),
    })
  })
  app.get('/status.json', (context) => context.json(status()))
}
