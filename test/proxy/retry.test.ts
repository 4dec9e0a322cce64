import { describe, expect, it } from 'vitest'
import { PROBLEMS } from '../../src/http/problem.ts'
import { decide, type History, type Obstacle, type Stage } from '../../src/proxy/retry.ts'
import type { UpstreamFailure } from '../../src/upstream/pool.ts'

const FAILURES = ['unreachable', 'tls', 'broken', 'timeout', 'invalid', 'closed'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'] as const
const STAGES = ['reading', 'waiting', 'connecting', 'sent'] as const

function history(changes: Partial<History> = {}): History {
  return { method: 'POST', unwritten: 0, lost: 0, rejected: false, ...changes }
}

type Failed = Extract<Obstacle, { type: 'failed' }>

/** The last attempt failed before anything was written. */
function unwritten(changes: Partial<Failed> = {}): Failed {
  return { type: 'failed', failure: 'unreachable', written: false, bodyKept: true, ...changes }
}

/** The last attempt was written and got no response. */
function lost(changes: Partial<Failed> = {}): Failed {
  return unwritten({ failure: 'broken', written: true, ...changes })
}

describe('a request of which nothing was written', () => {
  it.each(METHODS)('%s is tried twice more, its body kept or not', (method) => {
    for (const bodyKept of [true, false]) {
      const decisions = [1, 2, 3].map((count) =>
        decide(history({ method, unwritten: count }), unwritten({ bodyKept })),
      )
      expect(decisions).toEqual([
        { do: 'resend', pause: 50 },
        { do: 'resend', pause: 100 },
        { do: 'fail', code: 'upstream-unreachable' },
      ])
    }
  })

  it('is tried again whatever was lost before', () => {
    const before = history({ method: 'GET', lost: 1, unwritten: 1 })
    expect(decide(before, unwritten())).toEqual({ do: 'resend', pause: 100 })
  })

  it.each<[UpstreamFailure, string]>([
    ['tls', 'upstream-tls'],
    ['invalid', 'bad-request'],
  ])('does not get better by trying again after %s', (failure, code) => {
    const before = history({ method: 'GET', unwritten: 1 })
    expect(decide(before, unwritten({ failure }))).toEqual({ do: 'fail', code })
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
    expect(decide(history({ method, lost: 1 }), lost())).toMatchObject({ do: what })
  })

  it('is sent twice at most, whatever it took to connect', () => {
    expect(decide(history({ method: 'GET', lost: 1, unwritten: 2 }), lost()).do).toBe('resend')
    expect(decide(history({ method: 'GET', lost: 2 }), lost()).do).toBe('fail')
  })

  it('is not sent again without its body', () => {
    const decision = decide(history({ method: 'GET', lost: 1 }), lost({ bodyKept: false }))
    expect(decision.do).toBe('fail')
  })
})

describe('a rejected request', () => {
  const rejected = { type: 'rejected', renewing: true, bodyKept: true } as const

  it('waits for a newer token', () => {
    expect(decide(history(), rejected)).toEqual({ do: 'wait-for-newer-token' })
  })

  it.each<[string, History, Obstacle, string]>([
    ['no login would help', history(), { ...rejected, renewing: false }, 'not-curable'],
    ['it was replayed before', history({ rejected: true }), rejected, 'not-curable'],
    ['its body was not kept', history(), { ...rejected, bodyKept: false }, 'body-not-kept'],
    [
      'no newer token comes',
      history({ rejected: true }),
      { type: 'no-token', code: 'no-token' },
      'no-newer-token',
    ],
    [
      'its deadline passes while it waits',
      history({ rejected: true }),
      { type: 'interrupted', by: 'deadline', stage: 'waiting' },
      'no-newer-token',
    ],
  ])('gets the response of iSales when %s', (_, before, obstacle, why) => {
    expect(decide(before, obstacle)).toEqual({ do: 'relay', why })
  })
})

describe('what the client is told', () => {
  const code = (before: History, obstacle: Obstacle): unknown => {
    const decision = decide(before, obstacle)
    return decision.do === 'fail' ? decision.code : decision.do
  }

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
  ])('of %s, written %s: %s', (failure, written, expected) => {
    const before = history({ unwritten: 3, lost: Number(written) })
    expect(code(before, unwritten({ failure, written }))).toBe(expected)
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
  ])('of a deadline while %s, after %j: %s', (stage, before, expected) => {
    expect(code(history(before), { type: 'interrupted', by: 'deadline', stage })).toBe(expected)
  })

  it.each(STAGES)(
    'of a body that turns out too large, or in too many chunks, while %s',
    (stage) => {
      for (const refusal of ['body-size', 'tiny-chunks'] as const) {
        const decision = decide(history(), { type: 'interrupted', by: refusal, stage })
        expect(decision).toEqual({ do: 'refuse', refusal })
      }
    },
  )

  it('is nothing when the client is gone', () => {
    const obstacle = { type: 'interrupted', by: 'client-gone', stage: 'sent' } as const
    expect(decide(history(), obstacle)).toEqual({ do: 'nothing' })
  })

  it('of a missing token is the reason for it', () => {
    expect(code(history(), { type: 'no-token', code: 'overloaded' })).toBe('overloaded')
  })

  it('is never that nothing was sent, once an attempt was written', () => {
    const obstacles: Obstacle[] = [
      ...FAILURES.map((failure) => lost({ failure })),
      ...FAILURES.map((failure) => unwritten({ failure })),
      ...STAGES.map((stage) => ({ type: 'interrupted', by: 'deadline', stage }) as const),
      { type: 'no-token', code: 'no-token' },
    ]
    const told = [history({ lost: 1, unwritten: 3 }), history({ rejected: true })].flatMap(
      (before) =>
        obstacles.map((obstacle) => {
          const written = obstacle.type === 'failed' && obstacle.written
          const counted = written ? { ...before, lost: before.lost + 1 } : before
          const decision = decide(counted, obstacle)
          return decision.do === 'fail' ? PROBLEMS[decision.code].sent : decision.do
        }),
    )
    expect(told).toContain('unknown')
    expect(told).not.toContain('no')
  })
})
