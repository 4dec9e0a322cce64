import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ECHO_PATH, createSimulator, INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { call } from '../support/call.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until, within } from '../support/until.ts'

// A start takes a second on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

const start = builtProgram()
let sim: Simulator

beforeEach(async () => {
  sim = await createSimulator()
})
afterEach(() => sim.close())

function startProxy({ drainTimeout = '1m' } = {}): Program {
  return start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    // Longer than the test: a login that is not aborted, or a wait that is not ended, fails it.
    ISALES_LOGIN_TIMEOUT: '1m',
    CLIENT_DEADLINE: '0',
    DRAIN_TIMEOUT: drainTimeout,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  })
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

test('SIGTERM in mid-stream lets the response go to its end', async () => {
  // More than fits into the buffers between iSales and a client that does not read.
  const bytes = 32 * 1024 * 1024
  const program = startProxy()
  const { proxy } = await program.addresses()
  await program.line('logged-in')
  const client = await connectRaw({ port: Number(new URL(proxy).port) })
  const response = client.read({ limitMs: 20_000 })
  await client.send(`GET ${ECHO_PATH}?bytes=${bytes} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await until(() => client.received() > 0)
  client.pause()

  program.process.kill('SIGTERM')
  await program.line('draining')
  expect(client.received()).toBeLessThan(bytes)
  client.resume()

  const { status, body } = await response
  expect(status).toBe(200)
  expect(body.length).toBe(bytes)
  await expectEnd(program)
  expect(sim.state().aborted).toBe(0)
})
