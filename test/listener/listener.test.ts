import { describe, expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  GET,
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

test('CONNECT is refused', async () => {
  const { refused, client } = await startHolding()
  await client.send(CONNECT)
  const [response] = await responsesOf(client)
  expect(response?.status).toBe(405)
  expect(response?.header('allow')).toMatch(/\bPOST\b/)
  expect(response?.header('allow')).not.toMatch(/CONNECT|TRACE/)
  expect(refused).toEqual(['method'])
})

test('CONNECT behind a request leaves its response whole, which closes the connection', async () => {
  const { held, refused, client } = await startHolding()
  await client.send(`${GET}${CONNECT}`)
  await until(() => held.length === 1)
  // More than the kernel takes: the rest leaves when there is room.
  const body = Buffer.alloc(16 * 1024 * 1024)
  held[0]?.writeHead(200, ['Content-Length', String(body.length)]).end(body)
  const response = await client.read({ limitMs: 20_000 })
  expect([response.body.length, response.header('connection')]).toEqual([body.length, 'close'])
  expect((await client.closed()).left).toHaveLength(0)
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

// Node notices that nothing moves. Here it is said for it, whatever the time is.
describe('a connection on which nothing moves', () => {
  const LONG = { idleTimeout: 60_000 }

  test('gets a 408 while its body is awaited', async () => {
    const { held, refused, client } = await startHolding({ limits: LONG })
    await client.send(`${POST}Content-Length: 8\r\n\r\nx`)
    await until(() => held.length === 1)
    held[0]?.req.socket.emit('timeout')
    expect(await outcomesOf(client)).toEqual([[408, 'close']])
    expect(refused).toEqual(['timeout'])
  })

  test('is left alone while its response is awaited', async () => {
    const { held, refused, client } = await startHolding({ limits: LONG })
    await client.send(`${POST}Content-Length: 2\r\n\r\nhi`)
    await until(() => held[0]?.req.complete)
    held[0]?.req.socket.emit('timeout')
    held[0]?.end('ok')
    expect((await client.read()).status).toBe(200)
    expect(refused).toEqual([])
  })
})

test.each([
  ['half a head', 'GET / HTTP/1.1\r\nHo'],
  ['nothing', ''],
])(
  'a client that sends %s has as long as a head may take, and then a 408',
  async (_name, bytes) => {
    const limits = { idleTimeout: 50, headerTimeout: 400 }
    const { port, refused } = await startListener(respondOk, { limits })
    const client = await connectRaw({ port })
    await client.send(bytes)
    expect(await outcomesOf(client)).toEqual([[408, 'close']])
    expect(refused).toEqual(['timeout'])
  },
)

test('a connection that had a request is kept for its time, and no longer', async () => {
  const { port } = await startListener(respondOk, { limits: { idleTimeout: 50, keepAlive: 400 } })
  const client = await connectRaw({ port })
  await client.send(GET)
  const began = performance.now()
  await client.read()
  expect((await client.closed()).left).toHaveLength(0)
  expect(performance.now() - began).toBeGreaterThan(390)
})
