import { isIP } from 'node:net'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { languageDetector } from 'hono/language'
import { hostIn } from '../config/index.ts'
import { serveHono, type Serve } from '../hono.ts'
import { serveRunBook } from './run-book.ts'
import { LANGUAGES, WORDS, type Language } from '../words/index.ts'
import { unreadiness } from './facts.ts'
import type { StatusOptions } from './known.ts'
import { readStatus } from './model.ts'
import { renderText } from './plain-text.ts'
import { createSpeaker } from './speaker.ts'
import { REFRESH, renderStatusPage } from './status-page.tsx'
import { STATUS_POLICY } from './status-style.ts'

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

/** Serves a request with the app. */
export function serveAdminApp(options: StatusOptions): Serve {
  return serveHono(createAdminApp(options))
}

/** What an operator, a probe and Prometheus read. Nothing can be changed through it. */
export function createAdminApp(options: StatusOptions): Hono {
  const { metrics, running, hosts } = options
  const app = new Hono()

  app.use(
    languageDetector({
      supportedLanguages: [...LANGUAGES],
      fallbackLanguage: 'en',
      order: ['querystring', 'header'],
      caches: false,
    }),
  )
  const languageOf = (context: Context): Language => context.get('language') as Language
  const words = (context: Context) => WORDS[languageOf(context)].admin

  app.use(async (context, next) => {
    const { method } = context.req
    if (method !== 'GET' && method !== 'HEAD') {
      context.res = context.text(`${words(context).method}\n`, 405, { Allow: 'GET, HEAD' })
    } else {
      await next()
    }
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value)
    }
  })

  const probe = (status: string, problem?: Readonly<Record<string, string>>): Response =>
    problem === undefined
      ? Response.json({ status })
      : Response.json({ status: 'not ready', ...problem }, { status: 503 })
  // Depends on nothing but this process, so that an outage of iSales restarts no container.
  app.get('/livez', () => probe('live'))
  // Whether a login succeeds is a matter of readiness.
  app.get('/startupz', () =>
    probe('started', running.listening ? undefined : { reason: 'starting' }),
  )
  app.get('/readyz', () => probe('ready', unreadiness(running, options.token())))

  app.get('/metrics', async (context) =>
    context.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
  )

  // A page that rebinds its own name to this address (DNS rebinding) must not read who logs in where.
  const byOwnName: MiddlewareHandler = async (context, next) => {
    const host = context.req.header('host')
    if (host === undefined || isOurs(host, hosts)) await next()
    else context.res = context.text(`${words(context).host}\n`, 421)
  }
  const read = async (context: Context) => {
    const speaker = createSpeaker(languageOf(context))
    const host = context.req.header('host')
    const origin = host === undefined ? '' : `http://${host}`
    return { status: await readStatus(options, speaker), speaker, origin }
  }
  for (const path of ['/', '/status.json', '/status.txt']) app.use(path, byOwnName)
  app.get('/status.json', async (context) => context.json((await read(context)).status))
  app.get('/status.txt', async (context) => {
    const { status, speaker, origin } = await read(context)
    return context.text(renderText(status, speaker, origin))
  })
  app.get('/', async (context) => {
    const refreshing = context.req.query('refresh') !== 'off'
    const page = renderStatusPage({ ...(await read(context)), refreshing })
    return context.html(page, 200, {
      'Content-Security-Policy': STATUS_POLICY,
      // A header and not a <meta>: WCAG 2.2.1 wants a refresh that the reader can pause.
      ...(refreshing ? { Refresh: String(REFRESH) } : {}),
    })
  })

  app.get('/docs/:page', serveRunBook)

  app.notFound((context) => context.text(`${words(context).missing}\n`, 404))
  app.onError((_error, context) => context.text(`${words(context).failed}\n`, 500))
  return app
}

function isOurs(host: string, hosts: ReadonlySet<string>): boolean {
  const name = hostIn(host)
  return hosts.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}
