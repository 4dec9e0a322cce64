import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openWorld } from '../support/world.ts'
import { call } from '../support/call.ts'

test('a blocked event loop makes calls slow and shows as a metric', async () => {
  const world = await openWorld()
  const lag = 'nodejs_eventloop_lag_max_seconds'
  await world.metric(lag)
  // A scrape restarts the measurement, and its first sample, due every 50 ms, only sets the start.
  await delay(200)

  const response = world.tasks()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)

  expect((await response).status).toBe(200)
  expect((await call(`${world.admin}/livez`)).status).toBe(200)
  expect(await world.metric(lag)).toBeGreaterThan(0.2)
})
