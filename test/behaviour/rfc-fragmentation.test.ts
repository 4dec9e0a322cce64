import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { shareStrictWorld } from '../support/strict-world.ts'

interface Message {
  readonly kind: string
  readonly body: string
  /** Sizes of its chunks. */
  readonly chunks: readonly number[]
}

/** A message with a body in one of these framings. */
const message = (...kinds: readonly string[]) =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    body: fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 200 }),
      fc.constantFrom('x'.repeat(5000), 'y'.repeat(70_000)),
    ),
    chunks: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
  })
const request = fc.record({
  method: fc.constantFrom('POST', 'PUT', 'GET', 'DELETE'),
  sent: message('none', 'length', 'chunked'),
  response: message('length', 'chunked'),
})
/** Sizes of the parts in which bytes are sent. */
const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 })

/** The framing header and the body of a message. */
function framed({ kind, body, chunks }: Message): string {
  if (kind === 'none') return '\r\n'
  if (kind === 'length') return `Content-Length: ${body.length}\r\n\r\n${body}`
  const coded = cut(body, chunks).map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  return `Transfer-Encoding: chunked\r\n\r\n${coded.join('')}0\r\n\r\n`
}

/** Cuts bytes into parts of these sizes, in turns; the 41st part is the rest. */
function cut(bytes: string, sizes: readonly number[]): string[] {
  const parts: string[] = []
  for (let at = 0; at < bytes.length;) {
    const size = parts.length < 40 ? (sizes[parts.length % sizes.length] ?? 1) : bytes.length
    parts.push(bytes.slice(at, at + size))
    at += size
  }
  return parts
}

const world = shareStrictWorld({ env: { MAX_BODY_SIZE: '1MiB', CLIENT_DEADLINE: '30s' } })

const numberOf = (target: string): number => Number(target.slice(target.lastIndexOf('/') + 1))

test('however the bytes are cut, every request and its response arrive once and complete', async () => {
  const requests = fc.array(request, { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(requests, cuts, cuts, async (all, there, back) => {
      world.serve(({ target }) => {
        const meant = all[numberOf(target)]
        const bytes = meant === undefined ? '' : `HTTP/1.1 200 OK\r\n${framed(meant.response)}`
        return cut(bytes, back).flatMap((part) => [part, { waitMs: 0 }])
      })
      const client = await world.connect()
      for (const [i, { method, sent, response }] of all.entries()) {
        const bytes = `${method} /rest/isales/${i} HTTP/1.1\r\nHost: localhost\r\n${framed(sent)}`
        for (const part of cut(bytes, there)) {
          await client.send(part)
          // Waits for a turn of the event loop, so that the parts are not joined.
          await new Promise(setImmediate)
        }
        const got = await client.read()
        expect([got.status, got.header('connection')]).toEqual([200, 'keep-alive'])
        expect(got.body.toString('latin1') === response.body).toBe(true)
      }
      client.destroy()
      const seen = world.business()
      expect(seen).toHaveLength(all.length)
      for (const [i, { method, sent }] of all.entries()) {
        expect(seen[i]).toMatchObject({ target: `/rest/isales/${i}`, method })
        const body = sent.kind === 'none' ? '' : sent.body
        expect(seen[i]?.body.toString('latin1') === body).toBe(true)
      }
    }),
    { numRuns: 20 },
  )
}, 180_000)
