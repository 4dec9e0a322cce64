import { describe, expect, it } from 'vitest'
import { createMonitor } from '../../src/admin/monitor.ts'
import { manualClock } from '../support/manual-clock.ts'
import { NOW, adminSources, failed, granted, session, snapshot } from './token.ts'

function start() {
  const clock = manualClock()
  let generation = 1
  const monitor = createMonitor(
    adminSources({
      token: () => snapshot({ now: clock.now(), session: session({ generation }) }),
      clock,
    }),
  )
  const accept = (durationMs: number): void =>
    monitor.callEnded({ method: 'GET', target: '/', requestId: '', status: 200, durationMs })
  const reject = (verdict: 'replace' | 'about-call' = 'replace'): void => {
    const at = clock.now()
    monitor.onTokenEvent({ type: 'token-rejected', at, generation, status: 401, verdict })
  }
  const grant = (): void => {
    generation += 1
    monitor.onTokenEvent(granted())
  }
  return { ...monitor, clock, accept, reject, grant }
}

it('takes a token for usable when a rejection was about its call', () => {
  const { token, reject } = start()
  reject('about-call')
  expect(token()).toMatchObject({ rejected: false, usable: true, outageBudget: 235_000 })
})

describe('a rejected token', () => {
  it('is not usable and has no budget until a new one is granted', () => {
    const { token, reject, grant, state } = start()
    reject()
    expect(token()).toMatchObject({ rejected: true, usable: false, outageBudget: 0 })
    expect(state()).toBe('unauthenticated')
    grant()
    expect(token()).toMatchObject({ rejected: false, usable: true, outageBudget: 235_000 })
  })

  it('is usable again when a call that was sent after the rejection is accepted', async () => {
    const { token, reject, accept, clock } = start()
    await clock.advance(1000)
    reject()
    await clock.advance(50)
    accept(60)
    expect(token().rejected).toBe(true)
    accept(40)
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
