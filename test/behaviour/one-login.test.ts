// The figures of docs/benchmarks.md rest on this.
import { Agent } from 'node:http'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openWorld } from '../support/world.ts'

test('300 calls need one login and no more connections than there are clients', async () => {
  const world = await openWorld()
  const before = world.sim.state().connections
  const agent = new Agent({ keepAlive: true, maxSockets: 10 })
  const statuses = new Set<number>()
  for (let round = 0; round < 30; round += 1) {
    const calls = Array.from({ length: 10 }, () =>
      world.request(INTERFACE_PATHS.getTask, { method: 'POST', agent, body: '{}' }),
    )
    for (const { status } of await Promise.all(calls)) statuses.add(status)
  }
  agent.destroy()

  expect(statuses).toEqual(new Set([200]))
  expect(world.sim.state().connections - before).toBeLessThanOrEqual(10)
  expect(world.sim.state()).toMatchObject({ logins: 1, refreshes: 0 })
})
