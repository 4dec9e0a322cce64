import { describe, expect, it } from 'vitest'
import type { Operation } from '../../src/token/isales-client.ts'
import {
  isLoginDue,
  onAccepted,
  onAdopted,
  onCredentialsChanged,
  onRejected,
  onRenewAsked,
  onRequestEnded,
  onUsed,
  type Rules,
} from '../../src/token/lifecycle.ts'
import { NO_ATTEMPTS } from '../../src/token/login-guard.ts'
import type { TokenResult } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'
import { adopt, grant, live, LOST, NOT_REFRESHED, refusals, refusedAs } from './life.ts'
import { credentialsOf, grant as grantOf, START, unknown } from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const OTHER = credentialsOf('another')
const REJECTED = { status: 401, kind: 'first', replays: 0 } as const
/** A token that is so old; and logins that were refused, and pause. */
const granted = (ms = 0) => live().login(grant()).after(ms)
const refused = (ms = 0) => live().login(refusedAs(1)).after(ms)
/** A token that is due for renewal. */
const aged = () => granted(240_000)
const reject = (life: ReturnType<typeof live>, generation = 1) =>
  life.does(onRejected, { ...REJECTED, generation })

describe('a token is renewed', () => {
  it.each([
    ['at 80 % of its lifetime', 300, 0.5, 240_000],
    ['up to 5 % earlier', 300, 0, 228_000],
    ['up to 5 % later', 300, 1, 252_000],
    ['at 80 % of 3 s', 3, 0.5, 2400],
    ['after 2 s at the earliest', 1, 0, 2000],
  ])('%s: %d s, random %d, after %d ms', (_, lives, random, ms) => {
    expect(live({}, random).login(grant({ lives })).wait()).toBeCloseTo(ms, 6)
  })

  it.each<readonly [string, ReturnType<typeof grant>, Partial<Rules>, Operation]>([
    ['a refresh while there is a refresh token', grant(), {}, 'refresh'],
    ['a refresh when its lifetime is not known', grant({ refreshLives: undefined }), {}, 'refresh'],
    ['a login without a refresh token', grant({ refreshToken: null }), {}, 'login'],
    ['a login when the refresh token has expired', grant({ refreshLives: 240 }), {}, 'login'],
    ['a login when refreshing is off', grant(), { isalesRefreshPath: undefined }, 'login'],
  ])('by %s', (_, given, rules, expected) => {
    const life = live(rules).login(given).after(239_999)
    expect([life.due(), life.wait()]).toEqual([undefined, 1])
    expect(life.after(1).due()).toBe(expected)
  })

  it.each([
    [0, 1, 295_000],
    [294_999, 1, 1],
    [295_000, undefined, 0],
  ])('when it is %d ms old, generation %j is sent, for %d ms more', (ms, generation, left) => {
    const life = granted(ms)
    expect(life.sent()).toBe(generation)
    expect(life.snapshot()).toMatchObject({
      outageBudget: left,
      usable: left > 0,
      nextRequestAt: START + 240_000,
      lastSuccessAt: START,
    })
  })
})

describe('a failed refresh', () => {
  it('that was refused is followed by a login, which brings a refresh token of its own', () => {
    const life = aged().refresh(NOT_REFRESHED)
    expect([life.due(), life.backoff()]).toEqual(['login', 'none'])
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).due()).toBe('refresh')
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then tried again', (status) => {
    const life = aged().refresh({ ...NOT_REFRESHED, failure: unknown(status) })
    expect(life.due()).toBe('login')
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(life.after(HOUR - 1).due()).toBe('login')
    expect(life.after(1).due()).toBe('refresh')
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = aged().refresh(LOST)
    expect([life.backoff(), life.wait()]).toEqual(['transient', 250])
    expect(life.after(250).due()).toBe('login')
  })
})

describe('changed credentials', () => {
  it('end a back-off and forget what the former ones met', () => {
    const life = live().login(refusedAs(3)).does(onCredentialsChanged, OTHER)
    expect(life.event()).toEqual({ type: 'credentials-changed', at: START })
    expect(life.state()).toMatchObject({
      record: NO_ATTEMPTS,
      isFailing: false,
      failuresInRow: 0,
      forced: false,
    })
    expect(life.wait()).toBe(0)
  })

  it.each<readonly [string, TokenResult]>([
    ['refused', refusedAs(1)],
    ['granted', grant()],
    ['postponed', { postponed: 'guarded', ms: HOUR, record: refusals(3) }],
  ])('are tried although a login with the former ones was %s', (_, outcome) => {
    const life = live().begins('login').does(onCredentialsChanged, OTHER).after(500).ends(outcome)
    expect(life.state()).toMatchObject({ record: NO_ATTEMPTS, isFailing: false, failuresInRow: 0 })
    expect(life.due()).toBe('login')
  })
})

describe('a changed secret that iSales refuses', () => {
  const wrong = () => {
    const life = granted(60 * S).does(onCredentialsChanged, OTHER)
    return life.login(refusedAs(3))
  }

  it('does not keep a rejected token from being renewed with the refresh token', () => {
    const life = reject(wrong())
    expect(life.due()).toBe('refresh')
    expect([life.refresh(grant({ token: 't2' })).sent(), life.due()]).toEqual([2, undefined])
  })

  it('waits its 15 min, and is shown, while refreshes go on', () => {
    const life = wrong()
    expect(life.wait()).toBe(180 * S)
    for (const token of ['t2', 't3', 't4']) life.after(life.wait()).refresh(grant({ token }))
    expect(life.event()).toMatchObject({ type: 'granted', loginDue: true })
    expect([life.backoff(), life.state().failuresInRow]).toEqual(['guarded', 1])
    expect(life.wait()).toBe(900 * S - 180 * S - 2 * 240 * S)
    expect(life.after(life.wait()).due()).toBe('login')
  })

  it('is not tried when the refresh token is refused, too', () => {
    const life = wrong()
      .after(180 * S)
      .refresh(NOT_REFRESHED)
    expect([life.due(), life.backoff()]).toEqual([undefined, 'guarded'])
  })

  it('waits together with the refresh when iSales is down', () => {
    const life = wrong()
      .after(180 * S)
      .refresh(LOST)
    expect([life.wait(), life.after(250).due()]).toEqual([250, 'refresh'])
  })
})

it.each([
  [LOST, 'transient', 'none'],
  [refusedAs(1), 'rejected', 'rejected'],
])('a failure that is not needed any more: %j is shown as %s, then as %s', (...row) => {
  const [outcome, before, after] = row
  const life = reject(granted(60 * S)).login(outcome)
  life.after(1)
  expect(life.snapshot().backoff).toBe(before)
  life.does(onAccepted, { generation: 1, kind: 'first', sentAt: life.now() })
  expect(life.snapshot().backoff).toBe(after)
  // The next one shows how it ends.
  expect(life.begins('refresh').snapshot().backoff).toBe(before)
})

describe('a token that no business call has asked for', () => {
  it.each([
    ['for less than TOKEN_IDLE_AFTER is renewed', 300_000, 299_999, 'refresh'],
    ['for TOKEN_IDLE_AFTER is not renewed', 300_000, 300_000, undefined],
    ['is renewed when TOKEN_IDLE_AFTER is off', undefined, HOUR - S, 'refresh'],
  ])('%s', (_, tokenIdleAfter, ms, expected) => {
    const life = live({ tokenIdleAfter }).login(grant()).after(ms)
    expect([life.due(), life.snapshot().idle]).toEqual([expected, expected === undefined])
    expect(life.does(onUsed, undefined).due()).toBe('refresh')
  })

  it('is fetched all the same until the first login has succeeded, and when a login is due', () => {
    const life = live({ tokenIdleAfter: 300_000 }).login(LOST).after(HOUR)
    expect(life.due()).toBe('login')
    life.login(grant()).after(HOUR).does(onCredentialsChanged, OTHER)
    expect(life.due()).toBe('login')
  })
})

describe('what is reported of a token request', () => {
  it.each([
    [0, 't1', grant({ token: 't2' }), false, undefined],
    [2, 't2', grant({ token: 't2', lives: undefined }), true, 'missing'],
  ])('is when it began and what it gave, after %i failures, of %s', (...row) => {
    const [failuresBefore, token, outcome, sameToken, lifetimeDoubt] = row
    const life = live().login(grant({ token }))
    for (let nth = 0; nth < failuresBefore; nth += 1) life.login(LOST)
    expect(life.after(S).begins('login').event()).toBeUndefined()
    expect(life.snapshot()).toMatchObject({ request: 'login', nextRequestAt: undefined })
    expect(life.wait()).toBe(Infinity)
    expect(life.after(70).ends(outcome).event()).toEqual({
      type: 'granted',
      operation: 'login',
      at: life.now(),
      durationMs: 70,
      token: life.state().token,
      failuresBefore,
      loginDue: false,
      sameToken,
      lifetimeDoubt,
    })
    expect(life.state()).toMatchObject({ token: { generation: 2 }, isFailing: false })
    expect(life.state().failuresInRow).toBe(0)
  })

  it.each([
    [refusedAs(1), 'rejected', 5 * S],
    [LOST, 'transient', 250],
  ])('is why it failed, and when the next one comes: %j', (outcome, backoff, retryIn) => {
    const life = live().begins('login').after(70).ends(outcome)
    const { failure } = outcome
    expect(life.event()).toEqual({
      type: 'failed',
      operation: 'login',
      at: life.now(),
      durationMs: 70,
      failure,
      failuresInRow: 1,
      backoff,
      retryIn,
      outageBudget: 0,
    })
    expect(life.state().lastFailure).toEqual({ at: life.now(), operation: 'login', failure })
  })

  it('is how long the present token bridges a failure', () => {
    const expected = { operation: 'refresh', retryIn: 0, outageBudget: 55_000 }
    expect(aged().refresh(NOT_REFRESHED).event()).toMatchObject(expected)
  })
})

it('a token request that rejections ask for says so once for each token', () => {
  const life = reject(granted())
  life.does(onRejected, { ...REJECTED, generation: 0, status: 403 })
  expect(life.due()).toBe('login')
  const event = { type: 'token-rejected', at: START, generation: 1, status: 401 }
  expect(life.begins('login').event()).toEqual(event)
  expect(reject(life.ends(LOST)).begins('login').event()).toBeUndefined()
  expect(
    life
      .ends(grant({ token: 't2' }))
      .begins('refresh')
      .event(),
  ).toBeUndefined()
})

it('a rejection that waits for confirmation is said by no request of the timer', () => {
  const life = aged()
  life.does(onRejected, { ...REJECTED, generation: 1, kind: 'newer-token', replays: 1 })
  expect([reject(life).due(), life.begins('refresh').event()]).toEqual(['login', undefined])
})

it('what comes before the first token request changes nothing', () => {
  const life = reject(live(), 0).does(onRequestEnded, {
    postponed: 'busy',
    ms: 0,
    record: undefined,
  })
  life.does(onAccepted, { generation: 0, kind: 'first', sentAt: START })
  expect([life.state(), life.event()]).toEqual([live().state(), undefined])
  expect([life.state().forced, life.snapshot().lastSuccessAt]).toEqual([false, undefined])
})

describe('a token request that is postponed', () => {
  const busy = (ms: number) => ({ postponed: 'busy', ms, record: undefined }) as const
  const guarded = { postponed: 'guarded', ms: 15 * MINUTE, record: refusals(3) } as const

  it('since another process asks, waits for as long as it says, and plans nothing else', () => {
    const life = aged().begins('refresh').ends(busy(MINUTE))
    expect(life.event()).toEqual({ type: 'deferred', at: life.now(), because: 'busy', ms: MINUTE })
    expect([life.wait(), life.backoff(), life.state().record]).toEqual([
      MINUTE,
      'none',
      NO_ATTEMPTS,
    ])
  })

  it('since another process asks, looks at once when a call is rejected', () => {
    const life = reject(granted().begins('login').ends(busy(S)))
    expect(life.due()).toBe('login')
    // Many rejections make it look no more often.
    life.begins('login').ends(busy(100))
    expect(reject(life).wait()).toBe(100)
  })

  it('by the guard, knows the pause, and lets a refresh begin', () => {
    const life = aged().begins('login').ends(guarded)
    expect([life.due(), life.backoff()]).toEqual(['refresh', 'guarded'])
    expect(live().begins('login').ends(guarded).wait()).toBe(15 * MINUTE)
  })

  it.each([
    ['guarded', guarded, false],
    ['busy', busy(50), true],
  ] as const)('is still forced after it was %s: %#', (_, result, forced) => {
    const other = refused(3 * S).does(onRenewAsked, undefined)
    expect(other.begins('login').ends(result).state().forced).toBe(forced)
  })
})

describe('iSales answers with its published 500', () => {
  const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })

  it('a refresh, which keeps its refresh token and is tried again next to the logins', () => {
    const life = aged().refresh({ failure: AMBIGUOUS, pause: 400, record: undefined })
    expect([life.due(), life.backoff()]).toEqual(['login', 'none'])
    life.login({ failure: AMBIGUOUS, pause: 0, record: { ...refusals(1), lastCode: 'business' } })
    expect([life.wait(), life.after(400).due()]).toEqual([400, 'refresh'])
    life.refresh(grant({ token: 't2' }))
    expect([life.backoff(), life.sent()]).toEqual(['none', 2])
  })
})

it('a password that iSales rejected is shown while refreshes keep the token alive', () => {
  const life = reject(granted(60 * S)).login(refusedAs(1))
  const refreshEndsAt = START + 3_600_000
  const expected = { lastCode: 'password', passwordRejected: { code: 'password', refreshEndsAt } }
  expect(life.snapshot()).toMatchObject(expected)
  life.refresh({ grant: grantOf({ token: 't2', refreshLives: undefined }), record: undefined })
  expect(life.snapshot()).toMatchObject({
    backoff: 'none',
    passwordRejected: { code: 'password', refreshEndsAt: undefined },
  })
  expect(life.after(295 * S).snapshot().passwordRejected).toBeUndefined()
  const timeout = { ...LOST, record: { ...refusals(1), lastCode: 'timeout' as const } }
  expect(granted().login(timeout).snapshot().passwordRejected).toBeUndefined()
  expect(granted().login(grant()).snapshot().lastCode).toBeUndefined()
})

describe('an operator who asks', () => {
  it('ends a pause once, and the login that follows may pass the guard', () => {
    const life = refused(4 * S)
    expect([life.wait(), life.due()]).toEqual([S, undefined])
    const event = { type: 'renew-asked', at: life.now(), endsPause: true }
    expect(life.does(onRenewAsked, undefined).event()).toEqual(event)
    expect([life.due(), life.state().forced]).toEqual(['login', true])
    expect(life.login(refusedAs(2)).state().forced).toBe(false)
    expect(life.does(onRenewAsked, undefined).login(grant()).state().forced).toBe(false)
  })

  it('ends a pause 3 s after the last failure at the earliest, that of a refresh, too', () => {
    const life = refused(100).does(onRenewAsked, undefined)
    expect(life.wait()).toBe(2900)
    const guarded = { postponed: 'guarded', ms: 15 * MINUTE, record: refusals(3) } as const
    const other = live().begins('login').ends(guarded)
    expect([other.wait(), other.does(onRenewAsked, undefined).wait()]).toEqual([15 * MINUTE, 0])
    const fourth = live()
      .begins('login')
      .ends({ ...guarded, record: refusals(4) })
    expect(fourth.does(onRenewAsked, undefined).wait()).toBe(15 * MINUTE)
    const refreshing = aged()
      .refresh({ ...LOST, pause: 30 * S })
      .after(100)
    expect(refreshing.does(onRenewAsked, undefined).wait()).toBe(2900)
    expect(refreshing.state()).toMatchObject({ notBefore: refreshing.now() + 2900 })
  })

  it.each([
    ['a token serves', granted()],
    ['a login is in flight', refused().begins('login')],
    ['the pause is over', refused(5 * S)],
    [
      'another replica asks',
      live().begins('login').ends({ postponed: 'busy', ms: S, record: undefined }),
    ],
  ])('asks iSales for nothing while %s', (_, life) => {
    const before = life.state()
    expect(life.does(onRenewAsked, undefined).state()).toBe(before)
    expect(life.event()).toMatchObject({ type: 'renew-asked', endsPause: false })
  })
})

it.each([
  ['ours', false, [undefined, undefined, 'conflict']],
  ['another replica', true, [undefined, undefined, undefined]],
])('the third token in a minute that ended early and was replaced by %s: %j', (...row) => {
  const [, isAdopted, expected] = row
  const life = granted()
  const events = [2, 3, 4].map((generation) => {
    reject(life, generation - 1).after(life.wait())
    const given = { ...grantOf({ token: `t${generation}` }), adopted: isAdopted }
    life.login({ grant: given, record: NO_ATTEMPTS }).after(1)
    life.does(onAccepted, { generation, kind: 'newer-token', sentAt: life.now() })
    return life.event()?.type
  })
  expect([events, life.snapshot().conflict]).toEqual([expected, !isAdopted])
  // It is said once.
  life.does(onAccepted, { generation: 4, kind: 'first', sentAt: life.now() })
  expect(life.event()).toBeUndefined()
})

describe('the token of another replica', () => {
  it('is used as if it had been obtained here, and counts from when it was requested', () => {
    const given = adopt({ token: 't2', sentAt: START - 10 * S })
    const life = live().login(LOST).does(onAdopted, given)
    const { token } = life.state()
    const event = { type: 'adopted', at: START, token, failuresBefore: 1 }
    expect([life.event(), token?.adopted]).toEqual([event, true])
    expect([life.sent(), life.wait(), isLoginDue(life.state())]).toEqual([1, 230 * S, false])
  })

  it('that came from other credentials serves, and a login with ours is due until it is granted', () => {
    const { grant: found, record } = adopt({ token: 't2' })
    const given = { grant: { ...found, otherCredentials: true }, record }
    const life = live().does(onAdopted, given)
    expect([life.sent(), life.due()]).toEqual([1, 'login'])
    life.login(refusedAs(1)).does(onAdopted, given)
    expect([isLoginDue(life.state()), life.backoff()]).toEqual([true, 'rejected'])
    expect(isLoginDue(life.login(grant()).state())).toBe(false)
  })

  it('is no newer one when it is at hand: what is known of it stays', () => {
    const given = adopt()
    const life = live()
      .does(onAdopted, given)
      .after(60 * S)
    reject(life.does(onCredentialsChanged, OTHER).begins('login'))
    life.does(onRequestEnded, given)
    expect([life.sent(), life.due()]).toEqual([1, 'login'])
    expect(life.begins('login').event()).toMatchObject({ type: 'token-rejected', generation: 1 })
  })
})
