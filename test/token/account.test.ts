import { describe, expect, it } from 'vitest'
import {
  decideTurn,
  isLeasedByOther,
  isNewer,
  recordOutcome,
  renewLease,
  type Account,
  type Asker,
  type SharedToken,
} from '../../src/token/account.ts'
import { NO_ATTEMPTS, recordStart } from '../../src/token/login-guard.ts'
import { createToken } from '../../src/token/token.ts'
import { DOWN, grant, REFUSED, RULES } from './support.ts'

const NOW = 1_000_000
/** A token of 300 s that was requested so many seconds ago; it is sent for 295 s. */
const aged = (seconds: number, token = 't1') =>
  grant({ token, sentAt: NOW - seconds * 1000, refreshToken: null })
const found = (seconds: number, token = 't1', own = true): SharedToken => ({
  grant: aged(seconds, token),
  own,
})
const current = (seconds: number) => createToken(aged(seconds), RULES, 0)
const account = (changes: Partial<Account> = {}): Account => ({
  record: NO_ATTEMPTS,
  lease: undefined,
  token: undefined,
  ...changes,
})
const leased = (holder: string, ago = 0) => account({ lease: { holder, renewedAt: NOW - ago } })
const ASKER: Asker = { holder: 'own', shared: true, held: undefined, rules: RULES }
const CONTEXT = { now: NOW, alone: false, random: 0.5 }
const LOGIN = { operation: 'login', loginDue: false, failures: 0 } as const

it.each<readonly [string, SharedToken | undefined, SharedToken | undefined, boolean]>([
  ['newer', found(1, 't2'), found(200), true],
  ['the only one', found(250, 't2'), undefined, true],
  ['older', found(201, 't2'), found(200), false],
  ['of the same moment', found(200, 't2'), found(200), false],
  ['the same', found(199), found(200), false],
  ['expired', found(295, 't2'), found(296), false],
  ['absent', undefined, found(200), false],
])('a token is adopted if it is newer: %s', (_, one, other, expected) => {
  expect(isNewer(one, other, NOW)).toBe(expected)
})

it.each([
  ['nobody', account(), false],
  ['this process', leased('own'), false],
  ['another process', leased('other', 2999), true],
  ['a process that has not renewed it for 3 s', leased('other', 3000), false],
  ['a process before the clock was set back', leased('other', -3000), false],
])('the lease is held by %s', (_, given, expected) => {
  expect(isLeasedByOther(given, 'own', NOW)).toBe(expected)
})

describe('who may ask', () => {
  const turn = (
    given: Account,
    request: Partial<Parameters<typeof decideTurn>[1]> = {},
    asker: Partial<Asker> = {},
    context: Partial<typeof CONTEXT> = {},
  ) =>
    decideTurn(given, { ...LOGIN, ...request }, { ...ASKER, ...asker }, { ...CONTEXT, ...context })
  const rejected = { current: current(200), rejectedAt: NOW - 700 }
  const busy = (ms: number) => ({ type: 'busy', ms })

  it('begins a login with one write: the attempt and the lease', () => {
    const record = recordStart(NO_ATTEMPTS, NOW)
    const next = { record, lease: { holder: 'own', renewedAt: NOW }, token: undefined }
    expect(turn(account())).toEqual({ type: 'begun', next })
    expect(turn(leased('own', 1000))).toMatchObject({ type: 'begun' })
  })

  it('begins a refresh with the lease alone, and with no write if nobody sees the token', () => {
    const refresh = { operation: 'refresh', current: current(240) } as const
    const next = leased('own')
    expect(turn(account(), refresh)).toEqual({ type: 'begun', next })
    expect(turn(leased('other'), refresh, { shared: false })).toEqual({ type: 'begun' })
  })

  it.each<readonly [string, ReturnType<typeof turn>, object]>([
    [
      'a newer token',
      turn(account({ token: found(1, 't2') }), {}, { held: found(200) }),
      found(1, 't2'),
    ],
    [
      'its own token, if only the secret is new',
      turn(account({ token: found(9) }), { loginDue: true }, { held: found(9) }),
      found(9),
    ],
  ])('adopts %s', (_, decided, token) => {
    expect(decided).toEqual({ type: 'adopt', token })
  })

  it.each<readonly [string, ReturnType<typeof turn>]>([
    [
      'of other credentials',
      turn(account({ token: found(9, 't1', false) }), { loginDue: true }, { held: found(9) }),
    ],
    [
      'that was rejected',
      turn(account({ token: found(9) }), { loginDue: true, rejectedAt: NOW }, { held: found(9) }),
    ],
    [
      'that has expired',
      turn(account({ token: found(295) }), { loginDue: true }, { held: found(295) }),
    ],
    ['that nobody shares', turn(account({ token: found(1) }), {}, { shared: false })],
  ])('does not adopt a token %s', (_, decided) => {
    expect(decided.type).toBe('begun')
  })

  it.each<readonly [string, ReturnType<typeof turn>, object]>([
    [
      'looks again in a second while another process asks',
      turn(leased('other'), { current: current(200) }),
      busy(1000),
    ],
    ['looks sooner while calls wait', turn(leased('other'), rejected), busy(100)],
    ['looks sooner without a token', turn(leased('other')), busy(100)],
    [
      'looks sooner with an expired token',
      turn(leased('other'), { current: current(295) }),
      busy(100),
    ],
    [
      'waits 1.8 s between rejected tokens',
      turn(account({ token: found(1.799) }), rejected, { held: found(1.799) }),
      busy(100),
    ],
    [
      'waits for the store while the token works',
      turn(account(), { current: current(200) }, {}, { alone: true }),
      busy(1000),
    ],
    [
      'waits until the last second of the token',
      turn(account(), { current: current(294.4) }, {}, { alone: true }),
      busy(100),
    ],
    [
      'waits for the store with a rejected token',
      turn(account(), rejected, {}, { alone: true }),
      busy(100),
    ],
    [
      'waits no longer than that',
      turn(account(), { ...rejected, rejectedAt: NOW - 740 }, {}, { alone: true, random: 0 }),
      busy(10),
    ],
  ])('%s', (_, decided, expected) => {
    expect(decided).toEqual(expected)
  })

  it.each<readonly [string, ReturnType<typeof turn>]>([
    [
      '1.8 s after the last token',
      turn(account({ token: found(1.8) }), rejected, { held: found(1.8) }),
    ],
    ['without the store and without a token', turn(leased('other'), {}, {}, { alone: true })],
    [
      'without the store in the last second of the token',
      turn(account(), { current: current(294.5) }, {}, { alone: true }),
    ],
    [
      'without the store 0.75 to 1.5 s after a rejection',
      turn(account(), { ...rejected, rejectedAt: NOW - 1125 }, {}, { alone: true }),
    ],
    [
      'without the store after 0.75 s at the earliest',
      turn(account(), { ...rejected, rejectedAt: NOW - 750 }, {}, { alone: true, random: 0 }),
    ],
    [
      'at once if the disk does not work',
      turn(leased('other'), rejected, { shared: false }, { alone: true }),
    ],
  ])('asks %s', (_, decided) => {
    expect(decided.type).toBe('begun')
  })

  it('is guarded until the pause is over, and gives the lease back', () => {
    const record = { ...recordStart(NO_ATTEMPTS, NOW - 1000), refusals: 1 }
    expect(turn({ ...leased('own'), record })).toEqual({
      type: 'guarded',
      ms: 4000,
      next: account({ record }),
    })
    expect(turn(account({ record }))).toEqual({ type: 'guarded', ms: 4000 })
    expect(turn(account({ record }), { forced: true })).toMatchObject({ type: 'begun' })
    expect(turn(account({ record }), {}, {}, { now: NOW + 4000 })).toMatchObject({ type: 'begun' })
  })
})

describe('the end of a token request', () => {
  const before = NO_ATTEMPTS
  const started = { ...leased('own'), record: recordStart(before, NOW) }
  const end = (
    given: Account,
    ended: Omit<Parameters<typeof recordOutcome>[1], 'before'>,
    asker: Partial<Asker> = {},
  ) => recordOutcome(given, { ...ended, before }, { ...ASKER, ...asker }, CONTEXT)

  it('is one write: the token, the record, the lease', () => {
    const result = aged(0, 't2')
    expect(end(started, { operation: 'login', result })).toMatchObject({
      record: { attempts: 0, grantedAt: NOW },
      lease: undefined,
      token: { grant: result, own: true },
    })
    expect(end(started, { operation: 'login', result: REFUSED })).toMatchObject({
      record: { attempts: 1, refusals: 1, lastCode: 'password' },
      lease: undefined,
    })
    expect(end(started, { operation: 'login', result: DOWN })).toEqual(account())
  })

  it('leaves a later token, and the lease of another process', () => {
    const later = { ...leased('other'), token: found(-1, 't3') }
    expect(end(later, { operation: 'login', result: aged(0, 't2') })).toMatchObject({
      token: later.token,
      lease: later.lease,
    })
  })

  it('of a refresh goes on with the login of the token before it', () => {
    const result = aged(0, 't2')
    const refreshed = (held?: SharedToken) =>
      end(leased('own'), { operation: 'refresh', result }, { ...(held && { held }) })?.token?.own
    expect([refreshed(), refreshed(found(9)), refreshed(found(9, 't1', false))]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('of a refused refresh keeps the lease for the login that follows', () => {
    const refused = { operation: 'refresh', result: REFUSED } as const
    const missing = { ...DOWN, status: 404 }
    expect(end(leased('own'), refused)).toBeUndefined()
    expect(end(leased('own'), { ...refused, result: missing })).toBeUndefined()
    expect(end(leased('own'), { ...refused, result: DOWN })).toEqual(account())
  })

  it('of a refresh writes nothing if nobody sees it, but that the credentials are still good', () => {
    const result = aged(0, 't2')
    const refresh = { operation: 'refresh', result } as const
    expect(end(account(), refresh, { shared: false })).toBeUndefined()
    const record = { ...before, knownGoodUntil: NOW + 1 }
    expect(end(account({ record }), refresh, { shared: false })?.record.knownGoodUntil).toBe(
      NOW + 86_400_000,
    )
  })
})

it('a lease is renewed by its holder alone', () => {
  expect(renewLease(leased('own', 2000), 'own', NOW)).toEqual(leased('own'))
  expect([renewLease(leased('other'), 'own', NOW), renewLease(account(), 'own', NOW)]).toEqual([
    undefined,
    undefined,
  ])
})
