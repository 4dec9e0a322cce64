import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

test.each(['remaining', 'unextended'] as const)(
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
