import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { openTimedWorld } from './session-world.ts'

test.each([0, 'soon', undefined])(
  'a lifetime of %j is taken for 300 s, with one WARN, and never a hot loop',
  async (tokenLifetime) => {
    const omit = tokenLifetime === undefined ? ['tokenExpirationTime'] : []
    const world = await openTimedWorld({
      simulator: { switches: { tokenLifetime, tokenLives: 300, omit } },
    })

    await world.pass(1_000_000)

    expect(world.exchanges()).toBe(5)
    expect((await world.tasks()).status).toBe(200)
    const warnings = world.said().filter((line) => line.startsWith('warn'))
    expect(warnings).toEqual(['warn lifetime-assumed'])
    expect(await world.metric('isales_proxy_auth_lifetime_assumed_total')).toBe(5)
  },
)

test('a lifetime that is not true is found out by the first call, which does not notice', async () => {
  const world = await openTimedWorld({ simulator: { switches: { tokenLives: 60 } } })
  for (let minute = 0; minute < 10; minute += 1) {
    expect((await world.tasks()).status).toBe(200)
    await world.pass(60_000)
  }
  expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(0)
})

test.each(['extended', 'remaining', 'unextended'] as const)(
  'the same token coming back (%s) costs no client anything, and never makes a hot loop',
  async (sameToken) => {
    const world = await openTimedWorld({
      env: { ISALES_REFRESH_PATH: 'off' },
      simulator: { switches: { sameToken } },
    })

    const statuses = new Set<number>()
    for (let second = 0; second < 1200; second += 4) {
      statuses.add((await world.tasks()).status)
      await world.pass(4000)
    }

    expect(statuses).toEqual(new Set([200]))
    // 5 renewals in 20 min were due; what is left of a token is asked for ever more often, but not without end.
    expect(world.exchanges()).toBeLessThan(sameToken === 'remaining' ? 60 : 12)
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(0)
  },
)

test('the token of a call that outlives four renewals is not in the headers of its response', async () => {
  const world = await openTimedWorld({
    simulator: { switches: { tokenLifetime: 60, tokenLives: 600, echoToken: true } },
    env: { CLIENT_DEADLINE: '0' },
  })
  world.sim.hang({ operation: 'business' })
  const call = world.tasks()
  await until(() => world.sim.state().hanging === 1)
  await world.pass(60_000 * 5)
  expect(world.sim.issued().length).toBeGreaterThan(5)
  world.sim.release()
  const response = await call
  expect(response.status).toBe(200)
  expect(response.header('x-echo-token')).toBeUndefined()
})
