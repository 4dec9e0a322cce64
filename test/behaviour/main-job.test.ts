import { expect, test } from 'vitest'
import { openWorld } from '../support/world.ts'

test('a request without a token reaches iSales with one', async () => {
  const world = await openWorld()

  const response = await world.tasks()

  expect(response.status).toBe(200)
  expect(response.json.result).toBe(0)
  const [request] = world.sim.requests()
  expect(request?.rawHeaders).toContain(`Bearer ${world.sim.issued()[0]}`)
})

test('a revoked token is replaced, and the client does not notice', async () => {
  const world = await openWorld()
  await world.tasks()
  world.sim.revoke()

  const response = await world.tasks()

  expect(response.status).toBe(200)
  expect(await world.metric('isales_proxy_token_rejections_total{status="401"}')).toBe(1)
  expect(await world.metric('isales_proxy_replays_total{outcome="healed"}')).toBe(1)
})

test('readiness and metrics tell that the proxy is authenticated', async () => {
  const world = await openWorld()

  expect((await world.request('/rest/isales/nowhere')).status).toBe(404)
  expect(await world.metric('isales_proxy_authenticated')).toBe(1)
  expect(await world.metric('isales_proxy_outage_budget_seconds')).toBeGreaterThan(290)
})
