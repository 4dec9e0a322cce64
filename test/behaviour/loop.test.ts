import { expect, test } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import { call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import { openWorld } from '../support/world.ts'

test('a proxy whose ISALES_URL leads back to itself refuses the first repeated request as a loop', async () => {
  const port = await freePort()
  const own = `http://127.0.0.1:${port}`
  const world = await openWorld({ env: { LISTEN: `127.0.0.1:${port}`, ISALES_URL: own } })
  const response = await world.tasks()
  expect(response.status).toBe(508)
  expect(response.json).toMatchObject({ code: 'loop-detected', sent: 'no' })
  for (const outcome of ['refused', 'failed']) {
    const ended = `isales_proxy_requests_total{outcome="${outcome}",cause="loop-detected"}`
    expect(await world.metric(ended)).toBe(1)
  }
  const status = (await call(`${world.admin}/status.json`)).json as unknown as Status
  expect(status.findings[0].cause).toBe('loop-detected')
})

test('one proxy may be in front of another', async () => {
  const inner = await openWorld()
  const outer = await openWorld({ env: { ISALES_URL: inner.proxy } })
  expect((await outer.tasks()).status).toBe(200)
})
