import { assert, integer, property } from 'fast-check'
import { expect, it } from 'vitest'
import { judgeGrowth } from '../../scripts/soak/report.ts'
import { isOfMachine, planOf } from '../simulation/plan.ts'

it('a soak plays what can be done to real processes, decided by its seed', () => {
  assert(
    property(integer(), integer({ min: 1, max: 3 }), (seed, replicas) => {
      const plan = planOf(seed, 3, { replicas })
      expect(plan).toEqual(planOf(seed, 3, { replicas }))
      expect(plan).toMatchObject({ replicas, shared: replicas > 1 })
      expect(plan.acts.filter(isOfMachine)).toEqual([])
    }),
  )
})

it('a soak fails when memory or open handles grow, and when nothing was measured', () => {
  const grown = (rssMb: number, handles: number) =>
    judgeGrowth([
      ...Array.from({ length: 40 }, () => ({ rssMb: 90, handles: 30 })),
      ...Array.from({ length: 10 }, () => ({ rssMb: 90 + rssMb, handles: 30 + handles })),
    ])
  expect(grown(64, 24)).toEqual([])
  expect(grown(65, 0)).toEqual(['memory grows'])
  expect(grown(0, 25)).toEqual(['open handles grow'])
  expect(judgeGrowth([])).toEqual(['memory grows', 'open handles grow'])
})
