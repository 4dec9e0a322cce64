import { expect, it } from 'vitest'
import { createSlots } from '../../src/proxy/slots.ts'
import { manualClock } from '../support/manual-clock.ts'

/** Slots for one call, which is in flight; `cut` is what evicting returns. */
function begin(cut: () => number | undefined) {
  const clock = manualClock()
  const slots = createSlots(1, cut, clock)
  expect([slots.take(), slots.take()]).toEqual([true, false])
  const seen: string[] = []
  const wait = (name: string, ms: number, signal = new AbortController().signal) =>
    void slots
      .wait(ms, signal, () => seen.push(`${name} has a slot`))
      .then(() => seen.push(`${name} went on`))
  return { clock, slots, seen, wait }
}

it('waiting calls get slots in the order of their arrival, as soon as one is free', async () => {
  const { clock, slots, seen, wait } = begin(() => 500)
  const left = new AbortController()
  wait('first', 1000)
  wait('gone', 1000, left.signal)
  wait('late', 100)
  wait('last', 1000)
  left.abort()
  await clock.advance(100)
  expect(seen.splice(0)).toEqual(['gone went on', 'late went on'])
  // In one turn: a call that is gone, or has given up, gets none.
  slots.release()
  slots.release()
  expect(seen.splice(0)).toEqual(['first has a slot', 'last has a slot'])
  slots.release()
  expect([slots.used(), slots.take()]).toEqual([0, true])
})

it('a call does not wait if no response can be cut', async () => {
  const { clock, seen, wait } = begin(() => undefined)
  wait('it', 1000)
  await clock.advance(0)
  expect(seen).toEqual(['it went on'])
})

it('one response is cut for each waiting call, as soon as it may be', async () => {
  const pauses = [300, 0, 0, undefined]
  const cuts: number[] = []
  const { clock, slots, seen, wait } = begin(() => {
    const pause = pauses.shift()
    if (pause === 0) cuts.push(clock.now())
    return pause
  })
  for (const name of ['a', 'b']) wait(name, 2000)
  await clock.advance(299)
  expect(cuts).toEqual([])
  await clock.advance(1)
  expect(cuts).toHaveLength(1)
  slots.release()
  expect(cuts).toHaveLength(2)
  slots.release()
  expect(seen.filter((line) => line.endsWith('slot'))).toEqual(['a has a slot', 'b has a slot'])
})
