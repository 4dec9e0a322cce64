import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ECHO_PATH } from '../../simulator/streams.ts'
import { closing } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const DOWNLOAD = `GET ${ECHO_PATH}?bytes=${30 * 1024 * 1024} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const PLACES = 2

/** Reads about 160 kB per second. A socket without a listener for data reads only one piece ahead. */
async function readSlowly(socket: Socket): Promise<void> {
  while (!socket.destroyed) {
    socket.read()
    await delay(400)
  }
}

async function misbehave(readsSlowly: boolean) {
  const world = await openWorld({ env: { MAX_IN_FLIGHT: String(PLACES) } })
  const inFlight = () => world.metric('isales_proxy_requests_in_flight')
  const sockets = Array.from({ length: PLACES }, () => connect(world.port, '127.0.0.1'))
  for (const socket of sockets) {
    closing.push(() => socket.destroy())
    socket.on('error', () => undefined)
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  for (const socket of sockets) {
    socket.write(DOWNLOAD)
    if (readsSlowly) void readSlowly(socket)
  }
  await until(async () => (await inFlight()) === PLACES)
  const others: number[] = []
  for (let n = 0; n < PLACES; n += 1) others.push((await world.tasks()).status)
  // The kernel may buffer a second piece of 4 MiB for a slow reader, which then has another 4 s.
  const limit = readsSlowly ? 10_000 : 6000
  const free = until(async () => (await inFlight()) === 0, limit)
  const isFreeInTime = await free.catch(() => false)

  return { others, isFreeInTime }
}

// Clients that hold a connection without a call are in test/promises/6-other-clients.test.ts, clients that are silent before
// they do not read in the simulation.
test('clients that do not read, or read slowly, keep no other client out and free their places soon', async () => {
  const expected = { others: [200, 200], isFreeInTime: true }
  expect(await Promise.all([misbehave(false), misbehave(true)])).toEqual([expected, expected])
}, 50_000)
