import { describe, expect, it } from 'vitest'
import { createHistory } from '../../src/admin/history.ts'
import { NOW, failed, granted } from './token.ts'

describe('the history', () => {
  it('is empty at first', () => {
    expect(createHistory().view()).toEqual({ tokenRequests: [], lastAt: {} })
  })

  it('keeps the last 60 logins and refreshes, however long it goes on', () => {
    const history = createHistory()
    for (let n = 0; n < 10_000; n += 1) history.onTokenEvent(granted({ at: n }))
    const { tokenRequests } = history.view()
    expect(tokenRequests.map(({ at }) => at)).toEqual(
      Array.from({ length: 60 }, (_, n) => 9940 + n),
    )
  })

  it('remembers how a login or refresh ended', () => {
    const history = createHistory()
    history.onTokenEvent(granted({ operation: 'refresh', at: NOW - 5, durationMs: 7 }))
    history.onTokenEvent(failed({ operation: 'login', at: NOW, durationMs: 9 }))
    expect(history.view().tokenRequests).toEqual([
      { operation: 'refresh', at: NOW - 5, durationMs: 7, reason: undefined },
      { operation: 'login', at: NOW, durationMs: 9, reason: 'unavailable' },
    ])
  })

  it('remembers when each kind of event was last seen', () => {
    const history = createHistory()
    history.onTokenEvent({ type: 'conflict', at: 3, holdOff: 9000 })
    history.onTokenEvent({ type: 'conflict', at: 4, holdOff: 9000 })
    history.onTokenEvent({ type: 'credentials-changed', at: 5 })
    expect(history.view().lastAt).toEqual({ conflict: 4, 'credentials-changed': 5 })
  })

  it('gives a view that later events do not change', () => {
    const history = createHistory()
    const before = history.view()
    history.onTokenEvent(failed())
    expect(before).toEqual({ tokenRequests: [], lastAt: {} })
  })
})
