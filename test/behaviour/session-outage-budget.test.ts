import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

test('while every login fails, calls go on to the true end of the token, and the budget says when', async () => {
  const world = await openTimedWorld()
  world.sim.failRefresh({ status: 503, times: 'always' })
  world.sim.failLogin({ status: 503, times: 'always' })
  const seen: (readonly [number, number, number])[] = []

  for (let second = 0; second <= 300; second += 5) {
    const response = world.tasks()
    if (second >= 295) await world.jump(2500)
    const { status } = await response
    const budget = await world.metric('isales_proxy_outage_budget_seconds')
    seen.push([second, status, budget])
    await world.pass(second >= 295 ? 2500 : 5000)
  }

  // 300 s of life less 5 s: a request that is sent later could arrive after the end.
  const expected = seen.map(([second]) =>
    second < 295 ? [second, 200, 295 - second] : [second, 503, 0],
  )
  expect(seen).toEqual(expected)
  expect(world.sim.state().businessRejected).toBe(0)
  expect(await world.metric('isales_proxy_authenticated')).toBe(0)
})
