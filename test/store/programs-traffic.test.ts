import { describe, expect, it } from 'vitest'
import { call } from '../support/call.ts'
import { authenticated, sharingPrograms, traffic } from './replicas.ts'
import { ENGINES, startServer } from './servers.ts'

const MINUTE = 60_000
/** Minutes of traffic: 10 by hand; in CI 1 with the first engine, since the other one differs in nothing here. */
const minutes = (engine: string): number => {
  const { STORE_TEST_MINUTES, CI } = process.env
  return Number(STORE_TEST_MINUTES ?? (CI === 'true' && engine === ENGINES[0] ? 1 : 0.5))
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
