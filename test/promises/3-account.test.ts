// Guarantee 3: at most 4 logins with a wrong password in 15 min. Property 10 of the simulation asks it for any answers, kills, restarts,
// signals and replicas, and the same for token requests with a right password. Sequences of failures, operators and processes are in
// test/token/account.property.test.ts. Here are the commands that also log in.
import { expect, test } from 'vitest'
import { openIsales, runHere } from '../cli/stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { openWorld } from '../support/world.ts'

test('check --live counts its login in STATE_DIR, and no command or proxy logs in during the pause that follows', async () => {
  const { sim, env } = await openIsales()
  const wrong = { ...env, ISALES_PASSWORD: 'out-of-date', STATE_DIR: temporaryDirectory() }
  const check = async () => (await runHere(['check', '--live', '--quiet'], { env: wrong })).code
  expect(await check()).toBe(3)
  const world = await openWorld({ ready: false, env: wrong })
  await world.logged('finding-began')
  // Not tried because of the pause.
  expect(await check()).toBe(4)
  expect((await world.status()).findings[0].cause).toBe('password')
  expect(sim.state().loginAttempts).toBe(1)
})
