// Promise 1: CTI-OBS never sees an authentication error that a login could have cured, and always
// sees one that no login can cure, as iSales sent it.
import { expect, test } from 'vitest'
import { openTimedWorld } from '../behaviour/session-world.ts'
import { openWorld } from '../support/world.ts'

test('a revoked token is replaced by one login, and no client notices', async () => {
  const world = await openWorld({ simulator: { switches: { singleSession: true } } })
  await world.tasks()
  world.sim.revoke()
  world.sim.revokeRefresh()

  const responses = await Promise.all(Array.from({ length: 50 }, () => world.tasks()))

  expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]))
  expect(world.sim.state().logins).toBe(2)
})

test('a token that ends is replaced ahead of its end, and no call waits', async () => {
  const world = await openTimedWorld({ simulator: { switches: { tokenLifetime: 300 } } })

  const statuses = new Set<number>()
  while (world.sim.state().refreshes < 2) {
    statuses.add((await world.tasks()).status)
    await world.pass(5000)
  }

  expect(statuses).toEqual(new Set([200]))
  expect(world.sim.state().businessRejected).toBe(0)
})

test('a rejection that a new token does not cure reaches the client as iSales sent it', async () => {
  const world = await openWorld()
  await world.tasks()
  world.sim.failBusiness({
    status: 401,
    body: { result: 401, message: 'service not purchased' },
    times: 'always',
  })

  const response = await world.tasks()

  expect(response.status).toBe(401)
  expect(response.json).toEqual({ result: 401, message: 'service not purchased' })
})
