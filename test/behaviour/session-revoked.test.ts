import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const CALLS = 300

test('300 calls that meet a revoked token are all served, by one new token and one replay each', async () => {
  const world = await openWorld({
    env: { CLIENT_DEADLINE: '20s', ISALES_MAX_CONNECTIONS: '512' },
  })
  await world.tasks()
  world.sim.revoke()
  // No call has its response before all have been judged.
  world.sim.hang({ operation: 'business', times: CALLS })
  const before = world.sim.state()

  const ids = Array.from({ length: CALLS }, (_, index) => `call-${index}`)
  const calls = Promise.all(
    ids.map((uniqueId) =>
      world.request(INTERFACE_PATHS.pushCallOutRlt, {
        method: 'POST',
        body: JSON.stringify({ uniqueId, serviceId: 1 }),
      }),
    ),
  )
  await until(() => world.sim.state().hanging === CALLS, 15_000)
  world.sim.release()
  const responses = await calls

  expect(responses.filter(({ status }) => status !== 200)).toEqual([])
  const { logins, refreshes, businessRejected, duplicates } = world.sim.state()
  expect(logins + refreshes - before.logins - before.refreshes).toBe(1)
  expect(duplicates).toBe(0)
  expect(ids.map((id) => world.sim.executions(id))).toEqual(ids.map(() => 1))
  // Each rejection led to one replay, and each replay healed.
  expect(await world.metric('isales_proxy_replays_total{outcome="healed"}')).toBe(businessRejected)
  expect(businessRejected).toBe(CALLS)
  expect(await world.metric('isales_proxy_token_rejections_total{status="401"}')).toBe(1)
})

test('a call that is too large to be sent again waits for the newer token', async () => {
  const world = await openWorld({ env: { REPLAY_BODY_SIZE: '1KiB' } })
  await world.tasks()
  world.sim.revoke()
  world.sim.hang({ operation: 'refresh' })
  const small = world.tasks()
  await until(() => world.sim.state().hanging === 1)

  const large = world.request(INTERFACE_PATHS.pushMidRlt, {
    method: 'POST',
    body: JSON.stringify({ uniqueId: 'large', serviceId: 1, callData: 'x'.repeat(4096) }),
  })
  await until(async () => (await world.metric('isales_proxy_token_waiters')) === 2)
  world.sim.release()

  expect([(await small).status, (await large).status]).toEqual([200, 200])
  expect(world.sim.executions('large')).toBe(1)
})
