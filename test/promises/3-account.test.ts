// Promise 3: the program does not lock the account.
import { expect, test } from 'vitest'
import { openTimedWorld } from '../behaviour/session-world.ts'

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
})

test('the right password is tried when it comes, and calls work again', async () => {
  const world = await openWith('not-yet-valid')
  await world.pass(10 * MINUTE)
  world.sim.set({ password: 'not-yet-valid' })

  await world.pass(15 * MINUTE)

  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.state().locks).toBe(0)
})
