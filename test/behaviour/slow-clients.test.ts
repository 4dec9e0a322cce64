import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { ECHO_PATH } from '../../simulator/streams.ts'
import { connectRaw } from '../support/raw-client.ts'
import { closing } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

function head(path: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`
}

const SIZE = 100_000

test.each([
  ['stops', 408, 'length', 'request-timeout', 'refused'],
  ['breaks off', 400, 'length', 'bad-request', 'stray'],
  ['has a broken chunk', 400, 'chunks', 'bad-request', 'refused'],
])('a body that %s gets a %s, and iSales never has it', async (...row) => {
  const [what, status, framing, code, outcome] = row
  const world = await openWorld({ env: { CLIENT_DEADLINE: '300ms' } })
  const client = await connectRaw(world)
  if (framing === 'length')
    await client.send(head(INTERFACE_PATHS.getTask, `Content-Length: ${SIZE}`) + 'x'.repeat(70_000))
  else {
    const chunk = `${SIZE.toString(16)}\r\n${'x'.repeat(SIZE)}\r\n`
    await client.send(
      `${head(INTERFACE_PATHS.getTask, 'Transfer-Encoding: chunked')}${chunk}zz\r\n`,
    )
  }
  if (what === 'breaks off') client.end()
  const response = await client.read()
  expect(response).toMatchObject({ status })
  expect(JSON.parse(response.text)).toMatchObject({ code, sent: 'no' })
  // The rest comes too late.
  if (what === 'stops') await client.send('x'.repeat(SIZE - 70_000))
  expect((await client.closed()).left.length).toBe(0)
  expect(await world.metric(`isales_proxy_requests_total{outcome="${outcome}"}`)).toBe(1)
  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.requests()).toHaveLength(1)
})

const DOWNLOAD = `GET ${ECHO_PATH}?bytes=${30 * 1024 * 1024} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const PLACES = 2

/** Some 160 kB per second. A socket without a listener for data reads one piece ahead, and no more. */
async function readSlowly(socket: Socket): Promise<void> {
  while (!socket.destroyed) {
    socket.read()
    await delay(400)
  }
}

/** What each client does, and how many places of calls in flight it takes. */
const MISBEHAVIOR: Readonly<Record<string, readonly [bytes: string, places: number]>> = {
  'is silent': ['', 0],
  'sends half a head': [`POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: local`, 0],
  'sends half a body': [`${head(INTERFACE_PATHS.getTask, 'Content-Length: 9')}{`, 0],
  'does not read': [DOWNLOAD, PLACES],
  'reads slowly': [DOWNLOAD, PLACES],
}

async function misbehave(what: string, silentFor: number) {
  const [bytes, places] = MISBEHAVIOR[what] ?? ['', 0]
  const world = await openWorld({ env: { MAX_IN_FLIGHT: String(PLACES) } })
  const inFlight = () => world.metric('isales_proxy_requests_in_flight')
  const sockets = Array.from({ length: PLACES }, () => connect(world.port, '127.0.0.1'))
  for (const socket of sockets) {
    closing.push(() => socket.destroy())
    socket.on('error', () => undefined)
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  await delay(silentFor)
  for (const socket of sockets) socket.write(bytes)
  if (what === 'reads slowly') for (const socket of sockets) void readSlowly(socket)
  await until(async () => (await inFlight()) === places)
  const others: number[] = []
  // Each within the deadline, or it is an error.
  for (let n = 0; n < PLACES; n += 1) others.push((await world.tasks()).status)
  // The kernel may take a second piece of 4 MiB for a slow reader, which then has another 4 s.
  const limit = what === 'reads slowly' ? 10_000 : 6000
  const isFreeInTime = await until(async () => (await inFlight()) === 0, limit).then(
    () => true,
    () => false,
  )
  return { others, isFreeInTime }
}

test('whatever a client does, at once or after a silence, others are served and its place is free soon', async () => {
  const found: (readonly [name: string, Awaited<ReturnType<typeof misbehave>>])[] = []
  for (const ms of [0, 7000]) {
    const some = Object.keys(MISBEHAVIOR).map(
      async (what) => [`${what} after ${ms} ms`, await misbehave(what, ms)] as const,
    )
    found.push(...(await Promise.all(some)))
  }
  const expected = { others: [200, 200], isFreeInTime: true }
  expect(Object.fromEntries(found)).toEqual(
    Object.fromEntries(found.map(([name]) => [name, expected])),
  )
}, 50_000)
