import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { endToEnd, lineOf, name, plain } from '../proxy/header-lines.ts'
import { openStand, PATH } from '../proxy/stand.ts'

const TOKEN = 'Bearer token-1'
const value = fc.oneof(
  fc.stringMatching(/^[!-~]{0,12}$/),
  fc.stringMatching(/^[!-~][ \t!-~]{0,12}[!-~]$/),
  fc.constantFrom(TOKEN, '0', '5', 'chunked', '100-continue', 'close', 'h2c', 'trailers'),
)
const message = fc.constantFrom(
  { method: 'GET', framing: '', body: '' },
  { method: 'POST', framing: 'Content-Length: 2\r\n', body: 'hi' },
  { method: 'POST', framing: 'Transfer-Encoding: chunked\r\n', body: '2\r\nhi\r\n0\r\n\r\n' },
)

// The stand fails when a byte that iSales was sent is not HTTP/1.1.
test('whatever header lines a client sends, iSales gets the end-to-end ones in their order, and the token once', async () => {
  const stand = await openStand()
  const statuses = new Set<number>()
  const lines = fc.array(lineOf(name, value), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(message, lines, async ({ method, framing, body }, fields) => {
      const before = stand.business().length
      const headers = fields.map(([field, text]) => `${field}: ${text}\r\n`).join('')
      const { status } = await stand.exchange(
        `${method} ${PATH} HTTP/1.1\r\n${framing}Host: localhost\r\n${headers}\r\n${body}`,
      )
      statuses.add(status)
      const forwarded = stand.business().slice(before)
      expect(forwarded).toHaveLength(status === 200 ? 1 : 0)
      for (const { fields: got, ...request } of forwarded) {
        expect(request.body.toString()).toBe(body === '' ? '' : 'hi')
        const tokens = got.filter(([field]) =>
          /^authentication$|^authorization$/.test(plain(field)),
        )
        expect(tokens.map(([, text]) => text)).toEqual([TOKEN])
        const via = ['Via', expect.stringMatching(/^1\.1 isales-auth-proxy-[0-9a-f]+$/)]
        expect(endToEnd(got)).toEqual([...endToEnd(fields), via])
      }
    }),
    { numRuns: 120 },
  )
  // 408 and 504: a body was announced that does not come.
  for (const status of statuses) expect([200, 400, 403, 417, 501, 408, 504]).toContain(status)
}, 60_000)
