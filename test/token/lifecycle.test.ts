import { describe, expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { outageBudget, sendable } from '../../src/token/state.ts'
import {
  DOWN,
  ended,
  grant,
  live,
  REFUSED,
  START,
  throttled,
  unclear,
  type Life,
} from './support.ts'

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

/** What is asked for now; undefined: nothing. */
function due(life: Life): string | undefined {
  const { at, operation } = life.next()
  return at <= life.now() ? operation : undefined
}

/** A token that is due for renewal. */
function aged(): Life {
  return live().login(grant()).after(240_000)
}

it('at the start a login is due and nothing may be sent', () => {
  const life = live()
  expect([due(life), sent(life), outageBudget(life.state(), life.now())]).toEqual([
    'login',
    undefined,
    0,
  ])
})

it('while a token request is in flight no other is due, however long it takes', () => {
  const life = aged().begins('refresh')
  expect(sent(life)).toBe(1)
  expect(life.after(1e9).next().at).toBe(Infinity)
})

it('a token request that ended twice changes nothing', () => {
  const life = live().login(grant())
  const before = life.state()
  expect(life.does(ended(grant({ token: 't2' }))).state()).toBe(before)
  expect(life.does(ended(REFUSED)).events()).toEqual([])
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
    const life = live().begins('login').after(2000).does(ended(grant()))
    expect(life.wait()).toBeCloseTo(240_000 - 2000, 6)
    expect(life.state().lastSuccessAt).toBe(START + 2000)
  })

  it.each([
    [300, 295_000],
    [20, 18_000],
  ])('before its last use, even at 95 % with late jitter: %d s, %d ms', (lives, ms) => {
    expect(live({ tokenRenewAt: 0.95 }).random(1).login(grant({ lives })).wait()).toBe(ms)
  })

  it.each([
    ['a refresh while there is a refresh token', grant(), {}, 'refresh'],
    ['a refresh when its lifetime is not known', grant({ refreshLives: undefined }), {}, 'refresh'],
    ['a login without a refresh token', grant({ refreshToken: null }), {}, 'login'],
    ['a login when the refresh token has expired', grant({ refreshLives: 240 }), {}, 'login'],
    ['a login when refreshing is off', grant(), { isalesRefreshPath: undefined }, 'login'],
  ] as const)('by %s', (_, given, rules, expected) => {
    const life = live(rules).login(given).after(239_999)
    expect([due(life), life.wait()]).toEqual([undefined, 1])
    expect(due(life.after(1))).toBe(expected)
  })
})

it.each([
  [0, 1, 295_000],
  [294_999, 1, 1],
  [295_000, undefined, 0],
  [400_000, undefined, 0],
])(
  'a token that is %d ms old: sent generation %j, outage budget %d ms',
  (ms, generation, budget) => {
    const life = live().login(grant()).after(ms)
    expect([sent(life), outageBudget(life.state(), life.now())]).toEqual([generation, budget])
  },
)

describe('a failed refresh', () => {
  it('that was refused is followed by a login, which brings a refresh token of its own', () => {
    const life = aged().refresh(REFUSED)
    expect(due(life)).toBe('login')
    expect(life.state()).toMatchObject({ refusals: 0, backoff: 'none' })
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(due(life.after(240_000))).toBe('refresh')
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then tried again', (status) => {
    const life = aged().refresh(unclear(status))
    expect(due(life)).toBe('login')
    const at = life.now()
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(due(life.after(at + HOUR - 1 - life.now()))).toBe('login')
    expect(due(life.after(1))).toBe('refresh')
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = aged().refresh(DOWN)
    expect(life.state()).toMatchObject({ backoff: 'transient', refusals: 0 })
    expect(life.wait()).toBe(250)
    expect(due(life.after(250))).toBe('login')
  })
})

describe('refused credentials', () => {
  it('are tried after 5 s, 10 s, 15 min, then each 4 h, and guarded from the third refusal on', () => {
    const life = live()
    const seen = Array.from({ length: 5 }, () => {
      const wait = life.login(REFUSED).wait()
      return [wait, life.state().backoff]
    })
    expect(seen).toEqual([
      [5 * S, 'rejected'],
      [10 * S, 'rejected'],
      [15 * MINUTE, 'guarded'],
      [4 * HOUR, 'guarded'],
      [4 * HOUR, 'guarded'],
    ])
  })

  it('double their wait up to 5 min while more attempts are allowed', () => {
    expect(waits(live({ loginRejectedAttempts: 100 }), REFUSED, 9)).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
    ])
  })

  it('are forgiven by a grant', () => {
    const life = live().login(REFUSED).login(REFUSED).login(grant())
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0 })
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it('are not tried sooner because an attempt in between had no verdict', () => {
    const life = live().random(0).login(REFUSED).login(REFUSED).login(unclear(200))
    expect([life.state().backoff, life.wait()]).toEqual(['rejected', 10_000])
  })

  it('are tried soon when the attempt did not reach iSales', () => {
    const life = live().login(REFUSED).login(REFUSED).login(REFUSED).login(DOWN)
    expect([life.state().backoff, life.wait()]).toEqual(['guarded', 250])
  })

  it.each([
    [1, 2 * S, 3 * S, 'rejected'],
    [2, 9999, 1, 'rejected'],
    [2, 99 * S, 0, 'rejected'],
    [3, MINUTE, 14 * MINUTE, 'guarded'],
    [3, 20 * MINUTE, 0, 'guarded'],
    [4, HOUR, 3 * HOUR, 'guarded'],
  ])('of a former process count on: %i, %d ms ago, wait %d ms, %s', (count, age, wait, backoff) => {
    const life = live({}, { count, age })
    expect([life.wait(), life.state().backoff]).toEqual([wait, backoff])
    expect(life.login(REFUSED).state().refusals).toBe(count + 1)
  })
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
      const life = live().random(random)
      let attempts = 0
      for (; life.now() + life.wait() <= START + 15 * MINUTE; attempts += 1) life.login(outcome)
      expect(attempts).toBeLessThanOrEqual(most)
    }
  })

  it('may repeat ten thousand times', () => {
    expect(waits(live(), DOWN, 10_000).at(-1)).toBe(15_000)
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
    expect([due(life), sent(life)]).toEqual(['login', 1])
    life.login(grant({ token: 't2' }))
    expect(due(life.after(240_000))).toBe('refresh')
  })

  it('end a back-off and forget what the former ones met', () => {
    const life = live()
    waits(life, REFUSED, 3)
    expect(life.does(changed).events()).toEqual([{ type: 'credentials-changed', at: life.now() }])
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0, failures: { refused: 0 } })
    expect(life.wait()).toBe(0)
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it.each([
    ['refused', REFUSED],
    ['granted', grant()],
  ])('are tried although a token request with the former ones was %s', (_, outcome) => {
    const life = live().begins('login').does(changed).after(500).does(ended(outcome))
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0 })
    expect(due(life)).toBe('login')
  })

  it.each([
    [1, 10 * S, 15 * MINUTE - 10 * S],
    [3, 14 * MINUTE, MINUTE],
    [3, HOUR, 0],
    [4, HOUR, 3 * HOUR],
  ])(
    'that were refused before get no attempt for 15 min: %i, %d ms ago, %d ms',
    (count, age, wait) => {
      const life = live().login(grant())
      life.does({ type: 'credentials-changed', refused: { count, age } })
      expect([life.wait(), sent(life)]).toEqual([wait, 1])
    },
  )
})

describe('an operator who asks for a login', () => {
  it('gets one now, whatever the back-off is, and the count goes on', () => {
    const life = live()
    waits(life, REFUSED, 4)
    expect(due(life.does({ type: 'renew-asked' }))).toBe('login')
    expect(life.login(REFUSED).wait()).toBe(4 * HOUR)
  })

  it.each([
    ['granted', grant({ token: 't2' })],
    ['refused', REFUSED],
  ])('gets a login and no refresh, also after a refresh in flight that is %s', (_, outcome) => {
    const life = aged().begins('refresh').does({ type: 'renew-asked' }).does(ended(outcome))
    expect(due(life)).toBe('login')
    expect(life.login(grant({ token: 't3' })).wait()).toBe(240_000)
    expect(due(life.does({ type: 'renew-asked' }))).toBe('login')
  })
})

describe('a token that no business call has asked for', () => {
  it.each([
    ['for less than TOKEN_IDLE_AFTER is renewed', 300_000, 299_999, 'refresh'],
    ['for TOKEN_IDLE_AFTER is not renewed', 300_000, 300_000, undefined],
    ['is renewed when TOKEN_IDLE_AFTER is off', undefined, HOUR - S, 'refresh'],
  ])('%s', (_, tokenIdleAfter, ms, expected) => {
    const life = live({ tokenIdleAfter }).login(grant()).after(ms)
    expect(due(life)).toBe(expected)
    expect(due(life.does({ type: 'used' }))).toBe('refresh')
  })

  it('is fetched all the same until the first login has succeeded, and when a login is due', () => {
    const life = live({ tokenIdleAfter: 300_000 }).login(DOWN).after(HOUR)
    expect(due(life)).toBe('login')
    life.login(grant()).after(HOUR).does({ type: 'renew-asked' })
    expect(due(life)).toBe('login')
  })
})

describe('what is reported of a token request', () => {
  it.each([
    [0, 't1', grant({ token: 't2' }), false, false],
    [2, 't2', grant({ token: 't2', lives: undefined }), true, true],
  ])('is when it began and what it gave, after %i failures, of %s', (...row) => {
    const [failuresBefore, token, outcome, sameToken, lifetimeAssumed] = row
    const life = live().login(grant({ token }))
    waits(life, DOWN, failuresBefore)
    life.after(1000).begins('login')
    expect(life.events()).toEqual([{ type: 'request-started', operation: 'login', at: life.now() }])
    expect(life.after(70).does(ended(outcome)).events()).toEqual([
      {
        type: 'granted',
        operation: 'login',
        at: life.now(),
        durationMs: 70,
        session: life.state().token,
        failuresBefore,
        sameToken,
        lifetimeAssumed,
      },
    ])
    expect(life.state()).toMatchObject({ lastSuccessAt: life.now(), token: { generation: 2 } })
  })

  it.each([
    [REFUSED, 'rejected', 5000],
    [unclear(500), 'transient', 375],
    [DOWN, 'transient', 250],
  ] as const)('is why it failed, and when the next one comes: %j', (failure, backoff, retryIn) => {
    const life = live().begins('login').after(70).does(ended(failure))
    expect(life.events()).toEqual([
      {
        type: 'failed',
        operation: 'login',
        at: life.now(),
        durationMs: 70,
        failure,
        failuresInRow: 1,
        backoff,
        retryIn,
        outageBudget: 0,
      },
    ])
    expect(life.state().lastFailure).toEqual({ at: life.now(), operation: 'login', failure })
  })

  it('is how long the present token bridges a failure', () => {
    const life = aged().refresh(REFUSED)
    expect(life.events()).toMatchObject([
      { operation: 'refresh', failuresInRow: 0, backoff: 'none', retryIn: 0, outageBudget: 55_000 },
    ])
    expect(life.login(unclear(500)).login(DOWN).events()).toMatchObject([
      { operation: 'login', failuresInRow: 2, backoff: 'transient', outageBudget: 54_625 },
    ])
  })

  it.each([
    { type: 'used' },
    { type: 'renew-asked' },
    { type: 'wanted', operation: 'login' },
  ] as const)('is nothing of what changes nothing for others: %j', (event) => {
    expect(live().login(grant()).does(event).events()).toEqual([])
  })
})

it.each([
  { type: 'rejected', generation: 0, status: 401, path: '/tasks', sentAt: START, again: false },
  { type: 'accepted', generation: 0, path: '/tasks', sentAt: START },
  { type: 'held', because: 'busy', ms: 0, refusals: 0 },
  { type: 'request-started' },
] as const)('what comes before the first token request changes nothing: %j', (event) => {
  const life = live()
  const before = life.state()
  expect([life.does(event).state(), life.events()]).toEqual([before, []])
})
