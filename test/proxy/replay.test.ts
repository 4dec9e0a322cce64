import { describe, expect, it } from 'vitest'
import type { UpstreamFailure } from '../../src/net/upstream.ts'
import { codeOfFailure, mayResend, type FailedAttempt } from '../../src/proxy/replay.ts'
import { PROBLEMS } from '../../src/proxy/problem.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'] as const

function attempt(changes: Partial<FailedAttempt> = {}): FailedAttempt {
  return {
    method: 'POST',
    failure: 'unreachable',
    written: false,
    retries: 0,
    bodyKept: true,
    ...changes,
  }
}

describe('nothing was written', () => {
  it.each(METHODS)('%s is tried twice more, its body kept or not', (method) => {
    for (const bodyKept of [true, false]) {
      const may = [0, 1, 2, 3].map((retries) => mayResend(attempt({ method, retries, bodyKept })))
      expect(may).toEqual([true, true, false, false])
    }
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

  it.each([1, 2])('never after %i attempts that failed', (retries) => {
    const again = attempt({ method: 'GET', failure: 'broken', written: true, retries })
    expect(mayResend(again)).toBe(false)
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
  ])('%s, written %s: %s', (failure, written, code) => {
    expect(codeOfFailure(failure, written)).toBe(code)
  })

  it('never says that nothing was sent when something was', () => {
    const reachable = FAILURES.filter((failure) => failure !== 'tls' && failure !== 'invalid')
    for (const failure of reachable) {
      expect(PROBLEMS[codeOfFailure(failure, true)].sent).toBe('unknown')
    }
  })
})
