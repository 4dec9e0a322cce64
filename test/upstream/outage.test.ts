import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { Outage } from '../../src/upstream/outage.ts'

/** Plays attempts that take their turns, and returns the times at which they began. */
function play(ends: readonly { after: number; takes: number; opened: boolean }[]) {
  const outage = new Outage()
  const begun: number[] = []
  const limited: boolean[] = []
  let now = 0
  for (const { after, takes, opened } of ends) {
    now += after
    const pause = outage.pause(now)
    limited.push(pause > 0)
    now += pause
    expect(outage.pause(now)).toBe(0)
    outage.begun(now)
    begun.push(now)
    now += takes
    outage.ended(opened, now)
  }
  return { outage, begun, limited, now }
}

const attempts = (opened: fc.Arbitrary<boolean>) => {
  const ms = fc.integer({ min: 0, max: 200 })
  return fc.array(fc.record({ after: ms, takes: ms, opened }), { minLength: 2, maxLength: 200 })
}

it('from a failed attempt until one opens, attempts begin at least 50 ms apart', () => {
  const rule = fc.property(attempts(fc.boolean()), (ends) => {
    const { begun, limited } = play(ends)
    const follows = (opened: boolean) => (_: unknown, i: number) => ends[i]?.opened === opened
    const distances = begun.slice(1).map((time, i) => time - Number(begun[i]))
    expect(distances.filter(follows(false)).filter((ms) => ms < 50)).toEqual([])
    // Nothing delays an attempt after an opened connection.
    expect(limited.slice(1).filter(follows(true))).not.toContain(true)
  })
  fc.assert(rule)
})

it('an outage lasts from 5 s after its first failure until a connection opens', () => {
  const rule = fc.property(
    attempts(fc.constant(false)),
    fc.integer({ min: 0, max: 9999 }),
    (ends, ms) => {
      const [first] = ends
      const { outage, now } = play(ends)
      const began = Number(first?.after) + Number(first?.takes)
      expect(outage.lasts(now + ms)).toBe(now + ms - began >= 5000)
      outage.ended(true, now)
      expect([outage.lasts(now + ms), outage.pause(now)]).toEqual([false, 0])
      outage.ended(false, now + ms)
      expect([outage.lasts(now + ms + 4999), outage.lasts(now + ms + 5000)]).toEqual([false, true])
    },
  )
  fc.assert(rule)
})

it('a response, or more than 5 s without a failed attempt, ends an outage, and not the pace', () => {
  const outage = new Outage()
  const fail = (at: number): boolean => {
    outage.begun(at)
    outage.ended(false, at)
    return outage.lasts(at)
  }
  expect([0, 4000, 6000].map(fail)).toEqual([false, false, true])
  outage.responded()
  expect([outage.pause(6000), outage.lasts(12_000), fail(7000)]).toEqual([50, false, false])
  expect([12_001, 17_000].map(fail)).toEqual([false, false])
})
