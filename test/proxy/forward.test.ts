import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { scene, token } from './scene.ts'

// Times of events, by a clock that the test moves. Calls over real connections are in test/behaviour.
const POST = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi'
const DEADLINE = 2800
/** Maximum wait for a token, because the call must still be sent. */
const TOKEN_DEADLINE = 0.95 * DEADLINE

/** A request whose first exchange has begun. */
async function sent(options: Parameters<typeof scene>[0] = {}) {
  const all = await scene(options)
  await all.client.send(POST)
  const first = await all.exchange(1)
  first.start()
  return { ...all, first }
}

it.each([
  ['text/html', 200, ['{"result":0}'], [1], false],
  ['text/html', 200, ['<html>{"result":0}'], [], true],
  ['text/html', 500, ['Error'], [], true],
  ['text/plain', 302, ['x'], [], true],
  ['text/plain', 304, [''], [], false],
  // The beginning tells all of it.
  ['text/html', 200, ['{"result":', '0}'], [1], false],
  ['text/plain', 200, ['<html>', '</html>'], [], true],
])('%s: %i with %j is evidence for %j, a page: %s', async (...row) => {
  const [type, status, [begin = '', rest], evidence, page] = row
  const { client, first, accepted, ends } = await sent()
  const text = begin + (rest ?? '')
  first.head(status, 'Content-Type', type, 'Content-Length', String(text.length))
  first.data(begin)
  if (rest !== undefined) {
    await until(() => client.received() > 0)
    first.data(rest)
  }
  first.end()
  expect(await client.read()).toMatchObject({ text })
  await until(() => ends.length > 0)
  expect(accepted).toEqual(evidence)
  expect(ends).toMatchObject([{ page }])
})

describe('the deadline', () => {
  it('of a request that waits for a token leaves a twentieth of it to send one', async () => {
    const { client, clock, state, responses } = await scene({ newer: false })
    state.current = undefined
    await client.send(POST)
    await until(() => responses.length === 1)
    await clock.advance(TOKEN_DEADLINE - 1)
    expect(client.received()).toBe(0)
    await clock.advance(1)
    const problem = { status: 503, code: 'no-token', sent: 'no' }
    expect(await client.readProblem()).toMatchObject(problem)
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
  it.each([
    [0, 100],
    [400, 100_000],
  ])(
    'that came after %i ms, of %i bytes, is relayed while a token could be sent',
    async (...row) => {
      const [ms, size] = row
      const { client, clock, exchanges, first, replays } = await sent({ newer: false })
      await clock.advance(ms)
      first.head(401, 'X-Why', 'because', 'Content-Length', String(size))
      first.data('n'.repeat(size))
      await until(() => first.paused === size > 64 * 1024)
      first.end()
      await clock.advance(TOKEN_DEADLINE - ms - 1)
      expect(client.received()).toBe(0)
      await clock.advance(1)
      const response = await client.read()
      expect(response).toMatchObject({ status: 401, text: 'n'.repeat(size) })
      expect(response.header('x-why')).toBe('because')
      expect(exchanges).toHaveLength(1)
      expect(replays).toEqual(['no-token'])
    },
  )
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
    // The call stays in progress.
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
