import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawRequest, Step } from '../support/raw-upstream.ts'
import { openStand, type Stand } from '../proxy/stand.ts'

const MIB = 1024 * 1024

/** A request as it is meant, and how the bytes are cut on both ways. */
const request = fc.record({
  method: fc.constantFrom('POST', 'PUT', 'GET', 'DELETE'),
  kind: fc.constantFrom('none', 'length', 'chunked'),
  body: fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 200 }),
    fc.constantFrom('x'.repeat(5000), 'y'.repeat(70_000)),
  ),
  /** Sizes of the client's chunks. */
  chunks: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
  response: fc.record({
    kind: fc.constantFrom('length', 'chunked'),
    body: fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 200 }),
      fc.constant('z'.repeat(40_000)),
    ),
    chunks: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
  }),
})
const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 })
const exchange = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 4 }),
  there: cuts,
  back: cuts,
})

interface Message {
  readonly kind: string
  readonly body: string
  readonly chunks: readonly number[]
}

/** The framing field and the body of a message. */
function framed({ kind, body, chunks }: Message): string {
  if (kind === 'none') return '\r\n'
  if (kind === 'length') return `Content-Length: ${body.length}\r\n\r\n${body}`
  const coded = cut(body, chunks).map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  return `Transfer-Encoding: chunked\r\n\r\n${coded.join('')}0\r\n\r\n`
}

/** Pieces of these sizes, again and again; what is left after 40 of them is the last. */
function cut(bytes: string, sizes: readonly number[]): string[] {
  const chunks: string[] = []
  for (let at = 0; at < bytes.length;) {
    const size = chunks.length < 40 ? (sizes[chunks.length % sizes.length] ?? 1) : bytes.length
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

let stand: Stand
let steps: (request: RawRequest) => readonly Step[] = () => []
beforeAll(async () => {
  stand = await openStand({
    shared: true,
    respond: (one) => steps(one),
    env: { MAX_BODY_SIZE: String(MIB), CLIENT_DEADLINE: '0' },
  })
})
afterAll(async () => {
  await stand.stop()
})

describe('however the bytes are cut', () => {
  it('each request reaches iSales once and whole, and each response comes back whole and in its turn', async () => {
    await fc.assert(
      fc.asyncProperty(exchange, async ({ requests, there, back }) => {
        const before = stand.business().length
        steps = ({ target }) => {
          const meant = requests[Number(target.slice(target.lastIndexOf('/') + 1))]
          if (meant === undefined) return []
          const chunks = cut(`HTTP/1.1 200 OK\r\n${framed(meant.response)}`, back)
          // A turn of the event loop between two chunks, so that they are not joined again.
          return chunks.flatMap((chunk) => [chunk, { waitMs: 0 }])
        }
        const bytes = requests
          .map(
            (each, i) =>
              `${each.method} /rest/isales/${i} HTTP/1.1\r\nHost: localhost\r\n${framed(each)}`,
          )
          .join('')
        const client = await stand.connect()
        const sending = (async () => {
          for (const chunk of cut(bytes, there)) {
            await client.send(chunk)
            await new Promise(setImmediate)
          }
        })()
        for (const { response } of requests) {
          const got = await client.read()
          expect(got.status).toBe(200)
          expect(got.body.toString('latin1') === response.body).toBe(true)
        }
        await sending
        client.destroy()
        const seen = stand.business().slice(before)
        expect(seen.map(({ target }) => target).sort()).toEqual(
          requests.map((_, i) => `/rest/isales/${i}`),
        )
        for (const { target, method, body } of seen) {
          const meant = requests[Number(target.slice(target.lastIndexOf('/') + 1))]
          expect(method).toBe(meant?.method)
          expect(body.toString('latin1') === (meant?.kind === 'none' ? '' : meant?.body)).toBe(true)
        }
        await stand.idle()
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('what is refused is refused, and nothing of it goes on', async () => {
    const refused = fc.constantFrom<readonly [status: number, bytes: string]>(
      [403, 'GET /rest/isales/../x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
      [400, 'GET /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n'],
      [400, 'GET /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n'],
      [400, 'GET /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n'],
      [
        400,
        'POST /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
      ],
      [
        400,
        'POST /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n',
      ],
      [
        501,
        'POST /rest/isales/0 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      ],
    )
    await fc.assert(
      fc.asyncProperty(refused, cuts, async ([status, bytes], there) => {
        const before = stand.business().length
        const client = await stand.connect()
        for (const chunk of cut(bytes, there)) {
          await client.send(chunk).catch(() => undefined)
          await new Promise(setImmediate)
        }
        expect((await client.read()).status).toBe(status)
        await client.closed()
        await stand.idle()
        expect(stand.business()).toHaveLength(before)
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
