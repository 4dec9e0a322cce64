import { describe, expect, it } from 'vitest'
import { judgeRejection } from '../../src/token/rejection.ts'
import { sendable } from '../../src/token/state.ts'
import { DOWN, grant, live, REFUSED, RULES, type Life } from './support.ts'

function verdict(life: Life, generation = life.state().session?.generation ?? 0): string {
  return judgeRejection(life.state(), generation, RULES, life.now())
}

function sent(life: Life): number | undefined {
  return sendable(life.state(), life.now())?.generation
}

/** A token that served, was found rejected and was replaced, one second each. */
function replaceOnce(life: Life, token: string, lives = 300): Life {
  return life.accepted().after(1000).rejected().refresh(grant({ token, lives }))
}

describe('a rejection', () => {
  it('of a token that served replaces it at once and stops sending it', () => {
    const life = live().login(grant()).accepted().after(60_000)
    expect(verdict(life)).toBe('replace')
    life.rejected()
    expect(life.wait()).toBe(0)
    expect(sent(life)).toBeUndefined()
  })

  it('of a token that never served replaces it as well, the first time', () => {
    const life = live().login(grant())
    expect(verdict(life)).toBe('replace')
    expect(life.rejected().wait()).toBe(0)
  })

  it('reported again is known, and changes nothing', () => {
    const life = live().login(grant()).accepted().rejected()
    const before = life.state()
    expect(verdict(life)).toBe('known')
    expect(life.rejected().state()).toBe(before)
  })

  it.each([0, 2])('of generation %i, which is not the present one, is stale', (generation) => {
    const life = live().login(grant()).accepted()
    const before = life.state()
    expect(verdict(life, generation)).toBe('stale')
    expect(life.rejected(generation).state()).toBe(before)
  })

  it('is stale while there is no token at all', () => {
    expect(verdict(live(), 1)).toBe('stale')
  })

  it('of a token that has ended meanwhile is stale: it was not rejected early', () => {
    const life = live()
      .login(grant({ lives: 1 }))
      .accepted()
      .after(899)
    expect(verdict(life)).toBe('replace')
    expect(verdict(life.after(1))).toBe('stale')
  })
})

describe('a brand-new token that is rejected', () => {
  it('within 30 s of the last replacement is relayed and buys nothing', () => {
    const life = replaceOnce(live().login(grant()), 't2').after(29_999)
    const before = life.state()
    expect(verdict(life)).toBe('relay')
    expect(life.rejected().state()).toBe(before)
    expect(sent(life)).toBe(2)
  })

  it('later than that is replaced', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').after(30_000))).toBe('replace')
  })

  it('is counted from when the replacement came, however long that took', () => {
    const life = live().login(grant()).accepted().rejected().after(100_000)
    life.refresh(grant({ token: 't2' })).after(29_999)
    expect(verdict(life)).toBe('relay')
  })

  it('after an ordinary renewal, with none bought lately, is replaced', () => {
    const life = live()
      .login(grant())
      .accepted()
      .after(240_000)
      .refresh(grant({ token: 't2' }))
    expect(verdict(life)).toBe('replace')
  })

  it('that serves even once is no longer brand-new', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').accepted())).toBe('replace')
  })

  it('at most once in 30 s buys a login, when every token is rejected', () => {
    const life = live().login(grant({ token: 'first' }))
    const boughtAt: number[] = []
    for (let call = 0; call < 6000; call += 1) {
      if (verdict(life) === 'replace') {
        boughtAt.push(life.now())
        life.rejected().login(grant({ token: `t${call}` }))
      }
      expect(verdict(life)).not.toBe('hold')
      life.after(100)
    }
    const gaps = boughtAt.slice(1).map((at, index) => at - (boughtAt[index] ?? 0))
    expect(Math.min(...gaps)).toBe(30_000)
    expect(boughtAt).toHaveLength(20)
  })
})

describe('the third early rejection in a minute', () => {
  function thirdDue(): Life {
    const life = replaceOnce(live().login(grant()), 't2')
    return replaceOnce(life, 't3').accepted().after(1000)
  }

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('holds the replacement off, with the random number %d for %d ms', (random, holdOff) => {
    const life = thirdDue()
    expect(verdict(life)).toBe('hold')
    life.random(random).rejected()
    expect(life.wait()).toBeCloseTo(holdOff, 6)
    expect(life.state().backoff).toBe('conflict')
  })

  it('leaves the token in use for the calls that it still serves', () => {
    const life = thirdDue().rejected()
    expect(sent(life)).toBe(3)
    expect(verdict(life)).toBe('known')
  })

  it('is followed by one exchange when the hold-off ends', () => {
    const life = thirdDue().rejected()
    life.after(life.wait()).refresh(grant({ token: 't4' }))
    expect(life.state()).toMatchObject({ backoff: 'none', heldGeneration: 0 })
    expect(sent(life)).toBe(4)
  })

  it('does not count rejections that are a minute old', () => {
    const life = replaceOnce(live().login(grant()), 't2')
    const third = replaceOnce(life, 't3').accepted().after(59_000)
    expect(verdict(third)).toBe('replace')
    expect(third.rejected().state().earlyRejections).toHaveLength(2)
  })

  it('counts on while the conflict lasts', () => {
    const life = thirdDue().random(0).rejected()
    life
      .after(5000)
      .login(grant({ token: 't4' }))
      .accepted()
      .after(1000)
    expect(verdict(life)).toBe('hold')
  })
})

describe('a rejection during a back-off', () => {
  it.each([
    ['transient', DOWN, 250],
    ['rejected', REFUSED, 5000],
  ] as const)('that is %s does not cut it short', (backoff, failure, wait) => {
    const life = live().login(grant()).accepted().login(failure)
    expect(life.rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe(backoff)
    expect(sent(life)).toBeUndefined()
  })

  it('of a conflict, with a token that came meanwhile, replaces as usual', () => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3')
      .accepted()
      .rejected()
    life
      .login(grant({ token: 't4' }))
      .accepted()
      .after(61_000)
    expect(verdict(life)).toBe('replace')
  })

  it.each([
    ['is shorter than the hold-off', 7000, 0.5, 32_500],
    ['is longer than the hold-off', 20_000, 0, 20_000],
  ])('that %s waits for the longer of the two', (_, retryAfter, random, wait) => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3', 50).accepted()
    // The renewal of the third is throttled, 40 s later, and then it is rejected as well.
    const throttled = {
      reason: 'throttled',
      status: 429,
      detail: 'status 429',
      retryAfter,
    } as const
    life.login(throttled)
    expect(life.random(random).rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe('transient')
  })
})
