import { describe, expect, it } from 'vitest'
import { judge, type Attempt, type Evidence, type Sample } from '../../scripts/soak/judge.ts'

const heardSuccess: Attempt = { id: 'c0-1', from: 1000, to: 1010, heard: 'success', status: 200 }
const refused: Attempt = { ...heardSuccess, heard: 'no', status: 503, code: 'no-token' }
const rejected: Attempt = { ...heardSuccess, id: 'c0-2', heard: 'relayed', status: 401 }
const steady: readonly Sample[] = Array.from({ length: 50 }, () => ({ rssMb: 90, handles: 30 }))

/** A ledger and its clients, faultless unless changed. */
function evidence(changes: Partial<Evidence> = {}): Evidence {
  return {
    attempts: [heardSuccess],
    executions: new Map([['c0-1', 1]]),
    storms: [],
    earlyEnds: [],
    holdOffs: [],
    samples: steady,
    locks: 0,
    proxyExit: 0,
    ...changes,
  }
}

describe('the judge of a soak', () => {
  it('passes a run without fault', () => {
    expect(judge(evidence())).toMatchObject({ requests: 1, succeeded: 1, faults: [] })
  })

  it('finds a call lost that was carried out, when the client was told that it was not sent', () => {
    const { lost, faults } = judge(
      evidence({
        attempts: [heardSuccess, { ...refused, id: 'c0-2' }],
        executions: new Map([
          ['c0-1', 1],
          ['c0-2', 1],
        ]),
      }),
    )
    expect(lost).toBe(1)
    expect(faults).toEqual(['lost: 1, must be 0'])
  })

  it('finds a call lost that was carried out, when the client was told that its token was rejected', () => {
    const executions = new Map([['c0-2', 1]])
    expect(judge(evidence({ attempts: [rejected], executions })).lost).toBe(1)
  })

  it.each(['unknown', 'cut', 'relayed'] as const)(
    'does not call lost what was carried out and heard as %s',
    (heard) => {
      const attempts = [heardSuccess, { ...heardSuccess, id: 'c0-2', heard, status: 502 }]
      const executions = new Map([
        ['c0-1', 1],
        ['c0-2', 1],
      ])
      expect(judge(evidence({ attempts, executions })).faults).toEqual([])
    },
  )

  it('does not call lost what was refused, repeated and then carried out', () => {
    const judgement = judge(evidence({ attempts: [refused, heardSuccess] }))
    expect(judgement).toMatchObject({ requests: 1, attempts: 2, refused: 1, faults: [] })
  })

  it('finds a call that was carried out twice', () => {
    const { faults } = judge(evidence({ executions: new Map([['c0-1', 2]]) }))
    expect(faults).toEqual(['doubled: 1, must be 0'])
  })

  it('finds a success that iSales knows nothing of', () => {
    const { faults } = judge(evidence({ executions: new Map() }))
    expect(faults).toEqual(['invented: 1, must be 0'])
  })

  it('finds one number that two clients were given', () => {
    const attempts = [
      { ...heardSuccess, number: 'u1' },
      { ...heardSuccess, number: 'u1' },
    ]
    expect(judge(evidence({ attempts })).faults).toEqual(['mixedUp: 1, must be 0'])
  })

  it('finds a client that was never answered', () => {
    const silent: Attempt = { ...heardSuccess, id: 'c0-2', heard: 'silence', status: 0 }
    const { faults } = judge(evidence({ attempts: [heardSuccess, silent] }))
    expect(faults).toEqual(['unanswered: 1, must be 0'])
  })

  it.each([401, 403])('finds a %i that a login could have cured', (status) => {
    const attempts = [heardSuccess, { ...rejected, status }]
    expect(judge(evidence({ attempts })).faults).toEqual(['curable: 1, must be 0'])
  })

  it('finds a 401 of the proxy itself, too', () => {
    const own: Attempt = { ...refused, id: 'c0-2', status: 401, code: 'not-logged-in' }
    expect(judge(evidence({ attempts: [heardSuccess, own] })).curable).toBe(1)
  })

  it('excuses a rejection while iSales rejected every token, and counts it', () => {
    const attempts = [heardSuccess, rejected]
    const during = judge(evidence({ attempts, storms: [{ from: 900, to: 1005 }] }))
    expect(during).toMatchObject({ designedRejections: 1, curable: 0, relayed: 0, faults: [] })
    const before = judge(evidence({ attempts, storms: [{ from: 1011, to: 1500 }] }))
    expect(before.curable).toBe(1)
  })

  it.each([
    ['the second of two tokens ended within 30 s', [-20_000, 900], 0],
    ['a token ended on its own', [900], 1],
    ['a token ended 30 s after another', [-29_100, 900], 1],
    ['two tokens ended, but later', [1011, 1012], 1],
    ['two tokens ended long before', [-40_000, -30_000], 1],
  ] as const)('judges a rejection after %s', (_case, earlyEnds, curable) => {
    expect(judge(evidence({ attempts: [heardSuccess, rejected], earlyEnds })).curable).toBe(curable)
  })

  it('counts what was held off after a conflict apart from other refusals', () => {
    const attempts = [heardSuccess, refused, { ...refused, from: 9000, to: 9000 }]
    const judgement = judge(evidence({ attempts, holdOffs: [{ from: 500, to: 4000 }] }))
    expect(judgement).toMatchObject({ refused: 2, heldOff: 1 })
  })

  it.each([
    ['memory', { rssMb: 2, handles: 0 }, 'memory grows'],
    ['open handles', { rssMb: 0, handles: 2 }, 'open handles grow'],
  ] as const)('finds growing %s', (_what, step, fault) => {
    const samples = steady.map(({ rssMb, handles }, nth) => ({
      rssMb: rssMb + nth * step.rssMb,
      handles: handles + nth * step.handles,
    }))
    expect(judge(evidence({ samples })).faults).toEqual([fault])
  })

  it('does not pass what was not measured', () => {
    const { faults } = judge(evidence({ attempts: [], executions: new Map(), samples: [] }))
    expect(faults).toEqual([
      'nothing succeeded: this run proves nothing',
      'memory grows',
      'open handles grow',
    ])
  })

  it.each([
    ['a locked account', { locks: 1 }, 'locks: 1, must be 0'],
    ['a proxy that crashed', { proxyExit: 1 }, 'the proxy ended with 1'],
    ['a proxy that was killed', { proxyExit: null }, 'the proxy ended with null'],
  ])('fails %s', (_what, changes, fault) => {
    expect(judge(evidence(changes)).faults).toEqual([fault])
  })
})
