import { Hono, type Context } from 'hono'
import { languageDetector } from 'hono/language'
import { toAuthFailure } from '../causes.ts'
import type { RequestOrigin } from '../hono-adapter.ts'
import { LANGUAGES, formatLine, findSection, MESSAGES, type Language } from '../messages/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import { serveDocument } from './documents.tsx'
import type { Metrics } from './metrics.ts'
import { REFRESH, renderPage } from './page.tsx'
import type { ActivityRecorder } from './activity.ts'
import type { AdminSources } from './sources.ts'
import { isLocal, readStatus } from './status-json.ts'
import { renderText } from './status-view.ts'
import { PAGE_POLICY } from './style.ts'

/** Headers that restrict the browser, in every response; the status page allows its own style sheet. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const

/** Creates the app of the admin port. No request changes anything. */
export function createAdminApp(
  sources: AdminSources,
  metrics: Metrics,
  activity: ActivityRecorder,
) {
  const { running, isOwnHost, log } = sources
  const app = new Hono<{ Bindings: RequestOrigin }>()

  app.use(
    languageDetector({
      supportedLanguages: [...LANGUAGES],
      fallbackLanguage: 'en',
      order: ['querystring', 'header'],
      caches: false,
    }),
  )
  const languageOf = (context: Context): Language => context.get('language') as Language
  const refuse = (context: Context, code: 'admin-port' | 'misdirected', status: 405 | 421) => {
    const line = formatLine(MESSAGES[languageOf(context)], { code, facts: [] })
    return context.text(`${line}\n`, status)
  }

  app.use(async (context, next) => {
    const { method } = context.req
    if (method === 'GET' || method === 'HEAD') await next()
    else {
      context.header('Allow', 'GET, HEAD')
      context.res = refuse(context, 'admin-port', 405)
    }
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value)
    }
  })

  const probe = (status: string, problem?: Readonly<Record<string, string>>): Response =>
    problem === undefined
      ? Response.json({ status })
      : Response.json({ status: 'not ready', ...problem }, { status: 503 })
  // Independent of iSales, so that an outage restarts no container.
  app.get('/livez', () => probe('live'))
  // Independent of logins, which only readiness needs.
  app.get('/startupz', () =>
    probe('started', running.listening ? undefined : { reason: 'starting' }),
  )
  app.get('/readyz', () => probe('ready', unreadiness(running, sources.token())))

  app.get('/metrics', async (context) =>
    context.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
  )

  const read = (context: Context<{ Bindings: RequestOrigin }>) => {
    const language = languageOf(context)
    const local = isLocal(context.env.address)
    return [readStatus(sources, activity, { language, local }), MESSAGES[language]] as const
  }
  // A page that rebinds its own name to this address (DNS rebinding) must not read users and hosts.
  for (const path of ['/', '/status.json', '/status.txt'])
    app.use(path, async (context, next) => {
      const host = context.req.header('host')
      if (host === undefined || isOwnHost(host)) await next()
      else context.res = refuse(context, 'misdirected', 421)
    })
  app.get('/status.json', (context) => context.json(read(context)[0]))
  app.get('/status.txt', (context) => {
    const host = context.req.header('host')
    const origin = host === undefined ? '' : `http://${host}`
    return context.text(renderText(...read(context), origin))
  })
  app.get('/', (context) => {
    const refreshing = context.req.query('refresh') !== 'off'
    return context.html(renderPage(...read(context), refreshing), 200, {
      'Content-Security-Policy': PAGE_POLICY,
      // A header instead of a <meta>, because the reader must be able to pause it (WCAG 2.2.1).
      ...(refreshing ? { Refresh: String(REFRESH) } : {}),
    })
  })

  app.get('/docs/:page', serveDocument)

  app.notFound((context) => context.text(`${MESSAGES[languageOf(context)].page.missing}\n`, 404))
  app.onError((error, context) => {
    log('unexpected', { error })
    return context.text(`${findSection(languageOf(context), 'internal').title}\n`, 500)
  })
  return app
}

/**
 * Returns why the proxy is not ready, for the body of `/readyz`; undefined if it is ready. Failing calls do not end
 * readiness, because a pod that leaves its Service fixes nothing.
 */
export function unreadiness(
  { listening, draining }: Omit<AdminSources['running'], 'inFlight'>,
  { usable, login: { kind: backoff, failure } }: TokenSnapshot,
): Readonly<Record<string, string>> | undefined {
  if (draining) return { reason: 'draining' }
  if (!listening) return { reason: 'starting' }
  if (usable) return undefined
  const details = failure && { backoff, lastFailure: toAuthFailure(failure.cause) }
  return { reason: 'no-token', ...details }
}
