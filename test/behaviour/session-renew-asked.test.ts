import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { builtProgram } from '../cli/program.ts'
import { runHere } from '../cli/stand.ts'
import { simulate } from '../simulator/caller.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { openWorld } from '../support/world.ts'

const start = builtProgram()

test('the command renew lets the proxy log in now, and so does SIGHUP', async () => {
  const { sim } = await simulate()
  const env = { STATE_DIR: temporaryDirectory() }
  const proxy = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: 'wrong',
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    LOGIN_REJECTED_ATTEMPTS: '1',
    ...env,
  })
  await proxy.line('guarded')
  // The file is watched by then.
  await proxy.addresses()

  expect(await runHere(['renew'], { env })).toMatchObject({ code: 0 })
  await until(() => sim.state().loginAttempts === 2, 20_000)
  sim.set({ password: 'wrong' })
  proxy.process.kill('SIGHUP')

  await proxy.line('recovered')
  expect(sim.state().loginAttempts).toBe(3)
}, 60_000)

test('cleaning STATE_DIR causes no login', async () => {
  const { sim } = await simulate()
  const state = temporaryDirectory()
  const secret = join(temporaryDirectory(), 'password')
  writeFileSync(secret, sim.switches.password)
  const proxy = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD_FILE: secret,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    STATE_DIR: state,
  })
  await proxy.line('logged-in')
  await proxy.addresses()
  expect(await runHere(['renew'], { env: { STATE_DIR: state } })).toMatchObject({ code: 0 })
  await until(() => sim.state().logins === 2, 20_000)

  for (const name of readdirSync(state)) rmSync(join(state, name))
  // Files are watched by one interval: what is noticed later shows that the cleaning would have been noticed.
  writeFileSync(secret, 'another')
  await proxy.line('login-rejected')

  expect(sim.state()).toMatchObject({ logins: 2, loginAttempts: 3 })
}, 60_000)

test('the command renew without STATE_DIR says what to do instead', async () => {
  const { code, stderr } = await runHere(['renew'])

  expect(code).toBe(2)
  expect(stderr).toContain('SIGHUP')
})

test('a proxy without STATE_DIR says that it forgets refusals', async () => {
  const { lines } = await openWorld({ env: { STATE_DIR: '' } })

  expect(lines.map(({ event }) => event)).toContain('state-in-memory')
})
