import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { GET, outcomesOf, respondOk, startListener } from './support.ts'

// That such requests keep their connection is in test/behaviour/h2c.test.ts.
/** As Java's default HTTP client sends it on each request. */
const FIELDS =
  'Connection: Upgrade, HTTP2-Settings\r\nHost: x\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\n'
const UPGRADE = `GET /u HTTP/1.1\r\n${FIELDS}\r\n`
const POST = `POST /u HTTP/1.1\r\n${FIELDS}`

/** Reads each body before it responds. */
async function start() {
  const urls: string[] = []
  const running = await startListener((request, response) => {
    urls.push(request.url ?? '')
    request.resume().on('end', () => respondOk(request, response))
  })
  return { ...running, urls, client: await connectRaw({ port: running.port }) }
}

test.each([
  ['another request in its packet behind it, which is lost', UPGRADE + GET],
  ['a few bytes in its packet behind it', `${UPGRADE}x`],
  ['a body in chunks', `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`],
])('such a request with %s closes the connection', async (_name, packet) => {
  const { client, urls } = await start()
  await client.send(packet)
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
  expect(urls).toEqual(['/u'])
})

test('in a drain the response closes the connection', async () => {
  const { client, listener } = await start()
  listener.drain()
  await client.send(UPGRADE)
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
})
