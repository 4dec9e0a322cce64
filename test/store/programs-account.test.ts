import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { call } from '../support/call.ts'
import { until, within } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { authenticated, inState, keyOf, sharingPrograms } from './replicas.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { environment, file, openIsales, start, startReplica, startReplicas } = sharingPrograms()

async function refusalsOf(server: StoreServer): Promise<number> {
  const key = await keyOf(server, 'book:*')
  return key === undefined ? 0 : Number((await server.cli('GET', key)).split(' ')[1])
}

describe.each(ENGINES)('programs that share through %s', (engine) => {
  it('make 3 logins with a wrong password in 20 s, five of them together, although all start again', async () => {
    const sim = await openIsales(60)
    const server = await startServer({ engine })
    const wrong = { ISALES_PASSWORD: 'wrong' }
    const began = performance.now()
    const former = await startReplicas(5, server.port, wrong)
    // Counted by the store, too: what a replica does not live to write down is lost.
    await until(async () => (await refusalsOf(server)) === 2, 15_000)
    for (const { program } of former) program.process.kill('SIGKILL')
    await startReplicas(5, server.port, wrong)
    await until(() => sim.state().loginAttempts === 3, 25_000)
    await delay(Math.max(0, began + 20_000 - performance.now()))
    expect(sim.state()).toMatchObject({ loginAttempts: 3, loginsRejected: 3 })
  })

  it('obey together what iSales says of when to try again, and one at a time asks', async () => {
    const sim = await openIsales(60)
    const server = await startServer({ engine })
    sim.failLogin({ status: 429, retryAfter: 3, times: 'always' })
    await startReplicas(3, server.port)
    await until(() => sim.state().loginAttempts > 0)
    await delay(7500)
    // At 0, 3 and 6 s at the earliest; each by itself they would make nine.
    expect(sim.state().loginAttempts).toBeGreaterThanOrEqual(2)
    expect(sim.state().loginAttempts).toBeLessThanOrEqual(3)
  })

  it('are two groups when they have two keys, and each says how many it sees', async () => {
    const sim = await openIsales(60)
    sim.set({ singleSession: false })
    const server = await startServer({ engine })
    const key = { SESSION_STORE_KEY_FILE: file('other-key', 'x'.repeat(32)) }
    const replicas = await startReplicas(2, server.port)
    const other = await startReplica(server.port, key)
    await authenticated([...replicas, other])
    await inState(replicas, { state: 'shared', replicas: 2 })
    await inState([other], { state: 'shared', replicas: 1 })
    expect(sim.state().logins).toBe(2)
    expect((await call(`${other.admin}/metrics`)).text).toContain('isales_proxy_session_replicas 1')
    const third = { SESSION_STORE_KEY_FILE: file('third-key', 'y'.repeat(32)) }
    const check = start(['check', '--live', '--quiet'], { ...environment(server.port), ...third })
    expect(await within(check.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(check.stdout()).toContain('No replica listens with this key')
  })
})

it('programs make one refused login each, and then spare the password, when no store is there', async () => {
  const sim = await openIsales(60)
  await startReplicas(3, await freePort(), { ISALES_PASSWORD: 'wrong' })
  await until(() => sim.state().loginsRejected === 3, 10_000)
  await delay(6000)
  expect(sim.state().loginsRejected).toBe(3)
})
