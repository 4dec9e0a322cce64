import { describe, expect, it } from 'vitest'
import { createHealth } from '../../src/admin/health.ts'
import { createAdminApp } from '../../src/admin/app.ts'
import { SCENES, statusOf } from '../browser/states.ts'
import { token } from './token.ts'

function appWith(changes: { readonly usable?: boolean; readonly broken?: boolean } = {}) {
  const { usable = true, broken = false } = changes
  return createAdminApp({
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      render: () =>
        broken ? Promise.reject(new Error('secret inner text')) : Promise.resolve('up 1\n'),
    },
    health: createHealth({
      token: () => token({ usable }),
      running: { listening: true, draining: false },
    }),
    status: () => statusOf(SCENES.healthy),
    hosts: new Set(['localhost', 'proxy.example']),
  })
}

const PATHS = ['/metrics', '/livez', '/startupz', '/readyz', '/', '/status.json']

describe('the admin app', () => {
  it('serves the metrics in the format that Prometheus asks for', async () => {
    const response = await appWith().request('/metrics')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toBe('up 1\n')
  })

  it('responds to readyz with one line of JSON', async () => {
    const response = await appWith({ usable: false }).request('/readyz')
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.text()).toBe('{"status":"not ready","reason":"no-token"}')
  })

  it.each(PATHS)('forbids caching, framing and active content on %s', async (path) => {
    const { headers } = await appWith().request(path)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  })

  it.each(PATHS)('responds to HEAD as to GET, without a body on %s', async (path) => {
    const response = await appWith().request(path, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })

  it.each(
    PATHS.flatMap((path) =>
      ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'BREW'].map(
        (method) => [method, path] as const,
      ),
    ),
  )('refuses %s %s', async (method, path) => {
    const response = await appWith().request(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
    expect(response.headers.get('cache-control')).toBe('no-store')
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
    const response = await appWith({ broken: true }).request('/metrics')
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('Internal error\n')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})
