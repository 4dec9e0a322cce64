import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ListenerOptions } from '../../src/listener/listener.ts'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, type RawClient, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, LIMITS, startListener } from './support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const directory = temporaryDirectory()
const { ca, server } = makeCertificates()
const path = join(directory, 'proxy.sock')

const MIB = 1024 * 1024
const SIZE = 32 * MIB
const BODY = Buffer.alloc(SIZE)

/** As what is at hand gets a response: as a whole. */
function whole(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', String(SIZE)]).end(BODY)
}

/** As a response of iSales is relayed: chunk by chunk, each when the last has left. */
function inPieces(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', String(SIZE)])
  const piece = BODY.subarray(0, 64 * 1024)
  let sent = 0
  const send = (): void => {
    for (; sent < SIZE; sent += piece.length) {
      if (response.write(piece)) continue
      sent += piece.length
      response.once('drain', send)
      return
    }
    response.end()
  }
  send()
}

describe.each<[string, Partial<ListenerOptions>, Omit<RawTarget, 'port'>]>([
  ['TCP', {}, {}],
  ['TLS', { tls: { cert: server.cert, key: new Secret(server.key) } }, { tls: { ca: ca.cert } }],
  ['a Unix socket', { address: { kind: 'unix', path } }, { path }],
])('a client on %s', (_name, options, target) => {
  async function asking(
    bodyIdleTimeout: number,
    onRequest: ListenerOptions['onRequest'],
    now?: () => number,
  ): Promise<{ client: RawClient; connections: () => number }> {
    const limits = { ...LIMITS, bodyIdleTimeout }
    const { port, listener } = await startListener(onRequest, {
      ...options,
      limits,
      ...(now === undefined ? {} : { now }),
    })
    const client = await connectRaw({ ...target, port })
    client.pause()
    await client.send(GET)
    await until(() => listener.connections() === 1)
    return { client, connections: () => listener.connections() }
  }

  test.each([
    ['that was handed over whole', whole],
    ['that comes in chunks', inPieces],
  ])('that takes nothing of a response %s is given up', async (_, onRequest) => {
    const { client, connections } = await asking(200, onRequest)
    await until(() => connections() === 0)
    client.resume()
    await expect(client.read()).rejects.toThrow('in the body')
  })

  test('that takes some of it now and then gets it whole', async () => {
    const limit = 500
    const watch = { time: 0, looks: 0 }
    const { client } = await asking(limit, inPieces, () => {
      watch.looks += 1
      return watch.time
    })
    for (let turn = 1; turn <= 6; turn += 1) {
      const goal = Math.min(client.received() + 2 * MIB, SIZE)
      client.resume()
      await until(() => client.received() >= goal)
      client.pause()
      watch.time += limit * 0.8
      const { looks } = watch
      await until(() => watch.looks > looks)
    }
    client.resume()
    expect((await client.read()).body).toHaveLength(SIZE)
    client.destroy()
  })

  test('that comes to a process which is older than the limit has its time, too', async () => {
    const watch = { looks: 0 }
    const { client, connections } = await asking(1000, whole, () => {
      watch.looks += 1
      return 1e6
    })
    const { looks } = watch
    await until(() => watch.looks > looks + 1)
    expect(connections()).toBe(1)
    client.destroy()
  })

  test('that has taken its response is left alone', async () => {
    const { client, connections } = await asking(100, (_request, response) => response.end('ok'))
    client.resume()
    expect((await client.read()).text).toBe('ok')
    expect(await client.silent(300)).toBe(true)
    expect(connections()).toBe(1)
    client.destroy()
  })
})

describe('clients that take nothing of their responses', () => {
  /** With its head just below 1 MiB. */
  const LARGE = MIB - 1024

  /** Each is asked for and paused, one after the other; the clock stands still meanwhile. */
  async function paused(count: number) {
    const watch = { time: 0, looks: 0 }
    const closed: string[] = []
    const served: ServerResponse[] = []
    const { listener, port } = await startListener(
      (_request, response) => served.push(response.end(BODY.subarray(0, LARGE))),
      {
        address: { kind: 'unix', path: join(directory, 'backlog.sock') },
        onClientClosed: (reason) => closed.push(reason),
        now: () => {
          watch.looks += 1
          return watch.time
        },
      },
    )
    const connect = () => connectRaw({ path: join(directory, 'backlog.sock'), port })
    const clients: RawClient[] = []
    for (let n = 1; n <= count; n += 1) {
      const client = await connect()
      clients.push(client)
      client.pause()
      await client.send(GET)
      await until(() => served.length === n)
      watch.time += 100
    }
    return { watch, closed, listener, clients, connect }
  }
  /** Each of at most four connections is looked at once at least. */
  async function looked(watch: { readonly looks: number }): Promise<void> {
    const { looks } = watch
    await until(() => watch.looks > looks + 8)
  }

  test('are closed, the slowest first, while more than 2 MiB wait for all of them', async () => {
    const { watch, closed, listener, clients, connect } = await paused(4)
    watch.time += 1500
    await looked(watch)
    expect(closed).toEqual([])

    watch.time += 600
    await until(() => listener.connections() === 2)
    expect(closed).toEqual(['backlog', 'backlog'])
    for (const client of clients) client.resume()
    const [first, second, third, fourth] = clients.map((client) => client.read())
    await expect(first).rejects.toThrow('in the body')
    await expect(second).rejects.toThrow('in the body')
    expect((await third)?.body).toHaveLength(LARGE)
    expect((await fourth)?.body).toHaveLength(LARGE)

    const another = await connect()
    await another.send(GET)
    expect((await another.read()).body).toHaveLength(LARGE)
    for (const client of [...clients, another]) client.destroy()
  })

  test('are left until their own time is up while less waits for all of them', async () => {
    const { watch, closed, listener } = await paused(2)
    watch.time += 4000
    await looked(watch)
    expect(closed).toEqual([])
    watch.time += 2000
    await until(() => listener.connections() === 0)
    expect(closed).toEqual(['idle', 'idle'])
  })
})
