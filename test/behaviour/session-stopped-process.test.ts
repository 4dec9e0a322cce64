import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { builtProgram } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'

const start = builtProgram()

/** Seconds. */
const LIVES = 2

test('a login whose response comes while the process is stopped has succeeded', async () => {
  const { sim } = await simulate({ switches: { latency: 300 } })
  const program = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    ISALES_LOGIN_TIMEOUT: '1s',
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  })
  await until(() => sim.state().loginAttempts === 1, 20_000)
  program.process.kill('SIGSTOP')
  await delay(1300)
  program.process.kill('SIGCONT')

  const first = await until(() => program.lines().find(({ event }) => event.startsWith('log')))
  expect(first.event).toBe('logged-in')
})

test('a process that was stopped for longer than its token lives never sends that token', async () => {
  const { sim } = await simulate({ switches: { tokenLifetime: LIVES } })
  const program = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  })
  await program.line('logged-in')
  const { proxy } = await program.addresses()
  const url = `${proxy}${INTERFACE_PATHS.getTask}`
  const tasks = () => call(url, { method: 'POST', body: '{}' })
  expect((await tasks()).status).toBe(200)

  program.process.kill('SIGSTOP')
  // They arrive while nobody listens, and are read when the process wakes.
  const early = [tasks(), tasks(), tasks()]
  await delay(LIVES * 1000 + 500)
  program.process.kill('SIGCONT')
  const responses = await Promise.all([...early, tasks(), tasks()])

  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200))
  expect(sim.state()).toMatchObject({ business: 6, businessRejected: 0 })
})
