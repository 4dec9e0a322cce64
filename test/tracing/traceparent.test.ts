import { describe, expect, it } from 'vitest'
import { parentOf } from '../../src/tracing/traceparent.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

describe('the parent that a client names', () => {
  const good = `00-${TRACE}-${PARENT}-01`

  it('is read from its field, whatever stands around it', () => {
    expect(parentOf(['Host', 'x', 'TRACEPARENT', good, 'A', 'b'])).toEqual({
      traceId: TRACE,
      spanId: PARENT,
      traceFlags: 1,
    })
  })

  it.each([
    ['the sampled flag alone', `00-${TRACE}-${PARENT}-ff`, 1],
    ['not sampled', `00-${TRACE}-${PARENT}-02`, 0],
    ['of a later version with more fields', `01-${TRACE}-${PARENT}-01-more`, 1],
  ])('counts with %s', (_case, value, traceFlags) => {
    expect(parentOf(['traceparent', value])?.traceFlags).toBe(traceFlags)
  })

  it.each([
    ['absent', []],
    ['empty', ['traceparent', '']],
    ['named twice', ['traceparent', good, 'Traceparent', good]],
    ['of the forbidden version', ['traceparent', `ff-${TRACE}-${PARENT}-01`]],
    ['in capitals', ['traceparent', good.toUpperCase()]],
    ['too short', ['traceparent', good.slice(0, -1)]],
    ['too long for its version', ['traceparent', `${good}-more`]],
    ['without a separator', ['traceparent', `${good}00`]],
    ['a trace of zeros', ['traceparent', `00-${'0'.repeat(32)}-${PARENT}-01`]],
    ['a span of zeros', ['traceparent', `00-${TRACE}-${'0'.repeat(16)}-01`]],
    ['surrounded by spaces', ['traceparent', ` ${good}`]],
    ['huge', ['traceparent', good.repeat(10_000)]],
  ])('does not count when it is %s', (_case, rawHeaders) => {
    expect(parentOf(rawHeaders)).toBeUndefined()
  })
})
