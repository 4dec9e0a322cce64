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
afterAll(() => stand.stop())

describe('forwarded, as HTTP allows', () => {
  it.each([
    ['empty lines before the request line', `\r\n\r\nGET ${PATH} HTTP/1.1\r\n${H}${END}`],
    ['spaces around a value', `GET ${PATH} HTTP/1.1\r\n${H}X:\t a \t\r\n${END}`],
    ['bytes over ASCII in a value', `GET ${PATH} HTTP/1.1\r\n${H}X: \u00e9\u00ff\r\n${END}`],
    ['an empty value', `GET ${PATH} HTTP/1.1\r\n${H}X:\r\n${END}`],
    ['an extension', `${LINE}${H}${CHUNKED}${END}2;a="b"\r\nab\r\n${NOTHING}`],
    ['trailers', `${LINE}${H}${CHUNKED}Trailer: X\r\n${END}2\r\nab\r\n0\r\nX: 1\r\n\r\n`],
  ])('%s', async (_, bytes) => {
    const before = stand.business().length
    expect(await stand.exchange(bytes)).toMatchObject({ status: 200, text: 'ok' })
    expect(stand.business().slice(before)).toMatchObject([{ target: PATH }])
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
