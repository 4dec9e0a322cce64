import { PLACES } from '../support/failure.ts'
import { describe, expect, it } from 'vitest'
import { noCalls, type EndedCall } from '../../src/admin/call-counts.ts'
import { createCalls } from '../../src/admin/calls.ts'
import { manualClock } from '../support/manual-clock.ts'

const CALL = { method: 'POST', target: '/tasks?page=2', requestId: 'a-1' } as const
const OK: EndedCall = { ...CALL, status: 200 }
const DOWN: EndedCall = { ...CALL, status: 502, code: 'upstream-unreachable' }
const REFUSED: EndedCall = { ...CALL, status: 403 }

function start() {
  const clock = manualClock()
  const calls = createCalls({ clock, places: PLACES })
  const call = (ended: EndedCall, count = 1): void => {
    for (let n = 0; n < count; n += 1) calls.ended(ended)
  }
  return { ...calls, clock, call }
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
      blocked: {},
      handshakes: {},
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

  it('include what only CTI-OBS sends and the proxy refuses: a POST by its path or ticket, and a login', () => {
    const { view, call, turnedAway } = start()
    const refused = { ...CALL, status: 403, code: 'not-allowed' } as const
    for (const method of ['POST', 'GET', 'HEAD'])
      call({ ...refused, method, refusal: 'double-slash' })
    call({ ...refused, refusal: 'browser' })
    call({ ...CALL, status: 401, code: 'not-logged-in', refusal: 'ticket' })
    turnedAway('obs-login')
    turnedAway('plain-http')
    expect(view().minute).toEqual({
      ...noCalls(),
      mistakes: { 'double-slash': 3, browser: 1, 'not-logged-in': 1 },
      blocked: { 'double-slash': 1, 'not-logged-in': 1, 'obs-login': 1 },
      handshakes: { 'plain-http': 1 },
    })
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

it('tells how many calls there were since it was last asked, and how many did not succeed', () => {
  const { call, takeTally } = start()
  call(OK, 3)
  call(DOWN, 2)
  call({ ...CALL, status: 400, code: 'bad-request' })
  expect(takeTally()).toEqual({ requests: 5, errors: 2 })
  expect(takeTally()).toEqual({ requests: 0, errors: 0 })
})
