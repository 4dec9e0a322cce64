import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

test.each([401, 403])(
  'when every token is rejected, the %i is relayed, and at most one token in 30 s is bought',
  async (status) => {
    const world = await openTimedWorld({ env: { ISALES_REFRESH_PATH: 'off' } })
    world.sim.failBusiness({ status, times: 'always' })
    const first = await world.tasks()
    const { logins } = world.sim.state()

    const responses = [first]
    for (let call = 0; call < 60; call += 1) {
      await world.pass(500)
      responses.push(await world.tasks())
    }

    expect(responses.map((response) => response.status)).toEqual(responses.map(() => status))
    expect(responses.map(({ json }) => json.result)).toEqual(responses.map(() => status))
    expect(logins).toBe(2)
    // After 30 s one more.
    expect(world.sim.state().logins).toBe(3)
    for (let call = 0; call < 110; call += 1) {
      await world.pass(500)
      await world.tasks()
    }
    expect(world.sim.state().logins).toBe(4)
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(0)
    const relayed = world.said().filter((line) => line === 'warn rejection-relayed')
    expect(relayed).toHaveLength(1)
  },
)

test('a storm of calls with tokens that are all rejected buys one token', async () => {
  const world = await openTimedWorld()
  world.sim.failBusiness({ status: 403, times: 'always' })

  const responses = await Promise.all(Array.from({ length: 200 }, () => world.tasks()))

  expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([403]))
  expect(world.exchanges()).toBe(2)
  const { businessRejected } = world.sim.state()
  expect(businessRejected).toBeLessThanOrEqual(400)
})
