import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { connectRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

function head(path: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`
}

const SIZE = 100_000

test.each([
  ['stops', 408, 'length', 'request-timeout', 'refused'],
  ['breaks off', 400, 'length', 'bad-request', 'stray'],
  ['has a broken chunk', 400, 'chunks', 'bad-request', 'refused'],
])('a body that %s gets a %s, and iSales never has it', async (...row) => {
  const [what, status, framing, code, outcome] = row
  const world = await openWorld({ env: { CLIENT_DEADLINE: '300ms' } })
  const client = await connectRaw(world)
  if (framing === 'length')
    await client.send(head(INTERFACE_PATHS.getTask, `Content-Length: ${SIZE}`) + 'x'.repeat(70_000))
  else {
    const chunk = `${SIZE.toString(16)}\r\n${'x'.repeat(SIZE)}\r\n`
    await client.send(
      `${head(INTERFACE_PATHS.getTask, 'Transfer-Encoding: chunked')}${chunk}zz\r\n`,
    )
  }
  if (what === 'breaks off') client.end()
  const response = await client.read()
  expect(response).toMatchObject({ status })
  expect(JSON.parse(response.text)).toMatchObject({ code, sent: 'no' })
  // The rest comes too late.
  if (what === 'stops') await client.send('x'.repeat(SIZE - 70_000))
  expect((await client.closed()).left.length).toBe(0)
  expect(await world.metric(`isales_proxy_requests_total{outcome="${outcome}"}`)).toBe(1)
  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.requests()).toHaveLength(1)
})
