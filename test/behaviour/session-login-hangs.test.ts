import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { openTimedWorld } from './session-world.ts'

const hang = { operation: 'login', times: 'always' } as const

test('a request ends with 503 after its wait (2.5 s) while a login hangs', async () => {
  const world = await openTimedWorld({ ready: false, prepare: (sim) => sim.hang(hang) })

  const response = world.tasks()
  await world.waiting(1)
  await world.jump(2499)
  await world.waiting(1)
  await world.jump(1)

  expect(await response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
  expect(world.sim.state()).toMatchObject({ loginAttempts: 1, hanging: 1, business: 0 })
  // Liveness depends on nothing outside.
  expect(await world.probe('/livez')).toMatchObject({ status: 200, json: { status: 'live' } })
  expect(await world.probe('/startupz')).toMatchObject({ status: 200 })
  expect(await world.probe('/readyz')).toMatchObject({ status: 503 })
})

test('a login that hangs ends by its own limit, and the next follows by back-off', async () => {
  const world = await openTimedWorld({
    ready: false,
    env: { ISALES_LOGIN_TIMEOUT: '300ms' },
    prepare: (sim) => sim.hang(hang),
  })

  await world.settled()

  expect(world.waits()).toEqual([5000])
  const failures = 'isales_proxy_auth_failures_total{operation="login",reason="timeout"}'
  expect(await world.metric(failures)).toBe(1)
  await world.pass(5000)
  expect(world.waits()).toEqual([5000, 10_000])
  await until(() => world.sim.state().hanging === 0)
})
