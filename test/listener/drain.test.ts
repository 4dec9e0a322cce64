import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import {
  GET,
  leftOf,
  outcomesOf,
  respondOk,
  responsesOf,
  startHolding,
  startListener,
} from './support.ts'

const LONG = 10_000

test('one that drains serves on, new connections too, and every response closes its connection', async () => {
  const { port, listener } = await startListener(respondOk)
  const kept = await connectRaw({ port })
  await kept.send(GET)
  await kept.read()
  listener.drain()
  for (const client of [kept, await connectRaw({ port })]) {
    await client.send(GET)
    expect(await outcomesOf(client)).toEqual([[200, 'close']])
  }
})

test('connections without a request are closed long before the end of the drain', async () => {
  const { port, listener } = await startListener(respondOk)
  const used = await connectRaw({ port })
  await used.send(GET)
  await used.read()
  const fresh = await connectRaw({ port })
  await until(() => listener.connections() === 2)
  await listener.stop(LONG)
  expect([await leftOf(used), await leftOf(fresh)]).toEqual(['', ''])
})

test('the first request of a connection that was opened just before a stop is served', async () => {
  const { port, listener } = await startListener(respondOk)
  const client = await connectRaw({ port })
  await until(() => listener.connections() === 1)
  const stop = listener.stop(LONG)
  await client.send(GET)
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
  await stop
})

test('a request that arrives during the drain on an open connection is served, and is its last', async () => {
  const { listener, held, client } = await startHolding()
  await client.send(GET)
  await until(() => held.length === 1)
  held[0]?.writeHead(200, ['Content-Length', '4']).write('on')
  const stop = listener.stop(LONG)
  held[0]?.end('e1')
  expect((await client.read()).header('connection')).toBe('keep-alive')
  await client.send(GET)
  await until(() => held.length === 2)
  held[1]?.writeHead(200, ['Content-Length', '4']).end('two2')
  expect(await outcomesOf(client)).toEqual([[200, 'close']])
  await stop
})

test('a response that was handed over but has not left yet is not cut', async () => {
  const { listener, held, client } = await startHolding()
  client.pause()
  await client.send(GET)
  await until(() => held.length === 1)
  held[0]?.end('x'.repeat(16 * 1024 * 1024))
  const stop = listener.stop(LONG)
  // The drain looks each 50 ms.
  await client.silent(120)
  client.resume()
  expect((await responsesOf(client))[0]?.text.length).toBe(16 * 1024 * 1024)
  await stop
})

test('what has not ended when the grace is over is cut', async () => {
  const { listener, held, client } = await startHolding()
  await client.send(GET)
  await until(() => held.length === 1)
  await listener.stop(100)
  expect(await leftOf(client)).toBe('')
  await until(() => held[0]?.closed)
})
