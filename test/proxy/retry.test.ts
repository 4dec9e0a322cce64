import { describe, expect, it } from 'vitest'
import { PROBLEMS } from '../../src/http/problem.ts'
import { decide, type History, type Obstacle, type Stage } from '../../src/proxy/retry.ts'
import type { UpstreamFailure } from '../../src/upstream/errors.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const STAGES = ['reading', 'waiting', 'connecting', 'sent'] as const

type Failed = Extract<Obstacle, { type: 'failed' }>

/** The last attempt failed before anything was written. */
const unwritten = (changes: Partial<Failed> = {}): Failed => ({
  type: 'failed',
  failure: 'unreachable',
  written: false,
  bodyKept: true,
  ...changes,
})

/** The last attempt was written and got no response. */
const lost = (changes: Partial<Failed> = {}): Failed =>
  unwritten({ failure: 'broken', written: true, ...changes })

const deadline = (stage: Stage): Obstacle => ({ type: 'interrupted', by: 'deadline', stage })

/** Of a POST, but for the changes. */
function decision(changes: Partial<History>, obstacle: Obstacle) {
  return decide({ method: 'POST', unwritten: 0, lost: 0, rejected: false, ...changes }, obstacle)
}

describe('a request of which nothing was written', () => {
  it.each(['GET', 'POST', 'DELETE'])('%s is tried twice more, its body kept or not', (method) => {
    const decisions = [1, 2, 3].map((count) =>
      decision({ method, unwritten: count }, unwritten({ bodyKept: count === 1 })),
    )
    expect(decisions).toEqual([
      { do: 'resend', pause: 50 },
      { do: 'resend', pause: 100 },
      { do: 'fail', code: 'upstream-unreachable' },
    ])
  })

  it('is tried again whatever was lost before', () => {
    const before = { method: 'GET', lost: 1, unwritten: 1 }
    expect(decision(before, unwritten())).toEqual({ do: 'resend', pause: 100 })
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
    expect(decision({ method, lost: 1 }, lost())).toMatchObject({ do: what })
  })

  it.each([
    [{ lost: 1, unwritten: 2 }, true, 'resend'],
    [{ lost: 2 }, true, 'fail'],
    [{ lost: 1 }, false, 'fail'],
  ])('is sent twice at most, and only with its body: %j, %s: %s', (before, bodyKept, what) => {
    expect(decision({ method: 'GET', ...before }, lost({ bodyKept })).do).toBe(what)
  })
})

describe('a rejected request', () => {
  it.each<[string, Obstacle]>([
    ['no token comes for its replay', { type: 'no-token', code: 'no-token' }],
    ['its deadline passes meanwhile', deadline('waiting')],
  ])('gets the response of iSales when %s', (_, obstacle) => {
    expect(decision({ rejected: true }, obstacle)).toEqual({ do: 'relay' })
  })
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
    expect(decision(before, unwritten({ failure, written }))).toEqual({ do: 'fail', code })
  })

  it.each(['tls', 'invalid'] as const)('of %s comes without another try', (failure) => {
    expect(decision({ method: 'GET', unwritten: 1 }, unwritten({ failure })).do).toBe('fail')
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
    ['connecting', { rejected: true }, 'upstream-timeout'],
  ])('of a deadline while %s, after %j: %s', (stage, before, code) => {
    expect(decision(before, deadline(stage))).toEqual({ do: 'fail', code })
  })

  it.each(STAGES)(
    'of a body that is refused is why, and to one that is gone nothing: %s',
    (stage) => {
      for (const refusal of ['body-size', 'tiny-chunks'] as const) {
        const obstacle = { type: 'interrupted', by: refusal, stage } as const
        expect(decision({}, obstacle)).toEqual({ do: 'refuse', refusal })
      }
      const gone = { type: 'interrupted', by: 'client-gone', stage } as const
      expect(decision({}, gone)).toEqual({ do: 'nothing' })
    },
  )

  it('of a missing token is the reason for it', () => {
    const obstacle = { type: 'no-token', code: 'overloaded' } as const
    expect(decision({}, obstacle)).toEqual({ do: 'fail', code: 'overloaded' })
  })

  it('is never that nothing was sent, once an attempt was written', () => {
    const obstacles: Obstacle[] = [
      ...FAILURES.map((failure) => lost({ failure })),
      ...FAILURES.map((failure) => unwritten({ failure })),
      ...STAGES.map(deadline),
      { type: 'no-token', code: 'no-token' },
    ]
    const told = [
      { lost: 2, unwritten: 3 },
      { rejected: true, lost: 1 },
    ].flatMap((before) =>
      obstacles.map((obstacle) => {
        const decided = decision(before, obstacle)
        return decided.do === 'fail' ? PROBLEMS[decided.code].sent : decided.do
      }),
    )
    expect(told).toContain('unknown')
    expect(told).not.toContain('no')
  })
})
