import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createConnect, type Connected } from '../../src/upstream/connector.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const DESTINATION = { protocol: 'https:', hostname: '127.0.0.1', port: '1' }

test('a connection that cannot even be begun is told of once, not again when its time is up', () => {
  const connected = vi.fn<Connected>()
  const tls = { minVersion: 'SSLv0' as never }
  const connect = createConnect({ tls, timeout: 100, egress: undefined })
  expect(() => connect(DESTINATION, connected)).toThrow('SSLv0')
  vi.advanceTimersByTime(1000)
  expect(connected).not.toHaveBeenCalled()
})

test('a login at the egress proxy that cannot be decoded is noticed before any connection', () => {
  const egress = new URL('http://u:100%@127.0.0.1:1')
  expect(() => createConnect({ tls: {}, timeout: 100, egress })).toThrow(URIError)
})
