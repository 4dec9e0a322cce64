import { METHODS } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStand, type Stand } from '../proxy/stand.ts'

const PATH = '/rest/isales/a'
const H = 'Host: localhost\r\n'
const LINE = `POST ${PATH} HTTP/1.1\r\n`
const END = '\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const NOTHING = '0\r\n\r\n'

let stand: Stand
beforeAll(async () => {
  stand = await openStand({ shared: true, env: { MAX_BODY_SIZE: '1MiB' } })
})
afterAll(async () => {
  await stand.stop()
})

/** What a client that sends these bytes and then waits gets for a response, and how many requests reached iSales. */
async function outcome(bytes: string) {
  const before = stand.business().length
  const client = await stand.connect()
  await client.send(bytes)
  const response = await client.read()
  const { code } = JSON.parse(response.text) as { code?: unknown }
  await client.closed()
  return { status: response.status, code, forwarded: stand.business().length - before }
}

// What `validateRequest` refuses has its table beside it, and so has the parser in test/listener/; here is more of both.
describe('refused, the connection closed, and nothing of it reaches iSales', () => {
  it.each([
    // The request line.
    ['HTTP/0.9', `GET ${PATH}\r\n\r\n`, 400],
    ['HTTP/0.9 that says so', `GET ${PATH} HTTP/0.9\r\n${H}${END}`, 400],
    ['a method that is none', `G(T ${PATH} HTTP/1.1\r\n${H}${END}`, 400],
    ['CR CR LF', `GET ${PATH} HTTP/1.1\r\r\n${H}${END}`, 400],
    ['a method that nobody knows', `FOO ${PATH} HTTP/1.1\r\n${H}${END}`, 400],
    // Headers.
    ['a folded Host', `${LINE}Host: localhost\r\n .evil\r\n${END}`, 400],
    ['a tab before the colon', `${LINE}${H}X\t: a\r\n${END}`, 400],
    ['no name', `${LINE}${H}: a\r\n${END}`, 400],
    ['a name that is none', `${LINE}${H}a(b: c\r\n${END}`, 400],
    ['DEL in a value', `${LINE}${H}X: a\u007fb\r\n${END}`, 400],
    ['201 headers', `${LINE}${H}${'a: b\r\n'.repeat(200)}${END}`, 431],
    // Framing.
    ['chunks in two lines', `${LINE}${H}${CHUNKED}${CHUNKED}${END}${NOTHING}`, 400],
  ])('%s', async (_, bytes, status) => {
    expect(await outcome(bytes)).toMatchObject({ status, forwarded: 0, code: expect.any(String) })
  })
})

describe('a body that turns out not to be one', () => {
  it.each([
    ['a signed size', '+2\r\nab\r\n0\r\n\r\n', 400],
    ['a negative size', '-2\r\nab\r\n0\r\n\r\n', 400],
    ['no size', '\r\nab\r\n0\r\n\r\n', 400],
    ['a folded trailer', '2\r\nab\r\n0\r\nX: a\r\n b\r\n\r\n', 400],
  ])('%s: refused, and iSales never sees its end', async (_, body, status) => {
    const bytes = `${LINE}${H}${CHUNKED}${END}${body}`
    expect(await outcome(bytes)).toMatchObject({ status, forwarded: 0 })
  })
})

describe('let through as HTTP allows', () => {
  it.each([
    ['empty lines before the request line', `\r\n\r\nGET ${PATH} HTTP/1.1\r\n${H}${END}`],
    ['spaces around a value', `GET ${PATH} HTTP/1.1\r\n${H}X:\t a \t\r\n${END}`],
    ['bytes over ASCII in a value', `GET ${PATH} HTTP/1.1\r\n${H}X: \u00e9\u00ff\r\n${END}`],
    ['an empty value', `GET ${PATH} HTTP/1.1\r\n${H}X:\r\n${END}`],
    ['an extension', `${LINE}${H}${CHUNKED}${END}2;a="b"\r\nab\r\n${NOTHING}`],
    ['trailers', `${LINE}${H}${CHUNKED}Trailer: X\r\n${END}2\r\nab\r\n0\r\nX: 1\r\n\r\n`],
    ['a GET with chunks', `GET ${PATH} HTTP/1.1\r\n${H}${CHUNKED}${END}2\r\nab\r\n${NOTHING}`],
    ['200 fields', `${LINE}${H}${'a: b\r\n'.repeat(199)}${END}`],
    ['Upgrade, which is dropped', `${LINE}${H}Connection: Upgrade\r\nUpgrade: h2c\r\n${END}`],
  ])('%s', async (_, bytes) => {
    const before = stand.business().length
    expect(await stand.exchange(bytes)).toMatchObject({ status: 200, text: 'ok' })
    const [request, ...others] = stand.business().slice(before)
    expect(request).toMatchObject({ target: PATH })
    expect(request?.header('upgrade')).toBeUndefined()
    expect(request?.header('trailer')).toBeUndefined()
    expect(others).toEqual([])
  })

  it.each([`/rest/isales/a?b=c&d=%2F%2e//..~"<>[]^\`{|}`, `/rest/isales/A..z-0_~/?%zz`])(
    '%s, byte for byte',
    async (target) => {
      const before = stand.business().length
      await stand.exchange(`GET ${target} HTTP/1.1\r\n${H}${END}`)
      expect(stand.business()[before]?.target).toBe(target)
    },
  )
})

it('Allow names every method that is forwarded, and no other', async () => {
  const response = await stand.exchange(`TRACE ${PATH} HTTP/1.1\r\n${H}${END}`)
  const before = stand.business().length
  for (const method of METHODS) {
    const request = `${method} ${PATH} HTTP/1.1\r\n${H}Content-Length: 0\r\n${END}`
    await stand.exchange(request, { method: method === 'CONNECT' ? 'GET' : method })
  }
  const forwarded = stand.business().slice(before)
  expect(forwarded.map(({ method }) => method).join(', ')).toBe(response.header('allow'))
})
