import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openTimedWorld } from './session-world.ts'

test('of 110 requests that wait for a token, 10 get 503 immediately, since there are too many', async () => {
  const world = await openTimedWorld({
    ready: false,
    env: {
      TOKEN_WAITERS: '100',
    },
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const statuses: number[] = []
  const overloaded: (string | undefined)[] = []
  const calls = Array.from({ length: 110 }, async () => {
    const response = await world.tasks()
    statuses.push(response.status)
    if (response.json.code === 'overloaded') overloaded.push(response.header('Retry-After'))
  })

  await until(() => statuses.length === 10)
  await world.waiting(100)
  expect(overloaded).toEqual(Array.from({ length: 10 }, () => '1'))
  world.sim.release()
  await Promise.all(calls)

  expect(statuses.filter((status) => status === 200)).toHaveLength(100)
  expect(world.sim.state()).toMatchObject({ business: 100, logins: 1 })
  expect(await world.metric('isales_proxy_request_errors_total{code="overloaded"}')).toBe(10)
  expect(await world.metric('isales_proxy_token_waiters')).toBe(0)
})

test('a client that leaves frees its place', async () => {
  const world = await openTimedWorld({
    ready: false,
    env: { TOKEN_WAITERS: '1' },
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  await client.send('GET /rest/isales/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await world.waiting(1)
  expect((await world.tasks()).json.code).toBe('overloaded')

  client.reset()
  await world.waiting(0)
  const next = world.tasks()
  await world.waiting(1)
  world.sim.release()

  expect((await next).status).toBe(200)
})
