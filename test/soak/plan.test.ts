import { assert, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENDS_TOKEN, plan, planForReplicas, type Act } from '../../scripts/soak/plan.ts'

const nameOf = (act: Act): string => (act.kind === 'command' ? act.command : act.kind)
const endsToken = (act: Act): boolean => ENDS_TOKEN.some((name) => name === nameOf(act))
const statuses = (acts: readonly Act[], command: string): readonly number[] =>
  acts.flatMap((act) =>
    act.kind === 'command' && act.command === command ? Number(act.input['status']) : [],
  )
const TEN_MINUTES = 600_000

describe('the plan of a soak', () => {
  it('is decided by its seed', () => {
    expect(plan(7, TEN_MINUTES)).toEqual(plan(7, TEN_MINUTES))
    expect(plan(7, TEN_MINUTES)).not.toEqual(plan(8, TEN_MINUTES))
  })

  it('holds every kind of act within an hour', () => {
    const names = new Set(plan(1, 3_600_000).map(nameOf))
    expect([...names].sort().join(' ')).toBe(
      'blackHole disconnect down failBusiness failLogin failRefresh forbid freeze hang html ' +
        'hugeBody reset restart revoke revokeRefresh rival rotate set slow storm truncatedJson up',
    )
  })

  it('keeps early ends of tokens so far apart that only three rivals in a row are a conflict', () => {
    assert(
      property(integer(), (seed) => {
        const ends = plan(seed, TEN_MINUTES).filter(endsToken)
        for (const [index, { at, kind }] of ends.entries()) {
          const before = ends[index - 1]
          if (before === undefined || at - before.at >= 35_000) continue
          expect([before.kind, kind]).toEqual(['rival', 'rival'])
        }
      }),
    )
  })

  it('is in order, calm at its end, and never refuses a good password nor hides the refresh path', () => {
    assert(
      property(integer(), integer({ min: 15_000, max: TEN_MINUTES }), (seed, duration) => {
        const acts = plan(seed, duration)
        expect(acts.map(({ at }) => at)).toEqual(
          acts.map(({ at }) => at).sort((one, other) => one - other),
        )
        const ends = acts.map((act) => act.at + (act.kind === 'freeze' ? act.ms : 0))
        expect(Math.max(...ends)).toBeLessThan(duration - 2500)
        expect(statuses(acts, 'failLogin').every((status) => status === 404 || status >= 429)).toBe(
          true,
        )
        expect(statuses(acts, 'failRefresh')).not.toContain(404)
      }),
    )
  })

  it('cannot lock the account: at most four wrong passwords within a quarter of an hour', () => {
    assert(
      property(integer(), (seed) => {
        const costs = plan(seed, 3_600_000).flatMap(({ kind, at }) =>
          kind === 'restart' ? [at, at] : kind === 'rotate' ? [at] : [],
        )
        expect(costs.length).toBeGreaterThan(10)
        for (const [index, at] of costs.entries())
          expect((costs[index + 4] ?? Infinity) - at).toBeGreaterThan(900_000)
      }),
      { numRuns: 20 },
    )
  })

  it('never leaves iSales down', () => {
    assert(
      property(integer(), integer({ min: 15_000, max: TEN_MINUTES }), (seed, duration) => {
        const names = plan(seed, duration).map(nameOf)
        const last = names.findLast((name) => name === 'down' || name === 'up')
        expect(last).not.toBe('down')
      }),
    )
  })
})

describe('the plan of a soak with replicas', () => {
  const isStoreFault = ({ kind }: Act): boolean => kind.startsWith('store-')

  it('is decided by its seed, and holds every fault of the store within ten minutes', () => {
    const acts = planForReplicas(7, TEN_MINUTES)
    expect(acts).toEqual(planForReplicas(7, TEN_MINUTES))
    const kinds = new Set(acts.map(({ kind }) => kind))
    expect([...kinds].filter((kind) => kind.startsWith('store-')).sort()).toEqual([
      'store-emptied',
      'store-frozen',
      'store-killed',
    ])
    expect(acts.filter(isStoreFault).length).toBeGreaterThan(15)
  })

  it('has tokens that outlive every fault of the store, and none of these when a token is needed', () => {
    assert(
      property(integer(), integer({ min: 30_000, max: TEN_MINUTES }), (seed, duration) => {
        const acts = planForReplicas(seed, duration)
        const lives = acts.flatMap((act) =>
          act.kind === 'command' && act.command === 'set' ? Number(act.input['tokenLifetime']) : [],
        )
        expect(Math.min(...lives)).toBeGreaterThanOrEqual(120)
        const needed = acts.filter((act) => endsToken(act) || nameOf(act) === 'rotate')
        for (const { at, ...fault } of acts.filter(isStoreFault)) {
          const until = at + ('ms' in fault ? fault.ms : 0)
          for (const end of needed) expect(end.at < at || end.at > until + 3000).toBe(true)
        }
      }),
    )
  })
})
