import { describe, expect, test } from 'vitest'
import { REFUSALS, type Refusal } from '../../src/http/problem.ts'
import { connectRaw, type RawResponse } from '../support/raw-client.ts'
import {
  respondOk,
  GET,
  POST,
  responsesOf,
  startListener,
  type RunningListener,
} from './support.ts'

/**
 * What Node's strict parser lets through, and what it refuses by itself. Whatever it lets through has to be
 * judged by validation; when another version of Node parses otherwise, this table says so.
 */
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`

const REFUSED: Readonly<Record<string, readonly [reason: Refusal, bytes: string]>> = {
  'an obsolete line fold': ['line-fold', `${POST}X: a\r\n b\r\n\r\n`],
  'a line fold with a tab': ['line-fold', `${POST}X: a\r\n\tb\r\n\r\n`],
  'a first header line that begins with a space': [
    'header',
    'GET / HTTP/1.1\r\n X: a\r\nHost: x\r\n\r\n',
  ],
  'whitespace before the colon': ['header', `${POST}X : a\r\n\r\n`],
  'a tab before the colon': ['header', `${POST}X\t: a\r\n\r\n`],
  'Content-Length with a space before the colon': ['header', `${POST}Content-Length : 2\r\n\r\nhi`],
  'an unknown version': ['http-version', 'GET / HTTP/1.2\r\nHost: x\r\n\r\n'],
  'a version in lower case': ['target', 'GET / http/1.1\r\nHost: x\r\n\r\n'],
  'Content-Length with Transfer-Encoding': [
    'transfer-encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  'Transfer-Encoding with Content-Length': [
    'content-length',
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  'chunked that is not the last coding': [
    'transfer-encoding',
    `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n`,
  ],
  'chunked twice': ['transfer-encoding', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n`],
  'chunked in two lines': [
    'transfer-encoding',
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ],
  'chunked behind a vertical tab': ['header', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n`],
  'a length with a plus': ['content-length', `${POST}Content-Length: +5\r\n\r\nhello`],
  'a negative length': ['content-length', `${POST}Content-Length: -5\r\n\r\nhello`],
  'a list of equal lengths': ['content-length', `${POST}Content-Length: 5, 5\r\n\r\nhello`],
  'two equal lengths': [
    'content-length',
    `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  ],
  'two different lengths': [
    'content-length',
    `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
  ],
  'a hexadecimal length': ['content-length', `${POST}Content-Length: 0x5\r\n\r\nhello`],
  'a length with a letter': ['content-length', `${POST}Content-Length: 5a\r\n\r\nhello`],
  'a length with a space inside': ['content-length', `${POST}Content-Length: 1 2\r\n\r\nhello`],
  'an empty length': ['content-length', `${POST}Content-Length:\r\n\r\n`],
  'a length beyond 64 bits': [
    'content-length',
    `${POST}Content-Length: 18446744073709551616\r\n\r\n`,
  ],
  'lines that end in a bare LF': ['line-end', 'GET / HTTP/1.1\nHost: x\n\n'],
  'a header line that ends in a bare LF': ['line-end', 'GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n'],
  'a header that ends in a bare LF': ['line-end', 'GET / HTTP/1.1\r\nHost: x\r\n\n'],
  'a bare CR in a value': ['line-end', `${POST}X: a\rb\r\n\r\n`],
  'a NUL in a value': ['header', `${POST}X: a\0b\r\n\r\n`],
  'a NUL in a name': ['header', `${POST}X\0Y: a\r\n\r\n`],
  'a control character in a value': ['header', `${POST}X: a\x01b\r\n\r\n`],
  'DEL in a value': ['header', `${POST}X: a\x7fb\r\n\r\n`],
  'a byte over 127 in a name': ['header', `${POST}X\xe9: a\r\n\r\n`],
  'an empty name': ['header', `${POST}: a\r\n\r\n`],
  'a line without a colon': ['header', `${POST}Xabc\r\n\r\n`],
  'a space in a name': ['header', `${POST}X Y: a\r\n\r\n`],
  'a target without a slash': ['target', 'GET abc HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a control character in the target': ['target', 'GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a NUL in the target': ['target', 'GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a byte over 127 in the target': ['target', 'GET /a\xe9b HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a space in the target': ['target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  'tabs between the parts of the request line': ['parser', 'GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n'],
  'a space behind the version': ['http-version', 'GET / HTTP/1.1 \r\nHost: x\r\n\r\n'],
  'a space before the method': ['parser', ' GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  'the preface of HTTP/2': ['http-version', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
}

/** The request is announced before these are found out. */
const BROKEN_BODIES: Readonly<Record<string, readonly [reason: Refusal, bytes: string]>> = {
  'a transfer coding that is not chunked': [
    'transfer-encoding',
    `${POST}Transfer-Encoding: gzip\r\n\r\n`,
  ],
  'the coding identity': ['transfer-encoding', `${POST}Transfer-Encoding: identity\r\n\r\n`],
  'a name that only ends in chunked': [
    'transfer-encoding',
    `${POST}Transfer-Encoding: xchunked\r\n\r\n`,
  ],
  'chunked with a parameter': [
    'transfer-encoding',
    `${POST}Transfer-Encoding: chunked;q=1\r\n\r\n`,
  ],
  'a bare LF in a chunk extension': ['line-end', `${CHUNKED}2;a\nb\r\nhi\r\n0\r\n\r\n`],
  'a space behind a chunk size': ['chunk', `${CHUNKED}2 \r\nhi\r\n0\r\n\r\n`],
  'a chunk size with a prefix': ['chunk', `${CHUNKED}0x2\r\nhi\r\n0\r\n\r\n`],
  'a chunk size with a plus': ['chunk', `${CHUNKED}+2\r\nhi\r\n0\r\n\r\n`],
  'a chunk size beyond 64 bits': ['chunk', `${CHUNKED}10000000000000002\r\nhi\r\n0\r\n\r\n`],
  'chunk lines that end in a bare LF': ['line-end', `${CHUNKED}2\nhi\n0\n\n`],
  'a chunk longer than its size': ['chunk', `${CHUNKED}2\r\nhixx0\r\n\r\n`],
  'a length among the trailers': ['content-length', `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`],
  'a transfer coding among the trailers': [
    'transfer-encoding',
    `${CHUNKED}0\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ],
}

const LET_THROUGH: Readonly<Record<string, readonly [bytes: string, seen: string]>> = {
  'HTTP/0.9 without a version': ['GET /\r\n\r\n', 'GET / 0.9'],
  'HTTP/0.9 by name, with fields': ['GET / HTTP/0.9\r\nHost: x\r\n\r\n', 'GET / 0.9 Host=x'],
  'HTTP/2.0 by name': ['GET / HTTP/2.0\r\nHost: x\r\n\r\n', 'GET / 2.0 Host=x'],
  'another protocol by name': ['GET / RTSP/1.0\r\nHost: x\r\n\r\n', 'GET / 1.0 Host=x'],
  'no Host': ['GET / HTTP/1.1\r\n\r\n', 'GET / 1.1'],
  'two Hosts': ['GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 'GET / 1.1 Host=x Host=y'],
  'an empty Host': ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 'GET / 1.1 Host='],
  'a Host that is none': ['GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n', 'GET / 1.1 Host=a/b@c'],
  'another coding before chunked': [
    `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'POST /p 1.1 Host=x Transfer-Encoding=gzip, chunked',
  ],
  'two lines of codings': [
    `${POST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'POST /p 1.1 Host=x Transfer-Encoding=identity Transfer-Encoding=chunked',
  ],
  'a transfer coding in HTTP/1.0': [
    'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST / 1.0 Transfer-Encoding=chunked',
  ],
  'a length with leading zeros': [
    `${POST}Content-Length: 005\r\n\r\nhello`,
    'POST /p 1.1 Host=x Content-Length=005',
  ],
  'a byte over 127 in a value': [`${POST}X: a\xe9\r\n\r\n`, 'POST /p 1.1 Host=x X=a\xe9'],
  'an underscore in a name': [
    `${POST}Content_Length: 3\r\n\r\n`,
    'POST /p 1.1 Host=x Content_Length=3',
  ],
  'absolute-form': ['GET http://y/p HTTP/1.1\r\nHost: x\r\n\r\n', 'GET http://y/p 1.1 Host=x'],
  'absolute-form with userinfo': [
    'GET http://a:b@x/p HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http://a:b@x/p 1.1 Host=x',
  ],
  'GET *': ['GET * HTTP/1.1\r\nHost: x\r\n\r\n', 'GET * 1.1 Host=x'],
  'a fragment': ['GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a#b 1.1 Host=x'],
  'a backslash in the target': ['GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a\\b 1.1 Host=x'],
  TRACE: ['TRACE / HTTP/1.1\r\nHost: x\r\n\r\n', 'TRACE / 1.1 Host=x'],
  'two spaces in the request line': ['GET  / HTTP/1.1\r\nHost: x\r\n\r\n', 'GET / 1.1 Host=x'],
  'empty lines before the request': ['\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n', 'GET / 1.1 Host=x'],
  'a credential among the trailers': [
    `${CHUNKED}0\r\nAuthorization: Bearer x\r\n\r\n`,
    'POST /p 1.1 Host=x Transfer-Encoding=chunked',
  ],
}

/** The response, and what is reported of it, give the same reason and the same request id. */
function expectSaid(
  response: RawResponse | undefined,
  refusals: RunningListener['refusals'],
  reason: Refusal,
): void {
  const { detail, requestId } = JSON.parse(response?.text ?? '{}') as Record<string, string>
  expect(refusals).toEqual([{ reason, requestId }])
  expect(detail).toBe(REFUSALS[reason].detail)
}

describe('what the parser refuses gets a 400 and the connection closed', () => {
  test.each(Object.entries(REFUSED))('%s', async (_name, [reason, bytes]) => {
    const seen: string[] = []
    const { port, problems, refusals } = await startListener((request) =>
      seen.push(request.url ?? ''),
    )
    const client = await connectRaw({ port })
    await client.send(bytes)
    const [response, ...more] = await responsesOf(client)
    expect(response?.status).toBe(400)
    expect(response?.header('connection')).toBe('close')
    expect(more).toEqual([])
    expect(problems).toEqual(['bad-request'])
    expectSaid(response, refusals, reason)
    expect(seen).toEqual([])
  })

  test.each(Object.entries(BROKEN_BODIES))('in a body: %s', async (_name, [reason, bytes]) => {
    const whole: boolean[] = []
    const { port, problems, refusals } = await startListener((request) => {
      request.on('end', () => whole.push(true))
      request.on('error', () => whole.push(false))
      request.resume()
    })
    const client = await connectRaw({ port })
    await client.send(bytes)
    const responses = await responsesOf(client)
    expect(responses.map(({ status }) => status)).toEqual([400])
    expect(problems).toEqual(['bad-request'])
    expectSaid(responses[0], refusals, reason)
    expect(whole).not.toContain(true)
  })
})

test.each([
  ['in lower case', 'get'],
  ['that nobody knows', 'FOO'],
  ['of punctuation', "!#$%&'*+-.^_`|~"],
])('a method %s gets a 501', async (_name, method) => {
  const { port, problems } = await startListener(() => expect.unreachable())
  const client = await connectRaw({ port })
  await client.send(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`)
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([501])
  expect(problems).toEqual(['not-implemented'])
})

test('TLS to a port of plain HTTP is named in the refusal', async () => {
  const { port, refusals } = await startListener(() => expect.unreachable())
  const client = await connectRaw({ port })
  await client.send('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
  const [response] = await responsesOf(client)
  expect(response?.status).toBe(400)
  expectSaid(response, refusals, 'tls')
})

test('garbage behind a request in one packet is not taken for a method', async () => {
  const { port } = await startListener(respondOk)
  const client = await connectRaw({ port })
  await client.send(`${GET}(GARBAGE) / HTTP/1.1\r\n\r\n`)
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200, 400])
})

describe('what the parser lets through is for validation to judge', () => {
  test.each(Object.entries(LET_THROUGH))('%s', async (_name, [bytes, seen]) => {
    const requests: string[] = []
    const { port, problems } = await startListener((request, response) => {
      const { method, url, httpVersion, rawHeaders } = request
      const fields = rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [`${name}=${rawHeaders[i + 1] ?? ''}`] : [],
      )
      requests.push([method, url, httpVersion, ...fields].join(' '))
      request.resume()
      response.writeHead(200, ['Content-Length', '0']).end()
    })
    const client = await connectRaw({ port })
    await client.send(bytes)
    await client.read()
    expect(requests).toEqual([seen])
    expect(problems).toEqual([])
    client.destroy()
  })

  test('every header, however many: none is dropped silently', async () => {
    let count = 0
    const { port } = await startListener((request, response) => {
      count = request.rawHeaders.length / 2
      response.end()
    })
    const client = await connectRaw({ port })
    await client.send(`GET / HTTP/1.1\r\nHost: x\r\n${'a:b\r\n'.repeat(2500)}\r\n`)
    await client.read()
    expect(count).toBe(2501)
    client.destroy()
  })

  test.each([
    ['fields', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(16_384)}\r\n\r\n`],
    ['a target', `GET /${'a'.repeat(16_384)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('but %s over 16 KiB get a 431', async (_name, bytes) => {
    const { port, problems } = await startListener(() => undefined)
    const client = await connectRaw({ port })
    await client.send(bytes)
    const [response] = await responsesOf(client)
    expect(response?.status).toBe(431)
    expect(problems).toEqual(['headers-too-large'])
  })
})
