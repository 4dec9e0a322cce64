import { describe, expect, it } from 'vitest'
import { call } from '../support/call.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { authenticated, inState, sharingPrograms, startTraffic, traffic } from './replicas.ts'
import { ENGINES, startServer } from './servers.ts'

const MINUTE = 60_000
/** Minutes of traffic: 10 by hand; in CI 2 with the first engine, since the other one differs in nothing here. */
const minutes = (engine: string): number => {
  const { STORE_TEST_MINUTES, CI } = process.env
  return Number(STORE_TEST_MINUTES ?? (CI === 'true' && engine === ENGINES[0] ? 2 : 0.5))
}
const { openIsales, startReplicas } = sharingPrograms()

describe.each(ENGINES)('three programs that share through %s', (engine) => {
  it(
    'log in once, and every call succeeds',
    async () => {
      const sim = await openIsales(20)
      const server = await startServer({ engine })
      const replicas = await startReplicas(3, server.port)
      await authenticated(replicas)
      expect(await traffic(replicas, minutes(engine) * MINUTE)).toEqual([])
      expect(sim.state().logins).toBe(1)
      const metrics = await Promise.all(replicas.map(({ admin }) => call(`${admin}/metrics`)))
      for (const { text } of metrics) {
        expect(text).toContain('isales_proxy_session_sharing_state{state="shared"} 1')
        expect(text).toContain('isales_proxy_session_replicas 3')
      }
    },
    minutes(engine) * MINUTE + 60_000,
  )
})

it('three programs whose store is away for 75 s, with tokens that live 60 s, lose at most 2 % of their calls', async () => {
  await openIsales(60)
  const server = await startServer()
  const replicas = await startReplicas(3, server.port)
  await authenticated(replicas)
  await inState(replicas, { state: 'shared', replicas: 3 })
  const calls = startTraffic(replicas)
  server.signal('SIGKILL')
  await delay(75_000)
  await server.restart()
  await inState(replicas, { state: 'shared', replicas: 3 })
  const count = calls.count()
  const failed = await calls.stop()
  expect(failed.length / count).toBeLessThanOrEqual(0.02)
}, 150_000)
