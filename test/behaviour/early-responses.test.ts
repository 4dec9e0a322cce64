import { expect, test } from 'vitest'
import { chunkedPost, openStand, post } from '../proxy/stand.ts'

test.each([
  ['of known length', post('x'.repeat(200_000))],
  ['in chunks', chunkedPost(['x'.repeat(150_000)])],
  ['in small chunks', chunkedPost(Array.from({ length: 200 }, () => 'x'.repeat(1000)))],
])('a body that is too large, %s, gets a complete 413 while it is sent', async (_name, bytes) => {
  const stand = await openStand({ env: { MAX_BODY_SIZE: '100KiB' } })
  const client = await stand.connect()
  await client.send(bytes)
  expect(await client.readProblem()).toMatchObject({ status: 413, code: 'too-large', sent: 'no' })
  expect(await client.closed()).toMatchObject({ reset: false })
  expect(stand.business()).toHaveLength(0)
})
