import { expect, it } from 'vitest'
import { createMonitor } from '../../src/admin/monitor.ts'
import { NOW, adminSources, failed, granted } from './token.ts'

const start = () => createMonitor(adminSources())

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
