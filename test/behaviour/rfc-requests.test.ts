import { METHODS } from 'node:http'
import { describe, expect, it } from 'vitest'
import { shareStrictWorld } from '../support/strict-world.ts'

const PATH = '/rest/isales/a'
const H = 'Host: localhost\r\n'
const LINE = `POST ${PATH} HTTP/1.1\r\n`
const END = '\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const NOTHING = '0\r\n\r\n'

const world = shareStrictWorld({ env: { MAX_BODY_SIZE: '1MiB' } })

describe('forwarded, as HTTP allows', () => {
  it.each([
    ['empty lines before the request line', `\r\n\r\nGET ${PATH} HTTP/1.1\r\n${H}${END}`],
    ['spaces around a value', `GET ${PATH} HTTP/1.1\r\n${H}X:\t a \t\r\n${END}`],
    ['bytes over ASCII in a value', `GET ${PATH} HTTP/1.1\r\n${H}X: \u00e9\u00ff\r\n${END}`],
    ['an empty value', `GET ${PATH} HTTP/1.1\r\n${H}X:\r\n${END}`],
    ['an extension', `${LINE}${H}${CHUNKED}${END}2;a="b"\r\nab\r\n${NOTHING}`],
    ['trailers', `${LINE}${H}${CHUNKED}Trailer: X\r\n${END}2\r\nab\r\n0\r\nX: 1\r\n\r\n`],
  ])('%s', async (_, bytes) => {
    const before = world.business().length
    expect(await world.exchange(bytes)).toMatchObject({ status: 200, text: 'ok' })
    expect(world.business().slice(before)).toMatchObject([{ target: PATH }])
  })
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
