import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, PATH, post } from '../proxy/stand.ts'
import { responseBytes } from '../support/raw-upstream.ts'

test('a chunked response that comes before the end of the upload is whole, although the client stops', async () => {
  const early = 'HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  const stand = await openStand({ onHead: ({ target }) => (target === PATH ? [early] : []) })
  const client = await stand.connect()
  await client.send(post('x'.repeat(200_000)).slice(0, -100_000))
  expect(await client.read()).toMatchObject({ status: 403, framing: 'chunked', text: 'hello' })
  expect(await client.closed()).toMatchObject({ reset: false })
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

test('a body in chunks that turns out too large, when the response has begun, cuts it and goes on no longer', async () => {
  const early = ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly', { waitMs: 10_000 }]
  const stand = await openStand({
    onHead: ({ target }) => (target === PATH ? early : []),
    env: { MAX_BODY_SIZE: '100KiB', REPLAY_BODY_SIZE: '1KiB' },
  })
  const client = await stand.connect()
  const whole = chunkedPost(['x'.repeat(50_000), 'x'.repeat(60_000)])
  await client.send(whole.slice(0, 51_000))
  await until(() => client.left().includes('early'))
  await client.send(whole.slice(51_000))
  await client.closed()
  expect(stand.business()).toHaveLength(0)
  await stand.idle()
  expect(await stand.metric('request_errors_total{code="too-large"}')).toBe(1)
})

test('a rejection whose body stalls does not keep the replay from the only connection', async () => {
  let count = 0
  const stand = await openStand({
    respond: () =>
      (count += 1) === 1
        ? ['HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nno', { waitMs: 10_000 }]
        : responseBytes('healed'),
    config: { isalesMaxConnections: 1 },
  })
  expect(await stand.exchange(post('x'))).toMatchObject({ status: 200, text: 'healed' })
})
