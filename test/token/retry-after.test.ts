import { describe, expect, it } from 'vitest'
import { parseRetryAfter } from '../../src/token/protocol.ts'

const WALL = Date.parse('2026-03-01T12:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 120 ', 120_000],
    ['999999999', 999_999_999_000],
    ['Sun, 01 Mar 2026 12:02:00 GMT', 120_000],
    ['Sunday, 01-Mar-26 12:02:00 GMT', 120_000],
    ['Sun Mar  1 12:02:00 2026 GMT', 120_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('of %j is %i ms', (value, ms) => {
    expect(parseRetryAfter(value, WALL)).toBe(ms)
  })

  it.each(['', 'soon', '-5', '1.5', '1e5', '9999999999', '12:00', '7x', '0x10', 'NaN'])(
    'of %j is neither seconds nor a date',
    (value) => {
      expect(parseRetryAfter(value, WALL)).toBeUndefined()
    },
  )

  it('may be missing', () => {
    expect(parseRetryAfter(undefined, WALL)).toBeUndefined()
  })
})
