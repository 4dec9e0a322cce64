import { describe, expect, it, onTestFinished } from 'vitest'
import { framingOf, HttpError, readBody, readHead } from './http-bytes.ts'
import { connectRaw } from './raw-client.ts'
import { responseBytes, startRawUpstream } from './raw-upstream.ts'
import { until } from './until.ts'

describe('the strict reader', () => {
  it.each([
    ['a bare LF', 'GET / HTTP/1.1\nHost: x\r\n\r\n'],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a NUL in a value', 'GET / HTTP/1.1\r\nHost: x\0\r\n\r\n'],
    ['a field without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n'],
  ])('refuses %s', (_, text) => {
    expect(() => readHead(Buffer.from(text, 'latin1'))).toThrow(HttpError)
  })

  it('waits for the rest of a head', () => {
    expect(readHead(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r'))).toBeUndefined()
  })

  it.each([
    ['two lengths', 'Content-Length: 1\r\ncontent-length: 1'],
    ['a length and a coding', 'Content-Length: 1\r\nTransfer-Encoding: chunked'],
    ['another coding', 'Transfer-Encoding: gzip, chunked'],
    ['a signed length', 'Content-Length: +1'],
  ])('refuses %s', (_, lines) => {
    const head = readHead(Buffer.from(`GET / HTTP/1.1\r\n${lines}\r\n\r\n`))
    expect(() => framingOf(head?.fields ?? [], 'none')).toThrow(HttpError)
  })

  it.each([
    ['a length that is none', 'x\r\n'],
    ['a chunk that is longer than it says', '1\r\nab\r\n'],
    ['a prefix', '0x1\r\na\r\n'],
  ])('refuses chunks with %s', (_, text) => {
    expect(() => readBody(Buffer.from(text), { kind: 'chunked' }, false)).toThrow(HttpError)
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

describe('the raw upstream', () => {
  it('records a request that breaks the grammar, and one that is cut', async () => {
    const server = await startRawUpstream({ respond: () => responseBytes('') })
    onTestFinished(() => server.close())
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
})
