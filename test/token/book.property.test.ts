// Random histories of several processes, operators and crashes.
import { array, assert, asyncProperty, boolean, constantFrom, integer, record } from 'fast-check'
import { expect, it } from 'vitest'
import { withBook } from '../../src/token/book.ts'

import { authFailure } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'
import { ATTEMPTS, credentialsOf, DOWN, loginOf, REFUSED, unclear, memoryBook } from './support.ts'

const MINUTE = 60_000
const NOW = 1_000_000
const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })

it('no order of failures, crashes, processes and operators makes a fifth wrong login in 15 min', async () => {
  const act = record({
    /** Until then, milliseconds. */
    wait: constantFrom(10, 1000, 3000, 10_000, 60_000, 8 * MINUTE),
    forced: boolean(),
    outcome: constantFrom(REFUSED, unclear(200), AMBIGUOUS, undefined),
    takes: integer({ min: 0, max: 5000 }),
  })
  const property = asyncProperty(array(act, { minLength: 5, maxLength: 40 }), async (acts) => {
    const clock = manualClock(NOW)
    const book = memoryBook(clock)
    const sent: number[] = []
    for (const { wait, forced, outcome, takes } of acts) {
      await clock.advance(wait)
      const login = async () => {
        sent.push(clock.now())
        await new Promise<void>((resolve) => {
          if (outcome !== undefined) clock.setTimer(resolve, takes)
        })
        return outcome ?? DOWN
      }
      // Each is a process of its own, and without an outcome it is killed in the login.
      const parts = { book, rules: ATTEMPTS, clock, random: () => 0.5 }
      const client = withBook({ ...parts, client: { login, refresh: login } })
      const ask = loginOf(credentialsOf('wrong'))
      void client({ ...ask, forced })
      await clock.advance(0)
    }
    for (const at of sent)
      expect(sent.filter((one) => at <= one && one < at + 15 * MINUTE).length).toBeLessThan(5)
  })
  await assert(property, { numRuns: process.env['CI'] === 'true' ? 3000 : 300 })
})
