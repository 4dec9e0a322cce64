import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { builtProgram } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { until } from '../support/until.ts'
import { builtEnvironment } from './session-world.ts'

const start = builtProgram()

test('a login whose response comes while the process is stopped has succeeded', async () => {
  const { sim } = await simulate({ switches: { latency: 300 } })
  const program = start([], builtEnvironment(sim, { ISALES_LOGIN_TIMEOUT: '1s' }))
  await until(() => sim.state().loginAttempts === 1, 20_000)
  program.process.kill('SIGSTOP')
  await delay(1300)
  program.process.kill('SIGCONT')

  const first = await until(() => program.lines().find(({ event }) => event.startsWith('log')))
  expect(first.event).toBe('logged-in')
})
