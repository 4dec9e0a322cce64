import { expect, test } from 'vitest'
import { serveHono } from '../src/hono.ts'
import { startListener } from './listener/support.ts'
import { exchangeRaw } from './support/raw-client.ts'

test.each([
  ['of HTTP/1.0 without Host', 'HTTP/1.0', ''],
  ['without a port behind the colon', 'HTTP/1.1', 'Host: x:\r\n'],
  ['with a Host that is no URL', 'HTTP/1.1', 'Host: a[b\r\n'],
])('a validated request %s finds the app by its target', async (_name, version, headers) => {
  const serve = serveHono({ fetch: ({ url }: Request) => new Response(new URL(url).pathname) })
  const { port } = await startListener((request, response) =>
    serve(request, response, '/validated?a'),
  )
  const response = await exchangeRaw({ port }, `GET http://y/ ${version}\r\n${headers}\r\n`)
  expect([response.status, response.text]).toEqual([200, '/validated'])
})
