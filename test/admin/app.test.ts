import { describe, expect, it } from 'vitest'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import { NOW, adminSources, openShown, snapshot } from './token.ts'
import { authFailure } from '../support/failure.ts'

function appWith(changes?: Partial<AdminSources>) {
  const sources = adminSources(changes)
  return openShown(sources)
}

const PATHS = ['/metrics', '/livez', '/startupz', '/readyz', '/', '/status.json']

describe('the admin app', () => {
  it('serves the metrics in the format that Prometheus asks for', async () => {
    const response = await appWith().request('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toContain('\nisales_proxy_authenticated 1\n')
  })

  it.each(PATHS)('forbids caching, framing and active content on %s', async (path) => {
    const { headers } = await appWith().request(path)
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
  })

  it.each(PATHS)('serves GET and HEAD of %s, and refuses every other method', async (path) => {
    const app = appWith()
    const head = await app.request(path, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'BREW']) {
      const response = await app.request(path, { method })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')).toBe('GET, HEAD')
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  it.each(['/nothing', '/metrics/', '//metrics', '/%2e%2e/etc/passwd', '/<script>'])(
    'responds 404 to %s and repeats nothing of it',
    async (path) => {
      const response = await appWith().request(path)
      expect(response.status).toBe(404)
      expect(await response.text()).toBe('Not found\n')
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    },
  )

  it.each([
    ['localhost:9090', 200],
    ['Proxy.Example', 200],
    ['10.0.0.1:9090', 200],
    ['[fd00::1]:9090', 200],
    ['127.0.0.1', 200],
    ['rebound.example:9090', 421],
    ['localhost.rebound.example', 421],
    ['10.0.0.1.rebound.example', 421],
    ['', 421],
  ])('responds to Host %j on the status page and its JSON with %i', async (host, status) => {
    for (const path of ['/', '/status.json', '/?refresh=off']) {
      const response = await appWith().request(path, { headers: { host } })
      expect(response.status).toBe(status)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  it.each(['/metrics', '/livez', '/startupz', '/readyz'])(
    'serves %s under any name, as probes and Prometheus call it',
    async (path) => {
      const headers = { host: 'pod-4711.example' }
      expect((await appWith().request(path, { headers })).status).toBe(200)
    },
  )

  it('responds 500 without the text of the error when a page cannot be made', async () => {
    const broken = appWith({
      certificates() {
        throw new Error('secret inner text')
      },
    })
    const response = await broken.request('/metrics')
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('The proxy failed\n')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

const UP = { listening: true, draining: false, inFlight: 0 }
const NO_TOKEN = { token: undefined, usable: false }
const REFUSED = {
  at: NOW,
  operation: 'login',
  failure: authFailure('refused', 'password', { status: 403 }),
} as const

describe('the probes', () => {
  it('are live whatever else is wrong, without a look at the token', async () => {
    const app = appWith({
      running: { ...UP, listening: false, draining: true },
      token() {
        throw new Error('asked')
      },
    })
    expect(await (await app.request('/livez')).json()).toEqual({ status: 'live' })
  })

  it('say started once the listeners are up, logged in or not', async () => {
    const starting = appWith({ running: { ...UP, listening: false } })
    expect((await starting.request('/startupz')).status).toBe(503)
    const started = appWith({ token: () => snapshot(NO_TOKEN) })
    expect((await started.request('/startupz')).status).toBe(200)
  })

  it.each<Partial<TokenSnapshot>>([{}, { backoff: 'transient' }, { usable: false, idle: true }])(
    'say ready while the token is usable, renewed in vain or idle: %j',
    async (token) => {
      const response = await appWith({ token: () => snapshot(token) }).request('/readyz')
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('{"status":"ready"}')
    },
  )

  const REFUSED_LOGIN = { backoff: 'guarded', lastFailure: REFUSED } as const
  it.each<[object, Partial<TokenSnapshot>, Partial<typeof UP>]>([
    [{ reason: 'draining' }, {}, { draining: true }],
    [{ reason: 'starting' }, {}, { listening: false }],
    [{ reason: 'no-token' }, NO_TOKEN, {}],
    [
      { reason: 'no-token', backoff: 'guarded', lastFailure: 'rejected' },
      { ...NO_TOKEN, ...REFUSED_LOGIN },
      {},
    ],
  ])('say not ready, and why: %j', async (body, token, running) => {
    const app = appWith({ token: () => snapshot(token), running: { ...UP, ...running } })
    const response = await app.request('/readyz')
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({ status: 'not ready', ...body })
  })
})

it.each([
  ['GET', '/', 'elsewhere.example', 421, /^请求的主机名不是本代理。.*ALLOWED_HOSTS/],
  ['GET', '/nowhere', 'localhost', 404, /^未找到/],
  ['POST', '/', 'localhost', 405, /^不允许该方法/],
])('%s %s of %s is refused in the language of the reader: %i', async (...row) => {
  const [method, path, host, status, text] = row
  const headers = { host, 'Accept-Language': 'zh-CN' }
  const response = await appWith().request(path, { method, headers })
  expect([response.status, await response.text()]).toEqual([status, expect.stringMatching(text)])
})
