import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { closeSlowest, type ListenerOptions } from '../../src/listener/listener.ts'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw, type RawClient, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, startListener } from './support.ts'

const { ca, server } = makeCertificates()

const MIB = 1024 * 1024
const SIZE = 16 * MIB
const BODY = Buffer.alloc(SIZE)
/** `bodyIdleTimeout`, less than the 2 s of those who make others wait. */
const LIMIT = 1500

/** As what is at hand gets a response: as a whole. */
function whole(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', String(SIZE)]).end(BODY)
}

/** As a response of iSales is relayed: chunk by chunk, each when the last has left. */
function inChunks(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', String(SIZE)])
  const chunk = BODY.subarray(0, 64 * 1024)
  let sent = 0
  const send = (): void => {
    for (; sent < SIZE; sent += chunk.length) {
      if (response.write(chunk)) continue
      sent += chunk.length
      response.once('drain', send)
      return
    }
    response.end()
  }
  send()
}

/** A client that has asked and reads nothing. */
async function pausedClient(target: RawTarget): Promise<RawClient> {
  const client = await connectRaw(target)
  client.pause()
  await client.send(GET)
  return client
}

describe.each<[string, Partial<ListenerOptions>, Omit<RawTarget, 'port'>]>([
  ['TCP', {}, {}],
  ['TLS', { tls: { cert: server.cert, key: new Secret(server.key) } }, { tls: { ca: ca.cert } }],
])('a client on %s', (_name, options, target) => {
  async function asking(onRequest: ListenerOptions['onRequest']) {
    const clock = manualClock()
    let responded = false
    const { port, listener } = await startListener(
      (request, response, connection) => {
        onRequest(request, response, connection)
        responded = true
      },
      { ...options, limits: { bodyIdleTimeout: LIMIT }, clock },
    )
    const client = await pausedClient({ ...target, port })
    await until(() => responded)
    return { client, clock, listener }
  }

  test.each([
    ['that was handed over whole', whole],
    ['that comes in chunks', inChunks],
  ])('that takes nothing of a response %s is given up', async (_, onRequest) => {
    const { client, clock, listener } = await asking(onRequest)
    await clock.advance(LIMIT - 1)
    expect(listener.connections()).toBe(1)
    await until(async () => {
      await clock.advance(LIMIT / 10)
      return listener.connections() === 0
    })
    client.resume()
    await expect(client.read()).rejects.toThrow('in the body')
  })

  test('that takes some of it now and then gets it whole', async () => {
    const { client, clock } = await asking(inChunks)
    for (let turn = 1; turn <= 4; turn += 1) {
      const goal = client.received() + 2 * MIB
      client.resume()
      await until(() => client.received() >= goal)
      client.pause()
      await clock.advance(LIMIT * 0.8)
    }
    client.resume()
    expect((await client.read()).body).toHaveLength(SIZE)
  })

  test('that has taken its response is left alone', async () => {
    const { client, clock, listener } = await asking((_request, response) => response.end('ok'))
    client.resume()
    expect((await client.read()).text).toBe('ok')
    await clock.advance(3 * LIMIT)
    expect([await client.silent(0), listener.connections()]).toEqual([true, 1])
  })
})

test.each([
  ['the slowest first, until 2 MiB wait for all', [1, 1, 1, 1], [2500, 2300, 2400, 2200], [0, 2]],
  ['none, while less waits for all of them', [1, 0.9], [2500, 2500], []],
  ['none that took something in the last 2 s', [3, 3], [1999, 2000], [1]],
])('of clients that take nothing, it closes %s', (_name, unsent, stalled, expected) => {
  const closed: number[] = []
  closeSlowest(
    unsent.map((mib, nth) => ({
      unsent: mib * MIB,
      stalled: stalled[nth] ?? 0,
      close: (reason) => {
        expect(reason).toBe('backlog')
        closed.push(nth)
      },
    })),
  )
  expect(closed).toEqual(expected)
})
