import { describe, expect, it } from 'vitest'
import { PROBLEMS } from '../../src/causes.ts'
import {
  afterFailure,
  afterInterruption,
  outcomeOfRejection,
  withoutToken,
  type Failure,
  type History,
  type Stage,
} from '../../src/proxy/retry.ts'
import type { UpstreamFailure } from '../../src/upstream/exchange.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const STAGES = ['reading', 'waiting', 'connecting', 'sent'] as const

/** Of a POST, but for the changes. */
const history = (changes: Partial<History>): History => ({
  method: 'POST',
  unwritten: 0,
  lost: 0,
  ...changes,
})

/** After an exchange that failed before anything was written. */
const unwritten = (before: Partial<History>, changes: Partial<Failure> = {}) =>
  afterFailure(history(before), {
    failure: 'unreachable',
    written: false,
    ...changes,
  })

/** After one that was written and got no response. */
const lost = (before: Partial<History>, changes: Partial<Failure> = {}) =>
  unwritten(before, { failure: 'broken', written: true, ...changes })

const noToken = (before: Partial<History>) =>
  withoutToken(history(before), { unavailable: 'overloaded', retryAfter: 7 })

const deadline = (before: Partial<History>, stage: Stage) =>
  afterInterruption(history(before), 'deadline', stage)

describe('a request of which nothing was written', () => {
  it.each(['GET', 'POST', 'DELETE'])('%s is tried twice more', (method) => {
    const decisions = [1, 2, 3].map((count) => unwritten({ method, unwritten: count }))
    expect(decisions).toEqual([
      { do: 'resend', pause: 50 },
      { do: 'resend', pause: 100 },
      { do: 'fail', code: 'upstream-unreachable' },
    ])
  })

  it('is tried again although another exchange was lost, and that is told in the end', () => {
    const before = { method: 'GET', lost: 1, unwritten: 2 }
    expect(unwritten(before)).toEqual({ do: 'resend', pause: 150 })
    const failed = { do: 'fail', code: 'upstream-broken' }
    expect(unwritten({ ...before, unwritten: 3 })).toEqual(failed)
  })
})

describe('a request that was written and lost', () => {
  it.each([
    ['GET', 'resend'],
    ['HEAD', 'resend'],
    ['POST', 'fail'],
    ['PUT', 'fail'],
    ['PATCH', 'fail'],
    ['DELETE', 'fail'],
    ['OPTIONS', 'fail'],
    ['QUERY', 'fail'],
    ['get', 'fail'],
  ])('%s: %s', (method, what) => {
    expect(lost({ method, lost: 1 })).toMatchObject({ do: what })
  })

  it.each([
    [{ lost: 1, unwritten: 2 }, 'resend'],
    [{ lost: 2 }, 'fail'],
  ])('is sent twice at most: %j: %s', (before, what) => {
    expect(lost({ method: 'GET', ...before }).do).toBe(what)
  })
})

it.each([
  ['rejected', { type: 'relay', why: 'not-curable' }, 1],
  ['rejected', { type: 'relay', why: 'no-newer-token' }, 1],
  ['no-token', { type: 'relay', why: 'no-newer-token' }, 0],
  ['no-token', { type: 'no-token', retryAfter: 1 }, 0],
  [undefined, { type: 'relay', why: 'not-curable' }, 0],
] as const)('a rejection that is relayed is reported as %s: %j, after %i replays', (...row) => {
  const [outcome, verdict, replays] = row
  expect(outcomeOfRejection(verdict, replays)).toBe(outcome)
})

describe('what the client is told', () => {
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
  ])('of %s, written %s: %s', (failure, written, code) => {
    const before = { unwritten: 3, lost: Number(written) }
    expect(unwritten(before, { failure, written })).toEqual({ do: 'fail', code })
  })

  it.each(['tls', 'invalid'] as const)('of %s comes without another try', (failure) => {
    expect(unwritten({ method: 'GET', unwritten: 1 }, { failure }).do).toBe('fail')
  })

  it.each<[Stage, Partial<History>, string]>([
    ['reading', {}, 'request-timeout'],
    ['waiting', {}, 'no-token'],
    ['connecting', {}, 'out-of-time'],
    ['connecting', { unwritten: 1 }, 'upstream-unreachable'],
    ['waiting', { unwritten: 1 }, 'no-token'],
    ['sent', {}, 'upstream-timeout'],
    ['waiting', { lost: 1 }, 'upstream-timeout'],
    ['connecting', { lost: 1 }, 'upstream-timeout'],
  ])('of a deadline while %s, after %j: %s', (stage, before, code) => {
    expect(deadline(before, stage)).toEqual({ do: 'fail', code })
  })

  it.each(STAGES)(
    'of a body that is refused is why, and to one that is gone nothing: %s',
    (stage) => {
      const interrupted = (by: 'body-size' | 'client-gone') =>
        afterInterruption(history({}), by, stage)
      expect(interrupted('body-size')).toEqual({
        do: 'fail',
        code: 'too-large',
        refusal: 'body-size',
      })
      expect(interrupted('client-gone')).toEqual({ do: 'nothing' })
    },
  )

  it('of a missing token is the reason for it', () => {
    expect(noToken({})).toEqual({ do: 'fail', code: 'overloaded', retryAfter: 7 })
  })

  it.each([{ lost: 2, unwritten: 3 }, { lost: 1 }])(
    'is never that nothing was sent, once an exchange was written: %j',
    (before) => {
      const told = [
        noToken(before),
        ...STAGES.map((stage) => deadline(before, stage)),
        ...FAILURES.map((failure) => lost(before, { failure })),
        ...FAILURES.map((failure) => unwritten(before, { failure })),
      ]
      const sent = told.map((each) => (each.do === 'fail' ? PROBLEMS[each.code].sent : each.do))
      expect(sent).toContain('unknown')
      expect(sent).not.toContain('no')
    },
  )
})
