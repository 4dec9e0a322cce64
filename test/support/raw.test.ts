import { describe, expect, it, onTestFinished } from 'vitest'
import { framingOf, HttpError, readBody, readHead } from './http-bytes.ts'
import { connectRaw } from './raw-client.ts'
import { responseBytes, startRawUpstream } from './raw-upstream.ts'

// Every test over raw sockets shows what the reader accepts.
describe('the strict reader', () => {
  const chunked = 'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  it.each([
    ['a bare LF', 'Host: x\n\r\n\r\n'],
    ['a bare CR', 'Host: x\ry\r\n\r\n'],
    ['a folded field', 'Host: x\r\n y\r\n\r\n'],
    ['a space before the colon', 'Host : x\r\n\r\n'],
    ['a NUL in a value', 'Host: x\0\r\n\r\n'],
    ['a field without a colon', 'Host\r\n\r\n'],
    ['two lengths', 'Content-Length: 1\r\ncontent-length: 1\r\n\r\n'],
    ['a length and a coding', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['another coding', 'Transfer-Encoding: gzip, chunked\r\n\r\n'],
    ['a signed length', 'Content-Length: +1\r\n\r\n'],
    ['a chunk without a length', `${chunked}x\r\n`],
    ['a chunk longer than its length', `${chunked}1\r\nab\r\n`],
    ['a chunk with a prefix', `${chunked}0x1\r\na\r\n`],
  ])('refuses %s', (_, text) => {
    const bytes = Buffer.from(`POST / HTTP/1.1\r\n${text}`, 'latin1')
    const readAll = () => {
      const { fields = [], length } = readHead(bytes) ?? {}
      return readBody(bytes.subarray(length), framingOf(fields, 'none'), false)
    }
    expect(readAll).toThrow(HttpError)
  })
})

describe('the raw upstream', () => {
  it('records a request that breaks the grammar', async () => {
    const server = await startRawUpstream({ respond: () => responseBytes('') })
    onTestFinished(() => server.close())
    const bad = await connectRaw(server)
    await bad.send('GET / HTTP/1.1\r\n\r\n')
    await bad.closed()
    expect(server.faults).toEqual(['connection 0: 0 Host fields'])
  })
})
