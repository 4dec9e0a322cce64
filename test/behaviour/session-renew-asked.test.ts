import { spawn } from 'node:child_process'
import { existsSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { builtProgram } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { clientOf, settingsFor } from '../support/world.ts'

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 })

const start = builtProgram()

/** Runs the command for the proxy with this admin listener. */
async function renew(admin: string) {
  const command = start(['renew'], { ADMIN_LISTEN: new URL(admin).host })
  const { code } = await command.ended
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}

/** Returns a `STATE_DIR` that cannot be made until `mend` is called. */
function brokenDirectory() {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  return { directory: join(file, 'state'), mend: (): void => rmSync(file) }
}

test.each([
  ['', undefined, false],
  [', although STATE_DIR is unusable', brokenDirectory(), false],
  [', after STATE_DIR is usable again', brokenDirectory(), true],
])('the command renew ends a pause, and shows the status three seconds later%s', async (...row) => {
  const [, { directory, mend } = {}, isMended] = row
  const { sim } = await simulate()
  const wrong = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_ATTEMPTS: '1', LOG_LEVEL: 'debug' }
  const proxy = start([], settingsFor(sim, { ...wrong, STATE_DIR: directory }))
  await proxy.line('finding-began')
  if (isMended) {
    mend?.()
    await until(() => existsSync(join(directory ?? '', 'attempts-1.json')), 10_000)
  }
  const addresses = await proxy.addresses()
  const { admin } = addresses
  const failures = await clientOf(addresses).metric('isales_proxy_state_failures_total')
  expect(failures > 0).toBe(directory !== undefined)
  sim.set({ password: 'wrong' })
  const granted = await renew(admin)
  expect(granted.code).toBe(0)
  const isBroken = directory !== undefined && !isMended
  expect(granted.stdout).toMatch(isBroken ? /^\[.*STATE_DIR.*\]/m : /^\[No call has arrived yet\]/m)
  expect(sim.state().loginAttempts).toBe(2)

  // With a valid token, it does not log in.
  expect((await renew(admin)).code).toBe(0)
  expect(sim.state()).toMatchObject({ loginAttempts: 2, refreshes: 0 })
  const asked = proxy.lines().filter(({ event }) => event === 'renew-asked')
  const outcomes = ['pause-ended', 'nothing-paused']
  expect(asked).toMatchObject(outcomes.map((outcome) => ({ audit: true, by: 'SIGHUP', outcome })))
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
