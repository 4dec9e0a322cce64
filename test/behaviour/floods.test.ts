import { expect, test } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { hold } from '../listener/support.ts'
import { call } from '../support/call.ts'
import { connectRaw, exchangeRaw, requestText } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'
import { ACCOUNT, REQUIRE } from './cti-obs.ts'

const NETWORK = { LISTEN: '0.0.0.0:0', LISTEN_MAX_CONNECTIONS: '8', ...REQUIRE }

function post(path: string, body: unknown, fields: readonly string[] = []): string {
  const lines = ['Host: localhost', ...fields]
  return requestText(`POST ${path} HTTP/1.1`, lines, JSON.stringify(body))
}

async function ticketOf(world: World, from: string): Promise<string> {
  const { port } = world
  const { text } = await exchangeRaw({ port, from }, post(LOGIN_PATH, ACCOUNT))
  const { resultData } = JSON.parse(text) as { resultData: { token: string } }
  return `Authorization: Bearer ${resultData.token}`
}

test('probes have a place beside 100 connections on the admin port, silent ones and heads that do not end', async () => {
  const world = await openWorld()
  const port = Number(new URL(world.admin).port)
  await hold(50, port)
  await hold(50, port, { bytes: 'GET /livez HTTP/1.1\r\nHo' })
  for (let n = 0; n < 20; n += 1) {
    const began = performance.now()
    const probe = await call(`${world.admin}/livez`)
    expect([probe.status, probe.header('connection')]).toEqual([200, 'close'])
    // Sooner than the first of the others is timed out.
    expect(performance.now() - began).toBeLessThan(4000)
  }
  expect(world.lines.filter(({ event }) => event === 'connections-full')).toEqual([
    expect.objectContaining({ level: 'warn', listener: 'admin' }),
  ])
  const refused = 'isales_proxy_requests_refused_total{reason="connections"}'
  expect(await world.metric(refused)).toBeGreaterThanOrEqual(36)
})

test('connections without a ticket keep no client with one out, from whatever address', async () => {
  const world = await openWorld({ env: NETWORK })
  const { port } = world
  const ticket = await ticketOf(world, '127.0.0.9')
  const tasks = post(INTERFACE_PATHS.getTask, {}, [ticket])
  const kept = await connectRaw({ port, from: '127.0.0.9' })
  await kept.send(tasks)
  expect((await kept.read()).status).toBe(200)
  for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.9']) await hold(20, port, { from })
  for (let n = 0; n < 5; n += 1) {
    const another = await ticketOf(world, '127.0.0.9')
    const response = await exchangeRaw({ port }, post(INTERFACE_PATHS.getTask, {}, [another]))
    expect(response.status).toBe(200)
  }
  await kept.send(tasks)
  expect((await kept.read()).status).toBe(200)
  await until(() =>
    world.lines.some(({ event, listener }) => event === 'connections-full' && listener === 'proxy'),
  )
})

const TASKS = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: localhost\r\n`

test.each([
  ['of known length', `${TASKS}Content-Length: 100000\r\n\r\n{`],
  ['in chunks', `${TASKS}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`],
])('bodies %s that hardly move hold no connection to iSales', async (_name, begun) => {
  const world = await openWorld({ env: { ISALES_MAX_CONNECTIONS: '4', CLIENT_DEADLINE: '2.8s' } })
  await hold(12, world.port, { bytes: begun })
  await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 12)
  expect((await world.tasks()).status).toBe(200)
})
