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
