import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { until, within } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import type { Simulator } from '../../simulator/index.ts'
import { accountIn, authenticated, keyOf, sharingPrograms, type Replica } from './replicas.ts'
import { startServer, type StoreServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { environment, openIsales, serve, start, startReplica, startReplicas } = sharingPrograms()

async function refusalsOf(server: StoreServer, sim: Simulator): Promise<number> {
  const [record] = (await accountIn(server, sim))?.records.values() ?? []
  return record?.refusals ?? 0
}

describe('programs that share', () => {
  it('make 3 logins with a wrong password, although all restart and the stored account is deleted', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    const wrong = { ISALES_PASSWORD: 'wrong' }
    const first = await startReplicas(5, server.port, wrong)
    // Counted in the store: a killed replica's last refusal is lost.
    await until(async () => (await refusalsOf(server, sim)) === 2, 15_000)
    for (const { program } of first) program.process.kill('SIGKILL')
    const replicas = await startReplicas(5, server.port, wrong)
    // After the third refusal, the next login is minutes away.
    const isPaused = ({ program }: Replica): boolean =>
      program.lines().some(({ retryInSeconds }) => Number(retryInSeconds) > 60)
    await until(() => replicas.every(isPaused), 40_000)
    // A deleted account permits no further login.
    for (let second = 0; second < 3; second += 1) {
      await server.cli('DEL', await keyOf(server))
      await delay(1000)
    }
    expect(sim.state()).toMatchObject({ loginAttempts: 3, loginsRejected: 3 })
  })

  it('use the token of the others if one has a wrong password, which it tries', async () => {
    const { sim, server, calls } = await serve({ count: 2 })
    const third = await startReplica(server.port, { ISALES_PASSWORD: 'wrong' })
    await authenticated([third])
    await until(() => sim.state().loginsRejected > 0)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins).toBe(1)
  })
})

it('programs make one refused login each without a store, and record it in the store later', async () => {
  const sim = await openIsales(60)
  const port = await freePort()
  const wrong = { ISALES_PASSWORD: 'wrong' }
  await startReplicas(3, port, wrong)
  await until(() => sim.state().loginsRejected === 3, 10_000)
  await delay(6000)
  expect(sim.state().loginsRejected).toBe(3)

  const server = await startServer({ port })
  await until(async () => (await refusalsOf(server, sim)) === 3, 10_000)
  const check = start(['check', '--live', '--quiet'], { ...environment(port), ...wrong })
  await within(check.ended, 'the end of check', 20_000)
  await startReplica(port, wrong)
  await delay(2000)
  expect(sim.state().loginsRejected).toBe(3)
})
