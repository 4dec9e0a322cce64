import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { ListenerOptions } from '../../src/listener/listener.ts'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, type RawClient, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, startListener } from './support.ts'

const { ca, server } = makeCertificates()

const MIB = 1024 * 1024
const SIZE = 16 * MIB
const BODY = Buffer.alloc(SIZE)
/** `idleTimeout` */
const LIMIT = 300

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
    let responded = false
    const { port, listener } = await startListener(
      (request, response, connection) => {
        onRequest(request, response, connection)
        responded = true
      },
      { ...options, limits: { idleTimeout: LIMIT } },
    )
    const client = await pausedClient({ ...target, port })
    await until(() => responded)
    return { client, listener }
  }

  test.each([
    ['that was handed over whole', whole],
    ['that comes in chunks', inChunks],
  ])('that takes nothing of a response %s is given up', async (_, onRequest) => {
    const { client, listener } = await asking(onRequest)
    await until(() => listener.connections() === 0)
    client.resume()
    await expect(client.read()).rejects.toThrow('in the body')
  })

  test('that has taken its response is left alone', async () => {
    const { client, listener } = await asking((_request, response) => response.end('ok'))
    client.resume()
    expect((await client.read()).text).toBe('ok')
    expect([await client.silent(2 * LIMIT), listener.connections()]).toEqual([true, 1])
  })
})
