import { expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { scene, token } from './scene.ts'

// Cases that need a scripted clock, pool or token source. Calls over real connections are in test/behaviour.
const POST = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi'
const DEADLINE = 2800
/** Maximum wait for a token, so that the call can still be sent. */
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
  // Only the beginning counts.
  ['text/html', 200, ['{"result":', '0}'], [1], false],
  ['text/plain', 200, ['<html>', '</html>'], [], true],
])('%s: %i with %j accepts the tokens %j, a page: %s', async (...row) => {
  const [type, status, [begin = '', rest], tokens, page] = row
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
  expect(accepted).toEqual(tokens)
  expect(ends).toMatchObject([{ page }])
})

it('the deadline does not cut a response that has begun', async () => {
  const { client, clock, first } = await sent()
  first.head(200, 'Content-Length', '4')
  await until(() => clock.waiting().length === 0)
  await clock.advance(5000)
  first.data('late')
  first.end()
  expect(await client.read()).toMatchObject({ status: 200, text: 'late' })
})

it('a rejection of any length is relayed, with its headers, while a token could still be sent', async () => {
  const { client, clock, exchanges, first, replays } = await sent({ newer: false })
  await clock.advance(400)
  first.head(401, 'X-Why', 'because', 'Content-Length', '100000')
  first.data('n'.repeat(100_000))
  await until(() => first.paused)
  first.end()
  await clock.advance(TOKEN_DEADLINE - 401)
  expect(client.received()).toBe(0)
  await clock.advance(1)
  const response = await client.read()
  expect(response).toMatchObject({ status: 401, text: 'n'.repeat(100_000) })
  expect(response.header('x-why')).toBe('because')
  expect(exchanges).toHaveLength(1)
  expect(replays).toEqual(['no-token'])
})

it('a token that was replaced while the call waited for a connection is not sent, but its successor', async () => {
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

it('a request to which the listener has responded gets no second response', async () => {
  const { client, first, responses, ends } = await sent()
  responses[0]?.writeHead(400, ['Content-Length', '3'])
  responses[0]?.write('b')
  first.head(200)
  responses[0]?.end('ad')
  expect(await client.read()).toMatchObject({ status: 400, text: 'bad' })
  expect(ends).toMatchObject([{ status: 400, code: undefined }])
})

it('the duration of iSales excludes the wait for a connection', async () => {
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

it('a failure before a response is not the reason why the response broke off', async () => {
  const { client, clock, exchange, ends } = await scene()
  await client.send(POST)
  ;(await exchange(1)).fail()
  await until(() => clock.waiting().includes(50))
  await clock.advance(50)
  const second = await exchange(2)
  second.start()
  second.head(401)
  const third = await exchange(3)
  third.start()
  third.head(200, 'Content-Length', '4')
  third.data('l')
  await until(() => client.received() > 0)
  third.fail()
  await until(() => ends.length > 0)
  expect(ends).toMatchObject([{ code: 'upstream-broken', failure: undefined, attempts: 3 }])
})

it('the response of a rejected attempt is not timed if its replay gets none', async () => {
  const { client, exchange, ends } = await scene()
  await client.send(POST)
  const first = await exchange(1)
  first.start()
  first.head(401)
  const second = await exchange(2)
  second.start()
  second.fail()
  expect(await client.readProblem()).toMatchObject({ code: 'upstream-broken' })
  await until(() => ends.length > 0)
  expect(ends).toMatchObject([{ upstreamMs: undefined, replay: 'failed' }])
})

it('a defect while the response is relayed is reported as such', async () => {
  const errors: unknown[] = []
  const { client, first, ends, responses } = await sent({ onError: (error) => errors.push(error) })
  const [response] = responses
  if (response !== undefined)
    response.flushHeaders = () => {
      throw new Error('defect')
    }
  first.head(200, 'Content-Length', '4')
  await client.closed()
  await until(() => ends.length > 0)
  expect([errors.length, ends[0]?.code]).toEqual([1, 'internal'])
})

it.each([
  ['rejected', ['replay', 'not-curable']],
  ['rejected', ['replay', 'no-newer-token']],
  ['no-token', ['no-newer-token']],
  [undefined, ['not-curable']],
] as const)('a rejection that is relayed is reported as %s after %j', async (...row) => {
  const [outcome, decisions] = row
  const { client, exchange, first, ends } = await sent({ decisions })
  first.head(401, 'Content-Length', '0')
  let last = first
  if (decisions.length > 1) {
    last = await exchange(2)
    last.start()
    last.head(401, 'Content-Length', '0')
  }
  last.end()
  expect(await client.read()).toMatchObject({ status: 401 })
  await until(() => ends.length > 0)
  expect(ends.map(({ replay }) => replay)).toEqual([outcome])
})
