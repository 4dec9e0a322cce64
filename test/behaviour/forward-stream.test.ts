import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { RawClient } from '../support/raw-client.ts'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, gate, get, openStand, PATH, post } from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const MIB = 1024 * 1024
const PIECE = Buffer.alloc(64 * 1024, 'x')
/** What the kernel may hold on two connections, and then some. */
const KERNEL = 24 * MIB

/** A response of so many bytes, and how many of them have been taken from it. */
function largeAnswer(bytes: number) {
  const taken = { bytes: 0 }
  const pieces: Step[] = [`${OK}Content-Length: ${bytes}\r\n\r\n`]
  for (let sent = 0; sent < bytes; sent += PIECE.length) {
    pieces.push(PIECE, () => {
      taken.bytes += PIECE.length
    })
  }
  return { taken, pieces }
}

async function settled(value: () => number): Promise<number> {
  for (let before = -1, now = value(); ; now = value()) {
    if (now === before) return now
    before = now
    await delay(150)
  }
}

describe('back-pressure', () => {
  it('a client that does not read stops iSales, and gets 36 MiB whole in the end', async () => {
    const { taken, pieces } = largeAnswer(36 * MIB)
    const stand = await openStand({ respond: () => pieces })
    const client = await stand.connect()
    client.pause()
    await client.send(get())
    await until(() => taken.bytes > 0)
    expect(await settled(() => taken.bytes)).toBeLessThan(KERNEL)
    client.resume()
    const response = await client.read({ limitMs: 20_000 })
    expect(response.body).toHaveLength(36 * MIB)
    client.destroy()
    await stand.idle()
  }, 30_000)

  it.each([
    ['of known length', post('')],
    ['in chunks', chunkedPost([])],
  ])(
    'iSales that does not read stops an upload %s, and gets it whole in the end',
    async (_, head) => {
      const stand = await openStand({ env: { CLIENT_DEADLINE: '0' } })
      const client = await stand.connect()
      const chunked = head.includes('chunked')
      const before = stand.upstream.received()
      stand.upstream.pause()
      await client.send(
        chunked
          ? head.replace('0\r\n\r\n', '')
          : head.replace('Content-Length: 0', `Content-Length: ${36 * MIB}`),
      )
      let sent = 0
      const sending = (async () => {
        for (; sent < 36 * MIB; sent += PIECE.length) {
          if (chunked) await client.send('10000\r\n')
          await client.send(PIECE)
          if (chunked) await client.send('\r\n')
        }
        if (chunked) await client.send('0\r\n\r\n')
      })()
      expect(await settled(() => sent)).toBeLessThan(KERNEL)
      expect(stand.upstream.received()).toBe(before)
      stand.upstream.resume()
      await sending
      expect(await client.read({ limitMs: 20_000 })).toMatchObject({ status: 200 })
      expect(stand.business()[0]?.body).toHaveLength(36 * MIB)
      client.destroy()
      await stand.idle()
    },
    30_000,
  )

  it('holds for a pipelined response whose turn has not come', async () => {
    const { taken, pieces } = largeAnswer(20 * MIB)
    const first = gate()
    const stand = await openStand({
      respond: async ({ target }) => {
        if (target !== PATH) return pieces
        await first.opened
        return responseBytes('first')
      },
    })
    const client = await stand.connect()
    await client.send(get() + get([], { path: '/rest/isales/large' }))
    await until(() => taken.bytes > 0)
    expect(await settled(() => taken.bytes)).toBeLessThan(KERNEL / 2)
    first.open()
    expect(await client.read()).toMatchObject({ text: 'first' })
    expect((await client.read({ limitMs: 20_000 })).body).toHaveLength(20 * MIB)
    client.destroy()
  }, 30_000)
})

describe('a response whose connection ends while it is kept waiting', () => {
  const body = 'z'.repeat(30_000)
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n`
  const CHUNKED = 'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n'

  /** The response's turn has not come, so that no client is there to take it. */
  const held = async (response: string) => {
    const first = gate()
    const stand = await openStand({
      respond: async ({ target }) => {
        if (target !== PATH) return [response, { close: 'end' }]
        await first.opened
        return responseBytes('first')
      },
    })
    const client = await stand.connect()
    await client.send(get() + get([], { path: '/rest/isales/last' }))
    await until(() => stand.business().length === 2)
    await settled(() => stand.upstream.open())
    first.open()
    expect(await client.read()).toMatchObject({ text: 'first' })
    return { stand, client }
  }

  it.each([
    ['without a length', `${OK}\r\n${body}`],
    ['with a length', `${OK}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    ['in chunks', `${OK}${CHUNKED}${chunk}0\r\n\r\n`],
  ])('comes whole: %s', async (_, response) => {
    const { stand, client } = await held(response)
    expect((await client.read()).text === body).toBe(true)
    client.destroy()
    await stand.idle()
  })

  it.each([
    ['with a length', `${OK}Connection: close\r\nContent-Length: 40000\r\n\r\n${body}`],
    ['in chunks', `${OK}${CHUNKED}${chunk}`],
  ])('and was cut does not look complete: %s', async (_, response) => {
    const { stand, client } = await held(response)
    await expect(client.read()).rejects.toThrow(/the connection (?:broke|ended) in the/)
    await stand.idle()
  })
})

describe('a client that stalls within a response', () => {
  it('is given up, and iSales with it', async () => {
    const { pieces } = largeAnswer(36 * MIB)
    const stand = await openStand({ respond: () => pieces, env: { BODY_IDLE_TIMEOUT: '1s' } })
    const client = await stand.connect()
    client.pause()
    await client.send(get())
    await until(() => stand.business().length === 1)
    await stand.idle()
    client.resume()
    await expect(client.read({ limitMs: 10_000 })).rejects.toThrow('in the body')
    client.destroy()
  })

  it('but moves is not', async () => {
    const { pieces } = largeAnswer(20 * MIB)
    const stand = await openStand({ respond: () => pieces, env: { BODY_IDLE_TIMEOUT: '1s' } })
    const client = await stand.connect()
    await client.send(get())
    for (let turn = 1; turn <= 5; turn += 1) {
      client.pause()
      await delay(500)
      client.resume()
      await until(() => client.received() >= turn * 3 * MIB)
    }
    expect((await client.read({ limitMs: 10_000 })).body).toHaveLength(20 * MIB)
    client.destroy()
  }, 15_000)
})

describe('a response', () => {
  it('passes chunk by chunk, none kept waiting for the next', async () => {
    const seen: string[] = []
    const clients: RawClient[] = []
    const stand = await openStand({
      respond: () => [
        `${OK}Transfer-Encoding: chunked\r\n\r\n`,
        ...['one', 'two', 'three'].flatMap((word) => [
          `${word.length}\r\n${word}\r\n`,
          async () => {
            await until(() => clients[0]?.left().toString().includes(word))
            seen.push(word)
          },
        ]),
        '0\r\n\r\n',
      ],
    })
    const client = await stand.connect()
    clients.push(client)
    await client.send(get())
    await until(() => seen.length === 3)
    expect(await client.read()).toMatchObject({ text: 'onetwothree', framing: 'chunked' })
    client.destroy()
  })

  it.each([
    ['known', `${OK}Content-Length: 6\r\n\r\n`],
    ['unknown', `${OK}Transfer-Encoding: chunked\r\n\r\n6\r\n`],
  ])('of %s length that comes in two chunks is whole', async (kind, head) => {
    const stand = await openStand({
      respond: () => [`${head}abc`, { waitMs: 30 }, kind === 'known' ? 'def' : 'def\r\n0\r\n\r\n'],
    })
    expect(await stand.exchange(get())).toMatchObject({ text: 'abcdef' })
  })
})

describe("a response before the request's end", () => {
  it.each([
    ['and the connection closed', [{ close: 'end' }]],
    ['and the connection left open', []],
  ] as const)(
    '%s: it arrives whole, and the connection of the client is closed',
    async (_, close) => {
      const body = 'n'.repeat(100_000)
      const stand = await openStand({
        onHead: ({ target }) =>
          target === PATH ? [responseBytes(body, { status: '413 Enough' }), ...close] : [],
        respond: () => [() => new Promise(() => undefined)],
      })
      const client = await stand.connect()
      await client.send(post('').replace('Content-Length: 0', `Content-Length: ${10 * MIB}`))
      // Goes on sending, as most clients do, until it has read the response.
      const sending = (async () => {
        for (let sent = 0; sent < 5 * MIB; sent += PIECE.length) await client.send(PIECE)
      })().catch(() => undefined)
      const response = await client.read()
      expect(response).toMatchObject({ status: 413, text: body })
      expect(response.header('connection')).toBe('close')
      await sending
      await client.closed()
      await stand.idle()
      expect(stand.business()).toEqual([])
    },
  )

  it.each([
    ['of known length', ''],
    ['in chunks', '10000\r\n'],
  ])(
    'reaches a client that reads nothing before it has sent all: a body %s (RFC 9112 section 9.6)',
    async (_, chunkHead) => {
      const stand = await openStand({
        onHead: ({ target }) =>
          target === PATH ? [responseBytes('enough', { status: '413 Enough' })] : [],
        respond: () => [() => new Promise(() => undefined)],
        env: { REPLAY_BODY_SIZE: '0' },
      })
      const client = await stand.connect()
      client.pause()
      const chunked = chunkHead !== ''
      await client.send(
        chunked
          ? chunkedPost([]).replace('0\r\n\r\n', '')
          : post('').replace('Content-Length: 0', `Content-Length: ${8 * MIB}`),
      )
      for (let sent = 0; sent < 8 * MIB; sent += PIECE.length) {
        await client.send(chunkHead)
        await client.send(PIECE)
        if (chunked) await client.send('\r\n')
        // The response has come, and the connection to iSales is closed, while the body is on its way.
        if (sent === 0)
          await until(() => stand.upstream.connections() === 2 && stand.upstream.open() === 1)
      }
      if (chunked) await client.send('0\r\n\r\n')
      client.resume()
      const response = await client.read()
      expect(response).toMatchObject({ status: 413, text: 'enough' })
      expect((await client.closed()).reset).toBe(false)
      await stand.idle()
    },
  )

  it('and both go on to their ends, at once', async () => {
    const stand = await openStand({
      onHead: ({ target }) =>
        target === PATH ? [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n`] : [],
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
})
