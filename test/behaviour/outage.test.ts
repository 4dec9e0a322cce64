import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openWorld } from '../support/world.ts'

// The rule itself is in test/upstream/outage.test.ts, the pauses are in test/proxy/retry.test.ts. `npm run truth` closes the
// port for a second, which costs no call.

test('in a longer outage, calls share the failures of few attempts and do not wait for iSales', async () => {
  let skipped = 0
  const clock = { ...systemClock, now: () => systemClock.now() + skipped }
  const { sim, tasks, metric } = await openWorld({ clock, env: { CLIENT_DEADLINE: '30s' } })
  const attempts = () => metric('isales_proxy_upstream_connect_failures_total')
  await sim.down()
  const first = tasks()
  await delay(100)
  skipped = 5000
  expect(await first).toMatchObject({ status: 502, json: { code: 'upstream-unreachable' } })
  const [before, startedAt] = [await attempts(), performance.now()]
  for (let n = 0; n < 5; n += 1) {
    const calls = await Promise.all(Array.from({ length: 40 }, () => tasks()))
    for (const { status, json } of calls) expect([status, json.sent]).toEqual([502, 'no'])
  }
  const took = performance.now() - startedAt
  // Calls that wait would take 28 s.
  expect(took).toBeLessThan(15_000)
  expect((await attempts()) - before).toBeLessThanOrEqual(took / 50 + 2)
})
