import { describe, expect, test } from 'vitest'
import { INTERFACE_PATHS, UPLOAD_PATH } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { connectRaw } from '../support/raw-client.ts'
import { openWorld, type World } from '../support/world.ts'

function head(path: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`
}

/** The calls that the status page counts as good or failed. */
async function lastMinute({ admin }: World): Promise<unknown> {
  const { requests } = (await call(`${admin}/status.json`)).json
  return (requests as { readonly lastMinute: unknown }).lastMinute
}

/** Over what is kept for a replay, so that it streams when so much of it is there. */
const LARGE = 100_000
const STREAMED = 'x'.repeat(70_000)

describe.each([
  ['kept', INTERFACE_PATHS.getTask, 100, 'half'],
  ['streamed', UPLOAD_PATH, LARGE, STREAMED],
])('a body that is %s', (_name, path, size, half) => {
  const length = head(path, `Content-Length: ${size}`)
  const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`

  test.each([
    ['stops', 408, length + half, { bodyIdleTimeout: 100 }],
    ['breaks off', 400, length + half, {}],
    ['has a broken chunk', 400, `${head(path, 'Transfer-Encoding: chunked')}${chunk}zz\r\n`, {}],
  ])('and %s gets a %s, and iSales never has it whole', async (what, status, bytes, limits) => {
    const world = await openWorld({ env: { CLIENT_DEADLINE: '30s' }, limits })
    const client = await connectRaw(world)
    await client.send(bytes)
    if (what === 'breaks off') client.end()
    const response = await client.read()
    expect(response.status).toBe(status)
    // The rest comes too late.
    if (what === 'stops') await client.send('x'.repeat(size - half.length))
    expect((await client.closed()).left.length).toBe(0)
    const { code } = JSON.parse(response.text) as { readonly code: string }
    expect(await world.metric(`isales_proxy_request_errors_total{code="${code}"}`)).toBe(1)
    // It says nothing of iSales, good or bad.
    expect(await lastMinute(world)).toMatchObject({ total: 0, failed: 0 })
    expect((await world.tasks()).status).toBe(200)
    expect(await lastMinute(world)).toMatchObject({ total: 1, failed: 0 })
    expect(world.sim.requests()).toHaveLength(1)
  })
})
