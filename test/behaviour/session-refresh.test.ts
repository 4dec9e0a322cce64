import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

const RENEWAL = 240_000

test.each([400, 401, 403, 500, 'result'] as const)(
  'a refresh that is refused (%s) is followed by a login, and calls go on',
  async (refreshRejection) => {
    const world = await openTimedWorld({ simulator: { switches: { refreshRejection } } })
    world.sim.revokeRefresh()

    await world.pass(RENEWAL + 500)

    expect(world.sim.state()).toMatchObject({ logins: 2, refreshesRejected: 1 })
    expect((await world.tasks()).status).toBe(200)
    // The refresh token that came with the login is tried again.
    await world.pass(RENEWAL)
    expect(world.sim.state()).toMatchObject({ logins: 2, refreshes: 1 })
  },
)

test('refresh tokens that can be used once are used once each', async () => {
  const world = await openTimedWorld({ simulator: { switches: { rotate: true } } })

  await world.pass(5 * RENEWAL)

  expect(world.sim.state()).toMatchObject({ logins: 1, refreshes: 5, refreshesRejected: 0 })
  expect((await world.tasks()).status).toBe(200)
})

test.each([404, 405])(
  'a refresh path that responds %i is tried again after an hour, and logins serve until then',
  async (status) => {
    const world = await openTimedWorld()
    world.sim.failRefresh({ status })

    await world.pass(15 * RENEWAL)
    expect(world.sim.state()).toMatchObject({ refreshAttempts: 1, logins: 16 })
    await world.pass(RENEWAL)
    expect(world.sim.state()).toMatchObject({ refreshes: 1, logins: 16 })
    expect((await world.tasks()).status).toBe(200)
    expect(world.said().filter((line) => line.includes('refresh'))).toEqual([
      'warn refresh-refused',
    ])
  },
)

test('a revoked token is refreshed; when that gives it back, a login follows immediately', async () => {
  const world = await openTimedWorld()
  await world.tasks()
  const [token = ''] = world.sim.issued()
  world.sim.revoke()
  world.sim.set({ refreshHeader: false })
  const grant = { token, tokenExpirationTime: 300, refreshToken: 'r' }
  world.sim.failRefresh({ status: 200, body: { result: 0, resultData: grant } })

  expect((await world.tasks()).status).toBe(200)

  expect(world.sim.state()).toMatchObject({ refreshAttempts: 1, logins: 2 })
})

test.each([
  ['english', {}],
  [
    'chinese',
    {
      ISALES_TOKEN_HEADERS: 'Authentication',
      ISALES_TOKEN_FIELD: 'refreshToken',
      ISALES_REFRESH_HEADER_TOKEN: 'refreshToken',
    },
  ],
] as const)('in the %s edition all of it works alike', async (edition, env) => {
  const world = await openTimedWorld({ env, simulator: { switches: { edition } } })
  for (let renewal = 0; renewal < 20; renewal += 1) {
    await world.pass(RENEWAL)
    expect((await world.tasks()).status).toBe(200)
  }
  world.sim.revoke()

  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.state().refreshes).toBeGreaterThan(10)
  expect(world.sim.state().businessRejected).toBe(1)
})
