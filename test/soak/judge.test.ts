import { describe, expect, it } from 'vitest'
import { judge, type Attempt, type Evidence, type Sample } from '../../scripts/soak/judge.ts'

const heardSuccess: Attempt = { id: 'c0-1', from: 1000, to: 1010, heard: 'success', status: 200 }
const refused: Attempt = { ...heardSuccess, heard: 'no', status: 503, code: 'no-token' }
const rejected: Attempt = { ...heardSuccess, id: 'c0-2', heard: 'relayed', status: 401 }
const steady: readonly Sample[] = Array.from({ length: 50 }, () => ({ rssMb: 90, handles: 30 }))

/** A run in which nothing is wrong, unless changed. */
function evidence(changes: Partial<Evidence> = {}): Evidence {
  return {
    attempts: [heardSuccess],
    executions: new Map([['c0-1', 1]]),
    storms: [],
    forbidden: [],
    earlyEnds: [],
    outages: [],
    tokenRequests: [],
    holdOffs: [],
    samples: steady,
    locks: 0,
    exits: [0],
    ...changes,
  }
}

describe('the judge of a soak', () => {
  it('passes a run in which nothing is wrong', () => {
    expect(judge(evidence())).toMatchObject({ requests: 1, succeeded: 1, failures: [] })
  })

  it('finds a call lost that was executed, when the client heard that it was not sent', () => {
    const { lost, failures } = judge(
      evidence({
        attempts: [heardSuccess, { ...refused, id: 'c0-2' }],
        executions: new Map([
          ['c0-1', 1],
          ['c0-2', 1],
        ]),
      }),
    )
    expect(lost).toBe(1)
    expect(failures).toEqual(['lost: 1, must be 0'])
  })

  it('finds a call lost that was executed, when the client heard that its token was rejected', () => {
    const executions = new Map([['c0-2', 1]])
    expect(judge(evidence({ attempts: [rejected], executions })).lost).toBe(1)
  })

  it.each(['unknown', 'cut', 'relayed'] as const)(
    'does not call lost what was executed and heard as %s',
    (heard) => {
      const attempts = [heardSuccess, { ...heardSuccess, id: 'c0-2', heard, status: 502 }]
      const executions = new Map([
        ['c0-1', 1],
        ['c0-2', 1],
      ])
      expect(judge(evidence({ attempts, executions })).failures).toEqual([])
    },
  )

  it('does not call lost what was refused, repeated and then executed', () => {
    const judgement = judge(evidence({ attempts: [refused, heardSuccess] }))
    expect(judgement).toMatchObject({ requests: 1, attempts: 2, refused: 1, failures: [] })
  })

  it('finds a call that was executed twice', () => {
    const { failures } = judge(evidence({ executions: new Map([['c0-1', 2]]) }))
    expect(failures).toEqual(['doubled: 1, must be 0'])
  })

  it('finds a success that iSales knows nothing of', () => {
    const { failures } = judge(evidence({ executions: new Map() }))
    expect(failures).toEqual(['invented: 1, must be 0'])
  })

  it('finds one number that two clients were given', () => {
    const attempts = [
      { ...heardSuccess, number: 'u1' },
      { ...heardSuccess, number: 'u1' },
    ]
    expect(judge(evidence({ attempts })).failures).toEqual(['mixedUp: 1, must be 0'])
  })

  it('finds a client that got no response', () => {
    const silent: Attempt = { ...heardSuccess, id: 'c0-2', heard: 'silence', status: 0 }
    const { failures } = judge(evidence({ attempts: [heardSuccess, silent] }))
    expect(failures).toEqual(['silent: 1, must be 0'])
  })

  it.each([401, 403])('finds a %i that a login could have cured', (status) => {
    const attempts = [heardSuccess, { ...rejected, status }]
    expect(judge(evidence({ attempts })).failures).toEqual(['curable: 1, must be 0'])
  })

  it('finds a 401 of the proxy itself, too', () => {
    const own: Attempt = { ...refused, id: 'c0-2', status: 401, code: 'not-logged-in' }
    expect(judge(evidence({ attempts: [heardSuccess, own] })).curable).toBe(1)
  })

  it('excuses a rejection while iSales rejected every token, and counts it', () => {
    const attempts = [heardSuccess, rejected]
    const during = judge(evidence({ attempts, storms: [{ from: 900, to: 1005 }] }))
    expect(during).toMatchObject({ designedRejections: 1, curable: 0, relayed: 0, failures: [] })
    const before = judge(evidence({ attempts, storms: [{ from: 1011, to: 1500 }] }))
    expect(before.curable).toBe(1)
  })

  it('excuses a rejection of the forbidden path, and of no other', () => {
    const forbidden = [{ from: 900, to: 1005 }]
    const probe: Attempt = { ...rejected, status: 403, probes: true }
    const during = judge(evidence({ attempts: [heardSuccess, probe], forbidden }))
    expect(during).toMatchObject({ forbiddenRejections: 1, curable: 0, failures: [] })
    const other = judge(evidence({ attempts: [heardSuccess, rejected], forbidden }))
    expect(other).toMatchObject({ forbiddenRejections: 0, curable: 1 })
    const later = { ...probe, from: 1006, to: 1010 }
    expect(judge(evidence({ attempts: [heardSuccess, later], forbidden })).curable).toBe(1)
  })

  it.each([
    ['the second of two tokens ended within 30 s', [-20_000, 900], 0],
    ['the second ended more than a second before', [-20_000, -10], 1],
    ['a token ended on its own', [900], 1],
    ['a token ended 30 s after another', [-29_100, 900], 1],
    ['two tokens ended, but later', [1011, 1012], 1],
    ['two tokens ended long before', [-40_000, -30_000], 1],
  ] as const)('judges a rejection after %s', (_case, earlyEnds, curable) => {
    expect(judge(evidence({ attempts: [heardSuccess, rejected], earlyEnds })).curable).toBe(curable)
  })

  it.each([
    ['a login had failed and none had been granted', [[900, 910, false]], [], 0],
    ['a login failed while it waited', [[1005, 1008, false]], [], 0],
    [
      'a login was granted only later',
      [
        [900, 910, false],
        [1005, 1020, true],
      ],
      [],
      0,
    ],
    [
      'a login had failed and the next one been granted',
      [
        [900, 910, false],
        [920, 930, true],
      ],
      [],
      1,
    ],
    ['a login failed later', [[1011, 1020, false]], [], 1],
    ['iSales took no connection', [], [{ from: 900, to: 1005 }], 0],
    ['iSales had come back', [], [{ from: 900, to: 999 }], 1],
  ] as const)('judges a rejection when %s', (_case, requests, outages, curable) => {
    const tokenRequests = requests.map(([from, to, granted]) => ({ from, to, granted }))
    const judgement = judge(
      evidence({ attempts: [heardSuccess, rejected], tokenRequests, outages }),
    )
    expect(judgement).toMatchObject({ curable, incurableRejections: 1 - curable })
  })

  it('counts what was refused in a hold-off after a conflict apart from other refusals', () => {
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
    expect(judge(evidence({ samples })).failures).toEqual([fault])
  })

  it('does not pass what was not measured', () => {
    const { failures } = judge(evidence({ attempts: [], executions: new Map(), samples: [] }))
    expect(failures).toEqual([
      'nothing succeeded: this run proves nothing',
      'memory grows',
      'open handles grow',
    ])
  })

  it.each([
    ['a locked account', { locks: 1 }, 'locks: 1, must be 0'],
    ['a proxy that crashed', { exits: [0, 1] }, 'the proxy ended with 1'],
    ['a proxy that was killed', { exits: [null] }, 'the proxy ended with null'],
  ])('fails %s', (_what, changes, fault) => {
    expect(judge(evidence(changes)).failures).toEqual([fault])
  })
})
