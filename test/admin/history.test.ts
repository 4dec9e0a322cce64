import { describe, expect, it } from 'vitest'
import { createHistory } from '../../src/admin/history.ts'
import { NOW, failed, granted } from './token.ts'

describe('the history', () => {
  it('is empty at first', () => {
    const { exchanges, failures, conflicts } = createHistory().view()
    expect(exchanges).toEqual([])
    expect(Object.values(failures)).toEqual([0, 0, 0, 0, 0, 0, 0])
    expect(conflicts).toEqual({ count: 0, lastAt: undefined })
  })

  it('keeps the last 60 exchanges and forgets the rest, however long it goes on', () => {
    const history = createHistory()
    for (let n = 0; n < 10_000; n += 1) history.onTokenEvent(granted({ at: n }))
    const { exchanges } = history.view()
    expect(exchanges.map(({ at }) => at)).toEqual(Array.from({ length: 60 }, (_, n) => 9940 + n))
  })

  it('goes on counting failures by reason after it has forgotten them', () => {
    const history = createHistory()
    for (let n = 0; n < 100; n += 1) {
      history.onTokenEvent(failed({ failure: { reason: 'tls', detail: 'CERT_HAS_EXPIRED' } }))
    }
    expect(history.view().failures.tls).toBe(100)
  })

  it('remembers how an exchange ended', () => {
    const history = createHistory()
    history.onTokenEvent(granted({ operation: 'refresh', at: NOW - 5, durationMs: 7 }))
    history.onTokenEvent(failed({ operation: 'login', at: NOW, durationMs: 9 }))
    expect(history.view().exchanges).toEqual([
      { operation: 'refresh', at: NOW - 5, durationMs: 7, reason: undefined },
      { operation: 'login', at: NOW, durationMs: 9, reason: 'unavailable' },
    ])
  })

  it('counts conflicts, rejections and changed secrets, each with its last time', () => {
    const history = createHistory()
    const rejected = {
      type: 'token-rejected',
      generation: 1,
      status: 401,
      replacing: true,
    } as const
    history.onTokenEvent({ type: 'request-started', operation: 'login', at: 1 })
    history.onTokenEvent({ ...rejected, at: 2 })
    history.onTokenEvent({ ...rejected, at: 3 })
    history.onTokenEvent({ type: 'conflict', at: 4, holdOff: 9000 })
    history.onTokenEvent({ type: 'credentials-changed', at: 5 })
    expect(history.view()).toMatchObject({
      rejections: { count: 2, lastAt: 3 },
      conflicts: { count: 1, lastAt: 4 },
      credentialChanges: { count: 1, lastAt: 5 },
    })
  })

  it('gives a view that later events do not change', () => {
    const history = createHistory()
    const before = history.view()
    history.onTokenEvent(failed())
    expect(before.exchanges).toEqual([])
    expect(before.failures.unavailable).toBe(0)
  })
})
