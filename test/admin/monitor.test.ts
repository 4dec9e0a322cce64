import { expect, it } from 'vitest'
import { createMonitor } from '../../src/admin/monitor.ts'
import { NOW, adminSources, failed, granted, snapshot } from './token.ts'

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

it.each([
  ['/run/isales-auth-proxy/isales_password', '/etc/isales-auth-proxy/password'],
  ['/run/isales-auth-proxy@north/isales_password', '/etc/isales-auth-proxy@north/password'],
  ['/run/secrets/password', '/run/secrets/password'],
])('names, of the password in %s, the file that a person corrects', (file, named) => {
  const settings = [{ name: 'ISALES_PASSWORD', value: '[redacted]', source: `file ${file}` }]
  const token = () => snapshot({ backoff: 'rejected' })
  const [finding] = createMonitor({ ...adminSources(), settings, token }).findings()
  expect(finding?.remedy).toContain(`read from ${named}:`)
})
