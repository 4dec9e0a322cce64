import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { builtProgram } from '../cli/program.ts'
import { runHere } from '../cli/stand.ts'
import { simulate } from '../simulator/caller.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { builtEnvironment } from './session-world.ts'

const start = builtProgram()

/** A proxy with a wrong password, which gets one attempt. */
async function startRefused() {
  const { sim } = await simulate()
  // As long as a socket allows.
  const env = { STATE_DIR: join(temporaryDirectory(), 'state').padEnd(94, 'x') }
  const guarded = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_ATTEMPTS: '1' }
  const settings = builtEnvironment(sim, { ...guarded, ...env })
  const proxy = start([], settings)
  await proxy.line('guarded')
  await proxy.addresses()
  return { sim, env, proxy, settings }
}

test('the command renew waits for the login, and says how it ended', async () => {
  const { sim, env, proxy } = await startRefused()

  const refused = await runHere(['renew'], { env })
  expect(refused.code).toBe(3)
  expect(refused.stdout).toMatch(
    /^The account was guarded, and iSales was asked anyway\. iSales refused the user or password\. The next attempt is in \S+\.\n$/,
  )
  expect(sim.state().loginAttempts).toBe(2)

  sim.set({ password: 'wrong' })
  const granted = await runHere(['renew'], { env })
  expect(granted.code).toBe(0)
  const [, end] = /anyway\. Logged in: a token until (\S+)\.\n$/.exec(granted.stdout) ?? []
  expect(Date.parse(end ?? '')).toBeGreaterThan(Date.now() + 200_000)

  await sim.close()
  expect(await runHere(['renew'], { env })).toMatchObject({
    code: 4,
    stdout: expect.stringContaining('No login came about (unavailable).') as string,
  })
  const asked = () => proxy.lines().filter(({ event }) => event.startsWith('renew-'))
  await until(() => asked().length === 6)
  expect(asked()).toMatchObject([
    { audit: true, by: 'command' },
    { audit: true, by: 'command', outcome: 'refused' },
    { by: 'command' },
    { by: 'command', outcome: 'granted' },
    { by: 'command' },
    { by: 'command', outcome: 'failed', reason: 'unavailable' },
  ])
})

test('SIGHUP lets the proxy log in, too, and the log says that it did', async () => {
  const { sim, proxy } = await startRefused()
  sim.set({ password: 'wrong' })
  proxy.process.kill('SIGHUP')

  await proxy.line('recovered')
  expect(await proxy.line('renew-asked')).toMatchObject({ audit: true, by: 'SIGHUP' })
  expect(await proxy.line('renew-ended')).toMatchObject({ by: 'SIGHUP', outcome: 'granted' })
  expect(sim.state().loginAttempts).toBe(2)
  proxy.process.kill('SIGTERM')
  await proxy.ended
  expect(await proxy.line('draining')).toMatchObject({ audit: true, by: 'SIGTERM' })
})

test('the command renew fails where no proxy runs, and makes no directory', async () => {
  const env = { STATE_DIR: join(temporaryDirectory(), 'sate') }

  expect(await runHere(['renew'], { env })).toMatchObject({
    code: 5,
    stdout: '',
    stderr: `Nothing was done: no proxy responds in STATE_DIR (${env.STATE_DIR}): ENOENT. Give the STATE_DIR of the proxy, or send the proxy SIGHUP.\n`,
  })
  expect(existsSync(env.STATE_DIR)).toBe(false)
})

test('a second proxy with the same STATE_DIR serves, and the first one is asked', async () => {
  const { env, proxy, settings } = await startRefused()
  const second = start([], settings)
  const why = 'control.sock is in use by another process'
  expect(await second.line('setting-doubtful')).toMatchObject({
    setting: 'STATE_DIR',
    detail: expect.stringContaining(why) as string,
  })
  await second.addresses()
  expect(await runHere(['renew'], { env })).toMatchObject({ code: 3 })
  await proxy.line('renew-ended')

  proxy.process.kill('SIGKILL')
  await proxy.ended
  expect(await runHere(['renew'], { env })).toMatchObject({ code: 5 })
})

test('a proxy whose STATE_DIR cannot be made serves, and says so', async () => {
  const { sim } = await simulate()
  const proxy = start([], builtEnvironment(sim, { STATE_DIR: '/proc/none/state' }))
  await proxy.addresses()
  expect(await proxy.line('state-unusable')).toMatchObject({
    setting: 'STATE_DIR',
    detail: "ENOENT: no such file or directory, mkdir '/proc/none'",
  })
  expect(await proxy.line('logged-in')).toBeDefined()
})

test('cleaning STATE_DIR causes no login', async () => {
  const { sim } = await simulate()
  const state = temporaryDirectory()
  const secret = join(temporaryDirectory(), 'password')
  writeFileSync(secret, sim.switches.password)
  const files = { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: secret, STATE_DIR: state }
  const proxy = start([], builtEnvironment(sim, files))
  await proxy.line('logged-in')
  await proxy.addresses()
  expect(await runHere(['renew'], { env: { STATE_DIR: state } })).toMatchObject({ code: 0 })
  await until(() => sim.state().logins === 2, 20_000)

  for (const name of readdirSync(state)) rmSync(join(state, name), { force: true })
  // Files are watched by one interval: what is noticed later shows that the cleaning would have been noticed.
  writeFileSync(secret, 'another')
  await proxy.line('login-rejected')

  expect(sim.state()).toMatchObject({ logins: 2, loginAttempts: 3 })
  expect(proxy.lines().filter(({ event }) => event === 'renew-asked')).toHaveLength(1)
}, 60_000)

test('the command renew without STATE_DIR says what to do instead', async () => {
  const { code, stderr } = await runHere(['renew'])

  expect(code).toBe(2)
  expect(stderr).toContain('SIGHUP')
})
