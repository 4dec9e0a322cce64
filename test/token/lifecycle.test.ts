import { describe, expect, it } from 'vitest'
import { outageBudget, sendable } from '../../src/token/lifecycle.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import {
  DOWN,
  ended,
  failing,
  grant,
  live,
  REFUSED,
  START,
  throttled,
  type Life,
} from './support.ts'

const LOGIN = { do: 'request', operation: 'login' }
const REFRESH = { do: 'request', operation: 'refresh' }
const WRONG_RESULT: AuthFailure = { reason: 'result', status: 200, detail: 'result 7' }

/** The waits after so many failed logins in a row. */
function waits(life: Life, outcome: AuthFailure, count: number): readonly number[] {
  return Array.from({ length: count }, () => life.login(outcome).wait())
}

/** The generation that is sent; undefined: none. */
function sent(life: Life): number | undefined {
  return sendable(life.state(), life.now())?.generation
}

/** A token that is due for renewal. */
function due(): Life {
  return live().login(grant()).after(240_000)
}

describe('at the start', () => {
  it('a login is due and nothing may be sent', () => {
    const life = live()
    expect(life.next()).toEqual(LOGIN)
    expect(sent(life)).toBeUndefined()
    expect(outageBudget(life.state(), life.now())).toBe(0)
  })
})

describe('while a token request is in flight', () => {
  it('no other is due, however long it takes, and the present token is sent', () => {
    const life = due().does({ type: 'request-started', operation: 'refresh' })
    expect(sent(life)).toBe(1)
    expect(life.after(1e9).next()).toEqual({ do: 'wait', until: Infinity })
  })
})

describe('a token request that ended twice', () => {
  it('changes nothing', () => {
    const life = live().login(grant())
    const before = life.state()
    expect(life.does(ended(grant({ token: 't2' }))).state()).toBe(before)
    expect(life.does(ended(REFUSED)).state()).toBe(before)
  })
})

describe('a token is renewed', () => {
  it.each([
    ['at 80 % of its lifetime', 300, 0.5, 240_000],
    ['up to 5 % earlier', 300, 0, 228_000],
    ['up to 5 % later', 300, 1, 252_000],
    ['at 80 % of a day', 86_400, 0.5, 69_120_000],
    ['at 80 % of 2 s', 2, 0.5, 1600],
    ['after 1 s at the earliest', 1, 0, 1000],
    ['after 1 s at the earliest', 1.25, 0, 1000],
  ])('%s: %d s, random %d, after %d ms', (_, lives, random, ms) => {
    expect(live().random(random).login(grant({ lives })).wait()).toBeCloseTo(ms, 6)
  })

  it('counted from when the request was sent, not from when the response came', () => {
    const life = live().does({ type: 'request-started', operation: 'login' }).after(2000)
    life.does(ended(grant()))
    expect(life.state().nextAt).toBeCloseTo(START + 240_000, 6)
    expect(life.state().lastSuccessAt).toBe(START + 2000)
  })

  it.each([
    [300, 295_000],
    [20, 18_000],
  ])('before its last use, even at 95 % with late jitter: %d s, %d ms', (lives, ms) => {
    const life = live({ tokenRenewAt: 0.95 }).random(1).login(grant({ lives }))
    expect(life.wait()).toBe(ms)
  })

  it('at most once a second, even when the same token comes with less and less lifetime', () => {
    const life = live().login(grant({ lives: 300 }))
    let requests = 0
    for (let left = 300; left > 0; requests += 1) {
      const wait = life.wait()
      left -= wait / 1000
      expect(wait).toBeGreaterThanOrEqual(1000)
      life.after(wait).login(grant({ lives: Math.max(1, Math.ceil(left)) }))
    }
    expect(requests).toBeLessThan(10)
  })
})

describe('the next token request', () => {
  it.each([
    ['a refresh while there is a refresh token', grant(), {}, REFRESH],
    ['a refresh when its lifetime is not known', grant({ refreshLives: undefined }), {}, REFRESH],
    ['a login without a refresh token', grant({ refreshToken: null }), {}, LOGIN],
    ['a login when the refresh token has expired', grant({ refreshLives: 240 }), {}, LOGIN],
    ['a login when refreshing is off', grant(), { isalesRefreshPath: undefined }, LOGIN],
  ] as const)('is %s', (_, given, rules, expected) => {
    expect(live(rules).login(given).after(240_000).next()).toEqual(expected)
  })
})

describe('a token that nobody found rejected', () => {
  it.each([
    [0, 1, 295_000],
    [294_999, 1, 1],
    [295_000, undefined, 0],
    [400_000, undefined, 0],
  ])('after %d ms: sent generation %j, outage budget %d ms', (ms, generation, budget) => {
    const life = live().login(grant()).after(ms)
    expect(sent(life)).toBe(generation)
    expect(outageBudget(life.state(), life.now())).toBe(budget)
  })

  it('serves to its end while renewals fail', () => {
    const life = live().login(grant()).refresh(DOWN)
    for (let attempt = 0; attempt < 5; attempt += 1) life.login(DOWN)
    // The waits: 0.25 s, 0.5 s, 1 s, 2 s, 4 s.
    expect(outageBudget(life.state(), life.now())).toBe(295_000 - 240_000 - 7750)
    expect(sent(life)).toBe(1)
  })
})

describe('a failed refresh', () => {
  it.each([failing(400), failing(401), failing(403), WRONG_RESULT])(
    'that was refused is followed by a login: %j',
    (failure) => {
      const life = due().refresh(failure)
      expect(life.next()).toEqual(LOGIN)
      expect(life.state()).toMatchObject({ refusals: 0, failures: 0, backoff: 'none' })
    },
  )

  it('that was refused says nothing about the refresh token that the login brings', () => {
    const life = due()
      .refresh(REFUSED)
      .login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).next()).toEqual(REFRESH)
  })

  it.each([404, 405])('with %i ends refreshing', (status) => {
    const life = due().refresh(failing(status))
    expect(life.next()).toEqual(LOGIN)
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).next()).toEqual(LOGIN)
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = due().refresh(DOWN)
    expect(life.state()).toMatchObject({ backoff: 'transient', failures: 1, refusals: 0 })
    expect(life.after(life.wait()).next()).toEqual(LOGIN)
  })
})

describe('refused credentials', () => {
  it.each([REFUSED, WRONG_RESULT])('are tried after 5 s, 10 s, then each 15 min: %j', (outcome) => {
    expect(waits(live(), outcome, 5)).toEqual([5000, 10_000, 900_000, 900_000, 900_000])
  })

  it('double their wait up to 5 min while more attempts are allowed', () => {
    expect(waits(live({ loginRejectedAttempts: 100 }), REFUSED, 9)).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
    ])
  })

  it('are guarded from the third refusal on', () => {
    const states = [1, 2, 3, 4].map((times) => {
      const life = live()
      waits(life, REFUSED, times)
      return life.state().backoff
    })
    expect(states).toEqual(['rejected', 'rejected', 'guarded', 'guarded'])
  })

  it('are forgiven by a grant', () => {
    const life = live().login(REFUSED).login(REFUSED).login(grant())
    expect(life.state()).toMatchObject({ backoff: 'none', failures: 0, refusals: 0 })
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it('are not tried sooner because of another failure in between', () => {
    const life = live().random(0).login(REFUSED).login(REFUSED).login(DOWN)
    expect(life.state()).toMatchObject({ backoff: 'rejected', refusals: 2, failures: 3 })
    expect(life.wait()).toBe(10_000)
    expect(life.login(REFUSED).login(DOWN).wait()).toBe(900_000)
    expect(life.state().backoff).toBe('guarded')
  })

  it('wait longer still when iSales asks for it in between', () => {
    expect(live().login(REFUSED).login(throttled(60_000)).wait()).toBe(60_000)
  })
})

describe('a failure that may pass', () => {
  it.each([
    ['a cap that doubles from 0.5 s to 30 s', 1, [500, 1000, 2000, 4000, 8000, 16_000, 30_000]],
    ['full jitter', 0.25, [125, 250, 500, 1000]],
  ])('waits with %s', (_, random, expected) => {
    expect(waits(live().random(random), DOWN, expected.length)).toEqual(expected)
  })

  it('may repeat ten thousand times', () => {
    const life = live()
    expect(waits(life, DOWN, 10_000).at(-1)).toBe(15_000)
    expect(life.state()).toMatchObject({ failures: 10_000, backoff: 'transient' })
  })

  it.each([
    [7000, 7000],
    [999, 1000],
    [0, 1000],
    [300_000, 300_000],
    [999_999_999_000, 300_000],
  ])('with Retry-After of %d ms waits %d ms', (asked, wait) => {
    expect(live().login(throttled(asked)).wait()).toBe(wait)
  })
})

describe('changed credentials', () => {
  const changed = { type: 'credentials-changed' } as const

  it('are tried by a login, and the present token still serves', () => {
    const life = live().login(grant()).after(1000).does(changed)
    expect(life.next()).toEqual(LOGIN)
    expect(sent(life)).toBe(1)
    expect(
      life
        .login(grant({ token: 't2' }))
        .after(240_000)
        .next(),
    ).toEqual(REFRESH)
  })

  it('end a back-off and forget what the former ones met', () => {
    const life = live()
    waits(life, REFUSED, 3)
    life.does(changed)
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0, failures: 0 })
    expect(life.wait()).toBe(0)
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it.each([
    ['refused', REFUSED],
    ['granted', grant()],
  ])('are tried although a token request with the former ones was %s', (_, outcome) => {
    const life = live().does({ type: 'request-started', operation: 'login' }).does(changed)
    life.after(500).does(ended(outcome))
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0, failures: 0 })
    expect(life.next()).toEqual(LOGIN)
  })
})

/** What a rejection brings about. */
function verdict(life: Life): string {
  const types = life
    .rejected()
    .events()
    .map(({ type }) => type)
  if (types.includes('conflict')) return 'hold'
  const [event] = life.events()
  if (event?.type !== 'token-rejected') return 'nothing'
  return event.replacing ? 'replace' : 'relay'
}

/** A token that served, was found rejected and was replaced, one second each. */
function replaceOnce(life: Life, token: string, lives = 300): Life {
  return life.accepted().after(1000).rejected().refresh(grant({ token, lives }))
}

describe('a rejection', () => {
  it.each([true, false])('replaces the token; it served before: %j', (served) => {
    const life = live().login(grant())
    if (served) life.accepted()
    expect(verdict(life)).toBe('replace')
    expect(life.wait()).toBe(0)
    expect(sent(life)).toBeUndefined()
  })

  it('reported again changes nothing', () => {
    const life = live().login(grant()).accepted().rejected()
    expect(verdict(life)).toBe('nothing')
  })

  it.each([0, 2])('of generation %i, which is not the present one, changes nothing', (other) => {
    const life = live().login(grant()).accepted()
    const before = life.state()
    expect(life.rejected(other).state()).toBe(before)
    expect(life.accepted(other).state()).toBe(before)
  })

  it('of a token that has expired meanwhile changes nothing', () => {
    expect(
      verdict(
        live()
          .login(grant({ lives: 1 }))
          .after(900),
      ),
    ).toBe('nothing')
  })

  it.each([
    ['transient', DOWN, 250],
    ['rejected', REFUSED, 5000],
  ] as const)('does not cut a back-off short: %s', (backoff, failure, wait) => {
    const life = live().login(grant()).accepted().login(failure)
    expect(life.rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe(backoff)
  })
})

describe('a brand-new token that is rejected', () => {
  it('within 30 s of the last replacement is relayed and asks for nothing', () => {
    const life = replaceOnce(live().login(grant()), 't2').after(29_999)
    const { nextAt } = life.state()
    expect(verdict(life)).toBe('relay')
    expect(life.state().nextAt).toBe(nextAt)
    expect(sent(life)).toBe(2)
  })

  it('later than that is replaced', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').after(30_000))).toBe('replace')
  })

  it('after an ordinary renewal is replaced', () => {
    expect(verdict(due().refresh(grant({ token: 't2' })))).toBe('replace')
  })

  it('that served even once is no longer brand-new', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').accepted())).toBe('replace')
  })

  it('asks for a login once in 30 s when every token is rejected', () => {
    const life = live().login(grant({ token: 'first' }))
    let replaced = 0
    for (let call = 0; call < 6000; call += 1) {
      const now = verdict(life)
      expect(now).not.toBe('hold')
      if (now === 'replace') {
        replaced += 1
        life.login(grant({ token: `t${call}` }))
      }
      life.after(100)
    }
    expect(replaced).toBe(20)
  })
})

describe('the third early rejection in a minute', () => {
  function third(): Life {
    const life = replaceOnce(live().login(grant()), 't2')
    return replaceOnce(life, 't3').accepted().after(1000)
  }

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('holds the replacement off: random %d, %d ms', (random, holdOff) => {
    const life = third().random(random)
    expect(verdict(life)).toBe('hold')
    expect(life.wait()).toBeCloseTo(holdOff, 6)
    expect(life.state().backoff).toBe('conflict')
    expect(sent(life)).toBe(3)
  })

  it('is followed by one token request when the hold-off ends', () => {
    const life = third().rejected()
    life.after(life.wait()).refresh(grant({ token: 't4' }))
    expect(life.state()).toMatchObject({ backoff: 'none', heldGeneration: 0 })
    expect(sent(life)).toBe(4)
  })

  it('does not count rejections that are a minute old', () => {
    const life = replaceOnce(live().login(grant()), 't2')
    expect(verdict(replaceOnce(life, 't3').accepted().after(59_000))).toBe('replace')
    expect(life.state().earlyRejections).toHaveLength(2)
  })

  it('is held off again while the conflict lasts', () => {
    const life = third().random(0).rejected().after(5000)
    expect(
      verdict(
        life
          .login(grant({ token: 't4' }))
          .accepted()
          .after(1000),
      ),
    ).toBe('hold')
  })

  it.each([
    ['shorter than the hold-off', 7000, 0.5, 32_500],
    ['longer than the hold-off', 20_000, 0, 20_000],
  ])('during a back-off that is %s waits for the longer', (_, retryAfter, random, wait) => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3', 50).accepted()
    life.login(throttled(retryAfter))
    expect(life.random(random).rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe('transient')
  })

  it.each([
    ['refused', REFUSED],
    ['for another reason', DOWN],
    ['with the rejected token again', grant({ token: 't3' })],
  ])('is not cut short by a token request in flight that fails: %s', (_, outcome) => {
    const life = third().does({ type: 'request-started', operation: 'refresh' }).random(0)
    life.rejected().does(ended(outcome))
    expect(life.wait()).toBe(5000)
    expect(life.after(5000).next()).toEqual(LOGIN)
  })
})

describe('the rejected token that comes back', () => {
  function rejectedOnce(): Life {
    return live().login(grant()).accepted().after(1000).rejected()
  }

  it('by a refresh counts as refused, and a login follows', () => {
    const life = rejectedOnce().refresh(grant())
    expect(life.state().token?.generation).toBe(1)
    expect(life.next()).toEqual(LOGIN)
  })

  it('by a refresh, in the header that carries the refresh token, counts as well', () => {
    const life = live({ isalesTokenField: 'refreshToken' }).login(grant()).accepted().after(1000)
    life.rejected().refresh(grant({ token: 't2', refreshToken: 'r1' }))
    expect(life.next()).toEqual(LOGIN)
  })

  it('by a login is taken: nothing else can be done', () => {
    expect(sent(rejectedOnce().login(grant()))).toBe(2)
  })

  it('by a refresh is taken when it was not rejected', () => {
    const life = due().refresh(grant({ lives: 60 }))
    expect(life.state().token).toMatchObject({ generation: 2, lifetime: 60_000 })
    expect(life.wait()).toBeCloseTo(48_000, 6)
  })
})
