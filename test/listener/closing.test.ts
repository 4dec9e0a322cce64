import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { writeProblem } from '../../src/problem.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw, type RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { POST, responsesOf, startListener } from './support.ts'

const MIB = 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')
const LARGE_POST = `${POST}Content-Length: ${8 * MIB}\r\n\r\n`

/** Reads nothing before all of it was sent. */
async function sendLarge(client: RawClient): Promise<void> {
  for (let sent = 0; sent < 8 * MIB; sent += CHUNK.length) await client.send(CHUNK)
  client.resume()
}

describe('a response before the end of its request (RFC 9112 section 9.6)', () => {
  test.each([
    ['that cannot be read', 400, 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['with a broken chunk', 400, `${POST}Transfer-Encoding: chunked\r\n\r\nx`],
    ['that stalls', 408, LARGE_POST],
    ['that the handler refuses', 413, LARGE_POST.replace('/p', '/large')],
  ])('to one %s reaches a client that is still sending', async (_name, status, head) => {
    let refusals = 0
    const { port, listener } = await startListener(
      ({ url }, response) => {
        if (url !== '/large') return
        writeProblem(response, 'too-large', { requestId: 'id-1' })
        refusals += 1
      },
      { onRefused: () => (refusals += 1), limits: { idleTimeout: 200 } },
    )
    const client = await connectRaw({ port })
    client.pause()
    await client.send(head)
    await until(() => refusals === 1)
    await sendLarge(client)
    const response = (await responsesOf(client)).at(-1)
    expect([response?.status, response?.header('connection')]).toEqual([status, 'close'])
    expect((await client.closed()).reset).toBe(false)
    await until(() => listener.connections() === 0)
  })

  /** A client that keeps its side open behind the response. */
  async function refused() {
    const clock = manualClock()
    const { port, listener } = await startListener(
      (_request, response) => writeProblem(response, 'not-allowed', { requestId: 'id-1' }),
      { clock },
    )
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => undefined)
    client.write(`${POST}Content-Length: ${1000 * MIB}\r\n\r\n`)
    const [response] = (await once(client, 'data')) as [Buffer]
    expect(response.toString()).toMatch(/^HTTP\/1\.1 403 /)
    return { client, clock, listener }
  }

  test.each([
    ['sends nothing more', 0],
    ['never stops sending', 8 * MIB],
  ])('keeps the connection of a client that %s for 2 s', async (_name, bytes) => {
    const { client, clock, listener } = await refused()
    const send = (): void => {
      while (!client.destroyed && client.write(CHUNK));
    }
    if (bytes > 0) {
      client.on('drain', send)
      send()
      await until(() => client.bytesWritten > bytes)
    }
    await clock.advance(1999)
    expect(listener.connections()).toBe(1)
    await clock.advance(1)
    await until(() => listener.connections() === 0)
    client.destroy()
  })
})
