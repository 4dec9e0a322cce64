import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { RawClient } from '../support/raw-client.ts'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, loginResponse, openStand, PATH, post } from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const MIB = 1024 * 1024
const PIECE = Buffer.alloc(64 * 1024, 'x')
/** What the kernel may hold on two connections, and then some. */
const KERNEL = 24 * MIB
const LARGE = 32 * MIB

/** A response of so many bytes, and how many of them have been taken from it. */
function largeResponse(bytes: number) {
  const taken = { bytes: 0 }
  const steps: Step[] = [`${OK}Content-Length: ${bytes}\r\n\r\n`]
  for (let sent = 0; sent < bytes; sent += PIECE.length)
    steps.push(PIECE, () => void (taken.bytes += PIECE.length))
  return { taken, steps }
}

/** What an upload of `LARGE` bytes begins with, the bytes that carry one `PIECE` of it, and its end. */
const UPLOADS = {
  'of known length': [post('').replace('Content-Length: 0', `Content-Length: ${LARGE}`), PIECE, ''],
  'in chunks': [
    chunkedPost([]).replace('0\r\n\r\n', ''),
    Buffer.concat([Buffer.from('10000\r\n'), PIECE, Buffer.from('\r\n')]),
    '0\r\n\r\n',
  ],
} as const

async function settled(value: () => number): Promise<number> {
  for (let before = -1, now = value(); ; now = value()) {
    if (now === before) return now
    before = now
    await delay(150)
  }
}

describe('back-pressure', () => {
  it('a client that does not read stops iSales, and gets all of it in the end', async () => {
    const { taken, steps } = largeResponse(LARGE)
    const stand = await openStand({ respond: () => steps })
    const client = await stand.connect()
    client.pause()
    await client.send(get())
    await until(() => taken.bytes > 0)
    expect(await settled(() => taken.bytes)).toBeLessThan(KERNEL)
    client.resume()
    expect((await client.read({ limitMs: 20_000 })).body).toHaveLength(LARGE)
    client.destroy()
    await stand.idle()
  }, 30_000)

  it.each(Object.entries(UPLOADS))(
    'iSales that does not read stops an upload %s, and gets all of it in the end',
    async (_, [head, piece, end]) => {
      const stand = await openStand({ env: { CLIENT_DEADLINE: '30s' } })
      const client = await stand.connect()
      const received = stand.upstream.received()
      stand.upstream.pause()
      let sent = 0
      const sending = (async () => {
        await client.send(head)
        for (; sent < LARGE; sent += PIECE.length) await client.send(piece)
        await client.send(end)
      })()
      expect(await settled(() => sent)).toBeLessThan(KERNEL)
      expect(stand.upstream.received()).toBe(received)
      stand.upstream.resume()
      await sending
      expect(await client.read({ limitMs: 20_000 })).toMatchObject({ status: 200 })
      expect(stand.business()[0]?.body).toHaveLength(LARGE)
      client.destroy()
      await stand.idle()
    },
    30_000,
  )
})

describe('a response whose connection ends while it is kept waiting', () => {
  /** More than one connection takes into the kernel. */
  const body = 'z'.repeat(14 * MIB)
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n`
  const CLOSE = `${OK}Connection: close\r\n`

  it.each([
    ['without a length, whole', `${OK}\r\n${body}`, true],
    ['with a length, whole', `${CLOSE}Content-Length: ${body.length}\r\n\r\n${body}`, true],
    ['in chunks, whole', `${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`, true],
    ['with a length, cut', `${CLOSE}Content-Length: ${body.length + 1}\r\n\r\n${body}`, false],
    ['in chunks, cut', `${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunk}`, false],
  ])('looks complete only when it is: %s', async (_, response, whole) => {
    const stand = await openStand({ respond: () => [response, { close: 'end' }] })
    const client = await stand.connect()
    client.pause()
    await client.send(get())
    await settled(() => stand.upstream.open())
    client.resume()
    const received = await client.read({ limitMs: 20_000 }).then(({ text }) => text, String)
    expect(received === body).toBe(whole)
    expect(whole || /the connection (?:broke|ended) in the/.test(received)).toBe(true)
    client.destroy()
    await stand.idle()
  })
})

it.each([
  ['known', `${OK}Content-Length: 11\r\n\r\n`, (word: string) => word, ''],
  ['unknown', CHUNKED, (word: string) => `${word.length}\r\n${word}\r\n`, '0\r\n\r\n'],
])(
  'a response of %s length passes chunk by chunk, none kept waiting for the next',
  async (_, head, chunkOf, end) => {
    const seen: string[] = []
    const clients: RawClient[] = []
    const stand = await openStand({
      respond: () => [
        head,
        ...['one', 'two', 'three'].flatMap((word) => [
          chunkOf(word),
          async () => {
            await until(() => clients[0]?.left().toString().includes(word))
            seen.push(word)
          },
        ]),
        end,
      ],
    })
    const client = await stand.connect()
    clients.push(client)
    await client.send(get())
    await until(() => seen.length === 3)
    expect(await client.read()).toMatchObject({ text: 'onetwothree' })
  },
)

it('a response before the end of its request may go on beside it, and both come to their ends', async () => {
  const stand = await openStand({
    onHead: ({ target }) => (target === PATH ? [`${CHUNKED}5\r\nearly\r\n`] : []),
    respond: ({ body }) => [`${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'],
    env: { REPLAY_BODY_SIZE: '0' },
  })
  const client = await stand.connect()
  const bytes = chunkedPost(['a'.repeat(1000), 'b'.repeat(1000)])
  await client.send(bytes.slice(0, 700))
  await until(() => client.left().toString().includes('early'))
  await client.send(bytes.slice(700))
  const response = await client.read()
  expect(response.text).toBe(`early${'a'.repeat(1000)}${'b'.repeat(1000)}`)
  expect(response.header('connection')).toBe('close')
  await client.closed()
})

it('a body that is not kept waits 500 ms at most while calls of others are refused', async () => {
  const refused = '/rest/isales/refused'
  const stand = await openStand({
    login: (n) => (n === 1 ? loginResponse(1) : [{ waitMs: 3000 }, loginResponse(n)]),
    respond: ({ target }) =>
      responseBytes('', { status: target === refused ? '403 No' : '200 OK' }),
  })
  await stand.exchange(post('x'))
  const other = stand.exchange(get([], { path: refused }))
  await until(async () => (await stand.metric('token_waiters')) === 1)
  const began = performance.now()
  const response = await stand.exchange(post('x'.repeat(100_000)))
  const took = performance.now() - began
  expect(response.status).toBe(200)
  expect(took).toBeGreaterThan(450)
  expect(took).toBeLessThan(1500)
  await other
})
