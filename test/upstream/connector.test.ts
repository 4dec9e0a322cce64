import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createConnect } from '../../src/upstream/connector.ts'
import { ConnectError } from '../../src/upstream/errors.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const OPTIONS = { origin: 'https://127.0.0.1:1', tls: {}, timeout: 100, egress: undefined }

test('a connection that cannot be started fails once, and not again at its timeout', () => {
  const outcomes: unknown[] = []
  const connect = createConnect({ ...OPTIONS, tls: { cert: 'not PEM' } })
  connect((outcome) => outcomes.push(outcome))
  vi.advanceTimersByTime(1000)
  expect(outcomes).toEqual([expect.any(ConnectError)])
})

test('a login at the egress proxy that cannot be decoded fails at the start', () => {
  const egress = new URL('http://u:100%@127.0.0.1:1')
  expect(() => createConnect({ ...OPTIONS, egress })).toThrow(URIError)
})
