import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { get, openStand, PATH, post } from '../proxy/stand.ts'
import { responseBytes } from '../support/raw-upstream.ts'

const MIB = 1024 * 1024
const upload = (length: number): string =>
  `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`

test('an upload that was refused with 408 never ends at iSales, whatever comes of it then', async () => {
  const stand = await openStand({ env: { CLIENT_DEADLINE: '0', BODY_IDLE_TIMEOUT: '300ms' } })
  const client = await stand.connect()
  await client.send(upload(200_000) + 'x'.repeat(150_000))
  const refused = await client.read()
  expect(refused).toMatchObject({ status: 408 })
  expect(refused.text).toContain('"sent":"no"')
  await client.send('x'.repeat(50_000))
  await client.closed()
  await until(() => stand.upstream.cut() === 1)
  expect(stand.business()).toEqual([])
})

test('a chunked response that comes before the end of the upload is whole, although the client stops', async () => {
  const early = 'HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  const stand = await openStand({ onHead: ({ target }) => (target === PATH ? [early] : []) })
  const client = await stand.connect()
  await client.send(upload(200_000) + 'x'.repeat(100_000))
  expect(await client.read()).toMatchObject({ status: 403, framing: 'chunked', text: 'hello' })
  expect(await client.closed()).toMatchObject({ reset: false })
})

test.each([
  ['no token comes', 503, 'no-token'],
  ['iSales cannot be reached', 502, 'upstream-unreachable'],
])('who writes 8 MiB before reading learns that %s', async (_name, status, code) => {
  const withoutToken = code === 'no-token'
  const stand = await openStand({
    env: { CLIENT_DEADLINE: '1s' },
    authenticated: !withoutToken,
    ...(withoutToken && { login: () => responseBytes('', { status: '500 Down' }) }),
  })
  if (!withoutToken) await stand.closeUpstream()
  const client = await stand.connect()
  client.pause()
  await client.send(upload(8 * MIB))
  for (let sent = 0; sent < 8 * MIB; sent += MIB) await client.send(Buffer.alloc(MIB))
  client.resume()
  const response = await client.read()
  expect([response.status, response.text]).toEqual([status, expect.stringContaining(code)])
})

test('a response to OPTIONS * closes the connection when the body has not come yet', async () => {
  const stand = await openStand()
  const client = await stand.connect()
  await client.send('OPTIONS * HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n')
  const response = await client.read()
  expect([response.status, response.header('connection')]).toEqual([204, 'close'])
})

test('a body over REPLAY_BODY_SIZE is sent once, also when all of it came behind another request', async () => {
  const stand = await openStand({ env: { REPLAY_BODY_SIZE: '0' }, revoked: () => 1 })
  const client = await stand.connect()
  await client.send(get() + post('x'.repeat(500)))
  expect(await client.read()).toMatchObject({ status: 200 })
  await client.read()
  const posts = stand.business().filter(({ method }) => method === 'POST')
  expect(posts.map(({ body }) => body.length)).toEqual([500])
})
