import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

const RENEWAL = 240_000

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
