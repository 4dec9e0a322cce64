import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/token/protocol.ts'
import {
  accepted,
  adopted,
  credentialsChanged,
  ended,
  isInFlight,
  rejected,
  renewAsked,
  sendable,
  used,
} from '../../src/token/lifecycle.ts'
import { snapshotOf } from '../../src/token/snapshot.ts'
import { whyOf } from '../../src/token/logins.ts'
import {
  aged,
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

describe('a lifetime over 24 h, which is probably in milliseconds', () => {
  const tooLong = (token: string): Grant => ({
    ...grant({ token }),
    lifetime: { ms: 24 * HOUR, doubt: 'too-long' },
  })
  const call = (life: Life) =>
    life.does(accepted, {
      generation: life.state.token?.generation ?? 0,
      kind: 'first',
      sentAt: life.now,
    })

  it('counts as 5 min, also for the renewal, and the token is sent for longer where that fails', () => {
    const life = live().login(tooLong('t1'))
    expect([life.state.token?.lifetime, life.wait(), budget(life)]).toEqual([
      300_000, 240_000, 295_000,
    ])
    life.refresh(DOWN).after(300_000)
    expect([sent(life), budget(life)]).toEqual([1, 0])
  })

  it('is believed when a token has outlived 5 min', () => {
    const life = live().login(tooLong('t1')).refresh(DOWN).after(59_000)
    expect(call(life).state.trusted).toBe(false)
    expect(budget(call(life.after(1000)))).toBeGreaterThan(23 * HOUR)
    expect(life.login(tooLong('t2')).wait()).toBeCloseTo(0.8 * 24 * HOUR, -3)
  })
})

describe('a failed refresh', () => {
  it('that was refused is followed by a login, which brings a refresh token of its own', () => {
    const life = aged().refresh(REFUSED)
    expect(due(life)).toBe('login')
    expect(life.state).toMatchObject({ backoff: 'none' })
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
    expect(life.state).toMatchObject({ backoff: 'transient' })
    expect(life.wait()).toBe(250)
    expect(due(life.after(250))).toBe('login')
  })
})

describe('changed credentials', () => {
  it('end a back-off and forget what the former ones met', () => {
    const life = live()
    waits(life, REFUSED, 3)
    expect(life.does(credentialsChanged, undefined).event).toEqual({
      type: 'credentials-changed',
      at: life.now,
      by: undefined,
    })
    expect(life.state).toMatchObject({ backoff: 'none', failuresInRow: 0 })
    expect(life.wait()).toBe(0)
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it.each([
    ['refused', REFUSED],
    ['granted', grant()],
  ])('are tried although a token request with the former ones was %s', (_, outcome) => {
    const life = live().begins('login').does(credentialsChanged, undefined).after(500).ends(outcome)
    expect(life.state).toMatchObject({ backoff: 'none' })
    expect(due(life)).toBe('login')
  })
})

describe('a changed secret that iSales refuses', () => {
  const wrong = (): Life => {
    const life = live().login(grant()).after(60_000).does(credentialsChanged, undefined)
    waits(life, REFUSED, 3)
    return life
  }

  it('does not keep a rejected token from being renewed with the refresh token', () => {
    const life = wrong()
    life.does(rejected, { generation: 1, status: 401, kind: 'first', replays: 0 })
    expect(due(life)).toBe('refresh')
    expect([sent(life.refresh(grant({ token: 't2' }))), due(life)]).toEqual([2, undefined])
  })

  it('waits its 15 min, and is shown, while refreshes go on', () => {
    const life = wrong()
    const refused = life.now
    expect(life.wait()).toBe(240_000 - (refused - START))
    for (const token of ['t2', 't3', 't4', 't5']) life.refresh(grant({ token }))
    expect(life.event).toMatchObject({ type: 'granted', loginDue: true })
    expect(life.state.backoff).toBe('guarded')
    expect(life.wait()).toBe(refused + 15 * MINUTE - life.now)
    expect(due(life.after(life.wait()))).toBe('login')
  })

  it('is not tried by a refresh token that was refused, too', () => {
    const life = wrong().after(180_000).refresh(REFUSED)
    expect([due(life), life.next().operation, life.state.backoff]).toEqual([
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
  life.does(rejected, { generation: 1, status: 401, kind: 'first', replays: 0 })
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
    life.login(grant()).after(HOUR).does(renewAsked, undefined)
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
      asked: undefined,
      sameToken,
      lifetimeDoubt,
    })
    expect(life.state).toMatchObject({ lastSuccessAt: life.now, token: { generation: 2 } })
    expect(life.state).toMatchObject({ backoff: 'none', failuresInRow: 0 })
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
      asked: undefined,
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

it('a token request that rejections ask for says so, and the next attempt does not', () => {
  const rejection = { kind: 'first', replays: 0 } as const
  const life = live().login(grant())
  life.does(rejected, { ...rejection, generation: 1, status: 401 })
  life.does(rejected, { ...rejection, generation: 0, status: 403 })
  expect(life.begins('refresh').event).toEqual({
    type: 'token-rejected',
    at: life.now,
    generation: 1,
    status: 401,
  })
  expect(life.ends(DOWN).begins('login').event).toBeUndefined()
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
  const deferred = (reason: 'busy' | 'paused' | 'guarded', ms: number) =>
    ({ deferred: reason, ms, backoff: 'guarded' }) as const

  it('waits for as long as it says, and the token serves to its last second meanwhile', () => {
    const life = aged().begins('refresh').does(ended, deferred('paused', 60_000))
    expect(life.event).toEqual({
      type: 'deferred',
      at: life.now,
      because: 'paused',
      ms: 60_000,
      asked: undefined,
    })
    expect([life.wait(), life.state.backoff]).toEqual([60_000, 'guarded'])
    expect([sent(life.after(58_999)), sent(life.after(1))]).toEqual([1, undefined])
  })

  it('since another replica asks iSales is asked for until that has ended', () => {
    const life = aged().begins('refresh').does(ended, deferred('busy', 250))
    expect(isInFlight(life.state)).toBe(true)
    expect(isInFlight(life.begins('refresh').ends(DOWN).state)).toBe(false)
  })

  it.each([
    ['busy', undefined],
    ['guarded', { outcome: 'deferred', reason: 'guarded', retryIn: 250 }],
  ] as const)('%s, that an operator asked for, stays asked for', (reason, end) => {
    const life = live().does(renewAsked, undefined).begins('login')
    life.does(ended, deferred(reason, 250))
    expect([life.state.asked.end, life.wait(), whyOf(life.state)]).toEqual([end, 250, 'operator'])
  })

  it('is not for an operator who asked while it was in flight', () => {
    const life = live().begins('login').does(renewAsked, undefined)
    life.does(ended, deferred('guarded', HOUR))
    expect([life.state.asked.end, due(life), whyOf(life.state)]).toEqual([
      undefined,
      'login',
      'operator',
    ])
  })

  it('says nothing of credentials that came meanwhile', () => {
    const life = live().begins('login').does(credentialsChanged, undefined)
    expect(life.does(ended, deferred('guarded', HOUR)).wait()).toBe(0)
  })

  it.each([
    ['guarded', 'refresh'],
    ['paused', undefined],
  ] as const)('%s lets a %s begin', (reason, expected) => {
    const life = aged().begins('login').does(ended, deferred(reason, HOUR))
    expect(due(life)).toBe(expected)
  })
})

it.each([
  ['ours', false, [undefined, undefined, 'conflict']],
  ['another replica', true, [undefined, undefined, undefined]],
])('the third token in a minute that ended early and was replaced by %s: %j', (...row) => {
  const [, isAdopted, expected] = row
  const life = live().login(grant())
  const events = [2, 3, 4].map((generation) => {
    const rejection = { status: 401, kind: 'first', replays: 0 } as const
    life.does(rejected, { ...rejection, generation: generation - 1 }).after(life.wait())
    const given = { ...grant({ token: `t${generation}` }), adopted: isAdopted }
    life.begins('refresh').ends(given).after(1)
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
    expect([sent(life), life.wait(), whyOf(life.state)]).toEqual([1, 230_000, 'renewal'])
  })

  it('that came from other credentials serves, and a login with ours is due', () => {
    const given = { ...grant({ token: 't2' }), adopted: true, foreign: true }
    const life = live().does(adopted, given)
    expect([sent(life), due(life), whyOf(life.state)]).toEqual([1, 'login', 'credentials'])
    expect(whyOf(life.login(REFUSED).does(adopted, given).state)).toBe('renewal')
  })

  it('is not the login that an operator asked for', () => {
    const life = live().does(renewAsked, undefined)
    life.does(adopted, { ...grant(), adopted: true })
    expect([life.state.asked.end, due(life), whyOf(life.state)]).toEqual([
      undefined,
      'login',
      'operator',
    ])
  })

  it('is no newer one when it is at hand: a call that it was rejected for waits for a renewal', () => {
    const life = live()
      .does(adopted, { ...grant(), adopted: true })
      .after(60_000)
    life.does(credentialsChanged, undefined).begins('login')
    life.does(rejected, { generation: 1, status: 401, kind: 'first', replays: 0 })
    life.ends({ ...grant(), adopted: true })
    expect([sent(life), due(life)]).toEqual([1, 'refresh'])
    life
      .does(credentialsChanged, undefined)
      .begins('login')
      .ends({ ...grant(), adopted: true })
    expect(life.begins('refresh').event).toMatchObject({ type: 'token-rejected', generation: 1 })
  })
})

it('a refresh that gives the rejected token again is followed by a login', () => {
  const life = live().login(grant()).after(60_000)
  life.does(rejected, { generation: 1, status: 401, kind: 'first', replays: 0 })
  expect(due(life)).toBe('refresh')
  life.begins('refresh').ends(grant())
  expect(life.event).toMatchObject({ type: 'failed', failure: { reason: 'rejected' } })
  expect([sent(life), due(life)]).toEqual([1, 'login'])
})
