import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { hold } from '../listener/support.ts'
import { call } from '../support/call.ts'
import { connectRaw, exchangeRaw, requestText } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const HEAD = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1`
const TASKS = requestText(HEAD, ['Host: localhost'], '{"subCCNo":1,"vdnId":1}')
const CHUNKED = `${HEAD}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`
const { serve } = builtProgram()

async function statusesOf(count: number, port: number): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>()
  for (let n = 0; n < count; n += 1) statuses.add((await exchangeRaw({ port }, TASKS)).status)
  return statuses
}

test('probes get a connection next to 100 silent or half-sent ones on the admin port', async () => {
  const world = await openWorld()
  const port = Number(new URL(world.admin).port)
  await hold(50, port)
  await hold(50, port, 'GET /livez HTTP/1.1\r\nHo')
  for (let n = 0; n < 20; n += 1) {
    const began = performance.now()
    const probe = await call(`${world.admin}/livez`)
    expect([probe.status, probe.header('connection')]).toEqual([200, 'close'])
    // Before the first of the other connections times out.
    expect(performance.now() - began).toBeLessThan(4000)
  }
  const full = world.lines.filter(({ event }) => event === 'connections-full')
  expect(full).toMatchObject([{ level: 'warn', listener: 'admin' }])
  // Requests on the admin port are not counted.
  expect(await world.metric('isales_proxy_requests_total')).toBe(0)
})

// Other connections that are only held are in test/promises/6-other-clients.test.ts.
test('incomplete bodies take no connection to iSales, and are in flight only when they are complete', async () => {
  const env = { MAX_IN_FLIGHT: '1', CLIENT_DEADLINE: '30s' }
  const world = await openWorld({ env, config: { isalesMaxConnections: 4 } })
  const held = await hold(12, world.port, `${CHUNKED}2\r\n{`)
  expect(await statusesOf(1, world.port)).toEqual(new Set([200]))
  world.sim.hang({ operation: 'business' })
  const [first, second] = held
  await first?.send('}\r\n0\r\n\r\n')
  await until(() => world.sim.state().hanging === 1)
  await second?.send('}\r\n0\r\n\r\n')
  expect(await second?.readProblem()).toMatchObject({ status: 503, code: 'overloaded', sent: 'no' })
  expect(await world.metric('isales_proxy_requests_in_flight')).toBe(1)
  world.sim.release()
  expect((await first?.read())?.status).toBe(200)
  expect((await world.tasks()).status).toBe(200)
})

test('a call keeps its connection if it fails at once, although its body has arrived with its head', async () => {
  const env = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_ATTEMPTS: '1' }
  const wrong = await openWorld({ env, ready: false })
  await until(async () => (await wrong.metric('isales_proxy_auth_failures_total')) > 0)
  const full = await openWorld({ env: { MAX_IN_FLIGHT: '1' } })
  full.sim.hang({ operation: 'business' })
  await (await connectRaw(full)).send(TASKS)
  await until(() => full.sim.state().hanging === 1)
  for (const [world, code] of [
    [wrong, 'no-token'],
    [full, 'overloaded'],
  ] as const) {
    const { text, header } = await exchangeRaw(world, TASKS)
    expect([JSON.parse(text), header('connection')]).toMatchObject([{ code }, 'keep-alive'])
  }
})

/** Returns the program's peak memory in MiB. The systemd unit allows 256. */
function peakOf({ process }: Program): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'latin1')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

test('300 incomplete bodies of 1 MiB keep no call out, and take no memory', async () => {
  const { program, port } = await serve({ CLIENT_DEADLINE: '30s' })
  const head = `${HEAD}\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n`
  const held = await hold(300, port, head + 'x'.repeat(300_000))
  expect(await statusesOf(5, port)).toEqual(new Set([200]))
  expect(peakOf(program)).toBeLessThan(256)
  // The bodies that began first were refused.
  const problem = { status: 503, code: 'overloaded', sent: 'no' }
  expect(await held[0]?.readProblem()).toMatchObject(problem)
  expect(await held.at(-1)?.silent(20)).toBe(true)
}, 60_000)
