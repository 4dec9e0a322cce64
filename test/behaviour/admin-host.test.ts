import { expect, test } from 'vitest'
import { exchangeRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

const get = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, ...headers, 'Connection: close', '', ''].join('\r\n')

async function openAdmin(env = {}) {
  const world = await openWorld({ env })
  const port = Number(new URL(world.admin).port)
  return async (request: string): Promise<number> => (await exchangeRaw({ port }, request)).status
}

test.each(['/', '/status.json'])(
  'a page that rebinds its name to the admin port does not read %s',
  async (path) => {
    const statusOf = await openAdmin({ ALLOWED_HOSTS: 'Proxy.example' })
    expect(await statusOf(get(path, 'Host: rebound.example:9090'))).toBe(421)
    expect(await statusOf(get(path, 'Host: localhost:19090'))).toBe(200)
    expect(await statusOf(get(path, 'Host: 10.1.2.3:9090'))).toBe(200)
    expect(await statusOf(get(path, 'Host: proxy.example'))).toBe(200)
    expect(await statusOf(get(`http://localhost:9090${path}`, 'Host: rebound.example'))).toBe(421)
  },
)

test('a probe of HTTP/1.0 without Host gets its response', async () => {
  const statusOf = await openAdmin()
  for (const path of ['/readyz', '/livez', '/metrics', '/'])
    expect(await statusOf(`GET ${path} HTTP/1.0\r\n\r\n`)).toBe(200)
  expect(await statusOf('OPTIONS / HTTP/1.0\r\n\r\n')).toBe(405)
})

test.each([
  ['without Host', get('/livez')],
  ['for no path', get('*', 'Host: localhost')],
  ['for another scheme', get('ftp://localhost/', 'Host: localhost')],
])('a request of HTTP/1.1 %s is refused', async (_, request) => {
  const statusOf = await openAdmin()
  expect(await statusOf(request)).toBe(400)
})
