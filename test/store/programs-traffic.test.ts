import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { call } from '../support/call.ts'
import { inState, sharingPrograms } from './replicas.ts'
import { ENGINES } from './servers.ts'

const MINUTE = 60_000
/** Minutes of traffic: two renewals, and one with the second engine, since it differs in nothing here; 10 by hand. */
const minutes = (engine: string): number =>
  Number(process.env['STORE_TEST_MINUTES'] ?? (engine === ENGINES[0] ? 0.65 : 0.3))
const { serve } = sharingPrograms()

describe.each(ENGINES)('three programs that share through %s', (engine) => {
  it(
    'log in once, and every call succeeds',
    async () => {
      const { sim, replicas, calls } = await serve({ engine, seconds: 20 })
      await delay(minutes(engine) * MINUTE)
      expect(await calls.stop()).toEqual([])
      expect(sim.state().logins).toBe(1)
      await inState(replicas, { state: 'shared', replicas: 3 })
      const metrics = await Promise.all(replicas.map(({ admin }) => call(`${admin}/metrics`)))
      for (const { text } of metrics) {
        expect(text).toContain('isales_proxy_session_sharing_state{state="shared"} 1')
        expect(text).toContain('isales_proxy_session_replicas 3')
      }
    },
    minutes(engine) * MINUTE + 60_000,
  )
})
