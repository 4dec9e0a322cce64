import { expect, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Exchange } from '../../src/upstream/exchange.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const throws = (): never => {
  throw new TypeError('a defect')
}

const CLIENT_DEADLINE = 2771

const clock = {
  ...systemClock,
  setTimer: (run: () => void, ms: number) =>
    ms === CLIENT_DEADLINE ? throws() : systemClock.setTimer(run, ms),
}

test.each([
  ['before it is forwarded', { clock }],
  ['when its response is there', {}],
])(
  'a defect of the proxy that a call meets %s is counted, logged and shown once',
  async (_name, defect) => {
    const world = await openWorld({ ...defect, env: { CLIENT_DEADLINE: `${CLIENT_DEADLINE}ms` } })
    vi.spyOn(Exchange.prototype, 'collected').mockImplementation(throws)
    const { status, json, text } = await world.tasks()
    expect([status, json]).toMatchObject([500, { code: 'internal', sent: 'unknown' }])
    expect(text).not.toContain('defect')

    const unexpected = world.lines.filter(({ event }) => event === 'unexpected')
    expect(unexpected).toMatchObject([{ requestId: json['requestId'] }])
    expect(
      await world.metric('isales_proxy_requests_total{outcome="failed",cause="internal"}'),
    ).toBe(1)
    expect(await world.status()).toMatchObject({
      groups: { calls: { callsInMinute: 1, failed: 1 } },
      failedCalls: [{ cause: 'internal' }],
    })
    await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 0)
  },
)
