import { expect, test, vi } from 'vitest'
import { openTimedWorld } from './session-world.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'

vi.setConfig({ testTimeout: 60_000 })

test('a wrong password costs 3 logins in 4 min with a restart each 10 s, with STATE_DIR', async () => {
  const env = { STATE_DIR: temporaryDirectory(), ISALES_PASSWORD: 'wrong' }
  // The date goes on over the restarts.
  let date = Date.parse('2026-03-01T12:00:00Z')
  let attempts = 0
  for (let run = 0; run < 24; run += 1) {
    const world = await openTimedWorld({ ready: false, env, wallClock: () => date })
    // The login has begun, or is deferred.
    await until(() => world.events.length > 0, 20_000)
    await world.settled()
    for (let half = 0; half < 2; half += 1) {
      await world.pass(4999)
      date += 5000
      await world.pass(1)
      await until(async () => {
        const { json } = await call(`${world.admin}/status.json`)
        return (json['renewal'] as { exchange: unknown }).exchange === null
      })
    }
    attempts += world.sim.state().loginAttempts
    await world.stop()
  }
  expect(attempts).toBe(3)
})
