import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { until, within } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import type { Simulator } from '../../simulator/index.ts'
import {
  accountIn,
  authenticated,
  keyOf,
  PASSWORD,
  sharingPrograms,
  type Replica,
} from './replicas.ts'
import { startServer, type StoreServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { environment, file, openIsales, serve, start, startReplica, startReplicas } =
  sharingPrograms()

async function refusalsOf(server: StoreServer, sim: Simulator): Promise<number> {
  const [record] = (await accountIn(server, sim))?.records.values() ?? []
  return record?.refusals ?? 0
}

describe('programs that share', () => {
  it('make 3 logins with a wrong password, five of them together, although all start again and the account is deleted in the store', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    const wrong = { ISALES_PASSWORD: 'wrong' }
    const former = await startReplicas(5, server.port, wrong)
    // Counted by the store, too: what a replica does not live to write down is lost.
    await until(async () => (await refusalsOf(server, sim)) === 2, 15_000)
    for (const { program } of former) program.process.kill('SIGKILL')
    const replicas = await startReplicas(5, server.port, wrong)
    // Who has read what came of the third knows that the next one is minutes away.
    const isPaused = ({ program }: Replica): boolean =>
      program.lines().some(({ retryInSeconds }) => Number(retryInSeconds) > 60)
    await until(() => replicas.every(isPaused), 40_000)
    // Whoever deletes the account then buys no further login.
    for (let second = 0; second < 3; second += 1) {
      await server.cli('DEL', (await keyOf(server)) ?? '')
      await delay(1000)
    }
    expect(sim.state()).toMatchObject({ loginAttempts: 3, loginsRejected: 3 })
  })

  it('serve with the token of the others where one has a wrong password, which it tries', async () => {
    const { sim, server, calls } = await serve({ count: 2 })
    const third = await startReplica(server.port, { ISALES_PASSWORD: 'wrong' })
    await authenticated([third])
    await until(() => sim.state().loginsRejected > 0)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins).toBe(1)
  })

  it('need one login for a password that is changed in all of them, one after the other', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    const files = [1, 2, 3].map((nth) => file(`password-${nth}`, PASSWORD))
    const startWith = (ISALES_PASSWORD_FILE: string) =>
      startReplica(server.port, { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE })
    const replicas = await Promise.all(files.map(startWith))
    await authenticated(replicas)
    sim.set({ password: 'new-password' })
    for (const [index, { program }] of replicas.entries()) {
      file(`password-${index + 1}`, 'new-password')
      await program.line('files-reloaded')
      await until(() => sim.state().logins === 2)
    }
    await delay(1000)
    await authenticated(replicas)
    expect(sim.state()).toMatchObject({ logins: 2, loginsRejected: 0 })
  })
})

it('programs make one refused login each while no store is there, and the store hears of them when it comes', async () => {
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
