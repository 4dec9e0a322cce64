import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

const MINUTE = 60_000

const HOUR = 60 * MINUTE
const REFUSALS = [
  [400, 400, 'rejected'],
  [401, 401, 'rejected'],
  [403, 403, 'rejected'],
  [500, 500, 'result'],
  ['result', 200, 'result'],
] as const

test.each(REFUSALS)(
  'a refused login (%s, status %i) is 503 for the client, and tried after 5 s, 10 s, 15 min, then each 4 h',
  async (loginRejection, status, reason) => {
    const world = await openTimedWorld({
      ready: false,
      env: { ISALES_PASSWORD: 'out-of-date' },
      simulator: { switches: { loginRejection, lockAfter: 0 } },
    })
    await world.settled()

    const response = await world.tasks()

    expect(response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
    expect(response.header('Retry-After')).toBe('5')
    await world.pass(9 * HOUR)
    expect(world.waits()).toEqual([5000, 10_000, 15 * MINUTE, 4 * HOUR, 4 * HOUR, 4 * HOUR])
    expect(world.sim.state()).toMatchObject({ loginAttempts: 6, loginsRejected: 6 })
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(6)
    expect(await world.metric('isales_proxy_auth_backoff_state{state="guarded"}')).toBe(1)
    expect(world.lines.find(({ event }) => event === 'guarded')).toMatchObject({ status })
  },
)

test('a login that is refused while the token is good leaves calls and readiness alone', async () => {
  const world = await openTimedWorld()
  await world.tasks()
  world.sim.wrongPassword()
  world.sim.revokeRefresh()

  await world.pass(290_000)

  expect(world.sim.state().loginsRejected).toBe(3)
  expect((await world.tasks()).status).toBe(200)
  expect((await world.probe('/readyz')).status).toBe(200)
  await world.pass(5000)
  expect(await world.tasks()).toMatchObject({ status: 503, json: { code: 'no-token' } })
  const ready = await world.probe('/readyz')
  expect(ready.status).toBe(503)
  expect(ready.json).toMatchObject({ reason: 'no-token', lastFailure: 'rejected' })
})
