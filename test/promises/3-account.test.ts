// Guarantee 3: at most 4 logins with a wrong password in 15 min, across restarts, signals and commands of real programs. Property 10 of
// the simulation asks it for any answers, kills, clients and replicas, and the same for token requests with a right password.
// Sequences of failures are in test/token/account.property.test.ts.
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { MAX_DISK_WAIT } from '../../src/token/attempt-file.ts'
import { runHere } from '../cli/stand.ts'
import { manualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

vi.setConfig({ testTimeout: 120_000 })

const MINUTE = 60_000

test('a restart and renew every minute, and check --live in three of them, make 4 logins in 15 min', async () => {
  const env = { STATE_DIR: temporaryDirectory(), ISALES_PASSWORD: 'out-of-date' }
  // Commands have the machine's date. Compared with the proxy's date, it was set back.
  let date = Date.now()
  let logins = 0
  for (let minute = 0; minute < 15; minute += 1) {
    const manual = manualClock()
    /** The disk is real, and other tests use it as well: its second is a minute. */
    const setTimer: Clock['setTimer'] = (run, ms) =>
      manual.setTimer(run, ms === MAX_DISK_WAIT ? MINUTE : ms)
    const clock = { ...manual, date: () => date, setTimer }
    const simulator = { now: clock.now }
    const world = await openWorld({ ready: false, env, clock, simulator, random: () => 0.5 })
    const quiet = () =>
      until(async () => {
        if ((await world.status()).groups.renewal.inProgress === undefined) return true
        await delay(20)
        await clock.advance(5)
        return false
      }, 20_000)
    /** Advances from timer to timer, so that time stands still while a login may begin. */
    const pass = async (ms: number) => {
      for (let left = ms; left > 0;) {
        const step = Math.min(left, Math.max(1, clock.waiting()[0] ?? left))
        await clock.advance(step)
        left -= step
        await quiet()
      }
    }
    await quiet()
    await until(() => world.events.length > 0, 20_000)
    await world.app.renew()
    await quiet()
    // A pause ends 3 s after the last failure at the earliest.
    await pass(3000)
    const command = { ...env, ISALES_URL: world.sim.origin, ISALES_USER: world.sim.switches.user }
    if (minute % 7 === 0) await runHere(['check', '--live', '--quiet'], { env: command })
    await pass(MINUTE - 3000)
    date += MINUTE
    logins += world.sim.state().loginAttempts
    await world.stop()
  }

  expect(logins).toBe(4)
})
