import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDeadlines, type Expiring } from '../../src/proxy/deadlines.ts'
import { manualClock } from '../support/manual-clock.ts'

function entry(expire: () => void): Expiring {
  return { deadline: 0, earlier: undefined, later: undefined, expire }
}

describe('deadlines', () => {
  it('fall due at their time, in the order in which they were added', async () => {
    const clock = manualClock(1000)
    const deadlines = createDeadlines(clock, 100)
    const due: string[] = []
    for (const name of ['a', 'b', 'c']) {
      deadlines.add(
        entry(() => due.push(`${name} ${clock.now()}`)),
        clock.now(),
      )
      await clock.advance(30)
    }
    await clock.advance(200)
    expect(due).toEqual(['a 1100', 'b 1130', 'c 1160'])
    expect(clock.waiting()).toEqual([])
  })

  it('do not fall due when they are removed, twice or not at all in the queue', async () => {
    const clock = manualClock(0)
    const deadlines = createDeadlines(clock, 100)
    const due: string[] = []
    const [first, second, stranger] = ['first', 'second', 'stranger'].map((name) =>
      entry(() => due.push(name)),
    ) as [Expiring, Expiring, Expiring]
    deadlines.add(first, 0)
    deadlines.add(second, 0)
    deadlines.remove(first)
    deadlines.remove(first)
    deadlines.remove(stranger)
    await clock.advance(100)
    expect(due).toEqual(['second'])
  })

  it('need one timer, however many they are', async () => {
    const clock = manualClock(0)
    const deadlines = createDeadlines(clock, 100)
    for (let count = 0; count < 50; count += 1) {
      deadlines.add(
        entry(() => undefined),
        clock.now(),
      )
      await clock.advance(1)
    }
    expect(clock.waiting()).toHaveLength(1)
  })

  it('of no length never fall due', async () => {
    const clock = manualClock(0)
    const deadlines = createDeadlines(clock, 0)
    const one = entry(() => expect.unreachable())
    deadlines.add(one, 0)
    expect(clock.waiting()).toEqual([])
    expect(one.deadline).toBe(0)
    deadlines.remove(one)
  })

  it('let an entry that falls due remove and add others', async () => {
    const clock = manualClock(0)
    const deadlines = createDeadlines(clock, 100)
    const due: string[] = []
    const last = entry(() => due.push('last'))
    const again = entry(() => due.push(`again ${clock.now()}`))
    deadlines.add(
      entry(() => {
        due.push('first')
        deadlines.remove(last)
        deadlines.add(again, clock.now())
      }),
      0,
    )
    deadlines.add(last, 0)
    await clock.advance(300)
    expect(due).toEqual(['first', 'again 200'])
  })

  it('whatever is added and removed, fall due once, on time, and only when still there', async () => {
    const step = fc.record({ remove: fc.option(fc.nat(20)), ms: fc.nat(40) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const clock = manualClock(0)
        const deadlines = createDeadlines(clock, 100)
        const added: { at: number; removedAt: number; due: number[]; expiring: Expiring }[] = []
        for (const { remove, ms } of steps) {
          if (remove === null) {
            const due: number[] = []
            const expiring = entry(() => due.push(clock.now()))
            added.push({ at: clock.now(), removedAt: Infinity, due, expiring })
            deadlines.add(expiring, clock.now())
          } else {
            const one = added[remove]
            if (one !== undefined) {
              deadlines.remove(one.expiring)
              one.removedAt = Math.min(one.removedAt, clock.now())
            }
          }
          await clock.advance(ms)
        }
        await clock.advance(200)
        for (const { at, removedAt, due } of added) {
          expect(due).toEqual(removedAt < at + 100 ? [] : [at + 100])
        }
      }),
      { numRuns: 100 },
    )
  })
})
