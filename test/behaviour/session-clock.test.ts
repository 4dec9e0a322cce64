import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

const HOUR = 3_600_000
const DATE = Date.parse('2026-03-01T12:00:00Z')

test.each([HOUR, -HOUR, 365 * 24 * HOUR])(
  'a date that jumps by %d ms makes no exchange and ends no token',
  async (jump) => {
    let date = DATE
    const world = await openTimedWorld({ wallClock: () => date })
    date += jump

    await world.pass(239_000)

    expect((await world.tasks()).status).toBe(200)
    expect(world.exchanges()).toBe(1)
    expect(await world.metric('isales_proxy_outage_budget_seconds')).toBe(56)
    await world.pass(1000)
    expect(world.exchanges()).toBe(2)
    // What is shown as a date goes by the date as it is now.
    const expiry = await world.metric('isales_proxy_token_expiry_timestamp_seconds')
    expect(expiry).toBe(date / 1000 + 300)
  },
)
