import { describe, expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { DOWN, grant, live, REFUSED, type Life } from './support.ts'

const WRONG_RESULT: AuthFailure = { reason: 'result', status: 200, detail: 'result 7' }

function throttled(retryAfter: number): AuthFailure {
  return { reason: 'throttled', status: 429, retryAfter, detail: 'status 429' }
}

/** The waits after so many failures in a row. */
function waits(life: Life, outcome: AuthFailure, count: number): readonly number[] {
  return Array.from({ length: count }, () => life.login(outcome).wait())
}

describe('refused credentials', () => {
  it.each([REFUSED, WRONG_RESULT])(
    'are tried after 5 s and 10 s, then each 15 min: %j',
    (outcome) => {
      expect(waits(live(), outcome, 5)).toEqual([5000, 10_000, 900_000, 900_000, 900_000])
    },
  )

  it('double their wait up to 5 min while more attempts are allowed', () => {
    const life = live({ rejectedAttempts: 100 })
    expect(waits(life, REFUSED, 9)).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
    ])
  })

  it('are guarded from the third time on', () => {
    const states = [1, 2, 3, 4].map((times) => {
      const life = live()
      waits(life, REFUSED, times)
      return life.state().backoff
    })
    expect(states).toEqual(['rejected', 'rejected', 'guarded', 'guarded'])
  })

  it('are forgiven by a grant', () => {
    const life = live().login(REFUSED).login(REFUSED).login(grant())
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it('are not tried sooner because an attempt went astray in between', () => {
    const life = live().random(0).login(REFUSED).login(REFUSED).login(DOWN)
    expect(life.state()).toMatchObject({ backoff: 'rejected', refusals: 2, failures: 3 })
    expect(life.wait()).toBe(10_000)
    expect(life.login(REFUSED).login(DOWN).wait()).toBe(900_000)
    expect(life.state().backoff).toBe('guarded')
  })

  it('wait longer still when iSales says so in between', () => {
    expect(live().login(REFUSED).login(throttled(60_000)).wait()).toBe(60_000)
  })
})

describe('a transient failure', () => {
  it('waits under a cap that doubles from 0.5 s to 30 s', () => {
    expect(waits(live().random(1), DOWN, 9)).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ])
  })

  it('has full jitter', () => {
    expect(waits(live().random(0.25), DOWN, 4)).toEqual([125, 250, 500, 1000])
  })

  it('may repeat ten thousand times', () => {
    const life = live()
    expect(waits(life, DOWN, 10_000).at(-1)).toBe(15_000)
    expect(life.state()).toMatchObject({ failures: 10_000, backoff: 'transient' })
  })

  it.each([
    [7000, 7000],
    [1000, 1000],
    [999, 1000],
    [0, 1000],
    [300_000, 300_000],
    [300_001, 300_000],
    [999_999_999_000, 300_000],
  ])('with Retry-After of %d ms waits %d ms', (asked, wait) => {
    expect(live().login(throttled(asked)).wait()).toBe(wait)
  })
})
