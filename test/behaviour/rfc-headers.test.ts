import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ENDS_HERE,
  lineOf,
  name,
  NEVER,
  nominated,
  OURS,
  plain,
  type Lines,
} from '../proxy/header-lines.ts'
import { openStand, PATH, type Stand } from '../proxy/stand.ts'

/** For the next hop, or by ourselves. */
const MADE_ANEW = new Set([...OURS, 'connection', 'transfer-encoding', 'host', 'authorization'])
/** They decide whether a request is let in at all. */
const DECIDING = /^(?:host|content-length|transfer-encoding|expect|origin|sec-fetch-.*)$/i
const TOKEN = 'Bearer token-1'

const value = fc.oneof(
  fc.stringMatching(/^[!-~]{0,12}$/),
  fc.stringMatching(/^[!-~][ \t!-~]{0,12}[!-~]$/),
  fc.constantFrom(TOKEN, '0', '5', 'chunked', '100-continue', 'close', 'h2c', 'trailers'),
)
const anyLine = lineOf(name, value)
const harmless = anyLine.filter(([field]) => !DECIDING.test(field))
const message = fc.constantFrom(
  { method: 'GET', framing: '', body: '' },
  { method: 'POST', framing: 'Content-Length: 2\r\n', body: 'hi' },
  { method: 'POST', framing: 'Transfer-Encoding: chunked\r\n', body: '2\r\nhi\r\n0\r\n\r\n' },
)
type Message = typeof message extends fc.Arbitrary<infer Value> ? Value : never

let stand: Stand
beforeAll(async () => {
  stand = await openStand({ shared: true })
})
// It fails when a byte that iSales was sent is not HTTP/1.1.
afterAll(async () => {
  await stand.stop()
})

async function send({ method, framing, body }: Message, fields: Lines) {
  const before = stand.business().length
  const client = await stand.connect()
  const lines = fields.map(([field, text]) => `${field}: ${text}\r\n`).join('')
  await client.send(
    `${method} ${PATH} HTTP/1.1\r\n${framing}Host: localhost\r\n${lines}\r\n${body}`,
  )
  const { status } = await client.read()
  client.destroy()
  await stand.idle()
  return { status, forwarded: stand.business().slice(before) }
}

function named(fields: Lines, lower: string): Lines {
  return fields.filter(([field]) => plain(field) === lower)
}

describe('whatever header lines a client sends', () => {
  it('iSales gets the end-to-end ones in their order, and the token once', async () => {
    await fc.assert(
      fc.asyncProperty(message, fc.array(harmless, { maxLength: 12 }), async (sent, fields) => {
        const { status, forwarded } = await send(sent, fields)
        expect(status).toBe(200)
        const [request] = forwarded
        expect(forwarded).toHaveLength(1)
        expect(request?.body.toString()).toBe(sent.body === '' ? '' : 'hi')
        const got = request?.fields ?? []
        expect(named(got, 'authorization').map(([, text]) => text)).toEqual([TOKEN])
        expect(named(got, 'authentication')).toEqual([])
        const gone = new Set([...ENDS_HERE, ...nominated(fields)])
        for (const [field] of got) {
          const lower = field.toLowerCase()
          expect(gone.has(lower) && !MADE_ANEW.has(lower)).toBe(false)
        }
        const dropped = new Set([...ENDS_HERE, ...NEVER, ...OURS.slice(1)].map(plain))
        const kept = fields.filter(
          ([field]) => !gone.has(field.toLowerCase()) && !dropped.has(plain(field)),
        )
        const relayed = got.filter((line) => kept.some(([field]) => field === line[0]))
        expect(relayed.map(([field, text]) => [field, text]).slice(0, kept.length)).toEqual(kept)
      }),
      { numRuns: 80 },
    )
  }, 60_000)

  it('they get a response, and nothing that goes on carries the token twice', async () => {
    await fc.assert(
      fc.asyncProperty(message, fc.array(anyLine, { maxLength: 12 }), async (sent, fields) => {
        const { status, forwarded } = await send(sent, fields)
        // The last two: a body was announced that does not come.
        expect([200, 204, 400, 403, 417, 501, 408, 504]).toContain(status)
        expect(forwarded.length).toBe(status === 200 ? 1 : 0)
        for (const request of forwarded) {
          expect(named(request.fields, 'authorization').map(([, text]) => text)).toEqual([TOKEN])
          expect(named(request.fields, 'authentication')).toEqual([])
        }
      }),
      { numRuns: 80 },
    )
  }, 60_000)
})
