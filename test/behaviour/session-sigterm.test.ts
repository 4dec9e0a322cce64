import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSimulator, INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { call } from '../support/call.ts'
import { until, within } from '../support/until.ts'
import { builtEnvironment } from './session-world.ts'

// A start takes a second on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

const start = builtProgram()
let sim: Simulator

beforeEach(async () => {
  sim = await createSimulator()
})
afterEach(() => sim.close())

function startProxy({ drainTimeout = '1m' } = {}): Program {
  // Longer than the test: a login that is not aborted, or a wait that is not ended, fails it.
  const limits = { ISALES_LOGIN_TIMEOUT: '1m', CLIENT_DEADLINE: '0', DRAIN_TIMEOUT: drainTimeout }
  return start([], builtEnvironment(sim, limits))
}

async function expectEnd(program: Program): Promise<void> {
  const end = await within(program.ended, 'the end of the program', 20_000)
  expect(end).toEqual({ code: 0, signal: null })
  expect(program.stderr()).toBe('')
  expect(program.lines().map(({ event }) => event)).toContain('stopped')
}

test('SIGTERM while logging in aborts the login, and the program ends with 0', async () => {
  sim.hang({ operation: 'login' })
  const program = startProxy()
  await until(() => sim.state().hanging === 1, 20_000)

  program.process.kill('SIGTERM')

  await expectEnd(program)
  await until(() => sim.state().aborted === 1)
  expect(sim.state().loginAttempts).toBe(1)
})

test('SIGTERM while requests wait for a token that does not come gives each a 503', async () => {
  sim.hang({ operation: 'login' })
  const program = startProxy({ drainTimeout: '3s' })
  const { proxy, admin } = await program.addresses()
  const calls = Array.from({ length: 5 }, () => call(`${proxy}${INTERFACE_PATHS.getTask}`))
  await until(async () => {
    const { text } = await call(`${admin}/metrics`)
    return text.includes('\nisales_proxy_token_waiters 5\n')
  })

  program.process.kill('SIGTERM')

  for (const response of await Promise.all(calls)) {
    expect(response.status).toBe(503)
    expect(response.json).toMatchObject({ code: 'shutting-down', sent: 'no' })
    expect(Number(response.header('retry-after'))).toBeGreaterThanOrEqual(1)
  }
  await expectEnd(program)
  expect(sim.state().business).toBe(0)
})
