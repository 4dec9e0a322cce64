import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

test('a request that is refused is counted by status and code, but not timed', async () => {
  const world = await openWorld({ env: { ACCESS_LOG: 'full' } })

  expect((await world.request('/elsewhere?passwd=canary')).status).toBe(403)

  expect(await world.metric('isales_proxy_requests_total{method="GET",status_class="4xx"}')).toBe(1)
  expect(await world.metric('isales_proxy_request_errors_total{code="not-allowed"}')).toBe(1)
  expect(await world.metric('isales_proxy_request_duration_seconds_count')).toBe(0)
})

test('an expectation that is not known is refused like everything else, and nothing behind it served', async () => {
  const world = await openWorld({ env: { ACCESS_LOG: 'full' } })
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  const start = (path: string) => `POST ${path} HTTP/1.1\r\nHost: localhost\r\n`
  await client.send(`${start('/rest/isales/a')}Expect: 200-ok\r\nContent-Length: 2\r\n\r\n`)
  await client.send(`${start('/rest/isales/b')}\r\n`)

  expect((await client.read()).status).toBe(417)

  expect((await client.closed()).left.length).toBe(0)
  expect(world.sim.requests()).toEqual([])
  expect(await world.metric('isales_proxy_requests_total{method="POST",status_class="4xx"}')).toBe(
    1,
  )
  const code = 'expectation-failed'
  expect(await world.metric(`isales_proxy_request_errors_total{code="${code}"}`)).toBe(1)
  const accesses = world.lines.filter(({ event }) => event === 'access')
  expect(accesses).toMatchObject([{ method: 'POST', path: '/rest/isales/a', status: 417, code }])
})

test('a request that is refused is in the access log, without its query', async () => {
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

test.each([
  ['off', 0],
  ['0.25', 0],
  ['0.5', 1],
])('with ACCESS_LOG=%s and a draw of 0.3 a request has %i lines', async (share, lines) => {
  const world = await openWorld({ env: { ACCESS_LOG: share }, random: () => 0.3 })
  await world.tasks()
  expect(world.lines.filter(({ event }) => event === 'access')).toHaveLength(lines)
})
