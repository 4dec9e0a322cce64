import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Resolve } from '../../src/upstream/connector.ts'
import { Exchange } from '../../src/upstream/exchange.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { dispatch, free, openUpstream, startIsales } from './support.ts'

describe('an idle connection', () => {
  it('is closed in time, and a second before the end that iSales gives in Keep-Alive', async () => {
    for (const [hint, atLeast, atMost] of [
      ['', 100, 1200],
      ['timeout=2', 900, 1900],
    ] as const) {
      const response = responseBytes('ok', { fields: [`Keep-Alive: ${hint}`] })
      const isales = await startIsales(() => response)
      const upstream = openUpstream({ isalesUrl: isales.origin, limits: { keepAlive: 200 } })
      await dispatch(upstream)
      const startedAt = performance.now()
      await until(() => isales.open() === 0)
      const lasted = performance.now() - startedAt
      expect(lasted).toBeGreaterThanOrEqual(atLeast - 5)
      expect(lasted).toBeLessThan(atMost + 500)
    }
  })

  it.each([
    ['', 4000],
    ['timeout=10', 9000],
  ])('is not handed out in its last 100 ms (Keep-Alive: %s)', async (hint, lasts) => {
    const clock = { ...systemClock, time: 0, now: () => clock.time }
    const isales = await startIsales(() => responseBytes('ok', { fields: [`Keep-Alive: ${hint}`] }))
    const upstream = openUpstream({ isalesUrl: isales.origin, clock })
    const connections: number[] = []
    for (const ms of [0, lasts - 101, lasts - 100]) {
      clock.time += ms
      expect(await dispatch(upstream)).toMatchObject({ status: 200 })
      await free()
      connections.push(isales.connections())
    }
    expect(connections).toEqual([1, 1, 2])
  })

  it('that ends in the moment of a call costs the call nothing', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    onTestFinished(() => timers.mockRestore())
    const isales = await startIsales()
    const upstream = openUpstream({ isalesUrl: isales.origin })
    await dispatch(upstream)
    await free()
    const calls: readonly (readonly unknown[])[] = timers.mock.calls
    const ofUndici = calls.findLast(([run]) => (run as { name: string }).name === 'onParserTimeout')
    const [end, , parser] = ofUndici as [(parser: unknown) => void, number, unknown]
    end(parser)
    // Its `close` event follows in a later turn.
    expect(await dispatch(upstream)).toMatchObject({ status: 200 })
    expect(isales.connections()).toBe(2)
  })

  it.each(['POST', 'GET'])('is used again, and for one %s at a time', async (method) => {
    const early: number[] = []
    const isales = await startIsales(async () => {
      await delay(20)
      const whole = isales.requests.reduce((sum, { bytes }) => sum + bytes.length, 0)
      early.push(isales.received() - whole)
      return responseBytes('ok')
    })
    const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
    await Promise.all(Array.from({ length: 5 }, () => dispatch(upstream, [], method)))
    expect(early).toEqual([0, 0, 0, 0, 0])
    expect(isales.connections()).toBe(1)
  })
})

it('new certificates let a request in progress finish, and leave nothing open at the end', async () => {
  const isales = await startIsales(() => delay(50).then(() => responseBytes('ok')))
  const upstream = openUpstream({ isalesUrl: isales.origin })
  const outcome = dispatch(upstream)
  await until(() => isales.requests.length === 1)
  upstream.reload({})
  expect(await outcome).toMatchObject({ status: 200 })
  await until(() => isales.open() === 0)
})

it.each([
  ['a control character in a value', ['X', 'a\u0001b']],
  ['a line end in a value', ['X', 'a\r\nEvil: 1']],
  ['a name that is none', ['X Y', 'a']],
  ['Expect', ['Expect', '100-continue']],
  ['Upgrade', ['Upgrade', 'h2c']],
])(
  'a request that is not HTTP, with %s, fails as invalid, is not written, and delays no other request',
  async (_, headers) => {
    const isales = await startIsales()
    const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
    const refused = { cause: { code: 'invalid' }, written: false }
    expect(await dispatch(upstream, headers)).toMatchObject(refused)
    expect(await dispatch(upstream)).toMatchObject({ status: 200 })
    // Also between others that wait for the connection.
    const outcomes = [[], headers, headers, []].map((fields) => dispatch(upstream, fields))
    const [first, second, third, last] = await Promise.all(outcomes)
    expect([first?.status, last?.status]).toEqual([200, 200])
    for (const outcome of [second, third]) expect(outcome).toMatchObject(refused)
    expect(isales.requests).toHaveLength(3)
    expect(isales.connections()).toBe(1)
  },
)

it.each(['end', 'reset'] as const)(
  'a paused response whose connection ends by %s does not crash the process',
  async (close) => {
    // The rest and the connection's end have arrived when the response continues.
    const first = ['HTTP/1.1 200 OK\r\n\r\nfirst', { waitMs: 50 }]
    const isales = await startIsales(() => [...first, 'rest', { waitMs: 50 }, { close }])
    const exchange = new Exchange({ method: 'GET', path: '/', headers: [] })
    openUpstream({ isalesUrl: isales.origin }).dispatch(exchange)
    await exchange.outcome
    const whole = await new Promise((resolve) => {
      // As for a client that takes nothing, whose buffer even an empty chunk would fill.
      const onChunk = () => {
        setTimeout(() => exchange.resume(), 200)
        return false
      }
      exchange.take({ onChunk, onEnd: resolve })
    })
    expect(whole).toBe(close === 'end')
  },
)

it('a connection that is older than the maximum age is replaced between two requests, and none is cut', async () => {
  const clock = { ...systemClock, time: 0, now: () => clock.time }
  // Each takes 30 s by this clock.
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl'
  const pass = () => void (clock.time += 30_000)
  const isales = await startIsales(() => [begun, pass, { waitMs: 5 }, 'ow'])
  const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1, clock })
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => dispatch(upstream)))
  expect(new Set(outcomes.map(({ text }) => text))).toEqual(new Set(['slow']))
  expect(isales.connections()).toBe(3)
  // A connection that became too old while it was idle is also replaced.
  await free()
  clock.time += 300_000
  expect(await dispatch(upstream)).toMatchObject({ text: 'slow' })
  expect(isales.connections()).toBe(4)
})

it('a request that waits for a connection is never sent when it is aborted', async () => {
  const isales = await startIsales(() => new Promise(() => undefined))
  const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
  const first = dispatch(upstream)
  await until(() => isales.requests.length === 1)
  const exchange = new Exchange({ method: 'POST', path: '/aborted', headers: [], body: null })
  upstream.dispatch(exchange)
  const error = new Error('too late')
  exchange.abort(error)
  expect(await exchange.outcome).toBe('failed')
  expect([exchange.error, exchange.written]).toEqual([error, false])
  await upstream.destroy()
  expect(await first).toMatchObject({ cause: { code: 'closed' } })
  expect(isales.requests).toHaveLength(1)
})

it('a request that waits for a connection waits for an open one while others cannot be opened, whose failure counts for 5 s', async () => {
  const clock = { ...systemClock, time: 0, now: () => clock.time }
  let answer = (): void => undefined
  const answered = new Promise<void>((resolve) => (answer = resolve))
  const isales = await startIsales(() => answered.then(() => responseBytes('ok')))
  let asked = 0
  // The second connection goes to an address at which nothing listens.
  const resolve: Resolve = (_name, _options, found) =>
    found(null, [{ address: `127.0.0.${(asked += 1)}`, family: 4 }])
  const isalesUrl = isales.origin.replace('127.0.0.1', 'isales.test')
  const upstream = openUpstream({ isalesUrl, clock, resolve })
  const first = dispatch(upstream)
  await until(() => isales.requests.length === 1)
  expect(upstream.recentFailure()).toBeUndefined()
  const second = dispatch(upstream)
  const refused = { cause: { code: 'connection-refused' } }
  await until(() => upstream.recentFailure() !== undefined)
  expect(upstream.recentFailure()).toMatchObject(refused)
  clock.time = 5001
  expect(upstream.recentFailure()).toBeUndefined()
  answer()
  expect(await Promise.all([first, second])).toMatchObject([{ status: 200 }, { status: 200 }])
})

it('a request that waits for a connection fails as closed when the pool ends', async () => {
  const isales = await startIsales(() => new Promise(() => undefined))
  const upstream = openUpstream({ isalesUrl: isales.origin, isalesMaxConnections: 1 })
  const outcomes = [dispatch(upstream), dispatch(upstream)]
  await until(() => isales.requests.length === 1)
  await upstream.destroy()
  const [sent, unsent] = [true, false].map((written) => ({ cause: { code: 'closed' }, written }))
  expect(await Promise.all(outcomes)).toMatchObject([sent, unsent])
  expect(await dispatch(upstream)).toMatchObject({ ...unsent })
})
