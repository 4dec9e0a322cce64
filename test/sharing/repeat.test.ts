import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { coalesced, repeat } from '../../src/sharing/repeat.ts'
import { manualClock } from '../support/manual-clock.ts'

it('runs once more after the run in flight, however often it is asked for meanwhile', async () => {
  const ends: (() => void)[] = []
  const run = coalesced(() => new Promise<void>((resolve) => ends.push(resolve)))
  void run()
  await turn()
  const asked = [run(), run(), run()]
  await turn()
  expect(ends).toHaveLength(1)
  ends[0]?.()
  await turn()
  expect(ends).toHaveLength(2)
  ends[1]?.()
  await Promise.all(asked)
  expect(ends).toHaveLength(2)
})

it('runs again as late after a run as the run says, until it is ended', async () => {
  const clock = manualClock(0)
  const began: number[] = []
  const end = repeat(clock, 100, async () => {
    began.push(clock.now())
    return began.length === 1 ? 1000 : 5000
  })
  await clock.advance(1100)
  expect(began).toEqual([100, 1100])
  end()
  await clock.advance(10_000)
  expect(began).toEqual([100, 1100])
})

it('does not run again when it is ended during a run', async () => {
  const clock = manualClock(0)
  let runs = 0
  const end = repeat(clock, 100, async () => {
    runs += 1
    end()
    return 100
  })
  await clock.advance(1000)
  expect(runs).toBe(1)
})
