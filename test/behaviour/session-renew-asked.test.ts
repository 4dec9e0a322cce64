import { spawn } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { builtProgram, type Program } from '../cli/program.ts'
import type { Environment } from '../../src/config/load.ts'
import { simulate } from '../simulator/caller.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { settingsFor } from '../support/world.ts'

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 })

const start = builtProgram()

/** Runs the command for the proxy with this admin listener. */
async function renew(admin: string, env: Environment = {}) {
  const command = start(['renew'], { ADMIN_LISTEN: new URL(admin).host, ...env })
  const { code } = await command.ended
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}

const asked = (proxy: Program) => proxy.lines().filter(({ event }) => event === 'renew-asked')

/** Starts a proxy with a wrong password, which logs in once by itself. */
async function startRefused(env: Environment = {}) {
  const { sim } = await simulate()
  const guarded = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_ATTEMPTS: '1', LOG_LEVEL: 'debug' }
  const proxy = start([], settingsFor(sim, { ...guarded, ...env }))
  await proxy.line('finding-began')
  const { admin } = await proxy.addresses()
  return { sim, proxy, admin }
}

/** The same with the password in a file. */
async function startWithFile() {
  const file = join(temporaryDirectory(), 'password')
  writeFileSync(file, 'wrong')
  const env = { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file }
  return { ...(await startRefused(env)), file }
}

test('the command renew ends a pause, and shows the status three seconds later', async () => {
  const { sim, proxy, admin } = await startRefused()
  sim.set({ password: 'wrong' })
  const granted = await renew(admin)
  expect(granted.code).toBe(0)
  expect(granted.stdout).toMatch(/^\[No call has arrived yet\]/m)
  expect(sim.state().loginAttempts).toBe(2)

  // With a valid token, it does not log in.
  expect((await renew(admin)).code).toBe(0)
  expect(sim.state()).toMatchObject({ loginAttempts: 2, refreshes: 0 })
  expect(asked(proxy)).toMatchObject([
    { audit: true, by: 'SIGHUP', outcome: 'pause-ended' },
    { audit: true, by: 'SIGHUP', outcome: 'nothing-paused' },
  ])
})

test('after a change of the password file, renew makes one login', async () => {
  const change = async (password: string | undefined, code: number, stdout: RegExp) => {
    const { sim, proxy, admin, file } = await startWithFile()
    writeFileSync(file, password ?? sim.switches.password)
    const renewed = await renew(admin)
    expect(renewed).toMatchObject({ code, stdout: expect.stringMatching(stdout) as string })
    // Before a slow command, the watch of the files may have tried the password.
    const events = proxy.lines().map(({ event }) => event)
    const before = events.slice(0, events.indexOf('renew-asked'))
    const failed = before.filter((event) => event === 'token-request-failed').length
    expect(failed).toBeLessThanOrEqual(2)
    expect(sim.state().loginAttempts).toBe(failed + 1)
  }
  await Promise.all([
    change(undefined, 0, /^\[No call has arrived yet\]/m),
    change('wrong too', 3, /iSales rejected the user .*\n +Fix ISALES_USER or/),
  ])
})

const HERE = `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`

test.each([
  [
    'is another program that shows its file',
    HERE,
    () => spawn('tail', ['-f', join(start.directory(), 'main.js')]),
    'other-program',
  ],
  ['runs elsewhere', 'another-machine', () => spawn('sleep', ['60']), 'not-here'],
])('the command renew sends no signal to a process that %s', async (_, processScope, run, code) => {
  const other = run()
  const { url, close } = await serveHttp((_request, response) => {
    response.end(JSON.stringify({ pid: other.pid, processScope, findings: [] }))
  })
  onTestFinished(() => {
    other.kill()
    close()
  })
  expect(await renew(url)).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(new RegExp(`${other.pid}.*\\[${code}\\]`)) as string,
  })
  expect(other.signalCode).toBeNull()
})
