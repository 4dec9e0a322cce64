import { cause } from '../../src/causes.ts'
import { PLACES } from '../support/failure.ts'
import { describe, expect, it } from 'vitest'
import { noCalls, type EndedCall } from '../../src/admin/call-counts.ts'
import { createCalls } from '../../src/admin/calls.ts'
import { failingOf } from '../../src/admin/failing.ts'
import type { LogEventName, LogFields } from '../../src/log/log-events.ts'
import { manualClock } from '../support/manual-clock.ts'

const CALL = { method: 'POST', target: '/tasks?page=2', requestId: 'a-1' } as const
const OK: EndedCall = { ...CALL, status: 200 }
const DOWN: EndedCall = { ...CALL, status: 502, code: 'upstream-unreachable' }
const REFUSED: EndedCall = { ...CALL, status: 403 }

function start() {
  const clock = manualClock()
  const lines: (LogFields & { readonly event: LogEventName; readonly level: unknown })[] = []
  const calls = createCalls({
    clock,
    places: PLACES,
    log: (event, fields, level) => lines.push({ event, level, ...fields }),
  })
  const call = (ended: EndedCall, count = 1): void => {
    for (let n = 0; n < count; n += 1) calls.ended(ended)
  }
  return { ...calls, clock, lines, call }
}

describe('the calls of the last minute', () => {
  it('are counted by how they ended, and forgotten after a minute', async () => {
    const { view, call, clock } = start()
    call({ ...OK, upstreamMs: 1990 }, 3)
    call({ ...OK, upstreamMs: 2100 })
    call(DOWN, 2)
    call({ ...CALL, status: 500 })
    call(REFUSED)
    call({ ...REFUSED, page: true })
    const counted = {
      succeeded: 4,
      refused: 2,
      failed: 3,
      byFailure: { 'upstream-unreachable': 2, 'isales-error': 1 },
      pages: 1,
      declined: 0,
      slow: 1,
      mistakes: {},
      turnedAway: {},
    }
    expect(view().minute).toEqual(counted)
    await clock.advance(59_000)
    expect(view()).toMatchObject({ minute: counted, recent: noCalls() })
    await clock.advance(1000)
    expect(view().minute).toEqual(noCalls())
    expect(view().lastFailedAt).toBe(clock.now() - 60_000)
  })

  it('count a rejection by any status or result as refused, as a setting may name them', () => {
    const { view, call } = start()
    call({ ...CALL, status: 419, rejected: true })
    call({ ...OK, rejected: true })
    expect(view().minute).toEqual({ ...noCalls(), refused: 2 })
  })

  it('do not include what the proxy refused, a client that left, and a call during the drain', () => {
    const { view, failed, call } = start()
    call({ ...CALL, status: 403, code: 'not-allowed' })
    call({ ...CALL, status: 0 })
    call({ ...CALL, status: 503, code: 'shutting-down' })
    expect(view().minute).toEqual({ ...noCalls(), mistakes: { 'not-allowed': 1 } })
    expect(failed()).toMatchObject([{ status: 403, code: 'not-allowed' }])
  })
})

it('keeps the last hour by minute', async () => {
  const { hour, call, clock } = start()
  call(OK, 2)
  await clock.advance(61_000)
  call(REFUSED)
  call(DOWN, 3)
  expect(hour()).toHaveLength(60)
  expect(hour().slice(-2)).toMatchObject([
    { succeeded: 2, refused: 0, failed: 0 },
    { succeeded: 0, refused: 1, failed: 3 },
  ])
  await clock.advance(120_000)
  expect(hour().map(({ succeeded, refused, failed }) => succeeded + refused + failed)).toEqual([
    ...Array.from({ length: 56 }, () => 0),
    2,
    4,
    0,
    0,
  ])
  await clock.advance(3_600_000)
  expect(hour().every(({ failed }) => failed === 0)).toBe(true)
})

it('keeps the last ten that did not succeed, without their queries', () => {
  const { failed, call, clock } = start()
  for (let n = 1; n <= 12; n += 1) call({ ...DOWN, target: `/${n}`, requestId: `r-${n}` })
  call(REFUSED, 2)
  expect(failed()).toHaveLength(10)
  expect(failed()[0]).toEqual({
    count: 2,
    at: clock.now(),
    method: 'POST',
    path: '/tasks',
    status: 403,
    code: undefined,
    requestId: 'a-1',
  })
  expect(failed().at(-1)?.requestId).toBe('r-4')
})

it('counts the paths of the last hour, the most frequent first, and 50 at most', async () => {
  const { paths, call, clock } = start()
  call(REFUSED, 2)
  call(DOWN)
  call({ ...REFUSED, target: '/other' })
  expect(paths()).toMatchObject([
    { method: 'POST', path: '/tasks', refused: 2, failed: 1 },
    { method: 'POST', path: '/other', refused: 1, failed: 0 },
  ])
  for (let n = 0; n < 10_000; n += 1) call({ ...DOWN, target: `/${n}/${'x'.repeat(500)}` })
  expect(paths()).toHaveLength(50)
  expect(paths().every(({ path }) => path.length === 200)).toBe(true)
  await clock.advance(3_600_000)
  expect(paths()).toEqual([])
})

it('tells how many calls there were since it was last asked, and how many did not succeed', () => {
  const { call, takeTally } = start()
  call(OK, 3)
  call(DOWN, 2)
  call({ ...CALL, status: 400, code: 'bad-request' })
  expect(takeTally()).toEqual({ requests: 5, errors: 2 })
  expect(takeTally()).toEqual({ requests: 0, errors: 0 })
})

it('logs when calls begin to fail, when most fail, and when all succeed again', async () => {
  const { call, clock, lines } = start()
  call(OK, 9)
  call(DOWN)
  await clock.advance(30_000)
  call(DOWN, 20)
  await clock.advance(1000)
  call(OK, 100)
  await clock.advance(60_000)
  const code = 'upstream-unreachable'
  expect(lines).toMatchObject([
    { event: 'upstream-failing', level: 'warn', code, share: 0.1 },
    { event: 'upstream-failing', level: 'error', code, share: 1 },
    { event: 'upstream-recovered', level: undefined, code, share: 1, durationSeconds: 30 },
  ])
  expect(clock.waiting()).toEqual([])
})

it('logs once that hardly more than half fail', async () => {
  const { call, clock, lines } = start()
  for (let n = 0; n < 4; n += 1) {
    call(OK, 496)
    call(DOWN, 504)
    call(OK)
    await clock.advance(1000)
  }
  expect(lines.map(({ level, share }) => [level, share])).toEqual([
    ['warn', 0],
    ['error', 0.5],
  ])
})

it('sees an outage whose calls fail slowly within 20 s, after many that succeeded', async () => {
  const { call, clock, lines, view } = start()
  call(OK, 600)
  for (let n = 0; n < 7; n += 1) {
    await clock.advance(2800)
    call(DOWN)
  }
  await clock.advance(2000)
  expect(failingOf(view(), clock.now())).toMatchObject({ kind: 'outage', failed: 7, total: 7 })
  expect(lines.map(({ level }) => level)).toEqual(['warn', 'error'])
})

it('leaves calls without a token, and those that iSales refuses, to other lines of the log', async () => {
  const { call, clock, lines } = start()
  call({ ...CALL, status: 503, code: 'no-token' }, 5)
  call({ ...CALL, status: 401 }, 5)
  await clock.advance(90_000)
  expect(lines).toEqual([])
  expect(clock.waiting()).toEqual([])
})

it('does not name a missing token after another failure, nor say that calls succeed while they wait for one', async () => {
  const { call, clock, lines } = start()
  call(DOWN, 5)
  for (let n = 0; n < 40; n += 1) {
    await clock.advance(2000)
    call({ ...CALL, status: 503, code: 'no-token' })
  }
  expect(lines.map(({ event, code }) => [event, code])).toEqual([
    ['upstream-failing', 'upstream-unreachable'],
  ])
  call(OK, 5)
  await clock.advance(61_000)
  expect(lines.at(-1)).toMatchObject({ event: 'upstream-recovered', code: 'upstream-unreachable' })
  expect(clock.waiting()).toEqual([])
})

it('logs a changed cause anew, and each of those that take turns once', async () => {
  const { call, clock, lines } = start()
  const expired = { ...DOWN, code: 'upstream-tls', failure: { cause: cause('expired') } } as const
  for (const each of [DOWN, expired, DOWN, expired]) {
    await clock.advance(70_000)
    call(each, 3)
    await clock.advance(2000)
  }
  const said = (n: number) => lines.slice(n, n + 3).map(({ event, code }) => [event, code])
  expect(said(0)).toEqual([
    ['upstream-failing', 'upstream-unreachable'],
    ['upstream-recovered', 'upstream-unreachable'],
    ['upstream-failing', 'upstream-tls'],
  ])
  lines.length = 0
  await clock.advance(70_000)
  lines.length = 0
  call(DOWN, 3)
  for (let n = 0; n < 4; n += 1) {
    call(expired, 10 * 3 ** n)
    await clock.advance(1000)
    call(DOWN, 20 * 3 ** n)
    await clock.advance(1000)
  }
  expect(lines.map(({ code, cause: why }) => [code, why])).toEqual([
    ['upstream-unreachable', 'no-route'],
    ['upstream-tls', 'expired'],
  ])
  expect(lines[1]?.detail).toMatch(/^The certificate of iSales has expired\. Have the operator/)
})
