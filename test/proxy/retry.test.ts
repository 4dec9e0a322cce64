import { describe, expect, it } from 'vitest'
import type { UpstreamFailure } from '../../src/upstream/pool.ts'
import { codeOfFailure, mayResend, type FailedAttempt } from '../../src/proxy/retry.ts'
import { PROBLEMS } from '../../src/http/problem.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'] as const

function attempt(changes: Partial<FailedAttempt> = {}): FailedAttempt {
  return {
    method: 'POST',
    failure: 'unreachable',
    written: false,
    unwritten: 0,
    lost: 0,
    bodyKept: true,
    ...changes,
  }
}

describe('nothing was written', () => {
  it.each(METHODS)('%s is tried twice more, its body kept or not', (method) => {
    for (const bodyKept of [true, false]) {
      const may = [0, 1, 2, 3].map((unwritten) =>
        mayResend(attempt({ method, unwritten, bodyKept })),
      )
      expect(may).toEqual([true, true, false, false])
    }
  })

  it('is no matter of an attempt before it that was written', () => {
    expect(mayResend(attempt({ method: 'GET', lost: 1 }))).toBe(true)
  })

  it.each(['tls', 'invalid'] as const)('%s does not get better by trying', (failure) => {
    expect(mayResend(attempt({ failure, method: 'GET' }))).toBe(false)
  })
})

describe('bytes were written', () => {
  it.each([
    ['GET', true],
    ['HEAD', true],
    ['POST', false],
    ['PUT', false],
    ['PATCH', false],
    ['DELETE', false],
    ['OPTIONS', false],
    ['QUERY', false],
    ['get', false],
  ])('%s once more: %s', (method, may) => {
    expect(mayResend(attempt({ method, failure: 'broken', written: true }))).toBe(may)
  })

  it.each([1, 2])('never when %i attempts have been lost so', (lost) => {
    expect(mayResend(attempt({ method: 'GET', failure: 'broken', written: true, lost }))).toBe(
      false,
    )
  })

  it('whatever it took to connect before', () => {
    const again = attempt({ method: 'GET', failure: 'broken', written: true, unwritten: 2 })
    expect(mayResend(again)).toBe(true)
  })

  it.each(FAILURES)('and lost by %s: a POST never', (failure) => {
    expect(mayResend(attempt({ failure, written: true }))).toBe(false)
  })

  it('never without the body', () => {
    const again = attempt({ method: 'GET', failure: 'broken', written: true, bodyKept: false })
    expect(mayResend(again)).toBe(false)
  })
})

describe('the failure that the client is told', () => {
  it.each<[UpstreamFailure, boolean, string]>([
    ['unreachable', false, 'upstream-unreachable'],
    ['broken', false, 'upstream-unreachable'],
    ['tls', false, 'upstream-tls'],
    ['invalid', false, 'bad-request'],
    ['closed', false, 'shutting-down'],
    ['timeout', true, 'upstream-timeout'],
    ['broken', true, 'upstream-broken'],
    ['unreachable', true, 'upstream-broken'],
    ['closed', true, 'upstream-broken'],
    ['tls', true, 'upstream-broken'],
    ['invalid', true, 'upstream-broken'],
  ])('%s, written %s: %s', (failure, written, code) => {
    expect(codeOfFailure(failure, written)).toBe(code)
  })

  it('never says that nothing was sent when something was', () => {
    for (const failure of FAILURES) {
      expect(PROBLEMS[codeOfFailure(failure, true)].sent).toBe('unknown')
    }
  })
})
