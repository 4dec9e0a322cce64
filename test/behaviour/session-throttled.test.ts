import { expect, test } from 'vitest'
import { openTimedWorld } from './session-world.ts'

test.each([
  ['42', 42],
  ['Sun, 01 Mar 2026 12:00:30 GMT', 30],
  ['86400', 300],
])(
  'a login that gets 429 with Retry-After %j is tried again after %d s, and the client is asked to come back in 5 s',
  async (retryAfter, seconds) => {
    const world = await openTimedWorld({
      ready: false,
      prepare: (sim) => sim.failLogin({ status: 429, retryAfter }),
    })
    await world.settled()

    const response = await world.tasks()

    expect(response).toMatchObject({ status: 503, json: { code: 'no-token' } })
    expect(response.header('Retry-After')).toBe('5')
    const failures = 'isales_proxy_auth_failures_total{operation="login",reason="throttled"}'
    expect(await world.metric(failures)).toBe(1)
    await world.pass(seconds * 1000 - 1)
    expect(world.exchanges()).toBe(1)
    await world.pass(1)
    expect((await world.tasks()).status).toBe(200)
  },
)
