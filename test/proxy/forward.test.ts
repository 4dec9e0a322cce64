import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { scene, token, type ScriptedAttempt } from './scene.ts'

const POST = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi'
const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'

describe('a rejection', () => {
  it('of the second attempt is relayed even when a newer token is there', async () => {
    const { client, attempt, attempts, replays } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    first.end()
    const second = await attempt(2)
    expect(second.attempt.request.body).toEqual(Buffer.from('hi'))
    second.start()
    second.head(401, 'Content-Length', '2')
    second.data('no')
    second.end()
    expect(await client.read()).toMatchObject({ status: 401, text: 'no' })
    expect(attempts).toHaveLength(2)
    expect(replays).toEqual(['rejected'])
  })

  it('whose body has no end is not read to it', async () => {
    const { client, attempt } = await scene({ newer: new Promise(() => undefined) })
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    first.data('x'.repeat(64 * 1024))
    expect(first.paused).toBe(false)
    first.data('x')
    expect(first.paused).toBe(true)
  })

  it.each([100, 100_000])(
    'of %i bytes is relayed as iSales sent it when no newer token comes in time',
    async (size) => {
      const unavailable = { unavailable: 'no-token', retryAfter: 1000 } as const
      const later = new Promise<typeof unavailable>((resolve) => {
        setTimeout(resolve, 20, unavailable)
      })
      const { client, attempt, attempts, replays } = await scene({ newer: later })
      await client.send(POST)
      const first = await attempt(1)
      first.start()
      first.head(401, 'X-Why', 'because', 'Content-Length', String(size))
      first.data('n'.repeat(size))
      await until(() => first.paused === size > 64 * 1024)
      first.end()
      const response = await client.read()
      expect(response).toMatchObject({ status: 401, text: 'n'.repeat(size) })
      expect(response.header('x-why')).toBe('because')
      expect(attempts).toHaveLength(1)
      expect(replays).toEqual(['no-token'])
    },
  )

  it('is relayed at the deadline, when no newer token has come by then', async () => {
    const { client, clock, attempt } = await scene({ newer: new Promise(() => undefined) })
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401, 'Content-Length', '2')
    first.data('no')
    first.end()
    await clock.advance(2800)
    expect(await client.read()).toMatchObject({ status: 401, text: 'no' })
  })

  it('whose end has not come is given up when the newer token is there', async () => {
    const { client, attempt } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    await attempt(2)
    expect(first.aborted).toBe(true)
  })

  it('whose end has not come is given up when the client leaves', async () => {
    const { client, attempt } = await scene({ newer: new Promise(() => undefined) })
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    expect(first.aborted).toBe(false)
    client.destroy()
    await until(() => first.aborted)
  })

  it('that fails behind its head does not touch the replay', async () => {
    const { client, attempt, attempts } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    const second = await attempt(2)
    first.fail('cut')
    second.start()
    second.head(204)
    expect(await client.read()).toMatchObject({ status: 204 })
    expect(attempts).toHaveLength(2)
  })

  it('replayed without a response counts as failed', async () => {
    const { client, attempt, replays } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    first.end()
    const second = await attempt(2)
    second.start()
    second.fail('cut')
    expect((await client.read()).status).toBe(502)
    expect(replays).toEqual(['failed'])
  })
})

describe('a replay', () => {
  it('counts once: a response that heals and then cannot be relayed was healed', async () => {
    const { client, attempt, replays } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    first.end()
    const second = await attempt(2)
    second.start()
    second.head(200, 'Transfer-Encoding', 'gzip, chunked')
    expect((await client.read()).status).toBe(502)
    expect(replays).toEqual(['healed'])
  })
})

describe('interim responses', () => {
  it('are not kept for a client that does not read', async () => {
    const { client, attempt, responses } = await scene()
    client.pause()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    for (let count = 0; count < 2000; count += 1) first.head(103, 'X', 'y'.repeat(10_000))
    expect(responses[0]?.socket?.writableLength).toBeLessThan(1_000_000)
    first.head(204)
    client.resume()
    expect((await client.read()).status).toBe(204)
  })
})

describe('a token that was replaced while a connection was awaited', () => {
  it('is not sent: the newer one is, on the next connection, and nothing was written', async () => {
    const { client, attempt, state, ends } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    state.current = token(2)
    expect(() => {
      first.start()
    }).toThrow('not to be sent')
    first.fail('thrown')
    const second = await attempt(2)
    second.start()
    second.head(204)
    expect(await client.read()).toMatchObject({ status: 204 })
    expect(ends).toMatchObject([{ status: 204, code: undefined }])
  })
})

describe('a client that closes its side while a connection is awaited', () => {
  it('is gone: nothing is written for it, and the connection is not lost', async () => {
    const { client, attempt, ends } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    client.end()
    await until(() => ends.length > 0)
    expect(() => {
      first.start()
    }).toThrow('not to be sent')
    expect(first.aborted).toBe(false)
    expect(ends).toMatchObject([{ status: 0, code: undefined }])
  })
})

describe('a status that is none', () => {
  it.each([101, 99, 42])('%i ends the attempt', async (status) => {
    const { client, attempt } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(status)
    expect(first.aborted).toBe(true)
    expect((await client.read()).status).toBe(502)
  })
})

describe('a request that the listener responds to by itself', () => {
  const responded = async () => {
    const all = await scene()
    await all.client.send(POST)
    const first = await all.attempt(1)
    first.start()
    // It stays in progress.
    all.responses[0]?.writeHead(400, ['Content-Length', '3'])
    all.responses[0]?.write('b')
    return { ...all, first }
  }

  it.each<[string, (attempt: ScriptedAttempt, all: Awaited<ReturnType<typeof scene>>) => unknown]>([
    ['fails', (attempt) => attempt.fail('cut')],
    ['gets a response', (attempt) => attempt.head(200)],
    ['is past its deadline', (_, { clock }) => clock.advance(2800)],
  ])('gets no second response when it then %s', async (_, happens) => {
    const { first, responses, client, ends, ...all } = await responded()
    await happens(first, { ...all, responses, client, ends })
    responses[0]?.end('ad')
    expect(await client.read()).toMatchObject({ status: 400, text: 'bad' })
    expect(ends).toMatchObject([{ status: 400, code: undefined }])
  })
})

describe('back-pressure', () => {
  it('holds iSales until the client has taken what there is', async () => {
    const { client, attempt } = await scene()
    client.pause()
    await client.send(GET)
    const first = await attempt(1)
    first.start()
    first.head(200)
    while (!first.paused) first.data('x'.repeat(64 * 1024))
    client.resume()
    await until(() => !first.paused)
    first.end()
    expect((await client.read()).status).toBe(200)
  })
})
