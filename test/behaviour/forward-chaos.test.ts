import { setTimeout as delay } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, openStand, post, type Stand } from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

/** What iSales does with a call that it executes. */
const FATES: Readonly<Record<string, (body: string) => Step | readonly Step[]>> = {
  responds: (body) => responseBytes(body),
  'responds late': (body) => [{ waitMs: 30 }, responseBytes(body)],
  'responds in chunks': (body) =>
    `${OK}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  'responds and closes': (body) => [responseBytes(body), { close: 'end' }],
  'responds and resets': (body) => [responseBytes(body), { waitMs: 5 }, { close: 'reset' }],
  resets: () => [{ close: 'reset' }],
  closes: () => [{ close: 'end' }],
  'closes within the head': () => [OK, { close: 'end' }],
  'closes within the body': () => [`${OK}Content-Length: 99\r\n\r\nhalf`, { close: 'end' }],
  'resets within the body': () => [`${OK}Content-Length: 99\r\n\r\nhalf`, { close: 'reset' }],
  'is silent': () => [{ waitMs: 600 }, { close: 'end' }],
  babbles: () => 'GARBAGE\r\n\r\n',
}

const one = fc.record({
  fate: fc.constantFrom(...Object.keys(FATES)),
  kind: fc.constantFrom('length', 'chunks', 'large'),
  /** Milliseconds until the client has had enough; null: it waits. */
  patience: fc.option(fc.nat(40), { freq: 2 }),
  /** Bytes of the request that are sent; null: all. */
  sent: fc.option(fc.nat(200), { freq: 4 }),
  startsAfter: fc.nat(60),
  revokes: fc.boolean(),
})
type One = typeof one extends fc.Arbitrary<infer Value> ? Value : never

function bytesOf(kind: string, body: string): string {
  if (kind === 'length') return post(body)
  if (kind === 'chunks') return chunkedPost([body.slice(0, 3), body.slice(3)])
  return post(body + '.'.repeat(80_000))
}

async function run(stand: Stand, { kind, patience, sent, startsAfter }: One, body: string) {
  await delay(startsAfter)
  const client = await stand.connect()
  const bytes = bytesOf(kind, body)
  const sending = client.send(sent === null ? bytes : bytes.slice(0, sent)).catch(() => undefined)
  if (patience === null && sent === null) await client.read().catch(() => undefined)
  else await delay(patience ?? 20)
  await sending
  if (patience !== null && patience % 2 === 0) client.destroy()
  else client.reset()
}

describe('whatever clients and iSales do to each other', () => {
  it('no call is executed twice, and nothing is left of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 20, maxLength: 60 }), async (all) => {
        let revoked = 0
        const executed = new Map<string, number>()
        const stand = await openStand({
          shared: true,
          revoked: () => revoked,
          respond: ({ body }) => {
            const key = /^call-\d+/.exec(body.toString())?.[0] ?? ''
            executed.set(key, (executed.get(key) ?? 0) + 1)
            const meant = all[Number(key.slice(5))]
            if (meant?.revokes === true) revoked = Math.min(stand.logins(), 3)
            return FATES[meant?.fate ?? 'responds']?.(key) ?? []
          },
          env: {
            CLIENT_DEADLINE: '300ms',
            ISALES_KEEP_ALIVE: '100ms',
            ISALES_MAX_CONNECTIONS: '8',
          },
        })
        try {
          await Promise.all(all.map((each, i) => run(stand, each, `call-${i}`)))
          await stand.idle()
          expect(executed.size).toBeGreaterThan(0)
          expect([...executed].filter(([, count]) => count > 1)).toEqual([])
          await until(() => stand.upstream.open() === 0)
          expect(stand.logins()).toBeLessThanOrEqual(5)
        } finally {
          await stand.stop()
        }
      }),
      { numRuns: 12 },
    )
  }, 120_000)
})
