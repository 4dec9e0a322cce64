import { describe, expect, it } from 'vitest'
import {
  accepted,
  adopted,
  credentialsChanged,
  ended,
  isLoginDue,
  rejected,
  renewAsked,
  sendable,
  used,
} from '../../src/token/lifecycle.ts'
import { snapshotOf } from '../../src/token/lifecycle.ts'
import {
  aged,
  credentialsOf,
  DOWN,
  due,
  grant,
  live,
  REFUSED,
  RULES,
  START,
  unclear,
  waits,
  type Life,
} from './support.ts'

const S = 1000
const OTHER = { credentials: credentialsOf('another') }
const REJECTED = { status: 401, kind: 'first', replays: 0 } as const
const MINUTE = 60 * S
const HOUR = 60 * MINUTE

/** The generation that is sent; undefined: none. */
function sent(life: Life): number | undefined {
  return sendable(life.state, life.now)?.generation
}

function budget(life: Life): number {
  return snapshotOf(life.state, RULES, life.now, 0).outageBudget
}

describe('a token is renewed', () => {
  it.each([
    ['at 80 % of its lifetime', 300, 0.5, 240_000],
    ['up to 5 % earlier', 300, 0, 228_000],
    ['up to 5 % later', 300, 1, 252_000],
    ['at 80 % of a day', 86_400, 0.5, 69_120_000],
    ['at 80 % of 3 s', 3, 0.5, 2400],
    ['after 2 s at the earliest', 1, 0, 2000],
    ['after 2 s at the earliest', 2.5, 0, 2000],
  ])('%s: %d s, random %d, after %d ms', (_, lives, random, ms) => {
    expect(live({}, random).login(grant({ lives })).wait()).toBeCloseTo(ms, 6)
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
])('a token that is %d ms old: sent generation %j, outage budget %d ms', (ms, generation, left) => {
  const life = live().login(grant()).after(ms)
  expect([sent(life), budget(life)]).toEqual([generation, left])
})

describe('a failed refresh', () => {
  it('that was refused is followed by a login, which brings a refresh token of its own', () => {
    const life = aged().refresh(REFUSED)
    expect(due(life)).toBe('login')
    expect(life.state).toMatchObject({ backoff: { state: 'none' } })
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(due(life.after(240_000))).toBe('refresh')
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then tried again', (status) => {
    const life = aged().refresh(unclear(status))
    expect(due(life)).toBe('login')
    const at = life.now
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(due(life.after(at + HOUR - 1 - life.now))).toBe('login')
    expect(due(life.after(1))).toBe('refresh')
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = aged().refresh(DOWN)
    expect(life.state).toMatchObject({ backoff: { state: 'transient' } })
    expect(life.wait()).toBe(250)
    expect(due(life.after(250))).toBe('login')
  })
})

describe('changed credentials', () => {
  it('end a back-off and forget what the former ones met', () => {
    const life = live()
    waits(life, REFUSED, 3)
    expect(life.does(credentialsChanged, OTHER).event).toEqual({
      type: 'credentials-changed',
      at: life.now,
    })
    expect(life.state).toMatchObject({ backoff: { state: 'none' }, failuresInRow: 0 })
    expect(life.wait()).toBe(0)
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it.each([
    ['refused', REFUSED],
    ['granted', grant()],
  ])('are tried although a token request with the former ones was %s', (_, outcome) => {
    const life = live().begins('login').does(credentialsChanged, OTHER).after(500).ends(outcome)
    expect(life.state).toMatchObject({ backoff: { state: 'none' } })
    expect(due(life)).toBe('login')
  })
})

describe('a changed secret that iSales refuses', () => {
  const wrong = (): Life => {
    const life = live().login(grant()).after(60_000).does(credentialsChanged, OTHER)
    waits(life, REFUSED, 3)
    return life
  }

  it('does not keep a rejected token from being renewed with the refresh token', () => {
    const life = wrong()
    life.does(rejected, { ...REJECTED, generation: 1 })
    expect(due(life)).toBe('refresh')
    expect([sent(life.refresh(grant({ token: 't2' }))), due(life)]).toEqual([2, undefined])
  })

  it('waits its 15 min, and is shown, while refreshes go on', () => {
    const life = wrong()
    const refused = life.now
    expect(life.wait()).toBe(240_000 - (refused - START))
    for (const token of ['t2', 't3', 't4', 't5']) life.refresh(grant({ token }))
    expect(life.event).toMatchObject({ type: 'granted', loginDue: true })
    expect(life.state.backoff).toEqual({ state: 'guarded', refused: true })
    expect(life.wait()).toBe(refused + 15 * MINUTE - life.now)
    expect(due(life.after(life.wait()))).toBe('login')
  })

  it('is not tried by a refresh token that was refused, too', () => {
    const life = wrong().after(180_000).refresh(REFUSED)
    expect([due(life), life.next().operation, life.state.backoff.state]).toEqual([
      undefined,
      'login',
      'guarded',
    ])
  })

  it('waits together with the refresh when iSales is down', () => {
    const life = wrong().after(180_000).refresh(DOWN)
    expect([due(life), life.wait()]).toEqual([undefined, 2000])
    expect(due(life.after(2000))).toBe('refresh')
  })
})

it('a failure is not shown any more when the token request is not needed any more', () => {
  const life = live().login(grant()).after(60_000)
  life.does(rejected, { ...REJECTED, generation: 1 })
  life.refresh(DOWN).after(1)
  const shown = () => snapshotOf(life.state, RULES, life.now, 0).backoff
  expect(shown()).toBe('transient')
  life.does(accepted, { generation: 1, kind: 'first', sentAt: life.now })
  expect(shown()).toBe('none')
})

describe('a token that no business call has asked for', () => {
  it.each([
    ['for less than TOKEN_IDLE_AFTER is renewed', 300_000, 299_999, 'refresh'],
    ['for TOKEN_IDLE_AFTER is not renewed', 300_000, 300_000, undefined],
    ['is renewed when TOKEN_IDLE_AFTER is off', undefined, HOUR - S, 'refresh'],
  ])('%s', (_, tokenIdleAfter, ms, expected) => {
    const life = live({ tokenIdleAfter }).login(grant()).after(ms)
    expect(due(life)).toBe(expected)
    expect(due(life.does(used, undefined))).toBe('refresh')
  })

  it('is fetched all the same until the first login has succeeded, and when a login is due', () => {
    const life = live({ tokenIdleAfter: 300_000 }).login(DOWN).after(HOUR)
    expect(due(life)).toBe('login')
    life.login(grant()).after(HOUR).does(credentialsChanged, OTHER)
    expect(due(life)).toBe('login')
  })
})

describe('what is reported of a token request', () => {
  it.each([
    [0, 't1', grant({ token: 't2' }), false, undefined],
    [2, 't2', grant({ token: 't2', lives: undefined }), true, 'missing'],
  ])('is when it began and what it gave, after %i failures, of %s', (...row) => {
    const [failuresBefore, token, outcome, sameToken, lifetimeDoubt] = row
    const life = live().login(grant({ token }))
    waits(life, DOWN, failuresBefore)
    expect(life.after(1000).begins('login').event).toBeUndefined()
    expect(life.after(70).ends(outcome).event).toEqual({
      type: 'granted',
      operation: 'login',
      at: life.now,
      durationMs: 70,
      token: life.state.token,
      failuresBefore,
      loginDue: false,
      sameToken,
      lifetimeDoubt,
    })
    expect(life.state).toMatchObject({ token: { generation: 2 } })
    expect(life.state).toMatchObject({ backoff: { state: 'none' }, failuresInRow: 0 })
  })

  it.each([
    [REFUSED, 'rejected', 5000],
    [unclear(500), 'transient', 5000],
    [DOWN, 'transient', 250],
  ] as const)('is why it failed, and when the next one comes: %j', (failure, backoff, retryIn) => {
    const life = live().begins('login').after(70).ends(failure)
    expect(life.event).toEqual({
      type: 'failed',
      operation: 'login',
      at: life.now,
      durationMs: 70,
      failure,
      failuresInRow: 1,
      backoff,
      retryIn,
      outageBudget: 0,
    })
    expect(life.state.lastFailure).toEqual({ at: life.now, operation: 'login', failure })
  })

  it('is how long the present token bridges a failure', () => {
    const expected = { operation: 'refresh', retryIn: 0, outageBudget: 55_000 }
    expect(aged().refresh(REFUSED).event).toMatchObject(expected)
  })
})

it('a token request that rejections ask for says so once for each token', () => {
  const life = live().login(grant())
  life.does(rejected, { ...REJECTED, generation: 1 })
  life.does(rejected, { ...REJECTED, generation: 0, status: 403 })
  expect(due(life)).toBe('login')
  expect(life.begins('login').event).toEqual({
    type: 'token-rejected',
    at: life.now,
    generation: 1,
    status: 401,
  })
  expect(life.ends(DOWN).begins('login').event).toBeUndefined()
  life.does(rejected, { ...REJECTED, generation: 1 }).ends(DOWN)
  expect(life.begins('login').event).toBeUndefined()
})

it('what comes before the first token request changes nothing', () => {
  const life = live()
  const before = life.state
  life.does(rejected, { generation: 0, status: 401, kind: 'first', replays: 0 })
  life.does(accepted, { generation: 0, kind: 'first', sentAt: START })
  life.does(ended, { deferred: 'busy', ms: 0 })
  expect([life.state, life.event]).toEqual([before, undefined])
})

describe('a token request that is deferred', () => {
  const deferred = (reason: 'busy' | 'guarded', ms: number) =>
    ({ deferred: reason, ms, backoff: { state: 'guarded', refused: false } }) as const

  it('waits for as long as it says', () => {
    const life = aged().begins('refresh').does(ended, deferred('busy', 60_000))
    expect(life.event).toEqual({ type: 'deferred', at: life.now, because: 'busy', ms: 60_000 })
    expect([life.wait(), life.state.backoff.state]).toEqual([60_000, 'guarded'])
  })

  it('says nothing of credentials that came meanwhile', () => {
    const life = live().begins('login').does(credentialsChanged, OTHER)
    expect(life.does(ended, deferred('guarded', HOUR)).wait()).toBe(0)
  })

  it.each([
    ['guarded', 'refresh'],
    ['busy', undefined],
  ] as const)('%s lets a %s begin', (reason, expected) => {
    const life = aged().begins('login').does(ended, deferred(reason, HOUR))
    expect(due(life)).toBe(expected)
  })

  it.each([
    ['busy', true],
    ['guarded', false],
  ] as const)('%s: it stays forced, %s', (reason, forced) => {
    const life = live().login(REFUSED).after(3000).does(renewAsked, undefined).begins('login')
    expect(life.does(ended, deferred(reason, 50)).state.forced).toBe(forced)
  })
})

describe('an operator who asks', () => {
  it('ends a pause once, and the login that follows may pass the book', () => {
    const life = live().login(REFUSED).after(4000)
    expect([life.wait(), due(life)]).toEqual([1000, undefined])
    life.does(renewAsked, undefined)
    expect(life.event).toEqual({ type: 'renew-asked', at: life.now, endsPause: true })
    expect([due(life), life.state.forced]).toEqual(['login', true])
    expect(life.begins('login').ends(REFUSED).state.forced).toBe(false)
  })

  it('ends a pause 3 s after the last failure at the earliest', () => {
    const life = live().login(REFUSED).after(100).does(renewAsked, undefined)
    expect(life.wait()).toBe(2900)
  })

  it.each<readonly [string, Life]>([
    ['a token serves', live().login(grant())],
    ['a login is in flight', live().login(REFUSED).after(5000).begins('login')],
    ['the pause is over', live().login(REFUSED).after(5000)],
  ])('asks iSales for nothing while %s', (_, life) => {
    const before = life.state
    expect(life.does(renewAsked, undefined).state).toBe(before)
    expect(life.event).toMatchObject({ type: 'renew-asked', endsPause: false })
  })
})

it.each([
  ['ours', false, [undefined, undefined, 'conflict']],
  ['another replica', true, [undefined, undefined, undefined]],
])('the third token in a minute that ended early and was replaced by %s: %j', (...row) => {
  const [, isAdopted, expected] = row
  const life = live().login(grant())
  const events = [2, 3, 4].map((generation) => {
    life.does(rejected, { ...REJECTED, generation: generation - 1 }).after(life.wait())
    const given = { ...grant({ token: `t${generation}` }), adopted: isAdopted }
    life.begins('login').ends(given).after(1)
    life.does(accepted, { generation, kind: 'newer-token', sentAt: life.now })
    return life.event?.type
  })
  expect(events).toEqual(expected)
  // It is said once.
  life.does(accepted, { generation: 4, kind: 'first', sentAt: life.now })
  expect(life.event).toBeUndefined()
})

describe('the token of another replica', () => {
  it('is used as if it had been obtained here, and counts from when it was requested', () => {
    const life = live()
    const given = { ...grant({ token: 't2' }), sentAt: START - 10_000, adopted: true }
    life.does(adopted, given)
    expect(life.event).toMatchObject({ type: 'adopted', token: { adopted: true } })
    expect([sent(life), life.wait(), isLoginDue(life.state)]).toEqual([1, 230_000, false])
  })

  it('that came from other credentials serves, and a login with ours is due until it is granted', () => {
    const given = { ...grant({ token: 't2' }), adopted: true, foreign: true }
    const life = live().does(adopted, given)
    expect([sent(life), due(life)]).toEqual([1, 'login'])
    life.login(REFUSED).does(adopted, given)
    expect([isLoginDue(life.state), life.state.backoff.state]).toEqual([true, 'rejected'])
    expect(isLoginDue(life.login(grant()).state)).toBe(false)
  })

  it('is no newer one when it is at hand: what is known of it stays', () => {
    const life = live()
      .does(adopted, { ...grant(), adopted: true })
      .after(60_000)
    life.does(credentialsChanged, OTHER).begins('login')
    life.does(rejected, { ...REJECTED, generation: 1 })
    life.ends({ ...grant(), adopted: true })
    expect([sent(life), due(life)]).toEqual([1, 'login'])
    expect(life.begins('login').event).toMatchObject({ type: 'token-rejected', generation: 1 })
  })
})
