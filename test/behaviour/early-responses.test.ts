import { expect, test } from 'vitest'
import { chunkedPost, openStand, post } from '../proxy/stand.ts'
import { responseBytes } from '../support/raw-upstream.ts'

test.each([
  ['of that length', post('x'.repeat(200_000))],
  ['in chunks', chunkedPost(['x'.repeat(150_000)])],
  ['in small chunks', chunkedPost(Array.from({ length: 200 }, () => 'x'.repeat(1000)))],
])('a body that is too large gets a whole 413 while it is sent: %s', async (_name, bytes) => {
  const stand = await openStand({ env: { MAX_BODY_SIZE: '100KiB' } })
  const client = await stand.connect()
  await client.send(bytes)
  expect(await client.readProblem()).toMatchObject({ status: 413, code: 'too-large', sent: 'no' })
  expect(await client.closed()).toMatchObject({ reset: false })
  expect(stand.business()).toHaveLength(0)
  expect(await stand.metric('requests_total{outcome="refused",cause="too-large"}')).toBe(1)
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
