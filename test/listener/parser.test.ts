import { describe, expect, test } from 'vitest'
import { REFUSALS, type Refusal, PROBLEMS } from '../../src/causes.ts'
import { connectRaw } from '../support/raw-client.ts'
import { GET, POST, respondOk, responsesOf, startListener } from './support.ts'

/** What Node's strict parser refuses by itself. When another version of Node parses otherwise, this table says so. */
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`

const REFUSED: readonly (readonly [reason: Refusal, name: string, bytes: string])[] = [
  ['parser', 'an obsolete line fold', `${POST}X: a\r\n b\r\n\r\n`],
  ['parser', 'a line fold with a tab', `${POST}X: a\r\n\tb\r\n\r\n`],
  ['parser', 'lines that end in a bare LF', 'GET / HTTP/1.1\nHost: x\n\n'],
  ['parser', 'a header that ends in a bare LF', 'GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n'],
  ['parser', 'a head that ends in a bare LF', 'GET / HTTP/1.1\r\nHost: x\r\n\n'],
  ['parser', 'a bare CR in a value', `${POST}X: a\rb\r\n\r\n`],
  ['parser', 'a first header that begins with a space', 'GET / HTTP/1.1\r\n X: a\r\n\r\n'],
  ['parser', 'whitespace before the colon', `${POST}Content-Length : 2\r\n\r\nhi`],
  ['parser', 'a NUL in a value', `${POST}X: a\0b\r\n\r\n`],
  ['parser', 'a byte over 127 in a name', `${POST}X\xe9: a\r\n\r\n`],
  ['parser', 'a line without a colon', `${POST}Xabc\r\n\r\n`],
  ['parser', 'an unknown version', 'GET / HTTP/1.2\r\nHost: x\r\n\r\n'],
  ['parser', 'a space behind the version', 'GET / HTTP/1.1 \r\nHost: x\r\n\r\n'],
  ['parser', 'the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['parser', 'a version in lower case', 'GET / http/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a target without a slash', 'GET abc HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a control character in the target', 'GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a length with a plus', `${POST}Content-Length: +5\r\n\r\nhello`],
  ['parser', 'two lengths', `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['parser', 'a length behind a coding', `${CHUNKED.slice(0, -2)}Content-Length: 5\r\n\r\n`],
  [
    'parser',
    'a coding behind a length',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'parser',
    'chunked that is not the last coding',
    `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n`,
  ],
  ['headers', 'headers over 16 KiB', `${POST}X: ${'a'.repeat(16_384)}\r\n\r\n`],
  ['headers', 'a target over 16 KiB', `GET /${'a'.repeat(16_384)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['parser', 'tabs in the request line', 'GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a space before the method', ' GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a method in lower case', 'get / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a method of punctuation', "!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: x\r\n\r\n"],
  ['parser', 'a method that is none', 'G(T / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'a method that nobody knows', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['parser', 'CR CR LF', 'GET / HTTP/1.1\r\r\nHost: x\r\n\r\n'],
  ['parser', 'a tab before the colon', `${POST}X\t: a\r\n\r\n`],
  ['parser', 'no name', `${POST}: a\r\n\r\n`],
  ['parser', 'a name that is none', `${POST}a(b: c\r\n\r\n`],
  ['parser', 'DEL in a value', `${POST}X: a\u007fb\r\n\r\n`],
  ['parser', 'chunks in two lines', `${CHUNKED.slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n`],
  ['tls', 'TLS to a port of plain HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
]

/** The request is announced before these are found out. */
const BROKEN_BODIES: typeof REFUSED = [
  ['parser', 'a coding that is not chunked', `${POST}Transfer-Encoding: gzip\r\n\r\n`],
  ['parser', 'a bare LF in a chunk extension', `${CHUNKED}2;a\nb\r\nhi\r\n0\r\n\r\n`],
  ['parser', 'chunk lines that end in a bare LF', `${CHUNKED}2\nhi\n0\n\n`],
  ['parser', 'a space behind a chunk size', `${CHUNKED}2 \r\nhi\r\n0\r\n\r\n`],
  ['parser', 'a chunk size with a prefix', `${CHUNKED}0x2\r\nhi\r\n0\r\n\r\n`],
  ['parser', 'a chunk size beyond 64 bits', `${CHUNKED}10000000000000002\r\nhi\r\n0\r\n\r\n`],
  ['parser', 'a chunk longer than its size', `${CHUNKED}2\r\nhixx0\r\n\r\n`],
  ['chunk-extensions', 'long chunk extensions', `${CHUNKED}2;${'x'.repeat(17_000)}\r\nhi\r\n`],
  ['parser', 'a signed chunk size', `${CHUNKED}+2\r\nab\r\n0\r\n\r\n`],
  ['parser', 'a negative chunk size', `${CHUNKED}-2\r\nab\r\n0\r\n\r\n`],
  ['parser', 'no chunk size', `${CHUNKED}\r\nab\r\n0\r\n\r\n`],
  ['parser', 'a folded trailer', `${CHUNKED}2\r\nab\r\n0\r\nX: a\r\n b\r\n\r\n`],
  ['parser', 'a length among trailers', `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`],
  ['parser', 'a coding among trailers', `${CHUNKED}0\r\nTransfer-Encoding: chunked\r\n\r\n`],
]

describe('what the parser refuses gets a response that says why, and the connection closed', () => {
  test.each([...REFUSED, ...BROKEN_BODIES])('%s: %s', async (reason, name, bytes) => {
    const ends: string[] = []
    const { port, refused, requestIds } = await startListener((request) => {
      if (BROKEN_BODIES.every(([, broken]) => broken !== name)) ends.push('not announced')
      request.on('end', () => ends.push('not whole'))
      request.on('error', () => undefined).resume()
    })
    const client = await connectRaw({ port })
    await client.send(bytes)
    const [response, ...more] = await responsesOf(client)
    const [code, detail] = [REFUSALS[reason][0], REFUSALS[reason][1]]
    expect([response?.status, response?.header('connection')]).toEqual([
      PROBLEMS[code].status,
      'close',
    ])
    expect(JSON.parse(response?.text ?? '')).toMatchObject({ detail, requestId: requestIds[0] })
    expect([more, refused, ends]).toEqual([[], [reason], []])
  })

  test('behind a request in the same packet the connection closes after its response', async () => {
    const { port, refused } = await startListener(respondOk)
    const client = await connectRaw({ port })
    await client.send(`${GET}(GARBAGE) / HTTP/1.1\r\n\r\n`)
    expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200])
    expect(refused).toEqual(['parser'])
  })
})
