import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { get, openStrictWorld } from '../support/strict-world.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const MIB = 1024 * 1024
const PIECE = Buffer.alloc(64 * 1024, 'x')
/** More than the kernel can buffer on two connections. */
const KERNEL = 24 * MIB
const LARGE = 32 * MIB

/** Returns the steps of a response of `bytes` bytes, and a count of the bytes that the proxy has taken. */
function largeResponse(bytes: number) {
  const taken = { bytes: 0 }
  const steps: Step[] = [`${OK}Content-Length: ${bytes}\r\n\r\n`]
  for (let sent = 0; sent < bytes; sent += PIECE.length)
    steps.push(PIECE, () => void (taken.bytes += PIECE.length))
  return { taken, steps }
}

async function settled(value: () => number): Promise<number> {
  for (let before = -1, now = value(); ; now = value()) {
    if (now === before) return now
    before = now
    await delay(150)
  }
}

it('a client that does not read pauses iSales, and finally gets the complete response', async () => {
  const { taken, steps } = largeResponse(LARGE)
  const world = await openStrictWorld()
  world.serve(steps)
  const client = await world.connect()
  client.pause()
  await client.send(get())
  await until(() => taken.bytes > 0)
  expect(await settled(() => taken.bytes)).toBeLessThan(KERNEL)
  client.resume()
  expect((await client.read({ limitMs: 20_000 })).body).toHaveLength(LARGE)
  client.destroy()
  await world.idle()
}, 30_000)

describe('a response whose connection ends while it is kept waiting', () => {
  /** More than the kernel buffers for one connection. */
  const body = 'z'.repeat(14 * MIB)
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n`
  const CLOSE = `${OK}Connection: close\r\n`

  it.each([
    ['without a length, whole', `${OK}\r\n${body}`, true],
    ['with a length, whole', `${CLOSE}Content-Length: ${body.length}\r\n\r\n${body}`, true],
    ['in chunks, whole', `${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`, true],
    ['with a length, cut', `${CLOSE}Content-Length: ${body.length + 1}\r\n\r\n${body}`, false],
    ['in chunks, cut', `${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunk}`, false],
  ])('looks complete only if it is: %s', async (_, response, whole) => {
    const world = await openStrictWorld()
    world.serve([response, { close: 'end' }])
    const client = await world.connect()
    client.pause()
    await client.send(get())
    await settled(() => world.upstream.open())
    client.resume()
    const received = await client.read({ limitMs: 20_000 }).then(({ text }) => text, String)
    expect(received === body).toBe(whole)
    expect(whole || /the connection (?:broke|ended) in the/.test(received)).toBe(true)
    client.destroy()
    await world.idle()
  })
})

it.each([
  ['known', `${OK}Content-Length: 11\r\n\r\n`, (word: string) => word, ''],
  ['unknown', CHUNKED, (word: string) => `${word.length}\r\n${word}\r\n`, '0\r\n\r\n'],
])(
  'a response of %s length passes chunk by chunk, none kept waiting for the next',
  async (_, head, chunkOf, end) => {
    const seen: string[] = []
    const world = await openStrictWorld({ env: { CLIENT_DEADLINE: '500ms' } })
    const client = await world.connect()
    world.serve([
      head,
      ...['one', 'two', 'three'].flatMap((word) => [
        chunkOf(word),
        async () => {
          await until(() => client.left().toString().includes(word))
          seen.push(word)
        },
        // The deadline does not cut a response that has begun.
        { waitMs: 200 },
      ]),
      end,
    ])
    await client.send(get())
    await until(() => seen.length === 3)
    expect(await client.read()).toMatchObject({ text: 'onetwothree' })
  },
)
