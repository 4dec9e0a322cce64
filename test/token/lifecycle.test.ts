import { describe, expect, it } from 'vitest'
import { cause, type CauseCode } from '../../src/causes.ts'
import type { Operation } from '../../src/token/isales-client.ts'
import { onAccepted, onAdopted, onCredentialsChanged } from '../../src/token/lifecycle.ts'
import { onRejected, onRenewAsked, onRequestEnded, onUnrelated } from '../../src/token/lifecycle.ts'
import { NO_ATTEMPTS, type BackoffState, type Rules } from '../../src/token/login-guard.ts'
import type { FailedTokenRequest, TokenResult } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'
import { adopt, busy, grant, guarded, live, LOST, rejections, rejectedAs } from './life.ts'
import type { Life } from './life.ts'
import { credentialsOf, START, throttled, unknown } from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const OTHER = credentialsOf('another')
const REJECTED = { status: 401, kind: 'first', replays: 0 } as const
const UNANSWERED = { ...LOST, failure: authFailure('unknown', 'timeout'), record: undefined }
const granted = (ms = 0) => live().login(grant()).after(ms)
const refused = (ms = 0) => live().login(rejectedAs(1)).after(ms)
/** A token that is due for renewal. */
const aged = () => granted(240_000)
const rejects = (life: Life, generation = 1, change: Partial<typeof REJECTED> | object = {}) =>
  life.does(onRejected, { ...REJECTED, generation, ...change })

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

  it.each<readonly [Operation, string, ReturnType<typeof grant>, Partial<Rules>]>([
    ['refresh', 'while there is a refresh token', grant(), {}],
    ['refresh', 'when its lifetime is unknown', grant({ refreshLives: undefined }), {}],
    ['login', 'without a refresh token', grant({ refreshToken: null }), {}],
    ['login', 'when the refresh token has expired', grant({ refreshLives: 240 }), {}],
    ['login', 'when refreshing is off', grant(), { isalesRefreshPath: undefined }],
  ])('by a %s %s', (expected, _, given, rules) => {
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
    const nextRequestAt = START + 240_000
    const expected = { usableFor: left, usable: left > 0, nextRequestAt, token: { sentAt: START } }
    expect(life.snapshot()).toMatchObject(expected)
  })

  it.each([
    [294_999, true],
    [295_000, false],
  ])('when it is %d ms old after three rejections, it is shown as rejected: %s', (ms, expected) => {
    const life = granted()
    for (let count = 0; count < 3; count += 1) rejects(life)
    expect(life.after(2000).snapshot().rejected).toBe(true)
    expect(life.after(ms - 2000).snapshot().rejected).toBe(expected)
    expect(life.does(onCredentialsChanged, OTHER).snapshot().rejected).toBe(expected)
  })
})

describe('a failed refresh', () => {
  const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })

  it.each<readonly [string, FailedTokenRequest, retriedIn: number]>([
    ['without a connection', LOST, 250],
    ['with the published 500', { ...LOST, failure: AMBIGUOUS }, 375],
    ['without an answer', UNANSWERED, 375],
  ])('%s is followed by a login at once, and repeated next to the logins', (_, failed, ms) => {
    const life = aged().refresh(failed)
    expect([life.due(), life.backoff()]).toEqual(['login', 'none'])
    life.login({ ...rejectedAs(1), failure: AMBIGUOUS })
    expect([life.wait(), life.after(ms).due()]).toEqual([ms, 'refresh'])
    life.refresh(grant({ token: 't2' }))
    expect([life.due(), life.sent()]).toEqual([undefined, 2])
  })

  it('that was refused is followed by a login, which gives a new refresh token', () => {
    const second = grant({ token: 't2', refreshToken: 'r2' })
    const life = aged().refresh(rejectedAs(1)).login(second)

    expect(life.after(240_000).due()).toBe('refresh')
  })

  it.each([404, 405])('with %i is followed by logins for an hour, then repeated', (status) => {
    const life = aged().refresh({ ...LOST, failure: unknown(status) })
    expect(life.due()).toBe('login')
    life.login(grant({ token: 't2', lives: 3599 / 0.8, refreshLives: undefined }))
    expect(life.after(HOUR - 1).due()).toBe('login')
    expect(life.after(1).due()).toBe('refresh')
  })
})

const [LONG, CLOSE] = [{ clientDeadline: 10_000 }, { clientDeadline: 800 }]
const given = grant({ lives: 300, refreshLives: undefined })
const hanging = (rules: Partial<Rules> = {}) =>
  live(rules).login(given).after(240_000).begins('refresh')

it.each<readonly [string, Life, ms: number]>([
  ['when a call is rejected, after 1 s', rejects(hanging(LONG).after(400)), 600],
  ['when a call is rejected later, at once', rejects(hanging(LONG).after(1500)), 0],
  ['after a quarter of CLIENT_DEADLINE', rejects(hanging(CLOSE)), 200],
  ['when the token is no longer sent', hanging().after(1000), 54_000],
  ['when calls are rejected and logins are paused, then', rejects(paused().after(1000)), 1000],
  ['never without a need', live().login(given).after(240_000).begins('login'), Infinity],
])('a refresh in flight is given up for a login %s', (_, life, ms) => {
  expect(life.wait()).toBe(ms)
  expect(life.snapshot().nextRequestAt).toBeUndefined()
})

/** Two refused logins, the last one 2 s before a refresh. */
function paused() {
  return granted(240_000).login(rejectedAs(2)).after(8000).begins('refresh')
}

it('a refresh in flight that is given up has failed: the next one waits, and the login is due', () => {
  const life = rejects(hanging()).after(1000)
  life.ends(UNANSWERED)
  expect([life.due(), life.state().refresh.failures]).toEqual(['login', 1])
  expect(life.state().refresh.notBefore - life.now()).toBe(375)
  expect(life.state().login).toEqual(live().login(given).state().login)
})

it('each operation has its own failures, which only its own results change', () => {
  const life = aged().refresh(LOST).refresh(LOST).login(LOST)
  const failures = () => [life.state().login.failures, life.state().refresh.failures]
  expect([failures(), life.event()]).toMatchObject([[1, 2], { failuresInRow: 1 }])
  life.login(grant({ token: 't2' }))
  expect([failures(), life.after(240_000).due()]).toEqual([[0, 2], 'refresh'])
  life.login(LOST).refresh(grant({ token: 't3' }))
  expect([failures(), life.event()]).toMatchObject([[1, 0], { failuresBefore: 2 }])
})

const forgotten = { record: NO_ATTEMPTS, login: { failures: 0 }, forced: false }

it('changed credentials end a back-off, and forget the failures of the previous ones', () => {
  const life = live().login(rejectedAs(3)).does(onCredentialsChanged, OTHER)
  expect(life.event()).toBeUndefined()
  expect([life.state(), life.wait()]).toMatchObject([forgotten, 0])
})

it.each<readonly [string, TokenResult]>([
  ['rejected', rejectedAs(1)],
  ['granted', grant()],
  ['postponed', { ...guarded(), ms: HOUR }],
])('changed credentials are tried although a login with the previous ones was %s', (_, outcome) => {
  const life = live().begins('login').does(onCredentialsChanged, OTHER).after(500).ends(outcome)
  expect([life.state(), life.due()]).toMatchObject([forgotten, 'login'])
})

const wrong = () => granted(MINUTE).does(onCredentialsChanged, OTHER).login(rejectedAs(3))

it('a changed secret that iSales rejects does not keep a rejected token from being refreshed', () => {
  const life = rejects(wrong())
  expect(life.due()).toBe('refresh')
  expect([life.refresh(grant({ token: 't2' })).sent(), life.due()]).toEqual([2, undefined])
})

it('a changed secret that iSales rejects waits 15 min, and is shown, while refreshes continue', () => {
  const life = wrong()
  expect(life.wait()).toBe(180 * S)
  for (const token of ['t2', 't3', 't4']) life.after(life.wait()).refresh(grant({ token }))
  expect(life.event()).toMatchObject({ type: 'granted', operation: 'refresh' })
  const { login, loginDue } = life.state()
  expect([life.backoff(), login.failures, loginDue]).toEqual(['login-pause', 1, true])
  expect(life.wait()).toBe(900 * S - 180 * S - 2 * 240 * S)
  expect(life.after(life.wait()).due()).toBe('login')
})

it('a changed secret that iSales rejects is not tried when iSales also rejects the refresh token, and waits when it is down', () => {
  const due = () => wrong().after(3 * MINUTE)
  const refusedToo = due().refresh(rejectedAs(1))
  expect([refusedToo.due(), refusedToo.backoff()]).toEqual([undefined, 'login-pause'])
  const down = due().refresh(LOST)

  expect([down.wait(), down.after(250).due()]).toEqual([250, 'refresh'])
})

const failing = (life: Life) => life.snapshot().login
const of = (code: CauseCode) => ({ failure: { cause: { code } } })
const GATEWAY = authFailure('not-processed', 'gateway', { status: 502 })
const rejected = () => rejects(granted(60 * S))

it.each<readonly [string, Life, object, BackoffState]>([
  ['a login is needed', rejected().login(LOST), of('connection-refused'), 'transient'],
  ['a rejected token works again', accepted(rejected().login(LOST)), {}, 'none'],
  ['iSales rejected one', accepted(rejected().login(rejectedAs(1))), of('password'), 'rejected'],
  ['refreshes fail', refused().refresh({ ...LOST, failure: GATEWAY }), of('password'), 'rejected'],
  ['a refresh replaces them', aged().login(LOST).refresh(grant()), {}, 'none'],
  ['only refreshes fail', aged().refresh(LOST), {}, 'none'],
  ['another process was refused', live().login(guarded()), of('password'), 'login-pause'],
  ['the pause is over', refused(5 * S).login(LOST), of('connection-refused'), 'transient'],
  ['one was left unanswered', live().login(killed()), { rejected: false }, 'login-pause'],
])('why logins fail: %s', (_, life, expected, backoff) => {
  expect(failing(life)).toMatchObject({ ...expected, kind: backoff })
})

function accepted(life: Life) {
  life.after(1)
  return life.does(onAccepted, { generation: 1, kind: 'first', sentAt: life.now() })
}
/** Three processes were killed during a login. */
function killed() {
  return { ...guarded(), record: { ...rejections(3), rejections: 0, lastCode: undefined } }
}

it('the reason why logins fail has details only of the same failure of this process', () => {
  const own = failing(refused())
  expect([own.failure, own.failures]).toEqual([rejectedAs(1).failure, 1])
  const other = failing(live().login(guarded()))
  expect([other.failure, other.failures]).toEqual([{ cause: cause('password') }, 0])
})

it('why logins fail is known with the end of their pause, whatever refreshes do', () => {
  const life = granted(240_000).login(rejectedAs(3)).refresh(LOST)
  const pausedUntil = life.now() + 15 * MINUTE
  expect(failing(life).until).toBe(pausedUntil)
  expect(failing(life.after(S).refresh(grant({ token: 't2' }))).until).toBe(pausedUntil)
  expect(life.snapshot()).toMatchObject({ login: { rejected: true }, refreshable: true })
})

describe('the event of a token request', () => {
  it.each([
    [0, 't1', grant({ token: 't2' }), false, undefined],
    [2, 't2', grant({ token: 't2', lives: undefined }), true, 'missing'],
  ])('that is granted after %i failures and token %s', (...row) => {
    const [failuresBefore, token, outcome, sameToken, lifetimeDoubt] = row
    const life = live().login(grant({ token }))
    for (let nth = 0; nth < failuresBefore; nth += 1) life.login(LOST)
    expect(life.after(S).begins('login').event()).toBeUndefined()
    expect(life.snapshot()).toMatchObject({ request: 'login', nextRequestAt: undefined })
    expect(life.wait()).toBe(Infinity)
    const ended = { type: 'granted', operation: 'login', durationMs: 70 }
    const rest = { failuresBefore, sameToken }
    const event = life.after(70).ends(outcome).event()
    expect(event).toEqual({ ...ended, ...rest, at: life.now(), token: life.state().token })
    expect(life.state().token?.lifetime.doubt).toBe(lifetimeDoubt)
    const after = { token: { generation: 2 }, login: { failures: 0 }, loginDue: false }
    expect(life.state()).toMatchObject(after)
  })

  it.each([
    [rejectedAs(1), 'rejected', 5 * S],
    [LOST, 'transient', 250],
  ])('that fails has its back-off and the next attempt: %j', (outcome, backoff, retryIn) => {
    const life = live().begins('login').after(70).ends(outcome)
    const failed = { at: life.now(), failure: outcome.failure }
    const rest = { durationMs: 70, failuresInRow: 1, backoff, retryIn, usableFor: 0 }
    expect(life.event()).toEqual({ type: 'failed', operation: 'login', ...failed, ...rest })
    expect(life.snapshot().lastFailure).toEqual(failed)
  })

  it('that fails has the time that the current token bridges', () => {
    const expected = { operation: 'refresh', retryIn: 0, usableFor: 55_000 }
    expect(aged().refresh(rejectedAs(1)).event()).toMatchObject(expected)
  })

  it('that rejections trigger reports them once for each token', () => {
    const life = rejects(rejects(granted()), 0, { status: 403 })
    expect(life.due()).toBe('login')
    const event = { type: 'token-rejected', at: START, generation: 1, status: 401 }
    expect(life.begins('login').event()).toEqual(event)
    expect(rejects(life.ends(LOST)).begins('login').event()).toBeUndefined()
    const renewed = life.ends(grant({ token: 't2' }))
    expect(renewed.begins('refresh').event()).toBeUndefined()
  })

  it('that is scheduled reports no rejection that waits for confirmation', () => {
    const life = rejects(aged(), 1, { kind: 'newer-token', replays: 1 })
    expect([rejects(life).due(), life.begins('refresh').event()]).toEqual(['login', undefined])
  })
})

it('inputs before the first token request change nothing', () => {
  const life = rejects(live(), 0).does(onRequestEnded, busy(0))
  life.does(onAccepted, { generation: 0, kind: 'first', sentAt: START })
  expect([life.state(), life.event()]).toEqual([live().state(), undefined])
  expect([life.state().forced, life.snapshot().token]).toEqual([false, undefined])
})

const GETS_503 = { status: 503, acceptedAt: 0 }
it.each([
  [1, 0],
  [2, 2],
])('an answer without a decision on generation %i leaves %i of two rejections', (...row) => {
  const [generation, left] = row
  const life = rejects(rejects(granted())).does(onUnrelated, { ...GETS_503, generation })
  expect(life.state().rejections.consecutiveRejections).toBe(left)
})

it('a token request that is postponed because another process asks, waits for the given time', () => {
  const life = aged().begins('refresh').ends(busy(MINUTE))
  expect(life.event()).toEqual({ type: 'deferred', at: life.now(), because: 'busy', ms: MINUTE })
  const { record } = life.state()
  expect([life.wait(), life.backoff(), record]).toEqual([MINUTE, 'none', NO_ATTEMPTS])
})

it('a token request that is postponed because another process asks, is repeated at once when a call is rejected, but only once', () => {
  const life = rejects(granted().begins('login').ends(busy(S)))
  expect(life.due()).toBe('login')
  expect(rejects(life.begins('login').ends(busy(100))).wait()).toBe(100)
})

it('a token request that is postponed by the guard, knows the pause, and lets a refresh begin', () => {
  const life = aged().begins('login').ends(guarded())
  expect([life.due(), life.backoff()]).toEqual(['refresh', 'login-pause'])
  expect(live().begins('login').ends(guarded()).wait()).toBe(15 * MINUTE)
})

it.each([
  [guarded(), false],
  [busy(50), true],
] as const)('a token request that is postponed as %j, is still forced: %s', (result, forced) => {
  const life = refused(3 * S).does(onRenewAsked, undefined)
  expect(life.begins('login').ends(result).state().forced).toBe(forced)
})

describe('an operator', () => {
  it('ends a pause once, and the login that follows may pass the guard', () => {
    const life = refused(4 * S)
    expect([life.wait(), life.due()]).toEqual([S, undefined])
    const event = { type: 'renew-asked', at: life.now(), endsPause: true }
    expect(life.does(onRenewAsked, undefined).event()).toEqual(event)
    expect([life.due(), life.state().forced]).toEqual(['login', true])
    expect(life.login(rejectedAs(2)).state().forced).toBe(false)
    expect(life.does(onRenewAsked, undefined).login(grant()).state().forced).toBe(false)
  })

  it.each<readonly [string, Life, number]>([
    ['3 s after the last failure at the earliest', refused(100), 2900],
    ['of a guarded login at once', live().begins('login').ends(guarded()), 0],
    ['never for a fifth login', live().begins('login').ends(guarded(4)), 15 * MINUTE],
  ])('ends a pause %s', (_, life, ms) => {
    expect(life.does(onRenewAsked, undefined).wait()).toBe(ms)
  })

  it('keeps no refresh waiting for a fifth login', () => {
    const life = granted().login(rejectedAs(4)).after(7000)
    rejects(life.does(onRenewAsked, undefined)).after(3 * S)
    expect(life.due()).toBe('refresh')
  })

  it('also ends the pause of a refresh', () => {
    const throttledFor = (seconds: number) => ({ ...LOST, failure: throttled(seconds * S) })
    const life = aged().refresh(throttledFor(60)).login(throttledFor(60)).after(100)
    expect(life.does(onRenewAsked, undefined).wait()).toBe(2900)
    const { login, refresh } = life.state()
    expect([login.notBefore, refresh.notBefore]).toEqual([life.now() + 2900, life.now() + 2900])
  })

  it.each([
    ['a token is used', granted()],
    ['a login is in flight', refused().begins('login')],
    ['the pause is over', refused(5 * S)],
    ['another replica asks', live().begins('login').ends(busy(S))],
  ])('changes nothing while %s', (_, life) => {
    const before = life.state()
    expect(life.does(onRenewAsked, undefined).state()).toBe(before)
    expect(life.event()).toMatchObject({ type: 'renew-asked', endsPause: false })
  })
})

it.each([
  ['this process', false, [undefined, undefined, 'conflict']],
  ['another replica', true, [undefined, undefined, undefined]],
])('after three tokens of %s that ended early, the events are: %j', (...row) => {
  const [, adopted, expected] = row
  const life = granted()
  const events = [2, 3, 4].map((generation) => {
    rejects(life, generation - 1).after(life.wait())
    life.login({ ...grant({ token: `t${generation}` }), adopted }).after(1)
    life.does(onAccepted, { generation, kind: 'newer-token', sentAt: life.now() })
    return life.event()?.type
  })
  expect([events, life.snapshot().conflict]).toEqual([expected, !adopted])
  // The event is not repeated.
  life.does(onAccepted, { generation: 4, kind: 'first', sentAt: life.now() })
  expect(life.event()).toBeUndefined()
})

it("another replica's token is used like one of this process, and counts from its request", () => {
  const given = adopt({ token: 't2', sentAt: START - 10 * S })
  const life = live().login(LOST).does(onAdopted, given)
  const { token } = life.state()
  const event = { type: 'adopted', at: START, token }
  expect([life.event(), token?.adopted]).toEqual([event, true])
  expect([life.sent(), life.wait(), life.state().loginDue]).toEqual([1, 230 * S, false])
})

it("another replica's token from other credentials is used, and a login is due until it is granted", () => {
  const given = adopt({ token: 't2', of: 'q' })
  const life = live().does(onAdopted, given)
  expect([life.sent(), life.due()]).toEqual([1, 'login'])
  life.login(rejectedAs(1)).does(onAdopted, given)
  expect([life.state().loginDue, life.backoff()]).toEqual([true, 'rejected'])
  expect(life.login(grant()).state().loginDue).toBe(false)
})

it("another replica's token keeps its generation and rejections if it is already the current one", () => {
  const life = live()
    .does(onAdopted, adopt({ of: 'q' }))
    .after(MINUTE)
  rejects(life.does(onCredentialsChanged, OTHER).begins('login'))
  life.does(onRequestEnded, adopt({ of: 'p' }))
  expect([life.sent(), life.due(), life.state().token?.of]).toEqual([1, 'login', 'p'])
  expect(life.begins('login').event()).toMatchObject({ type: 'token-rejected', generation: 1 })
})
