import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { openTimedWorld } from '../support/timed-world.ts'

const HOUR = 3_600_000

test('an idle standby makes no token requests, stays ready, and its next call logs in first; if that fails, it is not ready', async () => {
  const world = await openTimedWorld({
    env: { TOKEN_IDLE_AFTER: '5m' },
    simulator: { switches: { singleSession: true } },
  })
  await world.tasks()

  await world.pass(2 * HOUR)

  expect(world.exchanges()).toBe(2)
  expect((await call(`${world.admin}/readyz`)).status).toBe(200)
  expect(await world.metric('isales_proxy_authenticated')).toBe(0)
  expect((await world.tasks()).status).toBe(200)
  expect(world.exchanges()).toBe(3)

  await world.pass(2 * HOUR)
  world.sim.wrongPassword()
  expect((await world.tasks()).status).toBe(503)
  expect((await call(`${world.admin}/readyz`)).status).toBe(503)
}, 60_000)
