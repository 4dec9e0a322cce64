import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSimulator, type Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// The program starts several times, and files settle in real time.
vi.setConfig({ testTimeout: 60_000 })

const start = builtProgram()
let directory: string
let sim: Simulator

beforeEach(async () => {
  directory = temporaryDirectory()
  sim = await createSimulator()
})
afterEach(async () => {
  await sim.close()
})

const serve = (env: Record<string, string> = {}): Program =>
  start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: 'wrong',
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    STATE_DIR: directory,
    LOGIN_REJECTED_ATTEMPTS: '1',
    ...env,
  })

const attempts = (count: number): Promise<unknown> =>
  until(() => sim.state().loginAttempts === count, 20_000)

test('the command renew lets the proxy log in now, and so does SIGHUP', async () => {
  const proxy = serve()
  await proxy.line('guarded')

  const renew = start(['renew'], { STATE_DIR: directory })
  expect(await renew.ended).toMatchObject({ code: 0 })
  await attempts(2)
  sim.set({ password: 'wrong' })
  proxy.process.kill('SIGHUP')

  await proxy.line('recovered')
  expect(sim.state().loginAttempts).toBe(3)
})

test('the command renew without STATE_DIR says what to do instead', async () => {
  const renew = start(['renew'], {})

  expect(await renew.ended).toMatchObject({ code: 2 })
  expect(renew.stderr()).toContain('SIGHUP')
})

test('a restart does not forget a refused password', async () => {
  for (let run = 0; run < 3; run += 1) {
    const proxy = serve()
    await proxy.line('listening')
    if (run === 0) await proxy.line('guarded')
    proxy.process.kill('SIGTERM')
    await proxy.ended
  }

  expect(sim.state().loginAttempts).toBe(1)
})

test('a restart without STATE_DIR costs one attempt, and the log says so', async () => {
  for (let run = 1; run <= 2; run += 1) {
    const proxy = serve({ STATE_DIR: '' })
    await proxy.line('state-in-memory')
    await attempts(run)
    proxy.process.kill('SIGTERM')
    await proxy.ended
  }

  expect(sim.state().loginAttempts).toBe(2)
})
