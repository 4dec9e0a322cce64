import { describe, expect, it } from 'vitest'
import { decideTurn, isLeasedByOther, isNewer, recordOutcome } from '../../src/token/account.ts'
import { renewLease } from '../../src/token/account.ts'
import type { Account, Requester, Turn } from '../../src/token/account.ts'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import { NO_ATTEMPTS, recordStart } from '../../src/token/login-guard.ts'
import type { Token, TokenRequest } from '../../src/token/token.ts'
import { DOWN, grant, REFUSED, refreshed, RULES, START as NOW } from './support.ts'

/** A token of 300 s that was requested some seconds ago; its use ends after 295 s. */
const aged = (seconds: number, token = 't1') =>
  grant({ token, sentAt: NOW - seconds * 1000, refreshToken: null })
const found = (seconds: number, token = 't1', of = 'p') => ({ ...aged(seconds, token), of })
const current = (seconds: number) => refreshed(aged(seconds))
const held = (holder: string, ago = 0) => ({ lease: { holder, until: NOW + 3000 - ago } })
const NOTHING: Account = { record: NO_ATTEMPTS, lease: undefined, token: undefined, name: 'p' }
const REQUESTER: Requester = { holder: 'own', shared: true, rules: RULES }
const CONTEXT = { now: NOW, alone: false, random: 0.5 }
const [own, other] = [held('own'), held('other')]
const refreshing = (ago: number) => ({ lease: { ...other.lease, refreshingSince: NOW - ago } })

it.each<readonly [string, Token | undefined, Token | undefined, boolean]>([
  ['newer', found(1, 't2'), found(200), true],
  ['the only one', found(250, 't2'), undefined, true],
  ['older', found(201, 't2'), found(200), false],
  ['of the same moment', found(200, 't2'), found(200), false],
  ['the same', found(199), found(200), false],
  ['expired', found(295, 't2'), found(296), false],
  ['absent', undefined, found(200), false],
])('a token that is %s replaces the other one or not', (_, one, another, expected) => {
  expect(isNewer(one, another, NOW)).toBe(expected)
})

it.each([
  ['no process', {}, false],
  ['this process', own, false],
  ['another process', held('other', 2999), true],
  ['a process that has not renewed it for 3 s', held('other', 3000), false],
  ['a process before the clock was set back', held('other', -3000), false],
])('the lease is held by %s', (_, given, expected) => {
  expect(isLeasedByOther({ ...NOTHING, ...given }, 'own', NOW)).toBe(expected)
})

describe('a turn', () => {
  type Given = Partial<Account & TokenRequest & Requester & typeof CONTEXT>
  const turn = (given: Given): Turn => {
    const { record, lease, token, name, ...rest } = { ...NOTHING, ...given }
    const request = { operation: 'login', loginDue: false, failures: 0 } as const
    const other = { ...request, ...REQUESTER, ...CONTEXT, ...rest }
    return decideTurn({ record, lease, token, name }, other, other, other)
  }
  const rejected = { current: current(200), rejectedAt: NOW - 700 }

  it('begins a login with one update: the attempt and the lease', () => {
    const next = { ...NOTHING, record: recordStart(NO_ATTEMPTS, NOW), ...own }
    expect(turn({})).toEqual({ type: 'begun', next })
  })

  it('holds the lease for as long as a login may take if no poll renews it', () => {
    const { next } = turn({ shared: false })
    const isLeased = [0, 5500, 6000].map((ms) => next && isLeasedByOther(next, 'other', NOW + ms))
    expect(isLeased).toEqual([true, true, false])
  })

  it('begins a refresh with the lease alone, and with no update if no process shares the token', () => {
    const refresh = { operation: 'refresh', current: refreshed(aged(240)) } as const
    const lease = { ...own.lease, refreshingSince: NOW }
    expect(turn(refresh)).toEqual({ type: 'begun', next: { ...NOTHING, lease } })
    expect(turn({ ...refresh, ...other, shared: false })).toEqual({ type: 'begun' })
  })

  it.each<readonly [string, Given, Token]>([
    ['newer', { token: found(1, 't2'), current: current(200) }, found(1, 't2')],
    ['its own, if only the secret is new', { ...own, token: found(9), loginDue: true }, found(9)],
  ])('adopts a token that is %s', (_, given, token) => {
    expect(turn({ current: current(9), ...given })).toEqual({ type: 'adopt', token })
  })

  it.each<readonly [string, Given, number]>([
    ['another process asks', { ...other, current: current(200) }, 1000],
    ['another process asks, and calls wait', { ...other, ...rejected }, 100],
    ['another process asks, and there is no token', other, 100],
    ['another process refreshes', { ...other, operation: 'refresh' }, 100],
    ['another process logs in, without a shared token', { ...other, shared: false }, 100],
    ['another process asks, and the token has expired', { ...other, current: current(295) }, 100],
    ['another process has refreshed for less than 0.7 s', { ...refreshing(699), ...rejected }, 100],
    ['another refreshes, and the token works', { ...refreshing(900), current: current(9) }, 1000],
    ['the rejected token is new', { ...rejected, token: found(1.799) }, 100],
    ['the store is unavailable', { current: current(200), alone: true }, 1000],
    ['the store is unavailable to the last second', { current: current(294.4), alone: true }, 100],
    ['the store is unavailable, and calls wait', { ...rejected, alone: true }, 100],
    ['the wait ends', { ...rejected, rejectedAt: NOW - 740, alone: true, random: 0 }, 10],
  ])('is postponed while %s', (_, given, ms) => {
    expect(turn(given)).toEqual({ type: 'busy', ms })
  })

  it.each<readonly [string, Given]>([
    ['while this process has the lease', held('own', 1000)],
    ['although other credentials have a token', { token: found(9, 't1', 'q'), loginDue: true }],
    ['although the shared one was rejected', { token: found(9), loginDue: true, rejectedAt: NOW }],
    ['although a newer token is not shared', { token: found(1, 't2'), shared: false }],
    ['although the token is new', { token: found(1), current: current(1) }],
    ['if another process has refreshed for too long', { ...refreshing(700), ...rejected }],
    ['if a login is due', { loginDue: true }],
    ['after a rejection if there is no token', rejected],
    ['1.8 s after the last token', { ...rejected, token: found(1.8) }],
    ['without the store and without a token', { ...other, alone: true, current: undefined }],
    ['without the store after a rejection', { ...rejected, rejectedAt: NOW - 1125, alone: true }],
    ['after 0.75 s at least', { ...rejected, rejectedAt: NOW - 750, alone: true, random: 0 }],
    ['if the disk fails', { ...other, ...rejected, shared: false, alone: true }],
  ])('begins %s', (_, given) => {
    expect(turn({ current: current(9), ...given }).type).toBe('begun')
  })

  it('is guarded until the pause is over, and releases the lease', () => {
    const record = { ...recordStart(NO_ATTEMPTS, NOW - 1000), rejections: 1 }
    const next = { ...NOTHING, record }
    expect(turn({ ...own, record })).toEqual({ type: 'login-pause', ms: 4000, next })
    expect(turn({ record })).toEqual({ type: 'login-pause', ms: 4000 })
    expect(turn({ record, forced: true })).toMatchObject({ type: 'begun' })
    expect(turn({ record, now: NOW + 4000 })).toMatchObject({ type: 'begun' })
  })
})

describe('the end of a token request', () => {
  const login = { operation: 'login', before: NO_ATTEMPTS } as const
  const refresh = { operation: 'refresh', before: NO_ATTEMPTS } as const
  const result = aged(0, 't2')
  const end = (
    given: Partial<Account>,
    ended: Parameters<typeof recordOutcome>[1],
    requester: Partial<Requester> = {},
  ) => recordOutcome({ ...NOTHING, ...given }, ended, { ...REQUESTER, ...requester }, CONTEXT)

  it('is one update: the token, the record, the lease', () => {
    const started = { ...own, record: recordStart(NO_ATTEMPTS, NOW) }
    const granted = { record: { attempts: 0, grantedAt: NOW }, lease: undefined, token: result }
    expect(end(started, { ...login, result })).toMatchObject(granted)
    const record = { attempts: 1, rejections: 1, pauseFrom: NOW, lastCode: 'password' }
    const rejected = end(started, { ...login, result: REFUSED })
    expect(rejected).toMatchObject({ record, lease: undefined })
    expect(end(started, { ...login, result: DOWN })).toEqual(NOTHING)
  })

  it('keeps every replica from asking for a second after an answer that a login was not processed', () => {
    const leasedUntil = (result: AuthFailure, given: Partial<Account> = own, shared = true) => {
      const after = end(given, { ...login, result }, { shared })
      const isLeased = (ms: number): boolean | undefined =>
        after && isLeasedByOther(after, 'own', NOW + ms)
      return [0, 999, 1000].map(isLeased)
    }
    const down = { ...DOWN, status: 503 }
    expect(leasedUntil(down)).toEqual([true, true, false])
    const others = [leasedUntil(DOWN), leasedUntil(REFUSED), leasedUntil(down, own, false)]
    expect([...others, leasedUntil(down, {})].flat()).not.toContain(true)
  })

  it("keeps a later token, and another process's lease", () => {
    const later = { ...other, token: found(-1, 't3') }
    expect(end(later, { ...login, result })).toMatchObject(later)
  })

  it('of a refused refresh keeps the lease for the login that follows', () => {
    const failures = [REFUSED, { ...DOWN, status: 404 }, DOWN]
    const ends = failures.map((failure) => end(own, { ...refresh, result: failure }))
    expect(ends).toEqual([undefined, undefined, NOTHING])
  })

  it('of a refresh that is not shared updates only known good credentials', () => {
    expect(end({}, { ...refresh, result }, { shared: false })).toBeUndefined()
    const record = { ...NO_ATTEMPTS, knownGoodUntil: NOW + 1 }
    const after = end({ record }, { ...refresh, result }, { shared: false })
    expect(after?.record.knownGoodUntil).toBe(NOW + 86_400_000)
  })
})

it('a lease is renewed only by its holder', () => {
  const renewed = (given: Partial<Account>) => renewLease({ ...NOTHING, ...given }, 'own', NOW)
  expect(renewed(held('own', 2000))).toEqual({ ...NOTHING, ...own })
  expect([other, {}].map(renewed)).toEqual([undefined, undefined])
})
