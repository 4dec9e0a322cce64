import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { writeProblem } from '../../src/http/problem.ts'
import { connectRaw, type RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, LIMITS, POST, responsesOf, startListener } from './support.ts'

const MIB = 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')

async function sendUntilRefused(client: RawClient, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += CHUNK.length) await client.send(CHUNK)
}

describe('a response before the end of its request (RFC 9112 section 9.6)', () => {
  test('reaches a client that reads nothing before it has sent all', async () => {
    const { port, listener } = await startListener((_request, response) =>
      writeProblem(response, 'too-large', { requestId: 'id-1' }),
    )
    const client = await connectRaw({ port })
    client.pause()
    await client.send(`${POST}Content-Length: ${8 * MIB}\r\n\r\n`)
    await delay(100)
    await sendUntilRefused(client, 8 * MIB)
    client.resume()
    const response = await client.read()
    expect([response.status, response.header('connection')]).toEqual([413, 'close'])
    expect((await client.closed()).reset).toBe(false)
    await until(() => listener.connections() === 0)
  })

  test('to a request that cannot be read reaches it, too', async () => {
    const { port, listener } = await startListener(() => undefined)
    const client = await connectRaw({ port })
    client.pause()
    await client.send('GET / HTTP/1.1\r\nHost : x\r\n\r\n')
    await delay(100)
    await sendUntilRefused(client, 4 * MIB)
    client.resume()
    expect((await responsesOf(client)).map(({ status }) => status)).toEqual([400])
    await until(() => listener.connections() === 0)
  })

  test.each([
    ['over the cap', 503, `${POST}Content-Length: ${8 * MIB}\r\n\r\n`, { maxConnections: 1 }],
    ['behind 16 others', 503, `${GET.repeat(16)}${POST}Content-Length: ${8 * MIB}\r\n\r\n`, {}],
    ['with a broken chunk', 400, `${POST}Transfer-Encoding: chunked\r\n\r\nx`, {}],
    ['that stalls', 408, `${POST}Content-Length: ${8 * MIB}\r\n\r\n`, { bodyIdleTimeout: 100 }],
  ])('of the listener to one %s reaches it, too', async (_name, status, head, limits) => {
    const held: ServerResponse[] = []
    const { port, problems } = await startListener(
      (request, response, connection) => {
        connection.keep()
        if (request.method === 'GET') held.push(response)
      },
      { limits: { ...LIMITS, ...limits } },
    )
    const first = await connectRaw({ port })
    await first.send(GET)
    await until(() => held.length === 1)
    const client = await connectRaw({ port })
    client.pause()
    await client.send(head)
    await until(() => problems.length === 1)
    for (const response of held) response.end('ok')
    await delay(100)
    await sendUntilRefused(client, 8 * MIB)
    client.resume()
    expect((await responsesOf(client)).at(-1)?.status).toBe(status)
    expect((await client.closed()).reset).toBe(false)
  })

  test.each([
    ['sends nothing more and does not close', false],
    ['never stops sending', true],
  ])('does not keep the connection of a client that %s', async (_name, sends) => {
    const { port, listener } = await startListener((_request, response) =>
      writeProblem(response, 'not-allowed', { requestId: 'id-1' }),
    )
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => undefined)
    client.write(`${POST}Content-Length: ${1000 * MIB}\r\n\r\n`)
    const [response] = (await once(client, 'data')) as [Buffer]
    expect(response.toString()).toMatch(/^HTTP\/1\.1 403 /)
    const send = (): void => {
      while (!client.destroyed && client.write(CHUNK));
    }
    if (sends) {
      client.on('drain', send)
      send()
    }
    await until(() => listener.connections() === 0, 4000)
    client.destroy()
  })
})
