import { expect, test } from 'vitest'
import { openWorld } from '../support/world.ts'

test('a request that is refused at the door is counted by status and code, but not timed', async () => {
  const world = await openWorld({ env: { ACCESS_LOG: 'full' } })

  expect((await world.request('/elsewhere?passwd=canary')).status).toBe(403)

  expect(await world.metric('isales_proxy_requests_total{method="GET",status_class="4xx"}')).toBe(1)
  expect(await world.metric('isales_proxy_request_errors_total{code="not-allowed"}')).toBe(1)
  expect(await world.metric('isales_proxy_request_duration_seconds_count')).toBe(0)
})

test('a request that is refused at the door is in the access log, without its query', async () => {
  const world = await openWorld({ env: { ACCESS_LOG: 'full' } })

  await world.request('/elsewhere?passwd=canary')

  const line = world.lines.find(({ event }) => event === 'access')
  expect(line).toMatchObject({
    method: 'GET',
    path: '/elsewhere',
    status: 403,
    code: 'not-allowed',
  })
})
