import { Hono } from 'hono'
import type { Health, Verdict } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface AdminOptions {
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
  readonly health: Health
}

/** What every page of the admin listener forbids the browser; the status page loosens `style-src` for its own sheet. */
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
export function createAdminApp({ metrics, health }: AdminOptions): Hono {
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
  app.notFound((context) => context.text('Not found\n', 404))
  app.onError((_error, context) => context.text('Internal error\n', 500))
  return app
}
