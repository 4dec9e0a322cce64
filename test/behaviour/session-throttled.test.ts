import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

test.each([
  ['7', 7000],
  ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
  ['86400', 300_000],
  ['soon', 375],
])(
  'a login with a response 429 with Retry-After %j is tried again after %d ms',
  async (told, ms) => {
    const world = await openTimedWorld({
      ready: false,
      prepare: (sim) => sim.failLogin({ status: 429, retryAfter: told }),
    })
    await world.settled()

    expect(world.waits()).toEqual([ms])
    const failures = 'isales_proxy_auth_failures_total{operation="login",reason="throttled"}'
    expect(await world.metric(failures)).toBe(1)
    await world.pass(ms - 1)
    expect(world.exchanges()).toBe(1)
    await world.pass(1)
    expect(world.exchanges()).toBe(2)
    expect((await world.tasks()).status).toBe(200)
  },
)

test('the client gets 503 immediately, with when to come again', async () => {
  const world = await openTimedWorld({
    ready: false,
    env: { RETRY_AFTER_MAX: '1m' },
    prepare: (sim) => sim.failLogin({ status: 429, retryAfter: 42 }),
  })
  await world.settled()

  const response = await world.tasks()

  expect(response).toMatchObject({ status: 503, json: { code: 'no-token' } })
  expect(response.header('Retry-After')).toBe('42')
})

test('a renewal that is throttled leaves calls alone while the token is good', async () => {
  const world = await openTimedWorld()
  world.sim.failRefresh({ status: 429, retryAfter: 50 })

  await world.pass(289_000)

  expect((await world.tasks()).status).toBe(200)
  await world.pass(1000)
  expect(world.sim.state()).toMatchObject({ refreshAttempts: 1, logins: 2 })
  expect((await world.tasks()).status).toBe(200)
})
