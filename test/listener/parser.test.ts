import { expect, test } from 'vitest'
import { PROBLEMS, REFUSALS, type Refusal } from '../../src/codes.ts'
import { connectRaw } from '../support/raw-client.ts'
import { POST, responsesOf, startListener } from './support.ts'

/** Requests that Node's strict parser refuses. The tables show it if another version of Node parses differently. */
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`
const OPEN = CHUNKED.slice(0, -2)

// Folded lines, bare LF and CR, misplaced spaces, bytes that no name, value, target, method or version has, and double
// framing.
// oxfmt-ignore
const HEADS: readonly string[] = [
  `${POST}X: a\r\n b\r\n\r\n`, `${POST}X: a\r\n\tb\r\n\r\n`, 'GET / HTTP/1.1\r\n X: a\r\n\r\n',
  'GET / HTTP/1.1\nHost: x\n\n', 'GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n', 'GET / HTTP/1.1\r\nHost: x\r\n\n',
  `${POST}X: a\rb\r\n\r\n`, 'GET / HTTP/1.1\r\r\nHost: x\r\n\r\n',
  `${POST}Content-Length : 2\r\n\r\nhi`, `${POST}X\t: a\r\n\r\n`,
  `${POST}X: a\0b\r\n\r\n`, `${POST}X: a\u007fb\r\n\r\n`, `${POST}X\xe9: a\r\n\r\n`, `${POST}a(b: c\r\n\r\n`,
  `${POST}: a\r\n\r\n`, `${POST}Xabc\r\n\r\n`,
  'GET / HTTP/1.2\r\nHost: x\r\n\r\n', 'GET / HTTP/1.1 \r\nHost: x\r\n\r\n', 'GET / http/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n',
  'GET abc HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  ' GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'get / HTTP/1.1\r\nHost: x\r\n\r\n', 'G(T / HTTP/1.1\r\nHost: x\r\n\r\n',
  'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', "!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: x\r\n\r\n",
  `${POST}Content-Length: +5\r\n\r\nhello`, `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  `${OPEN}Content-Length: 5\r\n\r\n`, `${OPEN}Transfer-Encoding: chunked\r\n\r\n`,
  `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n`,
]

/** These are refused after the request was announced. */
// oxfmt-ignore
const BODIES: readonly string[] = [
  `${POST}Transfer-Encoding: gzip\r\n\r\n`,
  `${CHUNKED}2;a\nb\r\nhi\r\n0\r\n\r\n`, `${CHUNKED}2\nhi\n0\n\n`, `${CHUNKED}2 \r\nhi\r\n0\r\n\r\n`,
  `${CHUNKED}0x2\r\nhi\r\n0\r\n\r\n`, `${CHUNKED}10000000000000002\r\nhi\r\n0\r\n\r\n`, `${CHUNKED}2\r\nhixx0\r\n\r\n`,
  `${CHUNKED}+2\r\nab\r\n0\r\n\r\n`, `${CHUNKED}-2\r\nab\r\n0\r\n\r\n`, `${CHUNKED}\r\nab\r\n0\r\n\r\n`,
  `${CHUNKED}2\r\nab\r\n0\r\nX: a\r\n b\r\n\r\n`, `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`,
  `${CHUNKED}0\r\nTransfer-Encoding: chunked\r\n\r\n`,
]

test.each<readonly [Refusal, boolean, string]>([
  ...HEADS.map((bytes) => ['parser', false, bytes] as const),
  ...BODIES.map((bytes) => ['parser', true, bytes] as const),
  ['headers', false, `${POST}X: ${'a'.repeat(16_384)}\r\n\r\n`],
  ['headers', false, `GET /${'a'.repeat(16_384)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['chunk-extensions', true, `${CHUNKED}2;${'x'.repeat(17_000)}\r\nhi\r\n`],
  ['tls-to-http', false, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
])(
  'a request is refused as %s, announced: %s, with its reason, and closes the connection: %j',
  async (...row) => {
    const [reason, isAnnounced, bytes] = row
    const ends: string[] = []
    const { port, refused, requestIds } = await startListener((request) => {
      if (!isAnnounced) ends.push('announced')
      request.on('end', () => ends.push('whole'))
      request.on('error', () => undefined).resume()
    })
    const client = await connectRaw({ port })
    await client.send(bytes)
    const [response, ...more] = await responsesOf(client)
    const { problem: code, detail } = REFUSALS[reason]
    const { status } = PROBLEMS[code]
    expect([response?.status, response?.header('connection')]).toEqual([status, 'close'])
    expect(JSON.parse(response?.text ?? '')).toMatchObject({ detail, requestId: requestIds[0] })
    expect([more, refused, ends]).toEqual([[], [reason], []])
  },
)
