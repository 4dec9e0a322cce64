import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { scene, token } from './scene.ts'

const POST = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi'
const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'
const DEADLINE = 2800

/** A request whose first exchange has begun. */
async function sent(request = POST, options: Parameters<typeof scene>[0] = {}) {
  const all = await scene(options)
  await all.client.send(request)
  const first = await all.exchange(1)
  first.start()
  return { ...all, first }
}

describe('exchanges that fail', () => {
  it.each([false, true])(
    'after a rejection count as one failed replay, written: %s',
    async (written) => {
      const { client, clock, exchange, first, replays } = await sent()
      first.head(401)
      for (let n = 2; n <= (written ? 2 : 4); n += 1) {
        const replay = await exchange(n)
        if (written) replay.start()
        replay.fail()
        await clock.advance(150)
      }
      // iSales has not executed what it rejected.
      const problem = { status: 502, sent: written ? 'unknown' : 'no' }
      expect(await client.readProblem()).toMatchObject(problem)
      expect(replays).toEqual(['failed'])
    },
  )

  it('after a rejection, with no token to send it again with, get a response', async () => {
    const { client, clock, state, exchange, first } = await sent()
    first.head(401)
    const replay = await exchange(2)
    state.newer = false
    state.current = undefined
    replay.fail()
    await clock.advance(DEADLINE)
    // iSales has not executed what it rejected.
    const problem = { status: 503, code: 'no-token', sent: 'no' }
    expect(await client.readProblem()).toMatchObject(problem)
  })
})

it.each([
  ['text/html', 200, '{"result":0}', [1], false],
  ['text/html', 200, '<html>{"result":0}', [], true],
  ['text/html', 500, '{"result":7}', [], false],
  ['text/html', 500, 'Error', [], true],
  ['text/plain', 200, ' \n<html>', [], true],
  ['text/plain', 302, 'x', [], true],
  ['text/plain', 304, '', [], false],
  ['text/plain', 500, '<html>', [], true],
])('%s: %i with %s is evidence for %j, a page: %s', async (...row) => {
  const [type, status, body, evidence, page] = row
  const { client, first, accepted, ends } = await sent()
  first.head(status, 'Content-Type', type, 'Content-Length', String(body.length))
  first.data(body)
  first.end()
  expect(await client.read()).toMatchObject({ text: body })
  await until(() => ends.length > 0)
  expect(accepted).toEqual(evidence)
  expect(ends).toMatchObject([{ page }])
})

it.each([
  ['text/html', '{"result":', '0}', [1], false],
  ['text/plain', '<html>', '</html>', [], true],
])('%s: the beginning %s tells all of it', async (...row) => {
  const [type, begin, rest, evidence, page] = row
  const { client, first, accepted, ends } = await sent()
  const text = begin + rest
  first.head(200, 'Content-Type', type, 'Content-Length', String(text.length))
  first.data(begin)
  await until(() => client.received() > 0)
  first.data(rest)
  first.end()
  expect(await client.read()).toMatchObject({ text })
  await until(() => ends.length > 0)
  expect(accepted).toEqual(evidence)
  expect(ends).toMatchObject([{ page }])
})

it.each([
  ['before the head is sent', ['X', 'a\u0000b']],
  ['when the pool throws', undefined],
])('an exception of our own, %s: 500 internal, reported once', async (_, fields) => {
  const { client, exchange, ends, errors, state } = await scene()
  if (fields === undefined) state.broken = true
  await client.send(GET)
  if (fields !== undefined) {
    const one = await exchange(1)
    one.start()
    one.head(200, ...fields)
  }
  const problem = { status: 500, code: 'internal', sent: 'unknown' }
  expect(await client.readProblem()).toMatchObject(problem)
  expect(errors).toHaveLength(1)
  await until(() => ends.length > 0)
  expect(ends).toMatchObject([{ code: 'internal', status: 500, isCountedElsewhere: false }])
})

describe('the deadline', () => {
  it.each([
    ['the rest of its body', POST.slice(0, -1), DEADLINE, 408, 'request-timeout'],
    // A token that comes late can still be sent.
    ['a token, for nine tenths of it', POST, 0.9 * DEADLINE, 503, 'no-token'],
  ])('of a request that waits for %s', async (...row) => {
    const [, request, ms, status, code] = row
    const { client, clock, state, responses } = await scene({ newer: false })
    state.current = undefined
    await client.send(request)
    await until(() => responses.length === 1)
    await clock.advance(ms - 1)
    expect(client.received()).toBe(0)
    await clock.advance(1)
    expect(await client.readProblem()).toMatchObject({ status, code, sent: 'no' })
  })

  it.each([
    [0, 'out-of-time', 503],
    [1, 'upstream-unreachable', 502],
  ])('after %i connections that could not be opened: %s', async (failures, code, status) => {
    const { client, clock, exchange, ends } = await scene()
    await client.send(POST)
    for (let n = 1; n <= failures; n += 1) {
      const one = await exchange(n)
      one.fail()
      await clock.advance(100)
    }
    const last = await exchange(failures + 1)
    await clock.advance(DEADLINE)
    expect(await client.readProblem()).toMatchObject({ status, code, sent: 'no' })
    expect(ends).toMatchObject([{ code, status }])
    // A connection that comes later is not lost by it.
    expect(() => last.start()).toThrow('not to be sent')
    expect(last.aborted).toBe(false)
  })

  it.each([
    [true, 504, 'upstream-timeout'],
    [false, 502, 'upstream-broken'],
  ])(
    'of a GET that was lost says that it may have been executed, a token at hand: %s',
    async (hasToken, status, code) => {
      const { client, clock, state, first } = await sent(GET, { newer: false })
      if (!hasToken) state.current = undefined
      first.fail()
      await clock.advance(100)
      await clock.advance(DEADLINE)
      expect(await client.readProblem()).toMatchObject({ status, code, sent: 'unknown' })
    },
  )

  it('of a GET that was lost and then rejected says that it may have been executed', async () => {
    const { client, clock, state, first, exchange } = await sent(GET, { newer: false })
    state.inFlight = true
    first.fail()
    await clock.advance(100)
    const second = await exchange(2)
    second.start()
    second.head(401)
    second.end()
    const broken = { status: 502, code: 'upstream-broken', sent: 'unknown' }
    expect(await client.readProblem()).toMatchObject(broken)
  })

  it('does not cut a response that has begun, and waits for nothing any more', async () => {
    const { client, clock, first } = await sent()
    first.head(200, 'Content-Length', '4')
    await until(() => clock.waiting().length === 0)
    await clock.advance(5000)
    first.data('late')
    first.end()
    expect(await client.read()).toMatchObject({ status: 200, text: 'late' })
  })
})

describe('a rejection', () => {
  it.each([100, 100_000])(
    'of %i bytes is relayed as it came at the deadline, when no newer token has come by then',
    async (size) => {
      const { client, clock, exchanges, first, replays } = await sent(POST, { newer: false })
      first.head(401, 'X-Why', 'because', 'Content-Length', String(size))
      first.data('n'.repeat(size))
      await until(() => first.paused === size > 64 * 1024)
      first.end()
      await clock.advance(DEADLINE)
      const response = await client.read()
      expect(response).toMatchObject({ status: 401, text: 'n'.repeat(size) })
      expect(response.header('x-why')).toBe('because')
      expect(exchanges).toHaveLength(1)
      expect(replays).toEqual(['no-token'])
    },
  )

  it('whose end has not come is given up when the client leaves', async () => {
    const { client, first } = await sent(POST, { newer: false })
    first.head(401)
    expect(first.aborted).toBe(false)
    client.destroy()
    await until(() => first.aborted)
  })

  it('that fails behind its head does not touch the replay, which may not be relayable', async () => {
    const { client, exchange, exchanges, first, replays } = await sent()
    first.head(401)
    const second = await exchange(2)
    expect(second.exchange.request.body).toEqual(Buffer.from('hi'))
    first.fail()
    second.start()
    second.head(200, 'Transfer-Encoding', 'gzip, chunked')
    expect((await client.read()).status).toBe(502)
    expect(exchanges).toHaveLength(2)
    // The token was healed all the same, and that counts once.
    expect(replays).toEqual(['healed'])
  })
})

it('a token that was replaced while a connection was awaited is not sent, but the newer one', async () => {
  const { client, exchange, state, ends } = await scene()
  await client.send(POST)
  const first = await exchange(1)
  state.current = token(2)
  expect(() => first.start()).toThrow('not to be sent')
  const second = await exchange(2)
  second.start()
  second.head(204)
  expect(await client.read()).toMatchObject({ status: 204 })
  expect(ends).toMatchObject([{ status: 204, code: undefined }])
})

it.each(['fails', 'gets a response', 'is past its deadline'])(
  'a request that the listener responds to by itself gets no second response when it then %s',
  async (what) => {
    const { client, clock, first, responses, ends } = await sent()
    // It stays in progress.
    responses[0]?.writeHead(400, ['Content-Length', '3'])
    responses[0]?.write('b')
    if (what === 'fails') first.fail()
    else if (what === 'gets a response') first.head(200)
    else await clock.advance(DEADLINE)
    responses[0]?.end('ad')
    expect(await client.read()).toMatchObject({ status: 400, text: 'bad' })
    expect(ends).toMatchObject([{ status: 400, code: undefined }])
  },
)

it('the time that iSales took begins when there is a connection, not in our queue', async () => {
  const { client, clock, exchange, ends } = await scene()
  await client.send(POST)
  const first = await exchange(1)
  await clock.advance(2100)
  first.start()
  await clock.advance(300)
  first.head(204)
  expect(await client.read()).toMatchObject({ status: 204 })
  await until(() => ends.length > 0)
  expect(ends).toMatchObject([{ upstreamMs: 300, durationMs: 2400 }])
})
