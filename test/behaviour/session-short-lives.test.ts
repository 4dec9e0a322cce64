import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { openTimedWorld } from './session-world.ts'

const STEP = 100
const LENGTH = 10_000

test.each([1, 1.01, '2.5', 4])(
  'a lifetime of %j s is believed: calls are served, none carries an ended token, one exchange a second',
  async (tokenLifetime) => {
    const world = await openTimedWorld({ simulator: { switches: { tokenLifetime } } })
    const responses: Promise<{ readonly status: number }>[] = []

    for (let ms = 0; ms < LENGTH; ms += STEP) {
      responses.push(world.tasks())
      await world.pass(STEP)
    }
    await world.pass(2000)

    const statuses = await Promise.all(responses.map(async (one) => (await one).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    // The simulator's clock is the same: a token that was sent past its end would have been refused.
    expect(world.sim.state()).toMatchObject({ businessRejected: 0, business: responses.length })
    expect(world.exchanges()).toBeLessThanOrEqual(LENGTH / 1000 + 3)
    expect(await world.metric('isales_proxy_auth_lifetime_assumed_total')).toBe(0)
  },
)

test('a call that waited for a connection until its token had ended leaves with the next one', async () => {
  const world = await openTimedWorld({
    env: { ISALES_MAX_CONNECTIONS: '1' },
    simulator: { switches: { tokenLifetime: 1 } },
  })
  world.sim.hang({ operation: 'business' })
  const first = world.tasks()
  await until(() => world.sim.state().hanging === 1)
  const second = world.tasks()
  await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 2)

  await world.pass(1200)
  world.sim.release()

  expect([(await first).status, (await second).status]).toEqual([200, 200])
  expect(world.sim.state()).toMatchObject({ business: 2, businessRejected: 0 })
})
