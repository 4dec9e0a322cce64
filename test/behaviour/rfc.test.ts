import { METHODS } from 'node:http'
import { describe, expect, it } from 'vitest'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { gate, get, PATH, post, shareStrictWorld } from '../support/strict-world.ts'

const SECOND = get([], { path: '/rest/isales/second' })
const OLD = `GET ${PATH} HTTP/1.0\r\n\r\n`
const LOGIN = post('{"user":"cti","passwd":"x"}').replace(PATH, LOGIN_PATH)

// RFC 9112 section 9.3.2: a client may repeat a request to which the connection closed without a response.
const world = shareStrictWorld({ env: { CLIENT_DEADLINE: '30s' } })

describe('behind a request that iSales keeps waiting', () => {
  /** Sends a request, and more bytes in its packet and in another one; the response waits for `first`. */
  async function waiting(inOnePacket: string, apart: string) {
    const first = gate()
    world.serve([() => first.opened, responseBytes('first')])
    const client = await world.connect()
    await client.send(post('first') + inOnePacket)
    await until(() => world.business().length === 1)
    await client.send(apart)
    return { client, first }
  }

  it.each([
    ['a request', SECOND],
    ['16 requests', SECOND.repeat(16)],
    ['a body', post('x'.repeat(1000))],
    ['a large body', post('x'.repeat(100_000))],
    ['half a body', post('x'.repeat(100_000)).slice(0, 80_000)],
    ['a login of CTI-OBS', LOGIN],
    ['garbage', 'garbage\r\n\r\n'],
    ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('%s is not executed, and the response before it closes the connection', async (_, behind) => {
    for (const [inOnePacket, apart] of [
      [behind, ''],
      ['', behind],
    ] as const) {
      const logins = await world.metric('requests_total{outcome="granted"}')
      const { client, first } = await waiting(inOnePacket, apart)
      expect(await client.silent(20)).toBe(true)
      first.open()
      const response = await client.read()
      expect([response.text, response.header('connection')]).toEqual(['first', 'close'])
      expect(await client.closed()).toMatchObject({ reset: false, left: Buffer.alloc(0) })
      await world.idle()
      expect(world.business()).toHaveLength(1)
      expect(await world.metric('requests_total{outcome="granted"}')).toBe(logins)
    }
  })

  it('half a head waits for its turn', async () => {
    const { client, first } = await waiting(SECOND.slice(0, 20), '')
    expect(await client.silent(20)).toBe(true)
    first.open()
    const response = await client.read()
    expect([response.text, response.header('connection')]).toEqual(['first', 'keep-alive'])
    await client.send(SECOND.slice(20))
    expect(await client.read()).toMatchObject({ status: 200 })
    expect(world.business()).toHaveLength(2)
  })

  it('more than 16 requests close the connection', async () => {
    const before = await world.metric('requests_total{cause="pipelined"}')
    const { client, first } = await waiting('', SECOND.repeat(17))
    expect((await client.closed()).left).toHaveLength(0)
    first.open()
    await world.idle()
    expect(world.business()).toHaveLength(1)
    expect(await world.metric('requests_total{cause="pipelined"}')).toBe(before + 17)
    const refused = { event: 'client-refused', reason: 'pipelined' }
    expect(world.lines).toContainEqual(expect.objectContaining(refused))
  })
})

it('behind a response that has begun, the connection closes without another response', async () => {
  const rest = gate()
  world.serve(['HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbeg', () => rest.opened, 'ins'])
  const client = await world.connect()
  await client.send(post('first'))
  await until(() => client.left().includes('beg'))
  await client.send(SECOND)
  expect(await client.silent(20)).toBe(true)
  rest.open()
  const response = await client.read()
  expect([response.text, response.header('connection')]).toEqual(['begins', 'keep-alive'])
  expect(await client.closed()).toMatchObject({ reset: false, left: Buffer.alloc(0) })
  expect(world.business()).toHaveLength(1)
})

it.each([
  ['Connection: close', get(['Connection: close']), 200],
  ['the last request of HTTP/1.0', OLD, 200],
  ['an upgrade', get(['Connection: Upgrade', 'Upgrade: h2c']), 200],
  ['an empty transfer coding', post('').replace('Content-Length: 0', 'Transfer-Encoding:'), 400],
  ['another host', get().replace('Host: localhost', 'Host: evil.example'), 421],
  ['a path outside', get([], { path: '/x' }), 403],
  ['a path outside and a body', post('abc').replace(PATH, '/x'), 403],
  ['an unknown expectation', post('abc', ['Expect: teapot']), 417],
])(
  'requests behind %s are not served, and cut nothing of its response',
  async (_, before, status) => {
    world.serve([{ waitMs: 20 }, responseBytes('whole')])
    const client = await world.connect()
    await client.send(before + SECOND)
    const response = await client.read()
    expect(response.status).toBe(status)
    expect(response.header('connection')).toBe('close')
    expect((await client.closed()).left).toHaveLength(0)
    expect(world.business().map(({ target }) => target)).toEqual(status === 200 ? [PATH] : [])
  },
)

const H = 'Host: localhost\r\n'
const LINE = `POST ${PATH} HTTP/1.1\r\n`
const END = '\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const NOTHING = '0\r\n\r\n'

it.each([
  ['empty lines before the request line', `\r\n\r\nGET ${PATH} HTTP/1.1\r\n${H}${END}`],
  ['spaces around a value', `GET ${PATH} HTTP/1.1\r\n${H}X:\t a \t\r\n${END}`],
  ['bytes over ASCII in a value', `GET ${PATH} HTTP/1.1\r\n${H}X: \u00e9\u00ff\r\n${END}`],
  ['an empty value', `GET ${PATH} HTTP/1.1\r\n${H}X:\r\n${END}`],
  ['an extension', `${LINE}${H}${CHUNKED}${END}2;a="b"\r\nab\r\n${NOTHING}`],
  ['trailers', `${LINE}${H}${CHUNKED}Trailer: X\r\n${END}2\r\nab\r\n0\r\nX: 1\r\n\r\n`],
])('forwarded, as HTTP allows: %s', async (_, bytes) => {
  world.serve(responseBytes('ok'))
  expect(await world.exchange(bytes)).toMatchObject({ status: 200, text: 'ok' })
  expect(world.business()).toMatchObject([{ target: PATH }])
})

it('Allow names every method that is forwarded, and no other', async () => {
  const response = await world.exchange(`TRACE ${PATH} HTTP/1.1\r\n${H}${END}`)
  const before = world.business().length
  for (const method of METHODS) {
    const request = `${method} ${PATH} HTTP/1.1\r\n${H}Content-Length: 0\r\n${END}`
    await world.exchange(request, { method: method === 'CONNECT' ? 'GET' : method })
  }
  const forwarded = world.business().slice(before)
  expect(forwarded.map(({ method }) => method).join(', ')).toBe(response.header('allow'))
})
