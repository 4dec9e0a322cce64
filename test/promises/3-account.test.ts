// Guarantee 3: at most 4 logins with a wrong password in 15 min, over restarts, clients, signals and commands. With a right
// password, at most 25 token requests per minute, or 40 if iSales ends tokens. Two processes with one STATE_DIR are in
// test/behaviour/state-dir.test.ts, replicas with a store in test/store/programs.test.ts, and sequences of failures in
// test/token/account.property.test.ts.
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { openTimedWorld } from '../support/timed-world.ts'
import { runHere } from '../cli/stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'

vi.setConfig({ testTimeout: 120_000 })

const MINUTE = 60_000
const openWith = (ISALES_PASSWORD: string) =>
  openTimedWorld({
    ready: false,
    env: { ISALES_PASSWORD },
    simulator: { switches: { lockAfter: 5 } },
  })

test('a wrong password does not lock an account that five wrong passwords in a row lock', async () => {
  const world = await openWith('out-of-date')
  await world.pass(29 * MINUTE)

  expect(world.sim.state()).toMatchObject({ loginsRejected: 4, locks: 0 })
  const response = await world.tasks()
  expect(response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
  // The login pause is longer, but a client may sleep as long as the response asks.
  expect(response.header('Retry-After')).toBe('5')
})

test('a restart and renew every minute, and check --live in three of them, make 4 logins in 15 min', async () => {
  const env = { STATE_DIR: temporaryDirectory(), ISALES_PASSWORD: 'out-of-date' }
  // Commands have the machine's date. Compared with the proxy's date, it was set back.
  let date = Date.now()
  let logins = 0
  for (let minute = 0; minute < 15; minute += 1) {
    const world = await openTimedWorld({ ready: false, env, wallClock: () => date })
    /** The disk is real: it gets 25 ms of the world every 100 ms. */
    const quiet = () =>
      until(async () => {
        if ((await world.status()).renewal.tokenRequest === null) return true
        await delay(100)
        await world.clock.advance(25)
        return false
      }, 20_000)
    /** Advances from timer to timer, so that time stands still while a login may begin. */
    const pass = async (ms: number) => {
      for (let left = ms; left > 0;) {
        const step = Math.min(left, Math.max(1, world.clock.waiting()[0] ?? left))
        await world.clock.advance(step)
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

test('a password that becomes right is tried, and calls work again', async () => {
  const world = await openWith('not-yet-valid')
  await world.pass(10 * MINUTE)
  world.sim.set({ password: 'not-yet-valid' })

  await world.pass(15 * MINUTE)

  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.state().locks).toBe(0)
})

test('the right password makes at most 25 token requests per minute, for any rejected calls and calls in flight', async () => {
  const world = await openTimedWorld({
    simulator: { switches: { forbiddenPath: 'refused', refreshEndsOld: true } },
  })
  const first = world.exchanges()
  const calls: Promise<unknown>[] = []
  for (let step = 0; step < 120; step += 1) {
    // A call that is in flight when a renewal begins, and is rejected later, does not make that renewal effective.
    world.sim.slow({ operation: 'business', ms: 15 })
    calls.push(world.tasks())
    const { forbidden } = world.sim.state()
    calls.push(world.request('/rest/isales/v1/openapi/obs/refused'))
    await until(() => world.sim.state().forbidden > forbidden)
    await world.pass(500)
  }
  const requests = world.exchanges() - first
  await world.pass(3000)
  await Promise.all(calls)

  expect(requests).toBeLessThanOrEqual(25)
})

test.each([
  ['token', false],
  ['session', true],
])(
  'the right password makes 40 token requests in a minute at most, although iSales ends each %s within a second',
  async (_, isSession) => {
    const world = await openTimedWorld()
    const first = world.exchanges()
    const calls: Promise<unknown>[] = []
    for (let second = 0; second < 60; second += 1) {
      world.sim.revoke()
      if (isSession) world.sim.revokeRefresh()
      const call = world.tasks()
      calls.push(call)
      await world.respondedOrWaiting(call)
      await world.pass(1000)
    }
    const requests = world.exchanges() - first
    await world.pass(3000)
    await Promise.all(calls)

    expect(requests).toBeLessThanOrEqual(40)
    expect(requests).toBeGreaterThan(20)
  },
)
