import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { cause, type CauseCode } from '../../src/causes.ts'
import { PROBLEMS, type ProblemCode } from '../../src/codes.ts'
import { afterFailure, afterInterruption, withoutToken } from '../../src/proxy/retry.ts'
import type { AttemptCounts, RequestPhase } from '../../src/proxy/retry.ts'

const FAILURES = ['no-route', 'expired', 'connection-lost', 'timeout', 'invalid', 'closed'] as const
const STAGES = ['reading', 'waiting', 'connecting', 'sent'] as const
const LOST = { cause: cause('connection-lost'), written: true }

const NONE = { method: 'POST', unwritten: 0, unanswered: 0 }
const counts = (changes: Partial<AttemptCounts>): AttemptCounts => ({ ...NONE, ...changes })
const again = (pause: number) => ({ do: 'resend', pause })
const fail = (code: string) => ({ do: 'fail', code })

const TIME = { mayRecover: true, left: 2000 } as const
/** In the middle, which leaves pauses as they are. */
const JITTER = 0.5

it.each<[unwritten: number, failure: CauseCode, pause: number | ProblemCode]>([
  [1, 'no-route', 50],
  [2, 'no-route', 50],
  [3, 'connection-lost', 100],
  [4, 'no-route', 200],
  [5, 'timeout', 400],
  [50, 'no-route', 400],
  [1, 'tls-expected', 50],
  // Another try would not help.
  [1, 'closed', 'shutting-down'],
  [1, 'expired', 'upstream-tls'],
  [1, 'invalid', 'bad-request'],
])('after exchange %i failed as %s before it was written: %s', (unwritten, failure, next) => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const before = counts({ method, unwritten })
    const failed = { cause: cause(failure), written: false, ...TIME }
    const after = (changes: object) => afterFailure(before, { ...failed, ...changes }, JITTER)
    expect(after({})).toEqual(typeof next === 'number' ? again(next) : fail(next))
    for (const end of [{ mayRecover: false }, { left: 0 }, { left: 50 }])
      expect(after(end).do).toBe('fail')
  }
})

it('what was never written is tried until too little time is left, whatever the jitter is', () => {
  const jitters = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }))
  const failed = { cause: cause('no-route'), written: false, mayRecover: true }
  const rule = fc.property(jitters, fc.integer({ min: 0, max: 28_500 }), (list, time) => {
    let left = time
    for (let unwritten = 1; ; unwritten += 1) {
      const jitter = list[unwritten % list.length] ?? 0
      const next = afterFailure(counts({ unwritten }), { ...failed, left }, jitter)
      if (next.do === 'fail') break
      left -= next.pause
    }
    expect(left).toBeGreaterThanOrEqual(0)
    expect(left).toBeLessThanOrEqual(500)
  })
  fc.assert(rule)
})

it.each(['GET', 'HEAD'])('%s is sent once more after it was written and lost', (method) => {
  const lost = (changes: object, written = true) =>
    afterFailure(counts({ method, ...changes }), { ...LOST, written, ...TIME }, JITTER)
  expect(lost({ unanswered: 1 })).toEqual(again(50))
  expect(lost({ unanswered: 2 })).toEqual(fail('upstream-broken'))
  // Next to failed connections before or after.
  expect(lost({ unanswered: 1, unwritten: 2 })).toEqual(again(100))
  expect(lost({ unanswered: 1, unwritten: 2 }, false)).toEqual(again(100))
})

it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'get'])(
  '%s is never sent again after it was written, and may have been executed',
  (method) => {
    for (const failure of FAILURES) {
      const code = failure === 'timeout' ? 'upstream-timeout' : 'upstream-broken'
      const before = counts({ method, unanswered: 1 })
      const failed = { cause: cause(failure), written: true, ...TIME }
      const after = afterFailure(before, failed, JITTER)
      expect(after).toEqual(fail(code))
    }
  },
)

it.each<[RequestPhase, Partial<AttemptCounts>, string]>([
  ['reading', {}, 'request-timeout'],
  ['waiting', {}, 'no-token'],
  ['connecting', {}, 'out-of-time'],
  ['connecting', { unwritten: 1 }, 'upstream-unreachable'],
  ['waiting', { unwritten: 1 }, 'no-token'],
  ['sent', {}, 'upstream-timeout'],
  ['waiting', { unanswered: 1 }, 'upstream-timeout'],
  ['connecting', { unanswered: 1 }, 'upstream-timeout'],
])('the client is told, after the deadline while %s, after %j: %s', (stage, before, code) => {
  expect(afterInterruption(counts(before), 'deadline', stage)).toEqual(fail(code))
})

it('the client is told why its body is refused or no token is there, and nothing when it is gone', () => {
  for (const stage of STAGES) {
    const interrupted = (by: 'body-size' | 'client-gone') =>
      afterInterruption(counts({}), by, stage)
    expect(interrupted('body-size')).toEqual({ ...fail('too-large'), refusal: 'body-size' })
    expect(interrupted('client-gone')).toEqual({ do: 'nothing' })
  }
  const missing = { unavailable: 'overloaded', retryAfter: 7 } as const
  expect(withoutToken(counts({}), missing)).toEqual({ ...fail('overloaded'), retryAfter: 7 })
})

it.each([{ unanswered: 2, unwritten: 3 }, { unanswered: 1 }])(
  'the client is never told that nothing was sent, once an exchange was written: %j',
  (changes) => {
    const before = counts(changes)
    const told = [
      withoutToken(before, { unavailable: 'overloaded', retryAfter: 7 }),
      ...STAGES.map((stage) => afterInterruption(before, 'deadline', stage)),
      ...FAILURES.flatMap((failure) =>
        [true, false].map((written) =>
          afterFailure(
            before,
            { cause: cause(failure), written, ...TIME, mayRecover: false },
            JITTER,
          ),
        ),
      ),
    ]
    const sent = told.map((each) => (each.do === 'fail' ? PROBLEMS[each.code].sent : each.do))
    expect(sent).toContain('unknown')
    expect(sent).not.toContain('no')
  },
)
