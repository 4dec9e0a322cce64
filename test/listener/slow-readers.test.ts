import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ListenerOptions } from '../../src/listener/listener.ts'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw, type RawClient, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, startListener } from './support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const directory = temporaryDirectory()
const { ca, server } = makeCertificates()
const path = join(directory, 'proxy.sock')

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
  ['a Unix socket', { address: { kind: 'unix', path } }, { path }],
])('a client on %s', (_name, options, target) => {
  async function asking(onRequest: ListenerOptions['onRequest']) {
    const clock = manualClock()
    let responded = false
    const { port, listener } = await startListener(
      (request, response, connection) => {
        void onRequest(request, response, connection)
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

describe('clients that take nothing of their responses', () => {
  /** With its head just below 1 MiB. */
  const LARGE = MIB - 1024

  /** One after the other, 100 ms apart. */
  async function paused(count: number) {
    const clock = manualClock()
    const closed: string[] = []
    const served: ServerResponse[] = []
    const { listener } = await startListener(
      (_request, response) => served.push(response.end(BODY.subarray(0, LARGE))),
      {
        address: { kind: 'unix', path },
        limits: { bodyIdleTimeout: 1000 * count },
        onClientClosed: (reason) => closed.push(reason),
        clock,
      },
    )
    const clients: RawClient[] = []
    for (let n = 1; n <= count; n += 1) {
      clients.push(await pausedClient({ path }))
      await until(() => served.length === n)
      await clock.advance(100 * count)
    }
    return { clock, closed, listener, clients }
  }

  test('are closed, the slowest first, while more than 2 MiB wait for all of them', async () => {
    const { clock, closed, listener, clients } = await paused(4)
    expect(closed).toEqual([])
    await clock.advance(1200)
    await until(() => listener.connections() === 2)
    expect(closed).toEqual(['backlog', 'backlog'])
    for (const client of clients) client.resume()
    const [first, second, third, fourth] = clients.map((client) => client.read())
    await expect(first).rejects.toThrow('in the body')
    await expect(second).rejects.toThrow('in the body')
    expect((await third)?.body).toHaveLength(LARGE)
    expect((await fourth)?.body).toHaveLength(LARGE)
  })

  test('are left until their own time is up while less waits for all of them', async () => {
    const { clock, closed, listener } = await paused(2)
    await clock.advance(1500)
    expect(closed).toEqual([])
    await clock.advance(1000)
    await until(() => listener.connections() === 0)
    expect(closed).toEqual(['idle', 'idle'])
  })
})
