import { afterEach, describe, expect, it } from 'vitest'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { framingOf, HttpFault, readBody, readHead } from './http-bytes.ts'
import { makeCertificates } from './certificates.ts'
import { connectRaw, exchangeRaw } from './raw-client.ts'
import { answerBytes, startRawUpstream, type RawUpstreamOptions } from './raw-upstream.ts'
import { until } from './until.ts'

const GET = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'
const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function upstream(options: RawUpstreamOptions) {
  const started = await startRawUpstream(options)
  open.push(started)
  return started
}

describe('the strict reader', () => {
  it.each([
    ['a bare LF', 'GET / HTTP/1.1\nHost: x\r\n\r\n'],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a NUL in a value', 'GET / HTTP/1.1\r\nHost: x\0\r\n\r\n'],
    ['a field without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n'],
  ])('refuses %s', (_, text) => {
    expect(() => readHead(Buffer.from(text, 'latin1'))).toThrow(HttpFault)
  })

  it('waits for the rest of a head', () => {
    expect(readHead(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r'))).toBeUndefined()
  })

  it.each([
    [
      'two lengths',
      [
        ['Content-Length', '1'],
        ['content-length', '1'],
      ],
    ],
    [
      'a length and a coding',
      [
        ['Content-Length', '1'],
        ['Transfer-Encoding', 'chunked'],
      ],
    ],
    ['another coding', [['Transfer-Encoding', 'gzip, chunked']]],
    ['a signed length', [['Content-Length', '+1']]],
  ] as const)('refuses %s', (_, fields) => {
    expect(() => framingOf(fields, 'none')).toThrow(HttpFault)
  })

  it.each([
    ['a length that is none', 'x\r\n'],
    ['a chunk that is longer than it says', '1\r\nab\r\n'],
    ['a prefix', '0x1\r\na\r\n'],
  ])('refuses chunks with %s', (_, text) => {
    expect(() => readBody(Buffer.from(text), { kind: 'chunked' }, false)).toThrow(HttpFault)
  })

  it('reads chunks and trailers to their end and no further', () => {
    const text = '2;x=y\r\nab\r\n1\r\nc\r\n0\r\nSum: 3\r\n\r\nNEXT'
    const body = readBody(Buffer.from(text), { kind: 'chunked' }, false)
    expect(body?.content.toString()).toBe('abc')
    expect(body).toMatchObject({
      chunks: [2, 1],
      trailers: [['Sum', '3']],
      length: text.length - 4,
    })
  })
})

describe('the raw client and the raw upstream', () => {
  it('exchange exactly the bytes that they were given', async () => {
    const server = await upstream({ answer: () => answerBytes('hello', { fields: ['X-A:  b '] }) })
    const response = await exchangeRaw(server, GET)
    expect(response).toMatchObject({ status: 200, reason: 'OK', text: 'hello', framing: 'length' })
    expect(response.fields).toEqual([
      ['X-A', 'b'],
      ['Content-Length', '5'],
    ])
    expect(server.requests[0]?.bytes.toString('latin1')).toBe(GET)
    expect(server.faults).toEqual([])
  })

  it('read a request that comes one byte at a time', async () => {
    const server = await upstream({ answer: ({ body }) => answerBytes(body.toString()) })
    const client = await connectRaw(server)
    await client.sendPieces('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc', 1)
    expect((await client.read()).text).toBe('abc')
    client.destroy()
  })

  it('read pipelined requests and the answers in order', async () => {
    const server = await upstream({ answer: ({ target }) => answerBytes(target) })
    const client = await connectRaw(server)
    await client.send(GET + GET.replace('/a', '/b'))
    expect((await client.read()).text).toBe('/a')
    expect((await client.read()).text).toBe('/b')
    expect(await client.silent(20)).toBe(true)
    client.destroy()
    expect(server.connections()).toBe(1)
  })

  it('see 1xx answers, chunks and trailers', async () => {
    const server = await upstream({
      onHead: () => ['HTTP/1.1 100 Continue\r\n\r\n'],
      answer: () => [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
        { waitMs: 1 },
        '0\r\nT: 1\r\n\r\n',
      ],
    })
    const response = await exchangeRaw(server, GET)
    expect(response.interim.map(({ status }) => status)).toEqual([100])
    expect(response).toMatchObject({ text: 'abc', framing: 'chunked', trailers: [['T', '1']] })
  })

  it('read no body where there is none: HEAD, 204, 304', async () => {
    const server = await upstream({
      answer: ({ target }) => `HTTP/1.1 ${target.slice(1)} x\r\nContent-Length: 5\r\n\r\n`,
    })
    const client = await connectRaw(server)
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      await client.send(`${method} /${status} HTTP/1.1\r\nHost: x\r\n\r\n`)
      expect(await client.read({ method })).toMatchObject({ status, framing: 'none' })
    }
    client.destroy()
  })

  it('read a body that ends with the connection', async () => {
    const server = await upstream({
      answer: () => ['HTTP/1.1 200 OK\r\n\r\nto the end', { close: 'end' }],
    })
    expect(await exchangeRaw(server, GET)).toMatchObject({ text: 'to the end', framing: 'close' })
  })

  it('tell an answer that was cut from one that is whole', async () => {
    const server = await upstream({
      answer: () => ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', { close: 'end' }],
    })
    await expect(exchangeRaw(server, GET)).rejects.toThrow('ended in the body')
  })

  it('tell a reset from an end, and bytes that nobody asked for', async () => {
    const server = await upstream({
      answer: ({ target }) =>
        target === '/a' ? [{ close: 'reset' }] : [answerBytes('b'), 'extra', { close: 'end' }],
    })
    const first = await connectRaw(server)
    await first.send(GET)
    expect(await first.closed()).toMatchObject({ reset: true })
    const second = await connectRaw(server)
    await second.send(GET.replace('/a', '/b'))
    await second.read()
    const { reset, left } = await second.closed()
    expect([reset, left.toString()]).toEqual([false, 'extra'])
  })

  it('record a request that breaks the grammar, and one that is cut', async () => {
    const server = await upstream({ answer: () => answerBytes('') })
    const bad = await connectRaw(server)
    await bad.send('GET / HTTP/1.1\r\n\r\n')
    await bad.closed()
    expect(server.faults).toEqual(['connection 0: 0 Host fields'])
    const cut = await connectRaw(server)
    await cut.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc')
    cut.end()
    await until(() => server.cut() === 1)
    expect(server.faults).toHaveLength(1)
  })

  it('answer before the body when told to', async () => {
    const server = await upstream({
      onHead: () => ['HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'],
      answer: () => [],
    })
    const client = await connectRaw(server)
    await client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n')
    expect((await client.read()).status).toBe(401)
    client.destroy()
  })

  it('stop reading, so that a sender feels it', async () => {
    const server = await upstream({ answer: () => answerBytes('done') })
    server.pause()
    const client = await connectRaw(server)
    const size = 16 * 1024 * 1024
    const sent = client.send(
      Buffer.concat([
        Buffer.from(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`),
        Buffer.alloc(size),
      ]),
    )
    expect(await client.silent(50)).toBe(true)
    expect(server.received()).toBeLessThan(size)
    server.resume()
    await sent
    expect((await client.read()).text).toBe('done')
    client.destroy()
  })

  it('speak TLS with certificates made here', async () => {
    const { ca, server: pair } = makeCertificates()
    const server = await upstream({ answer: () => answerBytes('safe'), tls: pair })
    expect(await exchangeRaw({ ...server, tls: { ca: ca.cert } }, GET)).toMatchObject({
      text: 'safe',
    })
  })
})

describe('the raw client', () => {
  let server: Server | undefined
  afterEach(() => server?.close())

  it('agrees with an ordinary server', async () => {
    server = createServer((_, response) => response.end('plain')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await exchangeRaw({ port }, GET)).toMatchObject({ status: 200, text: 'plain' })
  })
})
