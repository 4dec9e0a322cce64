import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { responsesOf, leftOf, respondOk, GET, startListener } from './support.ts'

const LONG = 10_000

test('a drain lets the request in flight end, and its response closes the connection', async () => {
  let held: ServerResponse | undefined
  const { port, listener } = await startListener((_request, response) => {
    held = response
  })
  const client = await connectRaw({ port })
  await client.send(GET)
  await until(() => held !== undefined)
  let stopped = false
  const stop = listener.stop(LONG).then(() => {
    stopped = true
  })
  await expect(connectRaw({ port })).rejects.toThrow('ECONNREFUSED')
  expect(stopped).toBe(false)
  held?.writeHead(200, ['Content-Length', '2']).end('ok')
  const [response] = await responsesOf(client)
  expect(response?.header('connection')).toBe('close')
  await stop
  expect(listener.connections()).toBe(0)
})

test('one that retires serves on, new connections too, and every response closes its connection', async () => {
  const { port, listener } = await startListener(respondOk)
  const kept = await connectRaw({ port })
  await kept.send(GET)
  await kept.read()
  listener.retire()
  const fresh = await connectRaw({ port })
  await kept.send(GET)
  await fresh.send(GET)
  for (const client of [kept, fresh]) {
    const [response] = await responsesOf(client)
    expect([response?.status, response?.header('connection')]).toEqual([200, 'close'])
  }
  await listener.stop(LONG)
})

test('connections without a request are closed immediately', async () => {
  const { port, listener } = await startListener(respondOk)
  const used = await connectRaw({ port })
  await used.send(GET)
  await used.read()
  const fresh = await connectRaw({ port })
  await until(() => listener.connections() === 2)
  await listener.stop(LONG)
  expect([await leftOf(used), await leftOf(fresh)]).toEqual(['', ''])
})

test('a request that arrives during the drain on an open connection is served, and is its last', async () => {
  const held: ServerResponse[] = []
  const { port, listener } = await startListener((_request, response) => {
    held.push(response)
  })
  const client = await connectRaw({ port })
  await client.send(GET)
  await until(() => held.length === 1)
  held[0]?.writeHead(200, ['Content-Length', '4'])
  held[0]?.write('on')
  const stop = listener.stop(LONG)
  await client.send(GET)
  await until(() => held.length === 2)
  held[0]?.end('e1')
  held[1]?.writeHead(200, ['Content-Length', '4']).end('two2')
  const responses = await responsesOf(client)
  expect(responses.map((response) => [response.text, response.header('connection')])).toEqual([
    ['one1', 'keep-alive'],
    ['two2', 'close'],
  ])
  await stop
})

test('a response that was handed over but has not left yet is not cut', async () => {
  const body = 'x'.repeat(16 * 1024 * 1024)
  let responded = false
  const { port, listener } = await startListener((_request, response) => {
    response.writeHead(200, ['Content-Length', String(body.length)]).end(body)
    responded = true
  })
  const client = await connectRaw({ port })
  client.pause()
  await client.send(GET)
  await until(() => responded)
  const stop = listener.stop(LONG)
  await new Promise((resolve) => {
    setTimeout(resolve, 150)
  })
  client.resume()
  const [response] = await responsesOf(client)
  expect(response?.text.length).toBe(body.length)
  await stop
})

test('what has not ended when the grace is over is cut', async () => {
  let seen = false
  let closed = false
  const { port, listener } = await startListener((_request, response) => {
    seen = true
    response.on('close', () => {
      closed = true
    })
  })
  const client = await connectRaw({ port })
  await client.send(GET)
  await until(() => seen)
  await listener.stop(100)
  expect(await leftOf(client)).toBe('')
  await until(() => closed)
})
