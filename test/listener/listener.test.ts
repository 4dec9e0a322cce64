import { describe, expect, test } from 'vitest'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  GET,
  leftOf,
  outcomesOf,
  POST,
  respondOk,
  responsesOf,
  startHolding,
  startListener,
} from './support.ts'

const CONNECT = 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n'

test('garbage behind a Connection: close does not touch the response in progress', async () => {
  const { held, refused, client } = await startHolding()
  await client.send(`${POST}Connection: close\r\nContent-Length: 2\r\n\r\nhi\0\x01\x02`)
  await until(() => held.length === 1)
  held[0]?.end('ok')
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
  expect(refused).toEqual([])
})

test('CONNECT is refused, and leaves the response in progress before it whole', async () => {
  const { held, refused, client } = await startHolding()
  await client.send(`${GET}${CONNECT}`)
  await until(() => held.length === 1)
  held[0]?.end('ok')
  const [first, second] = await responsesOf(client)
  expect([first?.text, second?.status]).toEqual(['ok', 405])
  expect(second?.header('allow')).toMatch(/\bPOST\b/)
  expect(second?.header('allow')).not.toMatch(/CONNECT|TRACE/)
  expect(refused).toEqual(['method'])
})

test.each([
  ['leaves', ''],
  ['sends a CONNECT and leaves', CONNECT],
])('a client that %s is noticed by the request in progress, once', async (_name, more) => {
  const { held, closed, client, listener } = await startHolding()
  await client.send(`${GET}${more}`)
  await until(() => held.length === 1)
  client.reset()
  await until(() => listener.connections() === 0 && closed.length > 0)
  // One that came twice, or the next request, would come a turn later.
  await new Promise(setImmediate)
  expect([held.length, closed]).toEqual([1, held])
})

test('any expectation is handed on, to be judged with the rest of the request', async () => {
  const { port, refused } = await startListener((request, response) => {
    if (request.headers.expect === '100-continue') response.writeContinue()
    request.resume().on('end', () => response.end(request.headers.expect))
  })
  const client = await connectRaw({ port })
  await client.send(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`)
  expect((await client.readInterim()).status).toBe(100)
  await client.send('hi')
  expect((await client.read()).text).toBe('100-continue')
  await client.send(`${POST}Expect: 200-ok\r\nContent-Length: 2\r\n\r\nhi`)
  expect((await client.read()).text).toBe('200-ok')
  expect(refused).toEqual([])
})

describe('a request handler that', () => {
  const broken = new TypeError('a defect')
  const throws = (): never => {
    throw broken
  }

  test('throws gives a 500 that is reported, and the next request is served', async () => {
    let count = 0
    const { port, errors } = await startListener((request, response) => {
      count += 1
      if (count === 1) throws()
      respondOk(request, response)
    })
    const client = await connectRaw({ port })
    await client.send(GET)
    const problem = await client.readProblem()
    expect(problem).toMatchObject({ status: 500, code: 'internal', sent: 'unknown' })
    expect(JSON.stringify(problem)).not.toContain('defect')
    expect(errors).toEqual([broken])
    client.destroy()
    expect((await exchangeRaw({ port }, GET)).status).toBe(200)
  })

  test('throws in mid-response cuts it', async () => {
    const { port } = await startListener((_request, response) => {
      response.writeHead(200, ['Content-Length', '10'])
      response.write('half')
      throws()
    })
    const client = await connectRaw({ port })
    await client.send(GET)
    expect(await leftOf(client)).not.toMatch(/\r\n\r\n.{10}/s)
  })
})

describe('a body', () => {
  /** A listener that reads bodies, and whose time is moved by `pass`, to when as many bytes have come. */
  async function startReading(options: Parameters<typeof startListener>[1] = {}) {
    let received = 0
    const clock = manualClock()
    const running = await startListener(
      (request, response) => {
        request.on('data', (chunk: Buffer) => (received += chunk.length))
        request.on('end', () => respondOk(request, response))
      },
      { clock, ...options, limits: { bodyIdleTimeout: 10_000 } },
    )
    const pass = async (ms: number, bytes: number): Promise<void> => {
      await until(() => received === bytes)
      await clock.advance(ms)
    }
    return { ...running, pass, client: await connectRaw({ port: running.port }) }
  }

  test('of 1 KiB within each idle timeout is not idle', async () => {
    const { client, refused, pass } = await startReading()
    await client.send(`${POST}Content-Length: ${8 * 1024}\r\n\r\n`)
    for (let sent = 0; sent < 8; sent += 1) {
      await pass(8000, sent * 1024)
      await client.send('x'.repeat(1024))
    }
    expect((await client.read()).status).toBe(200)
    expect(refused).toEqual([])
  })

  test('that crawls gets a 408', async () => {
    const { client, refused, pass } = await startReading()
    await client.send(`${POST}Content-Length: 8\r\n\r\nx`)
    await pass(8000, 1)
    await client.send('x'.repeat(6))
    await pass(1000, 7)
    expect(refused).toEqual([])
    await pass(3000, 7)
    expect(await outcomesOf(client)).toEqual([[408, 'close']])
    expect(refused).toEqual(['timeout'])
  })

  test('that stops behind a response in progress has its idle timeout from its turn on', async () => {
    const clock = manualClock()
    const { held, refused, client } = await startHolding({ clock })
    await client.send(`${GET}${POST}Content-Length: 20\r\n\r\nhi`)
    await until(() => held.length === 1)
    await clock.advance(20_000)
    held[0]?.end('ok')
    await until(() => held.length === 2)
    expect(refused).toEqual([])
    await until(async () => {
      await clock.advance(1000)
      return refused.length > 0
    })
    expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200, 408])
  })

  test('that we do not read, and a slow response, are not a timeout of the client', async () => {
    const clock = manualClock()
    const { held, refused, client } = await startHolding({ clock })
    const size = 8 * 1024 * 1024
    const sent = client.send(`${POST}Content-Length: ${size}\r\n\r\n${'x'.repeat(size)}`)
    await until(() => held[0]?.req.readableLength)
    await clock.advance(20_000)
    held[0]?.req.resume()
    await until(() => held[0]?.req.complete)
    await clock.advance(20_000)
    held[0]?.end('ok')
    await sent
    expect((await client.read()).status).toBe(200)
    expect(refused).toEqual([])
  })
})
