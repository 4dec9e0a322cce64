import { describe, expect, it } from 'vitest'
import { createMonitor, type EndedCall } from '../../src/admin/monitor.ts'
import type { LogEventName, LogFields } from '../../src/log/events.ts'
import { manualClock } from '../support/manual-clock.ts'
import { NOW, adminSources, failed, granted, session, snapshot } from './token.ts'

const OK: EndedCall = { status: 200, durationMs: 10 }
const DOWN: EndedCall = { status: 502, code: 'upstream-unreachable', durationMs: 10 }

function start() {
  const clock = manualClock()
  const lines: (LogFields & { readonly event: LogEventName; readonly level: unknown })[] = []
  let generation = 1
  const monitor = createMonitor(
    adminSources({
      token: () => snapshot({ now: clock.now(), session: session({ generation }) }),
      clock,
      log: (event, fields, level) => lines.push({ event, level, ...fields }),
    }),
  )
  const call = (ended: EndedCall, count = 1): void => {
    for (let n = 0; n < count; n += 1) monitor.callEnded(ended)
  }
  const reject = (verdict: 'replace' | 'about-call' = 'replace'): void => {
    const at = clock.now()
    monitor.onTokenEvent({ type: 'token-rejected', at, generation, status: 401, verdict })
  }
  const grant = (): void => {
    generation += 1
    monitor.onTokenEvent(granted())
  }
  return { ...monitor, clock, lines, call, reject, grant }
}

describe('the calls of the last minute', () => {
  it('are counted by how they ended, and forgotten after a minute', async () => {
    const { calls, call, clock, lastFailedAt } = start()
    call(OK, 3)
    call(DOWN, 2)
    call({ status: 500 })
    call({ status: 403 })
    expect(calls()).toEqual({
      total: 7,
      failed: 4,
      byFailure: { 'upstream-unreachable': 2, 'isales-error': 1, rejected: 1 },
    })
    await clock.advance(59_000)
    expect(calls().total).toBe(7)
    await clock.advance(1000)
    expect(calls()).toEqual({ total: 0, failed: 0, byFailure: {} })
    expect(lastFailedAt()).toBe(clock.now() - 60_000)
  })

  it.each<readonly [string, EndedCall]>([
    ['a request that is not valid', { status: 400, code: 'bad-request' }],
    ['a request outside the allowed paths', { status: 403, code: 'not-allowed' }],
    ['a client without a ticket', { status: 401, code: 'not-logged-in' }],
    ['a client that left', { status: 0, durationMs: 10 }],
    ['a call during the drain', { status: 503, code: 'shutting-down' }],
  ])('do not include %s', (_case, ended) => {
    const { calls, call } = start()
    call(ended)
    expect(calls().total).toBe(0)
  })
})

it('tells how many calls there were since it was last asked, and how many failed', () => {
  const { call, ...monitor } = start()
  call(OK, 3)
  call(DOWN, 2)
  call({ status: 400, code: 'bad-request' })
  expect(monitor.takeTally()).toEqual({ requests: 5, errors: 2 })
  expect(monitor.takeTally()).toEqual({ requests: 0, errors: 0 })
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
  expect(lines).toEqual([
    { event: 'upstream-failing', level: 'warn', code, share: 0.1 },
    { event: 'upstream-failing', level: 'error', code, share: 0.7 },
    {
      event: 'upstream-recovered',
      level: undefined,
      code,
      share: 0.7,
      durationSeconds: 30,
    },
  ])
  expect(clock.waiting()).toEqual([])
})

it('sees an outage whose calls fail slowly within 20 s, after many that succeeded', async () => {
  const { call, clock, lines, verdict } = start()
  call(OK, 600)
  for (let n = 0; n < 7; n += 1) {
    await clock.advance(2800)
    call(DOWN)
  }
  await clock.advance(2000)
  expect(verdict()).toMatchObject({
    state: 'failing',
    reason: expect.stringContaining('7 of 7 calls failed in the last 20 seconds'),
  })
  expect(lines.map(({ level }) => level)).toEqual(['warn', 'error'])
  call(OK, 10)
  expect(verdict().state).toBe('degraded')
})

it('leaves calls without a token to the log of the token', async () => {
  const { call, clock, lines } = start()
  call({ status: 503, code: 'no-token' }, 5)
  call({ status: 401 }, 5)
  await clock.advance(90_000)
  expect(lines).toEqual([])
  expect(clock.waiting()).toEqual([])
})

it('takes a token for usable when a rejection was about its call', () => {
  const { token, reject } = start()
  reject('about-call')
  expect(token()).toMatchObject({ rejected: false, usable: true, outageBudget: 235_000 })
})

describe('a rejected token', () => {
  it('is not usable and has no budget until a new one is granted', () => {
    const { token, reject, grant, verdict } = start()
    reject()
    expect(token()).toMatchObject({ rejected: true, usable: false, outageBudget: 0 })
    expect(verdict().state).toBe('unauthenticated')
    grant()
    expect(token()).toMatchObject({ rejected: false, usable: true, outageBudget: 235_000 })
  })

  it('is usable again when a call that was sent after the rejection is accepted', async () => {
    const { token, reject, call, clock } = start()
    await clock.advance(1000)
    reject()
    await clock.advance(50)
    call({ status: 200, durationMs: 60 })
    expect(token().rejected).toBe(true)
    call({ status: 200, durationMs: 40 })
    expect(token().rejected).toBe(false)
  })
})

it('keeps 60 logins and refreshes, however long it goes on, with how each ended', () => {
  const monitor = start()
  for (let n = 0; n < 10_000; n += 1) monitor.onTokenEvent(granted({ at: n }))
  monitor.onTokenEvent(failed({ operation: 'refresh', at: NOW, durationMs: 9 }))
  expect(monitor.tokenRequests().map(({ at }) => at)).toEqual([
    ...Array.from({ length: 59 }, (_, n) => 9941 + n),
    NOW,
  ])
  expect(monitor.tokenRequests().slice(-2)).toEqual([
    { operation: 'login', at: 9999, durationMs: 42, reason: undefined },
    { operation: 'refresh', at: NOW, durationMs: 9, reason: 'unavailable' },
  ])
})
