import { expect, test } from 'vitest'
import { openWorld } from '../support/world.ts'

test('200 requests that come during a slow login (800 ms) are all served, by one login', async () => {
  const world = await openWorld({
    ready: false,
    prepare: (sim) => sim.slow({ operation: 'login', ms: 800 }),
  })

  const responses = await Promise.all(Array.from({ length: 200 }, () => world.tasks()))

  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200))
  expect(world.sim.state()).toMatchObject({ loginAttempts: 1, logins: 1, business: 200 })
  expect(world.sim.state().businessRejected).toBe(0)
})
