import { describe, expect, it } from 'vitest'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { TokenSnapshot } from '../../src/token/index.ts'
import { authFailure } from '../support/failure.ts'
import { adminSources, loginOf, openShown, snapshot } from './token.ts'

const appWith = (changes?: Partial<AdminSources>) => openShown(adminSources(changes))

const PAGES = ['/', '/status.json', '/status.txt']
const PROBES = ['/metrics', '/livez', '/startupz', '/readyz']

describe('the admin app', () => {
  const RESTRICTIONS = {
    'cache-control': 'no-store',
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  }

  it.each([...PAGES, ...PROBES])(
    'serves only GET and HEAD of %s, with restrictive headers',
    async (path) => {
      const { request } = appWith()
      const head = await request(path, { method: 'HEAD' })
      expect([head.status, await head.text()]).toEqual([200, ''])
      expect(Object.fromEntries((await request(path)).headers)).toMatchObject(RESTRICTIONS)
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'BREW']) {
        const { status, headers } = await request(path, { method })
        expect(status).toBe(405)
        expect(Object.fromEntries(headers)).toMatchObject({ allow: 'GET, HEAD', ...RESTRICTIONS })
      }
    },
  )

  it.each(['/metrics/', '/%2e%2e/etc/passwd', '/<script>'])(
    'responds 404 to %s and repeats no part of it',
    async (path) => {
      const response = await appWith().request(path)
      expect([response.status, await response.text()]).toEqual([404, 'Not found\n'])
      expect(Object.fromEntries(response.headers)).toMatchObject(RESTRICTIONS)
    },
  )

  it.each([
    ['localhost:9090', 200],
    ['Proxy.Example', 200],
    ['[fd00::1]:9090', 200],
    ['rebound.example:9090', 421],
    ['10.0.0.1.rebound.example', 421],
    ['', 421],
  ])('responds to Host %j on the status page with %i, and elsewhere with 200', async (...row) => {
    const [host, status] = row
    const { request } = appWith()
    for (const path of PAGES)
      expect((await request(path, { headers: { host } })).status).toBe(status)
    for (const path of PROBES) expect((await request(path, { headers: { host } })).status).toBe(200)
  })

  it.each([
    ['GET', '/', 'elsewhere.example', 421, /^请求的主机名不属于本代理。.*ALLOWED_HOSTS/],
    ['GET', '/nowhere', 'localhost', 404, /^未找到/],
    ['POST', '/', 'localhost', 405, /^调用发到了管理端口/],
  ])("%s %s of %s is refused in the reader's language: %i", async (...row) => {
    const [method, path, host, status, text] = row
    const headers = { host, 'Accept-Language': 'zh-CN' }
    const response = await appWith().request(path, { method, headers })
    expect([response.status, await response.text()]).toEqual([status, expect.stringMatching(text)])
  })

  it('responds 500 without the text of the error, and logs it, if a page cannot be rendered', async () => {
    const events: string[] = []
    const certificates = () => {
      throw new Error('secret inner text')
    }
    const { request } = appWith({ log: (event) => events.push(event), certificates })
    const response = await request('/metrics')
    expect([response.status, await response.text()]).toEqual([500, 'The proxy failed\n'])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(events).toEqual(['unexpected'])
  })
})

const UP = { listening: true, draining: false, inFlight: 0 }
const NO_TOKEN = { token: undefined, usable: false }
const failure = authFailure('rejected', 'password', { status: 403 })
const REFUSED = { login: loginOf('login-pause', failure) }

it.each<[string, number, object, Partial<TokenSnapshot>, Partial<typeof UP>]>([
  ['/livez', 200, { status: 'live' }, NO_TOKEN, { listening: false, draining: true }],
  ['/startupz', 503, { reason: 'starting' }, {}, { listening: false }],
  ['/startupz', 200, { status: 'started' }, NO_TOKEN, {}],
  ['/readyz', 200, { status: 'ready' }, {}, {}],
  ['/readyz', 200, { status: 'ready' }, { login: loginOf('transient') }, {}],
  ['/readyz', 503, { reason: 'draining' }, {}, { draining: true }],
  ['/readyz', 503, { reason: 'starting' }, {}, { listening: false }],
  ['/readyz', 503, { reason: 'no-token' }, NO_TOKEN, {}],
  [
    '/readyz',
    503,
    { reason: 'no-token', backoff: 'login-pause', lastFailure: 'rejected' },
    { ...NO_TOKEN, ...REFUSED },
    {},
  ],
])('%s responds %i with %j (row %#)', async (...row) => {
  const [path, status, body, token, running] = row
  const { request } = appWith({ token: () => snapshot(token), running: { ...UP, ...running } })
  const response = await request(path)
  const expected = { ...(status === 503 && { status: 'not ready' }), ...body }
  expect([response.status, await response.json()]).toEqual([status, expected])
})
