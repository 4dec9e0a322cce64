import { describe, expect, it } from 'vitest'
import { PROBLEMS } from '../../src/codes.ts'
import type { UpstreamFailure } from '../../src/upstream/index.ts'
import {
  afterFailure,
  afterInterruption,
  withoutToken,
  type AttemptCounts,
  type RequestPhase,
} from '../../src/proxy/retry.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const STAGES = ['reading', 'waiting', 'connecting', 'sent'] as const

/** Returns the counts of a POST with these changes. */
const history = (changes: Partial<AttemptCounts>): AttemptCounts => ({
  method: 'POST',
  unwritten: 0,
  lost: 0,
  ...changes,
})

/** Decides after an exchange that failed before anything was written. */
const unwritten = (before: Partial<AttemptCounts>, failure: UpstreamFailure = 'unreachable') =>
  afterFailure(history(before), { failure, written: false })

/** Decides after an exchange that was written and got no response. */
const lost = (before: Partial<AttemptCounts>, failure: UpstreamFailure = 'broken') =>
  afterFailure(history(before), { failure, written: true })

const noToken = (before: Partial<AttemptCounts>) =>
  withoutToken(history(before), { unavailable: 'overloaded', retryAfter: 7 })

const deadline = (before: Partial<AttemptCounts>, stage: RequestPhase) =>
  afterInterruption(history(before), 'deadline', stage)

const again = (pause: number) => ({ do: 'resend', pause })
const fail = (code: string) => ({ do: 'fail', code })

describe('a request of which nothing was written', () => {
  it.each(['GET', 'POST', 'DELETE'])('%s is tried twice more', (method) => {
    const decisions = [1, 2, 3].map((count) => unwritten({ method, unwritten: count }))
    expect(decisions).toEqual([again(50), again(100), fail('upstream-unreachable')])
  })

  it.each([
    ['broken', 3, 'upstream-unreachable'],
    ['closed', 3, 'shutting-down'],
    ['timeout', 3, 'upstream-timeout'],
    // Another try would not help.
    ['tls', 1, 'upstream-tls'],
    ['invalid', 1, 'bad-request'],
  ] as const)('ends after a failure of %s, the %i.: %s', (failure, count, code) => {
    for (const method of ['GET', 'POST'])
      expect(unwritten({ method, unwritten: count }, failure)).toEqual(fail(code))
  })
})

describe('a request that was written and lost', () => {
  it.each(['GET', 'HEAD'])('%s is sent once more', (method) => {
    expect(lost({ method, lost: 1 })).toEqual(again(50))
    expect(lost({ method, lost: 2 })).toEqual(fail('upstream-broken'))
    // Next to failed connections before or after.
    expect(lost({ method, lost: 1, unwritten: 2 })).toEqual(again(150))
    expect(unwritten({ method, lost: 1, unwritten: 2 })).toEqual(again(150))
    expect(unwritten({ method, lost: 1, unwritten: 3 })).toEqual(fail('upstream-broken'))
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'get'])(
    '%s is never sent again, and may have been executed',
    (method) => {
      for (const failure of FAILURES) {
        const code = failure === 'timeout' ? 'upstream-timeout' : 'upstream-broken'
        expect(lost({ method, lost: 1 }, failure)).toEqual(fail(code))
      }
    },
  )
})

describe('what the client is told', () => {
  it.each<[RequestPhase, Partial<AttemptCounts>, string]>([
    ['reading', {}, 'request-timeout'],
    ['waiting', {}, 'no-token'],
    ['connecting', {}, 'out-of-time'],
    ['connecting', { unwritten: 1 }, 'upstream-unreachable'],
    ['waiting', { unwritten: 1 }, 'no-token'],
    ['sent', {}, 'upstream-timeout'],
    ['waiting', { lost: 1 }, 'upstream-timeout'],
    ['connecting', { lost: 1 }, 'upstream-timeout'],
  ])('after the deadline while %s, after %j: %s', (stage, before, code) => {
    expect(deadline(before, stage)).toEqual(fail(code))
  })

  it.each(STAGES)('of a refused body is why, and when it is gone nothing: %s', (stage) => {
    const interrupted = (by: 'body-size' | 'client-gone') =>
      afterInterruption(history({}), by, stage)
    expect(interrupted('body-size')).toEqual({ ...fail('too-large'), refusal: 'body-size' })
    expect(interrupted('client-gone')).toEqual({ do: 'nothing' })
  })

  it('of a missing token is the reason for it', () => {
    expect(noToken({})).toEqual({ ...fail('overloaded'), retryAfter: 7 })
  })

  it.each([{ lost: 2, unwritten: 3 }, { lost: 1 }])(
    'is never that nothing was sent, once an exchange was written: %j',
    (before) => {
      const told = [
        noToken(before),
        ...STAGES.map((stage) => deadline(before, stage)),
        ...FAILURES.flatMap((failure) => [lost(before, failure), unwritten(before, failure)]),
      ]
      const sent = told.map((each) => (each.do === 'fail' ? PROBLEMS[each.code].sent : each.do))
      expect(sent).toContain('unknown')
      expect(sent).not.toContain('no')
    },
  )
})
