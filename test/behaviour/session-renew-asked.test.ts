import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builtProgram, type Program } from '../cli/program.ts'
import type { Environment } from '../../src/config/load.ts'
import { simulate } from '../simulator/caller.ts'
import { serveHttp } from '../support/http-server.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { builtEnvironment } from './session-world.ts'

const start = builtProgram()

/** The command, for the proxy whose admin listener is there. */
async function renew(admin: string, env: Environment = {}) {
  const command = start(['renew'], { ADMIN_LISTEN: new URL(admin).host, ...env })
  const { code } = await command.ended
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}

const asked = (proxy: Program) => proxy.lines().filter(({ event }) => event.startsWith('renew-'))

/** A proxy with a wrong password, which gets one attempt by itself. */
async function startRefused(env: Environment = {}) {
  const { sim } = await simulate()
  const guarded = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_ATTEMPTS: '1' }
  const proxy = start([], builtEnvironment(sim, { ...guarded, ...env }))
  await proxy.line('guarded')
  const { admin } = await proxy.addresses()
  return { sim, proxy, admin }
}

/** A proxy whose password comes from a file, and is wrong. */
async function startWithFile() {
  const file = join(temporaryDirectory(), 'password')
  writeFileSync(file, 'wrong')
  const env = { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file }
  return { ...(await startRefused(env)), file }
}

test('the command renew waits for the login, and says how it ended', async () => {
  const { sim, proxy, admin } = await startRefused()
  sim.set({ password: 'wrong' })
  const granted = await renew(admin)
  expect(granted.code).toBe(0)
  const [, end] =
    /^The account was guarded, and iSales was asked anyway\. Logged in: a token until (\S+)\.\n$/.exec(
      granted.stdout,
    ) ?? []
  expect(Date.parse(end ?? '')).toBeGreaterThan(Date.now() + 200_000)

  await sim.close()
  expect(await renew(admin)).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(
      /The login failed: Nothing listens at .*ECONNREFUSED.*Check the port in ISALES_URL, .* The next/,
    ) as string,
  })
  await until(() => asked(proxy).length === 4)
  expect(asked(proxy)).toMatchObject([
    { audit: true, by: 'SIGHUP' },
    { audit: true, by: 'SIGHUP', outcome: 'granted' },
    { by: 'SIGHUP' },
    { by: 'SIGHUP', outcome: 'failed', reason: 'unavailable' },
  ])
})

test.each([
  ['right', undefined, 0, /^Logged in: a token until /],
  [
    'wrong, too',
    'wrong too',
    3,
    /^The login failed: iSales refuses the user .* or the password in \/.* The next attempt is in /,
  ],
])('after a password file was corrected, and is %s, one login is made', async (...row) => {
  const [, password, code, stdout] = row
  const { sim, admin, file } = await startWithFile()
  writeFileSync(file, password ?? sim.switches.password)
  const began = performance.now()
  expect(await renew(admin)).toMatchObject({
    code,
    stdout: expect.stringMatching(stdout) as string,
  })
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(sim.state().loginAttempts).toBe(2)
})

test('a pause is ended once a minute, however often SIGHUP comes', async () => {
  const { sim, proxy, admin } = await startRefused()
  for (let count = 0; count < 8; count += 1) {
    const before = asked(proxy).length
    proxy.process.kill('SIGHUP')
    await until(() => asked(proxy).length > before)
  }
  await until(() => sim.state().loginAttempts === 2)
  expect(await renew(admin)).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(
      /^iSales was not asked: a login that was asked for ended a pause less than a minute ago\. The next attempt is in /,
    ) as string,
  })
  expect(sim.state().loginAttempts).toBe(2)
  // The files are as they were.
  expect(proxy.lines().filter(({ event }) => event === 'files-reloaded')).toEqual([])
})

test.each([
  ['is not of the program', () => spawn('sleep', ['60'])],
  ['shows its file', () => spawn('tail', ['-f', join(start.directory(), 'main.js')])],
])('the command renew sends no signal to a process that %s', async (_, run) => {
  const other = run()
  const { url, close } = await serveHttp((_, response) => {
    response.end(JSON.stringify({ pid: other.pid, asked: { number: 0 } }))
  })
  onTestFinished(() => {
    other.kill()
    close()
  })
  expect(await renew(url)).toMatchObject({
    code: 5,
    stderr: expect.stringContaining(
      `process ${other.pid} here does not run this program`,
    ) as string,
  })
  expect(other.signalCode).toBeNull()
})
