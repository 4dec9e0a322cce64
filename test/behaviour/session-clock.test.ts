import { afterEach, expect, test, vi } from 'vitest'
import { openWorld } from '../support/world.ts'
import { openTimedWorld } from './session-world.ts'

afterEach(() => vi.useRealTimers())

const HOUR = 3_600_000
const DATE = Date.parse('2026-03-01T12:00:00Z')

test.each([365 * 24 * HOUR, -HOUR])(
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

test.each([HOUR, -HOUR])(
  'a date of the machine that jumps by %d ms moves nothing in an app on its own clock',
  async (jump) => {
    const world = await openWorld()
    const budget = (): Promise<number> => world.metric('isales_proxy_outage_budget_seconds')
    const before = await budget()
    const { loginAttempts, refreshAttempts } = world.sim.state()

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump })

    expect((await world.tasks()).status).toBe(200)
    expect(await budget()).toBeGreaterThan(before - 60)
    expect(await budget()).toBeLessThanOrEqual(before)
    expect(world.sim.state()).toMatchObject({ loginAttempts, refreshAttempts })
  },
)
