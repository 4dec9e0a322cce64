import { describe, expect, it } from 'vitest'
import { dueAt, isIdle, outageBudget, sendable } from '../../src/token/state.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import {
  DOWN,
  ended,
  grant,
  live,
  REFUSED,
  RULES,
  START,
  throttled,
  unclear,
  type Life,
} from './support.ts'

const LOGIN = { do: 'request', operation: 'login' }
const REFRESH = { do: 'request', operation: 'refresh' }
const WRONG_RESULT: AuthFailure = {
  kind: 'refused',
  reason: 'result',
  status: 200,
  detail: 'result 7',
}
const EGRESS: AuthFailure = { kind: 'egress', reason: 'unavailable', detail: '407' }
const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE

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

describe('a pause that another replica asks for', () => {
  it('holds no login with a secret that changed meanwhile', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'credentials-changed', refused: undefined })
    life.does({ type: 'held', because: 'guarded', ms: 900_000, refusals: 3 })
    expect(life.next()).toEqual({ do: 'request', operation: 'login' })
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

  it('which is waited for', () => {
    const life = live().login(grant())
    expect(life.after(239_999).next()).toEqual({ do: 'wait', until: life.now() + 1 })
    expect(life.after(1).next()).toEqual(REFRESH)
  })

  it('counted from when the request was sent, not from when the response came', () => {
    const life = live().does({ type: 'request-started', operation: 'login' }).after(2000)
    life.does(ended(grant()))
    expect(dueAt(life.state())).toBeCloseTo(START + 240_000, 6)
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
  it.each([REFUSED, WRONG_RESULT])('that was refused is followed by a login: %j', (failure) => {
    const life = due().refresh(failure)
    expect(life.next()).toEqual(LOGIN)
    expect(life.state()).toMatchObject({ refusals: 0, failures: 0, backoff: 'none' })
  })

  it('that was refused says nothing about the refresh token that the login brings', () => {
    const life = due()
      .refresh(REFUSED)
      .login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).next()).toEqual(REFRESH)
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then tried again', (status) => {
    const life = due().refresh(unclear(status))
    expect(life.next()).toEqual(LOGIN)
    const refused = life.now()
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(life.after(refused + HOUR - 1000 - life.now()).next()).toEqual(LOGIN)
    expect(life.after(1000).next()).toEqual(REFRESH)
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = due().refresh(DOWN)
    expect(life.state()).toMatchObject({ backoff: 'transient', failures: 1, refusals: 0 })
    expect(life.after(life.wait()).next()).toEqual(LOGIN)
  })
})

/** Attempts within so many milliseconds, the first at 0, when each ends like this. */
function attemptsWithin(ms: number, life: Life, outcome: AuthFailure): number {
  let attempts = 0
  for (let at = 0; at <= ms; at += life.wait()) {
    life.login(outcome)
    attempts += 1
  }
  return attempts
}

describe('refused credentials', () => {
  it.each([REFUSED, WRONG_RESULT])(
    'are tried after 5 s, 10 s, 15 min, then each 4 h: %j',
    (outcome) => {
      const expected = [5 * S, 10 * S, 15 * MINUTE, 4 * HOUR, 4 * HOUR]
      expect(waits(live(), outcome, 5)).toEqual(expected)
      expect(attemptsWithin(4 * HOUR, live(), outcome)).toBeLessThan(5)
    },
  )

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

  it('are not tried sooner because an attempt in between had no verdict', () => {
    const life = live().random(0).login(REFUSED).login(REFUSED).login(unclear(200))
    expect(life.state()).toMatchObject({ backoff: 'rejected', refusals: 2, failures: 3 })
    expect(life.wait()).toBe(10_000)
  })

  it('are tried soon when the attempt did not reach iSales', () => {
    const life = live().login(REFUSED).login(REFUSED).login(REFUSED).login(DOWN)
    expect(life.state().backoff).toBe('guarded')
    expect(life.wait()).toBeLessThanOrEqual(500)
  })

  it.each([
    [1, 2 * S, 3 * S],
    [3, MINUTE, 14 * MINUTE],
    [3, 20 * MINUTE, 0],
    [4, HOUR, 3 * HOUR],
  ])(
    'go on with the count of the former process: %i, %d ms ago, wait %d ms',
    (count, age, wait) => {
      const life = live({}, { count, age })
      expect(life.wait()).toBe(wait)
      expect(life.login(REFUSED).state().refusals).toBe(count + 1)
    },
  )
})

describe('a failure that is no refusal', () => {
  it.each([
    ['unreached', DOWN, 1, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['unreached', DOWN, 0.5, [0.25, 0.5, 1, 2, 4, 8, 15, 15]],
    ['unclear', unclear(200), 1, [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]],
    ['unclear', unclear(200), 0, [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 150, 150]],
    ['egress', EGRESS, 0, [30, 60, 120, 240, 300, 300]],
  ] as const)('waits, %s, %j, random %d: %j s', (_, outcome, random, seconds) => {
    const expected = seconds.map((second) => second * 1000)
    expect(waits(live().random(random), outcome, expected.length)).toEqual(expected)
  })

  it.each([
    ['without a verdict', unclear(200), 15],
    ['throttled', throttled(1000), 15],
    ['of the egress proxy', EGRESS, 6],
  ])('%s makes few attempts in 15 min, whatever the jitter', (_, outcome, most) => {
    for (const random of [0, 0.25, 0.5, 0.999]) {
      const attempts = attemptsWithin(15 * MINUTE, live().random(random), outcome)
      expect(attempts).toBeLessThanOrEqual(most)
    }
  })

  it('may repeat ten thousand times', () => {
    const life = live()
    expect(waits(life, DOWN, 10_000).at(-1)).toBe(15_000)
    expect(life.state()).toMatchObject({ failures: 10_000, backoff: 'transient' })
  })

  it('that did not reach iSales does not lengthen the wait of one that did', () => {
    const life = live().random(1)
    waits(life, DOWN, 20)
    expect(life.login(unclear(500)).wait()).toBe(500)
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
  const changed = { type: 'credentials-changed', refused: undefined } as const

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

describe('credentials that were refused before', () => {
  it.each([
    [1, 10 * S, 15 * MINUTE - 10 * S],
    [3, 14 * MINUTE, MINUTE],
    [3, HOUR, 0],
    [4, HOUR, 3 * HOUR],
  ])('and come back get no attempt for 15 min: %i times, %d ms ago, %d ms', (count, age, wait) => {
    const life = live().login(grant())
    life.does({ type: 'credentials-changed', refused: { count, age } })
    expect(life.wait()).toBe(wait)
    expect(sent(life)).toBe(1)
  })
})

describe('an operator who asks for a login', () => {
  it('gets one now, whatever the back-off is, and the count goes on', () => {
    const life = live()
    waits(life, REFUSED, 4)
    life.does({ type: 'renew-asked' })
    expect(life.next()).toEqual(LOGIN)
    expect(life.login(REFUSED).wait()).toBe(4 * HOUR)
  })

  it('gets no refresh, although the refresh token is good', () => {
    expect(live().login(grant()).does({ type: 'renew-asked' }).next()).toEqual(LOGIN)
  })

  it('gets a login and no refresh, also after a refresh in flight', () => {
    const life = due().does({ type: 'request-started', operation: 'refresh' })
    life.does({ type: 'renew-asked' }).does(ended(grant({ token: 't2' })))
    expect(life.next()).toEqual(LOGIN)
    expect(life.login(grant({ token: 't3' })).wait()).toBe(240_000)
  })
})

describe('a token that no business call has asked for', () => {
  const rules = { tokenIdleAfter: 300_000 }

  it('for TOKEN_IDLE_AFTER is not renewed; the next call renews it', () => {
    const life = live(rules)
      .login(grant())
      .after(240_000)
      .refresh(grant({ token: 't2' }))
    life.after(240_000)
    expect(life.next()).toEqual({ do: 'wait', until: Infinity })
    life.after(HOUR).does({ type: 'used' })
    expect(life.next()).toEqual(LOGIN)
  })

  it('is renewed when TOKEN_IDLE_AFTER is off', () => {
    expect(due().after(HOUR).next()).toEqual(LOGIN)
  })

  it('is fetched all the same until the first login has succeeded', () => {
    const life = live(rules).login(DOWN).after(HOUR)
    expect(life.next()).toEqual(LOGIN)
    expect(isIdle(life.state(), { ...RULES, ...rules }, life.now())).toBe(false)
  })
})
