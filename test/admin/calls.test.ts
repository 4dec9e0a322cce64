import { describe, expect, it } from 'vitest'
import { failingOf, noCalls } from '../../src/admin/calls.ts'
import { createRecord } from '../../src/admin/record.ts'
import type { EndedRequest } from '../../src/outcomes.ts'
import { PLACES } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'

const CALL = { method: 'POST', target: '/tasks?page=2', requestId: 'a-1' } as const
const OK: EndedRequest = { ...CALL, status: 200 }
const DOWN: EndedRequest = { ...CALL, status: 502, code: 'upstream-unreachable' }
const NOT_ALLOWED: EndedRequest = { ...CALL, status: 403, code: 'not-allowed' }
const SLASH: EndedRequest = { ...NOT_ALLOWED, refusal: 'double-slash' }
const REFUSED: EndedRequest = { ...CALL, status: 403 }

function start() {
  const clock = manualClock()
  const record = createRecord({ clock, places: PLACES })
  const call = (ended: EndedRequest, count = 1): void => {
    for (let n = 0; n < count; n += 1) record.callEnded(ended)
  }
  const failing = () => failingOf(record.view().calls, clock.now())
  return {
    record,
    view: record.view,
    hour: record.hour,
    minute: () => record.view().calls.minute,
    clock,
    call,
    failing,
  }
}

it.each<readonly [EndedRequest, object]>([
  [{ ...OK, upstreamMs: 1990 }, { succeeded: 1 }],
  [
    { ...OK, upstreamMs: 2100 },
    { succeeded: 1, slow: 1 },
  ],
  [
    { ...CALL, status: 404 },
    { succeeded: 1, declined: 1 },
  ],
  [DOWN, { failed: 1, byFailure: { 'upstream-unreachable': 1 } }],
  [
    { ...CALL, status: 500 },
    { failed: 1, byFailure: { 'isales-error': 1 } },
  ],
  [
    { ...CALL, status: 503, page: true },
    { failed: 1, byFailure: { 'isales-unavailable': 1 } },
  ],
  [REFUSED, { refused: 1 }],
  [
    { ...OK, page: true },
    { refused: 1, pages: 1 },
  ],
  // A rejection by any status or result, as a setting may name them.
  [{ ...CALL, status: 419, rejected: true }, { refused: 1 }],
  [{ ...OK, rejected: true }, { refused: 1 }],
  [NOT_ALLOWED, { mistakes: { 'not-allowed': 1 } }],
  [{ ...NOT_ALLOWED, refusal: 'browser' }, { mistakes: { browser: 1 } }],
  [{ ...SLASH, method: 'GET' }, { mistakes: { 'double-slash': 1 } }],
  // What only CTI-OBS sends.
  [SLASH, { mistakes: { 'double-slash': 1 }, blocked: { 'double-slash': 1 } }],
  [
    { ...CALL, status: 401, code: 'not-logged-in', refusal: 'ticket' },
    { mistakes: { 'not-logged-in': 1 }, blocked: { 'not-logged-in': 1 } },
  ],
  // The client left, and the drain.
  [{ ...CALL, status: 0 }, {}],
  [{ ...CALL, status: 503, code: 'shutting-down' }, {}],
])('%j is counted as %j', (ended, counts) => {
  const { call, minute } = start()
  call(ended)
  expect(minute()).toEqual({ ...noCalls(), ...counts })
})

it('a login of CTI-OBS and a handshake are no calls', () => {
  const { minute, record } = start()
  record.turnedAway('obs-login')
  record.turnedAway('plain-http')
  const counts = { blocked: { 'obs-login': 1 }, handshakes: { 'plain-http': 1 } }
  expect(minute()).toEqual({ ...noCalls(), ...counts })
})

it('calls are forgotten after a minute, and kept by minute for an hour', async () => {
  const { hour, view, minute, call, clock } = start()
  const totals = () => hour().map(({ succeeded, failed }) => succeeded + failed)
  call(OK, 2)
  await clock.advance(59_000)
  expect(view().calls).toMatchObject({ minute: { succeeded: 2 }, recent: noCalls() })
  await clock.advance(1000)
  expect(minute()).toEqual(noCalls())
  call(DOWN, 3)
  expect(hour()).toHaveLength(60)
  expect(totals().slice(-2)).toEqual([2, 3])
  await clock.advance(120_000)
  expect(totals().slice(-5)).toEqual([0, 2, 3, 0, 0])
  await clock.advance(3_600_000)
  expect(totals().every((total) => total === 0)).toBe(true)
})

it('keeps the last ten that did not succeed, without their queries', () => {
  const { view, call, clock } = start()
  for (let n = 1; n <= 12; n += 1) call({ ...DOWN, target: `/${n}`, requestId: `r-${n}` })
  call(REFUSED, 2)
  const { failedCalls } = view()
  const [first] = failedCalls
  expect(failedCalls).toHaveLength(10)
  const { status, requestId } = REFUSED
  const last = { count: 2, at: clock.now(), method: 'POST', path: '/tasks', status, requestId }
  expect(first).toEqual({ ...last, code: undefined })
  expect(failedCalls.at(-1)?.requestId).toBe('r-4')
})

describe('how badly calls fail', () => {
  it('names a new cause within 5 s, however long the former one has lasted', async () => {
    const { call, failing, clock } = start()
    const fail = async (ended: EndedRequest, count: number) => {
      for (let n = 0; n < count; n += 1) {
        await clock.advance(500)
        call(ended)
      }
      return failing()
    }
    expect(await fail(DOWN, 1000)).toMatchObject({ main: 'upstream-unreachable', failed: 1000 })
    const changed = await fail({ ...DOWN, code: 'upstream-tls' }, 10)
    expect(changed).toMatchObject({ kind: 'outage', main: 'upstream-tls', failed: 1010 })
  })

  it('does not count an outage over a minute in which nothing failed', async () => {
    const { call, failing, clock } = start()
    call(DOWN, 2)
    await clock.advance(6 * 3_600_000)
    call(DOWN)
    expect(failing()).toMatchObject({ kind: 'most', failed: 1, total: 1, ms: 60_000 })
  })

  it('is judged as the example in src/admin/calls.ts says', async () => {
    const { call, failing, clock } = start()
    const seen: Record<number, unknown> = {}
    for (let second = -60; second <= 71; second += 1) {
      call(second >= 0 && second <= 11 ? DOWN : OK)
      const { kind, failed, total } = failing() ?? {}
      seen[second] = kind && [kind, failed, total]
      await clock.advance(1000)
    }
    expect(seen).toMatchObject({
      [-1]: undefined,
      0: ['some', 1, 60],
      2: ['some', 3, 60],
      3: ['outage', 4, 4],
      11: ['outage', 12, 12],
      12: ['most', 12, 20],
      16: ['over', 12, 60],
      70: ['over', 1, 60],
      71: undefined,
    })
  })
})
