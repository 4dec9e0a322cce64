import { expect, it } from 'vitest'
import { manualClock } from './manual-clock.ts'

it('runs timers at their own time and in order, those that a timer sets too', async () => {
  const clock = manualClock(0)
  const ran: string[] = []
  clock.setTimer(() => ran.push(`late ${clock.now()}`), 30)
  clock.setTimer(() => {
    ran.push(`early ${clock.now()}`)
    clock.setTimer(() => ran.push(`nested ${clock.now()}`), 5)
  }, 10)
  await clock.advance(30)
  expect(ran).toEqual(['early 10', 'nested 15', 'late 30'])
  expect(clock.now()).toBe(30)
})

it('runs no timer that was cancelled or is not due', async () => {
  const clock = manualClock()
  const ran: string[] = []
  clock.setTimer(() => ran.push('cancelled'), 1).cancel()
  clock.clearTimeout(clock.setTimeout(() => ran.push('cleared'), 1))
  clock.setTimer(() => ran.push('later'), 11)
  await clock.advance(10)
  expect(ran).toEqual([])
  expect(clock.waiting()).toEqual([1])
})

it('lets promises run between timers', async () => {
  const clock = manualClock(0)
  const seen: number[] = []
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(resolve, ms))
  const run = async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      await wait(10)
      seen.push(clock.now())
    }
  }
  const running = run()
  await clock.advance(30)
  await running
  expect(seen).toEqual([10, 20, 30])
})
