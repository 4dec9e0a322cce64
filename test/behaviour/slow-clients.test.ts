import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { ECHO_PATH } from '../../simulator/streams.ts'
import { closing } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const HEAD = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: local`
const DOWNLOAD = `GET ${ECHO_PATH}?bytes=${30 * 1024 * 1024} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const PLACES = 2

/** Reads about 160 kB per second. A socket without a listener for data reads only one piece ahead. */
async function readSlowly(socket: Socket): Promise<void> {
  while (!socket.destroyed) {
    socket.read()
    await delay(400)
  }
}

/** Bytes that a client sends, and the number of calls in flight that it takes. */
const MISBEHAVIOR: Readonly<Record<string, readonly [bytes: string, places: number]>> = {
  'is silent': ['', 0],
  'sends half a head': [HEAD, 0],
  'sends half a body': [`${HEAD}host\r\nContent-Length: 9\r\n\r\n{`, 0],
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
  for (let n = 0; n < PLACES; n += 1) others.push((await world.tasks()).status)
  // The kernel may buffer a second piece of 4 MiB for a slow reader, which then has another 4 s.
  const limit = what === 'reads slowly' ? 10_000 : 6000
  const isFreeInTime = await until(async () => (await inFlight()) === 0, limit).then(
    () => true,
    () => false,
  )
  return { others, isFreeInTime }
}

test('a client that misbehaves, immediately or after a silence, keeps no other client out and frees its place soon', async () => {
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
