import { describe, expect, it } from 'vitest'
import {
  accepted,
  adopted,
  credentialsChanged,
  ended,
  initialState,
  isLoginDue,
  next,
  rejected,
  renewAsked,
  sendable,
  snapshotOf,
  started,
  used,
  type Rules,
  type Step,
} from '../../src/token/lifecycle.ts'
import type { Grant, Operation } from '../../src/token/protocol.ts'
import { NO_BACKOFF, type Failed, type Outcome, type TokenEvent } from '../../src/token/token.ts'
import { credentialsOf, DOWN, grant, REFUSED, RULES, START, unclear } from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const OTHER = { credentials: credentialsOf('another') }
const REJECTED = { status: 401, kind: 'first', replays: 0 } as const
/** Of a login: what the book makes of it. */
const refusedFor = (pause: number, state: 'rejected' | 'guarded' = 'rejected'): Failed => ({
  failure: REFUSED,
  pause,
  counted: true,
  backoff: { state, refused: true },
})
const TRANSIENT = { state: 'transient', refused: false } as const
const LOST: Failed = { failure: DOWN, pause: 250, counted: false, backoff: TRANSIENT }
/** Of a refresh. */
const NOT_REFRESHED: Failed = { failure: REFUSED, pause: 0, counted: false, backoff: NO_BACKOFF }

/** Drives the rules by hand: time stands still unless `after` moves it. */
function live(rules: Partial<Rules> = {}, random = 0.5) {
  const all = { ...RULES, ...rules }
  let now = START
  let event: TokenEvent | undefined
  let state = initialState(credentialsOf('wrong'), now)
  const life = {
    now: () => now,
    state: () => state,
    /** What the last step reported. */
    event: () => event,
    after(ms: number) {
      now += ms
      return life
    },
    does<Happening>(step: Step<Happening>, happening: Happening) {
      ;({ state, event } = {
        event: undefined,
        ...step(state, happening, { rules: all, now, random }),
      })
      return life
    },
    begins: (operation: Operation) => life.does(started, operation),
    /** A grant is of when it was requested. */
    ends: (outcome: Outcome) =>
      life.does(
        ended,
        'token' in outcome ? { ...outcome, sentAt: state.request?.startedAt ?? now } : outcome,
      ),
    login: (outcome: Outcome) => life.begins('login').ends(outcome),
    refresh: (outcome: Outcome) => life.begins('refresh').ends(outcome),
    wait: () => Math.max(0, next(state, all, now).at - now),
    /** What is asked for now; undefined: nothing. */
    due: () => (next(state, all, now).at <= now ? next(state, all, now).operation : undefined),
    /** The generation that is sent. */
    sent: () => sendable(state, now)?.generation,
    snapshot: () => snapshotOf(state, all, now, 0),
  }
  return life
}

/** A token that is so old; and logins that were refused, and pause. */
const granted = (ms = 0) => live().login(grant()).after(ms)
const refused = (ms = 0) =>
  live()
    .login(refusedFor(5 * S))
    .after(ms)
/** A token that is due for renewal. */
const aged = () => granted(240_000)
const reject = (life: ReturnType<typeof live>, generation = 1) =>
  life.does(rejected, { ...REJECTED, generation })

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

  it.each<readonly [string, Grant, Partial<Rules>, Operation]>([
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
    expect([life.due(), life.state().backoff]).toEqual(['login', NO_BACKOFF])
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).due()).toBe('refresh')
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then tried again', (status) => {
    const life = aged().refresh({ ...NOT_REFRESHED, failure: unclear(status) })
    expect(life.due()).toBe('login')
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(life.after(HOUR - 1).due()).toBe('login')
    expect(life.after(1).due()).toBe('refresh')
  })

  it('for another reason is followed by a login after the back-off', () => {
    const life = aged().refresh(LOST)
    expect([life.state().backoff, life.wait()]).toEqual([TRANSIENT, 250])
    expect(life.after(250).due()).toBe('login')
  })
})

describe('changed credentials', () => {
  it('end a back-off and forget what the former ones met', () => {
    const life = live()
      .login(refusedFor(900 * S))
      .does(credentialsChanged, OTHER)
    expect(life.event()).toEqual({ type: 'credentials-changed', at: START })
    expect(life.state()).toMatchObject({ backoff: NO_BACKOFF, failuresInRow: 0, forced: false })
    expect(life.wait()).toBe(0)
  })

  it.each<readonly [string, Outcome]>([
    ['refused', refusedFor(5 * S)],
    ['granted', grant()],
    ['deferred', { deferred: 'guarded', ms: HOUR }],
  ])('are tried although a login with the former ones was %s', (_, outcome) => {
    const life = live().begins('login').does(credentialsChanged, OTHER).after(500).ends(outcome)
    expect(life.state()).toMatchObject({ backoff: NO_BACKOFF, failuresInRow: 0 })
    expect(life.due()).toBe('login')
  })
})

describe('a changed secret that iSales refuses', () => {
  const wrong = () => {
    const life = granted(60 * S).does(credentialsChanged, OTHER)
    return life.login(refusedFor(900 * S, 'guarded'))
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
    expect(life.state()).toMatchObject({ backoff: { state: 'guarded' }, failuresInRow: 1 })
    expect(life.wait()).toBe(900 * S - 180 * S - 2 * 240 * S)
    expect(life.after(life.wait()).due()).toBe('login')
  })

  it('is not tried when the refresh token is refused, too', () => {
    const life = wrong()
      .after(180 * S)
      .refresh(NOT_REFRESHED)
    expect([life.due(), life.state().backoff.state]).toEqual([undefined, 'guarded'])
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
  [refusedFor(5 * S), 'rejected', 'rejected'],
])('a failure that is not needed any more: %j is shown as %s, then as %s', (...row) => {
  const [outcome, before, after] = row
  const life = reject(granted(60 * S)).login(outcome)
  life.after(1)
  expect(life.snapshot().backoff).toBe(before)
  life.does(accepted, { generation: 1, kind: 'first', sentAt: life.now() })
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
    expect(life.does(used, undefined).due()).toBe('refresh')
  })

  it('is fetched all the same until the first login has succeeded, and when a login is due', () => {
    const life = live({ tokenIdleAfter: 300_000 }).login(LOST).after(HOUR)
    expect(life.due()).toBe('login')
    life.login(grant()).after(HOUR).does(credentialsChanged, OTHER)
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
    expect(life.state()).toMatchObject({ token: { generation: 2 }, backoff: NO_BACKOFF })
    expect(life.state().failuresInRow).toBe(0)
  })

  it.each([
    [refusedFor(5 * S), 'rejected', 5 * S],
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
  life.does(rejected, { ...REJECTED, generation: 0, status: 403 })
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

it('a rejection that waits for evidence is said by no request of the timer', () => {
  const life = aged()
  life.does(rejected, { ...REJECTED, generation: 1, kind: 'newer-token', replays: 1 })
  expect([reject(life).due(), life.begins('refresh').event()]).toEqual(['login', undefined])
})

it('what comes before the first token request changes nothing', () => {
  const life = reject(live(), 0).does(ended, { deferred: 'busy', ms: 0 })
  life.does(accepted, { generation: 0, kind: 'first', sentAt: START })
  expect([life.state(), life.event()]).toEqual([live().state(), undefined])
  expect([life.state().forced, life.snapshot().lastSuccessAt]).toEqual([false, undefined])
})

describe('a token request that is deferred', () => {
  const deferred = (reason: 'busy' | 'guarded', ms: number) =>
    ({ deferred: reason, ms, backoff: { state: 'guarded', refused: false } }) as const

  it('waits for as long as it says', () => {
    const life = aged().begins('refresh').ends(deferred('busy', MINUTE))
    expect(life.event()).toEqual({ type: 'deferred', at: life.now(), because: 'busy', ms: MINUTE })
    expect([life.wait(), life.state().backoff.state]).toEqual([MINUTE, 'guarded'])
    expect(life.begins('login').ends({ deferred: 'busy', ms: 0 }).state().backoff.state).toBe(
      'guarded',
    )
  })

  it.each([
    ['guarded', 'refresh', false],
    ['busy', undefined, true],
  ] as const)('%s lets a %s begin, and stays forced: %s', (reason, expected, forced) => {
    const life = aged().begins('login').ends(deferred(reason, HOUR))
    expect(life.due()).toBe(expected)
    const other = refused(3 * S).does(renewAsked, undefined)
    expect(other.begins('login').ends(deferred(reason, 50)).state().forced).toBe(forced)
  })
})

describe('an operator who asks', () => {
  it('ends a pause once, and the login that follows may pass the book', () => {
    const life = refused(4 * S)
    expect([life.wait(), life.due()]).toEqual([S, undefined])
    const event = { type: 'renew-asked', at: life.now(), endsPause: true }
    expect(life.does(renewAsked, undefined).event()).toEqual(event)
    expect([life.due(), life.state().forced]).toEqual(['login', true])
    expect(life.login(refusedFor(10 * S)).state().forced).toBe(false)
    expect(life.does(renewAsked, undefined).login(grant()).state().forced).toBe(false)
  })

  it('ends a pause 3 s after the last failure at the earliest, that of a refresh, too', () => {
    const life = refused(100).does(renewAsked, undefined)
    expect(life.wait()).toBe(2900)
    const guarded = { state: 'guarded', refused: false } as const
    const other = live().begins('login').ends({ deferred: 'guarded', ms: HOUR, backoff: guarded })
    expect([other.wait(), other.does(renewAsked, undefined).wait()]).toEqual([HOUR, 0])
    const refreshing = aged()
      .refresh({ ...LOST, pause: 30 * S })
      .after(100)
    expect(refreshing.does(renewAsked, undefined).wait()).toBe(2900)
    expect(refreshing.state()).toMatchObject({ refreshNotBefore: refreshing.now() + 2900 })
  })

  it.each([
    ['a token serves', granted()],
    ['a login is in flight', refused().begins('login')],
    ['the pause is over', refused(5 * S)],
    ['another replica asks', live().begins('login').ends({ deferred: 'busy', ms: S })],
  ])('asks iSales for nothing while %s', (_, life) => {
    const before = life.state()
    expect(life.does(renewAsked, undefined).state()).toBe(before)
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
    const given = { ...grant({ token: `t${generation}` }), adopted: isAdopted }
    life.login(given).after(1)
    life.does(accepted, { generation, kind: 'newer-token', sentAt: life.now() })
    return life.event()?.type
  })
  expect([events, life.snapshot().conflict]).toEqual([expected, !isAdopted])
  // It is said once.
  life.does(accepted, { generation: 4, kind: 'first', sentAt: life.now() })
  expect(life.event()).toBeUndefined()
})

describe('the token of another replica', () => {
  it('is used as if it had been obtained here, and counts from when it was requested', () => {
    const given = { ...grant({ token: 't2' }), sentAt: START - 10 * S, adopted: true }
    const life = live().login(LOST).does(adopted, given)
    const { token } = life.state()
    const event = { type: 'adopted', at: START, token, failuresBefore: 1 }
    expect([life.event(), token?.adopted]).toEqual([event, true])
    expect([life.sent(), life.wait(), isLoginDue(life.state())]).toEqual([1, 230 * S, false])
  })

  it('that came from other credentials serves, and a login with ours is due until it is granted', () => {
    const given = { ...grant({ token: 't2' }), adopted: true, foreign: true }
    const life = live().does(adopted, given)
    expect([life.sent(), life.due()]).toEqual([1, 'login'])
    life.login(refusedFor(5 * S)).does(adopted, given)
    expect([isLoginDue(life.state()), life.state().backoff.state]).toEqual([true, 'rejected'])
    expect(isLoginDue(life.login(grant()).state())).toBe(false)
  })

  it('is no newer one when it is at hand: what is known of it stays', () => {
    const given = { ...grant(), adopted: true }
    const life = live()
      .does(adopted, given)
      .after(60 * S)
    reject(life.does(credentialsChanged, OTHER).begins('login'))
    life.does(ended, given)
    expect([life.sent(), life.due()]).toEqual([1, 'login'])
    expect(life.begins('login').event()).toMatchObject({ type: 'token-rejected', generation: 1 })
  })
})
