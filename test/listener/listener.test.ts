import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { writeProblem } from '../../src/problem.ts'
import { makeCertificates } from '../support/certificates.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, hold, outcomesOf, POST, respondOk } from './support.ts'
import { responsesOf, startHolding, startListener } from './support.ts'

const CONNECT = 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n'
const MIB = 1024 * 1024
const LARGE = Buffer.alloc(16 * MIB)
const { ca, server } = makeCertificates()
const TLS = { cert: server.cert, key: new Secret(server.key) }

test('CONNECT behind a request leaves the response complete, and then the connection closes', async () => {
  const { held, refused, client } = await startHolding()
  await client.send(`${GET}${CONNECT}`)
  await until(() => held.length === 1)
  // More than the kernel buffers.
  held[0]?.writeHead(200, ['Content-Length', String(LARGE.length)]).end(LARGE)
  const response = await client.read({ limitMs: 20_000 })
  expect([response.body.length, response.header('connection')]).toEqual([LARGE.length, 'close'])
  expect((await client.closed()).left).toHaveLength(0)
  expect(refused).toEqual(['pipelined'])
})

test('a refusal is of its own request, also if the response before it has not left', async () => {
  const own: boolean[] = []
  const { port, refused } = await startListener((request, response, connection) => {
    const isFirst = request.socket.bytesRead === GET.length
    response.on('close', () => own.push(connection.refusedResponse === response))
    if (!isFirst) return connection.refuse('other-path')
    // As TLS does for a while.
    response.socket?.cork()
    response.end('ok')
    const sent = client.send(GET)
    const isRead = (): boolean => request.socket.bytesRead > GET.length
    void sent.then(() => until(isRead)).then(() => request.socket.uncork())
  })
  const client = await connectRaw({ port })
  await client.send(GET)
  expect((await client.read()).status).toBe(200)
  expect((await client.read()).status).toBe(403)
  await client.closed()
  expect([own, refused]).toEqual([[false, true], ['other-path']])
})

test('a request with a malformed body behind a response that has not left is refused once', async () => {
  const { held, refused, client } = await startHolding()
  client.socket.pause()
  await client.send(GET)
  await until(() => held.length === 1)
  held[0]?.writeHead(200, ['Content-Length', String(LARGE.length)]).end(LARGE)
  await client.send(`${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)
  await until(() => refused.length > 0)
  client.socket.resume()
  expect((await client.read({ limitMs: 20_000 })).status).toBe(200)
  expect((await client.closed()).left).toHaveLength(0)
  expect([held.length, refused]).toEqual([1, ['parser']])
})

describe('a connection on which nothing moves', () => {
  // Emits Node's timeout, independent of the time.
  test('is left alone while its response is awaited', async () => {
    const { held, refused, client } = await startHolding({ limits: { idleTimeout: 60_000 } })
    await client.send(`${POST}Content-Length: 2\r\n\r\nhi`)
    await until(() => held[0]?.req.complete)
    held[0]?.req.socket.emit('timeout')
    held[0]?.end('ok')
    expect((await client.read()).status).toBe(200)
    expect(refused).toEqual([])
  })

  test.each([
    ['half a head', 'GET / HTTP/1.1\r\nHo'],
    ['nothing', ''],
  ])('behind %s gets a 408 after the time for a head', async (_name, bytes) => {
    const limits = { idleTimeout: 50, headerTimeout: 400 }
    const { port, refused } = await startListener(respondOk, { limits })
    const client = await connectRaw({ port })
    await client.send(bytes)
    expect(await outcomesOf(client)).toEqual([[408, 'close']])
    expect(refused).toEqual(['timeout'])
  })

  test('in its TLS handshake is closed after the time for a head, and reported', async () => {
    const failed: string[] = []
    const onHandshakeFailure = (failure: string) => void failed.push(failure)
    const options = { tls: TLS, limits: { headerTimeout: 400 }, onHandshakeFailure }
    const { port } = await startListener(respondOk, options)
    await (await connectRaw({ port })).closed()
    expect(failed).toEqual(['request-timeout'])
  })
})

// RFC 9112 section 9.6.
test('a response before the end of its request is a 408 for a client that stalls, and reaches it although it continues to send', async () => {
  const limits = { idleTimeout: 200 }
  const { port, refused, listener } = await startListener(() => undefined, { limits })
  const client = await connectRaw({ port })
  client.pause()
  await client.send(`${POST}Content-Length: ${8 * MIB}\r\n\r\n`)
  await until(() => refused.length === 1)
  await client.send(LARGE.subarray(0, 8 * MIB))
  client.resume()
  expect(await outcomesOf(client)).toEqual([[408, 'close']])
  expect((await client.closed()).reset).toBe(false)
  await until(() => listener.connections() === 0)
})

test('a response before the end of its request keeps the connection of a client that never stops sending for 2 s', async () => {
  const clock = manualClock()
  const { port, listener } = await startListener(
    (_request, response) => writeProblem(response, 'not-allowed', { requestId: 'id-1' }),
    { clock },
  )
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => undefined)
  client.write(`${POST}Content-Length: ${1000 * MIB}\r\n\r\n`)
  await once(client, 'data')
  const send = (): void => {
    while (!client.destroyed && client.write(LARGE.subarray(0, 64 * 1024)));
  }
  client.on('drain', send)
  send()
  await until(() => client.bytesWritten > 8 * MIB)
  await clock.advance(1999)
  expect(listener.connections()).toBe(1)
  await clock.advance(1)
  await until(() => listener.connections() === 0)
  client.destroy()
})

test.each([
  ['TCP', undefined],
  ['TLS', TLS],
])('a client on %s that takes nothing of its response is disconnected', async (_name, tls) => {
  const { port, listener } = await startListener(
    (_request, response) =>
      response.writeHead(200, ['Content-Length', `${LARGE.length}`]).end(LARGE),
    { tls, limits: { idleTimeout: 300 } },
  )
  const client = await connectRaw({ port, ...(tls && { tls: { ca: ca.cert } }) })
  client.pause()
  await client.send(GET)
  await until(() => listener.connections() === 1)
  await until(() => listener.connections() === 0)
  client.resume()
  await expect(client.read()).rejects.toThrow('in the body')
})

const LONG = 10_000

test('a stop closes connections without a request long before the end of the drain', async () => {
  const { port, listener } = await startListener(respondOk)
  const used = await connectRaw({ port })
  await used.send(GET)
  await used.read()
  const fresh = await connectRaw({ port })
  await until(() => listener.connections() === 2)
  await listener.stop(LONG)
  for (const client of [used, fresh]) expect((await client.closed()).left).toHaveLength(0)
})

test('a stop serves the first request of a connection that was opened just before', async () => {
  const { port, listener } = await startListener(respondOk)
  const client = await connectRaw({ port })
  await until(() => listener.connections() === 1)
  const stop = listener.stop(LONG)
  await client.send(GET)
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
  await stop
})

test('a stop does not cut a response that Node has but the kernel has not', async () => {
  const { listener, held, client } = await startHolding()
  client.pause()
  await client.send(GET)
  await until(() => held.length === 1)
  held[0]?.end(LARGE)
  const stop = listener.stop(LONG)
  // The drain polls every 50 ms.
  await client.silent(120)
  client.resume()
  expect((await responsesOf(client))[0]?.body.length).toBe(LARGE.length)
  await stop
})

test('a stop cuts requests and handshakes that have not ended after the grace', async () => {
  for (const tls of [undefined, TLS]) {
    const { port, listener, held } = await startHolding({ tls }, tls && { tls: { ca: ca.cert } })
    const client = await connectRaw({ port })
    await client.send(tls === undefined ? GET : '')
    await until(() => held.length === (tls === undefined ? 1 : 0) && listener.connections() === 2)
    await listener.stop(100)
    expect((await client.closed()).left).toHaveLength(0)
  }
})

// Without TLS, test/promises/6-other-clients.test.ts and the simulation hold it.
const TRUSTING = { tls: { ca: ca.cert } }
const FOUR = { limits: { listenMaxConnections: 4 } }

test('over TLS, connections before their handshake keep no client out, and are reported', async () => {
  const failed: string[] = []
  const onHandshakeFailure = (failure: string) => void failed.push(failure)
  const options = { ...FOUR, tls: TLS, onHandshakeFailure }
  const { port, listener, refused } = await startListener(respondOk, options)
  await hold(10, port)
  for (let n = 0; n < 10; n += 1) {
    const client = await connectRaw({ port, ...TRUSTING })
    await client.send(GET)
    expect((await client.read()).status).toBe(200)
    client.destroy()
  }
  expect(listener.connections()).toBeLessThanOrEqual(4)
  expect(refused.length).toBeGreaterThan(6)
  // Each is reported once.
  expect(failed).toEqual([])
})

test('over TLS, a call in flight is not closed for others, and is idle again behind it', async () => {
  const { port, held, client } = await startHolding({ ...FOUR, tls: TLS }, TRUSTING)
  await client.send(GET)
  await until(() => held.length === 1)
  await hold(20, port)
  held[0]?.end('ok')
  expect((await client.read()).status).toBe(200)
  for (let n = 2; n <= 6; n += 1) {
    const other = await connectRaw({ port, ...TRUSTING })
    await other.send(GET)
    await until(() => held.length === n)
    held.at(-1)?.end('ok')
    await other.read()
  }
  await client.closed()
})
