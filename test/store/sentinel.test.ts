import { describe, expect, it } from 'vitest'
import { watchOutput } from './output.ts'
import { until } from '../support/until.ts'
import { setTimeout as delay } from 'node:timers/promises'
import {
  authenticated,
  inState,
  readsOf,
  sharingPrograms,
  startTraffic,
  type Replica,
} from './replicas.ts'
import { claimBy, connect, grantBy, PROCESS_A, PROCESS_B } from './connect.ts'
import { freePort } from '../support/free-port.ts'
import { ENGINES, startServer, type Engine, type StoreServer } from './servers.ts'

const { openIsales, startReplicas } = sharingPrograms()

async function startFailover(engine: Engine) {
  const primary = await startServer({ engine })
  const replica = await startServer({
    engine,
    directives: [`replicaof 127.0.0.1 ${primary.port}`],
  })
  const sentinels: StoreServer[] = []
  for (let index = 0; index < 3; index += 1) {
    sentinels.push(
      await startServer({
        engine,
        sentinel: true,
        port: await freePort(),
        directives: [
          `sentinel monitor store 127.0.0.1 ${primary.port} 2`,
          'sentinel down-after-milliseconds store 1500',
          'sentinel failover-timeout store 6000',
        ],
      }),
    )
  }
  await until(
    async () => (await replica.cli('INFO', 'replication')).includes('link_status:up'),
    20_000,
  )
  const knowAll = async (sentinel: StoreServer): Promise<boolean> => {
    const about = await sentinel.cli('SENTINEL', 'MASTER', 'store')
    return /num-slaves\s+1\b/.test(about) && /num-other-sentinels\s+2\b/.test(about)
  }
  for (const sentinel of sentinels) await until(() => knowAll(sentinel), 30_000)
  return { primary, replica, sentinels }
}

/** Until each of the programs has read from this server, which it is asked to. */
async function haveRead(programs: readonly Replica[], server: StoreServer): Promise<void> {
  const before = await Promise.all(programs.map(readsOf))
  await until(async () => {
    const channels = (await server.cli('PUBSUB', 'CHANNELS', '*:changed')).split('\n')
    for (const channel of channels) await server.cli('PUBLISH', channel, '')
    const reads = await Promise.all(programs.map(readsOf))
    return reads.every((count, index) => count > (before[index] ?? Infinity))
  }, 20_000)
}

describe('a primary with Sentinels', () => {
  it.each([
    ...ENGINES.map((engine) => [engine, 'SIGSTOP'] as const),
    [ENGINES[0] ?? 'valkey', 'SIGKILL'] as const,
  ])(
    'of %s is found again after it got %s, with the token that it had, and programs lose no call',
    async (engine, signal) => {
      const printed = watchOutput()
      const sim = await openIsales(120)
      const { primary, replica, sentinels } = await startFailover(engine)
      const settings = {
        SESSION_STORE_URL: `valkey://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}`,
        SESSION_STORE_SENTINEL: 'store',
      }
      const programs = await startReplicas(2, 0, settings)
      await authenticated(programs)
      await inState(programs, { state: 'shared' })
      const calls = startTraffic(programs)
      const { store, looks } = await connect(0, settings)
      await until(() => looks() > 0)
      const given = grantBy(PROCESS_A)
      expect(await store.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
      await store.granted(given)
      await delay(300)
      const before = looks()
      primary.signal(signal)
      await until(async () => {
        const reply = await store.claim(claimBy(PROCESS_B))
        return reply.type === 'grant' && reply.record === given.record
      }, 40_000)
      expect(looks()).toBeGreaterThan(before)
      // One Sentinel that is gone is no matter, and nothing is printed about it.
      sentinels[0]?.signal('SIGKILL')
      await haveRead(programs, replica)
      sim.revoke()
      await delay(3000)
      expect(await store.read()).toMatchObject({ record: given.record })
      expect(await calls.stop()).toEqual([])
      // The first login, and one renewal of the revoked token.
      expect(sim.state().logins + sim.state().refreshes).toBe(2)
      expect(printed()).toBe('')
    },
    90_000,
  )
})
