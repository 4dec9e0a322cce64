import { describe, expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import {
  backoffAfter,
  extendKnownGood,
  guardState,
  loginFrom,
  mergeRecords,
  NO_ATTEMPTS,
  parseRecords,
  recordFailure,
  recordGrant,
  recordStart,
  storedRecords,
  type AttemptRecord,
} from '../../src/token/login-guard.ts'
import { authFailure } from '../support/failure.ts'
import { DOWN, REFUSED, RULES, throttled, unknown } from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const NOW = 1_000_000
const GOOD = recordGrant(NO_ATTEMPTS, NO_ATTEMPTS, { sentAt: NOW, now: NOW })
const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })
const TIMEOUT = authFailure('unknown', 'timeout')
const EGRESS = authFailure('egress', 'egress-login')
const CONTEXT = { now: NOW, alone: false, rules: RULES }

/** A login that begins and fails at the same instant. */
const after = (before: AttemptRecord, failure: AuthFailure, now = NOW, alone = false) =>
  recordFailure(recordStart(before, now), before, failure, { ...CONTEXT, now, alone })

/** The pauses after so many of these failures, each login as early as it may be; seconds. */
function pauses(failure: AuthFailure, count: number, first = NO_ATTEMPTS, alone = false) {
  let record = first
  let now = NOW
  return Array.from({ length: count }, () => {
    record = after(record, failure, now, alone)
    const from = Math.max(now, loginFrom(record, RULES))
    const pause = from - now
    now = from
    return pause / S
  })
}

describe('the pause after failed logins', () => {
  it.each<readonly [string, AuthFailure, AttemptRecord, readonly number[]]>([
    ['refused', REFUSED, NO_ATTEMPTS, [5, 10, 900, 14_400, 14_400]],
    ['refused, known good', REFUSED, GOOD, [5, 10, 900, 14_400]],
    ['500', AMBIGUOUS, NO_ATTEMPTS, [5, 10, 900, 14_400]],
    ['500, known good', AMBIGUOUS, GOOD, [5, 30, 150, 750, 300, 300]],
    ['unknown', unknown(200), NO_ATTEMPTS, [5, 10, 150, 750, 300, 300]],
    ['unknown, known good', unknown(200), GOOD, [5, 30, 150, 750, 300]],
    ['without an answer', TIMEOUT, NO_ATTEMPTS, [5, 10, 150, 750, 300]],
    ['without an answer, known good', TIMEOUT, GOOD, [0, 0]],
    ['not processed', DOWN, NO_ATTEMPTS, [0, 0]],
    ['refused by the egress proxy', EGRESS, NO_ATTEMPTS, [0, 0]],
  ])('%s', (_, failure, before, expected) => {
    expect(pauses(failure, expected.length, before)).toEqual(expected)
  })

  it.each([
    ['refused', REFUSED, [1080, 15_030]],
    ['unknown', unknown(200), [930, 930, 930]],
    ['not processed', DOWN, [0]],
  ] as const)('while the process is alone: %s', (_, failure, expected) => {
    expect(pauses(failure, expected.length, NO_ATTEMPTS, true)).toEqual(expected)
  })

  it.each([
    [7 * S, 7],
    [999, 1],
    [0, 1],
    [300 * S, 300],
    [999_999_999_000, 300],
  ])('with Retry-After of %d ms is %d s, or so much longer', (retryAfter, seconds) => {
    expect(backoffAfter(throttled(retryAfter), 0, 0) / S).toBe(seconds)
    expect(pauses({ ...unknown(408), retryAfter }, 1)).toEqual([5 + seconds])
  })

  it.each([
    [1, undefined, -Infinity],
    [3, undefined, -Infinity],
    [4, 0, 12.5 * MINUTE],
    [5, 0, 5 * MINUTE],
    // An operator shortens four hours to what may be the fifth login in 15 min.
    [4, 4, 15 * MINUTE],
  ])('of %i attempts is ended by an operator', (attempts, refusals, ms) => {
    const record = { ...NO_ATTEMPTS, attempts, refusals: refusals ?? 0, at: NOW }
    expect(loginFrom(record, RULES, true) - NOW).toBe(ms)
  })

  it.each([
    [3, true, 15.5 * MINUTE],
    [3, false, 12.5 * MINUTE],
    [4, true, 15.5 * MINUTE],
    [2, true, 2.5 * MINUTE],
  ])('of a login after %i attempts, forced: %s', (attempts, forced, ms) => {
    const record = recordStart({ ...NO_ATTEMPTS, attempts }, NOW, forced)
    expect(loginFrom(record, RULES) - NOW).toBe(ms)
  })
})

describe('the back-off after a failure that does not count', () => {
  const backoffs = (failure: AuthFailure, random: number, count: number) =>
    Array.from({ length: count }, (_, failures) => backoffAfter(failure, failures, random) / S)

  it.each<readonly [string, AuthFailure, number, readonly number[]]>([
    ['not processed', DOWN, 1, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['not processed, jittered', DOWN, 0.5, [0.25, 0.5, 1, 2, 4, 8, 15]],
    ['unknown', TIMEOUT, 1, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 300]],
    ['unknown, jittered', TIMEOUT, 0, [0.25, 0.5, 1, 2, 4, 8, 15]],
    ['a refresh with 500', AMBIGUOUS, 1, [0.5, 1, 2, 4, 8, 15, 15]],
    ['the egress proxy', EGRESS, 0, [30, 60, 120, 240, 300, 300]],
  ])('%s', (_, failure, random, expected) => {
    expect(backoffs(failure, random, expected.length)).toEqual(expected)
  })
})

describe('the record', () => {
  it.each<readonly [string, AttemptRecord, AuthFailure, Partial<AttemptRecord>]>([
    ['a refusal', GOOD, REFUSED, { attempts: 1, refusals: 1, knownGoodUntil: -Infinity }],
    ['500, known good', GOOD, AMBIGUOUS, { attempts: 1, knownGoodUntil: GOOD.knownGoodUntil }],
    ['500', NO_ATTEMPTS, AMBIGUOUS, { refusals: 1, lastCode: 'business' }],
    ['an unknown answer', GOOD, unknown(200), { attempts: 1, refusals: 0 }],
    ['no answer, known good', GOOD, TIMEOUT, GOOD],
    ['nothing that was touched', after(GOOD, REFUSED), DOWN, after(GOOD, REFUSED)],
  ])('after %s', (_, before, failure, expected) => {
    expect(after(before, failure)).toMatchObject(expected)
  })

  it('is known good until 24 h after a grant', () => {
    const last = after(GOOD, AMBIGUOUS, NOW + 24 * HOUR - 1)
    const first = after(GOOD, AMBIGUOUS, NOW + 24 * HOUR)
    expect([last.refusals, first.refusals]).toEqual([0, 1])
  })

  it('keeps the attempts of other processes that began at the same time', () => {
    const first = recordStart(NO_ATTEMPTS, NOW)
    const both = recordStart(first, NOW + S)
    expect(recordFailure(both, NO_ATTEMPTS, DOWN, CONTEXT)).toMatchObject({ attempts: 1 })
    expect(recordFailure(both, first, DOWN, CONTEXT)).toEqual(first)
    const sent = { sentAt: NOW, now: NOW + 2 * S }
    expect(recordGrant(both, NO_ATTEMPTS, sent)).toMatchObject({
      attempts: 1,
      at: NOW + S,
      grantedAt: NOW,
    })
    const refused = recordFailure(both, first, REFUSED, CONTEXT)
    const late = recordGrant(refused, NO_ATTEMPTS, sent)
    expect(late).toMatchObject({ attempts: 1, refusals: 1, knownGoodUntil: -Infinity })
    expect(recordGrant(both, first, sent)).toMatchObject({ attempts: 0, at: -Infinity })
  })

  it.each<readonly [Partial<AttemptRecord>, string, boolean]>([
    [{ attempts: 1 }, 'transient', false],
    [{ attempts: 3 }, 'guarded', false],
    [{ attempts: 1, refusals: 1 }, 'rejected', true],
    [{ attempts: 1, refusals: 3 }, 'guarded', true],
  ])('with %j is shown as %s, refused: %s', (change, state, refused) => {
    expect(guardState({ ...NO_ATTEMPTS, ...change }, RULES)).toEqual({ state, refused })
  })

  it.each([
    ['extended an hour and 1 ms ago', NOW + 23 * HOUR - 1, true],
    ['extended an hour ago', NOW + 23 * HOUR, false],
    ['that is nearly over', NOW + 1, true],
    ['that is over', NOW, false],
  ])('a refresh extends a time of known good credentials %s', (_, knownGoodUntil, isDue) => {
    const before = { ...after(GOOD, AMBIGUOUS), knownGoodUntil }
    const extended = { ...before, knownGoodUntil: NOW + 24 * HOUR }
    expect(extendKnownGood(before, NOW)).toEqual(isDue ? extended : before)
  })
})

describe('two records of the same credentials', () => {
  const failed = after(GOOD, REFUSED, NOW + S)
  const twice = after(failed, unknown(200), NOW + 9 * S)
  const later = recordGrant(twice, twice, { sentAt: NOW + 20 * S, now: NOW + 21 * S })
  const again = after(later, AMBIGUOUS, NOW + 30 * S)

  it.each<readonly [string, AttemptRecord, AttemptRecord, AttemptRecord]>([
    ['the same', twice, twice, twice],
    ['more attempts', failed, twice, twice],
    ['a later grant', twice, later, later],
    ['attempts after a later grant', twice, again, again],
    ['nothing known', NO_ATTEMPTS, again, again],
    ['a refusal', GOOD, failed, failed],
  ])('become one: %s', (_, one, other, expected) => {
    expect([mergeRecords(one, other), mergeRecords(other, one)]).toEqual([expected, expected])
  })

  it('count what neither grant crosses out', () => {
    const elsewhere = { ...twice, at: NOW + 25 * S, lastCode: 'timeout' as const }
    const expected = { attempts: 2, refusals: 1, at: again.at, lastCode: 'business' }
    expect(mergeRecords(elsewhere, again)).toMatchObject({
      ...expected,
      grantedAt: later.grantedAt,
      knownGoodUntil: -Infinity,
    })
  })
})

describe('records outside of the process', () => {
  const record: AttemptRecord = {
    ...NO_ATTEMPTS,
    attempts: 4,
    refusals: 2,
    at: NOW,
    lastCode: 'password',
  }
  const instants = { at: NOW + 7, grantedAt: null, knownGoodUntil: null }
  const stored = { attempts: 4, refusals: 2, lastCode: 'password', ...instants }
  const parse = (value: unknown) => parseRecords({ one: stored, other: value }, 7, NOW)

  it('are by another clock, and the 20 latest', () => {
    const many = Array.from({ length: 21 }, (_, hours) => {
      const later = { ...GOOD, grantedAt: NOW + hours * HOUR }
      return [`${hours}h`, hours % 2 === 0 ? later : { ...record, at: later.grantedAt }] as const
    })
    const all = storedRecords(new Map([...many].reverse()), 7)
    expect(Object.keys(all).toSorted()).toEqual(
      many
        .slice(1)
        .map(([name]) => name)
        .toSorted(),
    )
    const both = new Map([
      ['one', record],
      ['other', GOOD],
    ])
    const json: unknown = JSON.parse(JSON.stringify(storedRecords(both, 7)))
    expect(json).toMatchObject({ one: stored })
    expect(parseRecords(json, 7, NOW)).toEqual(both)
  })

  it.each([
    ['at', 10.5 * MINUTE, NOW + 10.5 * MINUTE],
    ['at', 10.5 * MINUTE + 1, NOW],
    ['grantedAt', 0, NOW],
    ['grantedAt', 1, NOW],
    ['knownGoodUntil', 24 * HOUR, NOW + 24 * HOUR],
    ['knownGoodUntil', 24 * HOUR + 1, NOW],
  ])('from before the clock was set back count as now: %s + %d', (name, ms, at) => {
    const found = parse({ ...stored, [name]: NOW + 7 + ms })?.get('other')
    expect(found).toMatchObject({ [name]: at })
  })

  it.each([
    [{}, true],
    [{ attempts: 1e6 }, true],
    [{ attempts: 1e6 + 1 }, false],
    [{ attempts: 0.5 }, false],
    [{ attempts: -1 }, false],
    [{ refusals: '1' }, false],
    [{ at: '1' }, false],
    [{ at: null }, true],
    [{ grantedAt: '1' }, false],
    [{ knownGoodUntil: undefined }, false],
    [{ lastCode: undefined }, true],
    [{ lastCode: 'toString' }, false],
    [{ lastCode: 1 }, false],
  ])('with %j in a record are ours: %s', (change, isOurs) => {
    expect(parse({ ...stored, ...change }) !== undefined).toBe(isOurs)
  })

  it.each([[null], ['text'], [[]]])('are not ours with %j', (value) => {
    expect([parse(value), parseRecords(value, 7, NOW)]).toEqual([undefined, undefined])
  })
})
