import { describe, expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import { addAttempts, backoffAfter, extendKnownGood } from '../../src/token/login-guard.ts'
import { loginFrom, mergeRecords, NO_ATTEMPTS, recordFailure } from '../../src/token/login-guard.ts'
import { recordGrant, recordStart } from '../../src/token/login-guard.ts'
import type { AttemptRecord } from '../../src/token/login-guard.ts'
import { authFailure } from '../support/failure.ts'
import { DOWN, REFUSED, RULES, START as NOW, throttled, unknown } from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const GOOD = recordGrant(NO_ATTEMPTS, NO_ATTEMPTS, { sentAt: NOW, now: NOW })
const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })
const TIMEOUT = authFailure('unknown', 'timeout')
const EGRESS = authFailure('not-processed', 'egress-login')

const after = (before: AttemptRecord, failure: AuthFailure, now = NOW, alone = false) =>
  recordFailure(recordStart(before, now, { alone }), before, failure, now)

/** Seconds of pause after each of several failures; each login is sent as early as possible. */
function pauses(failure: AuthFailure, count: number, first = NO_ATTEMPTS, alone = false) {
  let [record, now] = [first, NOW]
  return Array.from({ length: count }, () => {
    record = after(record, failure, now, alone)
    const before = now
    now = Math.max(now, loginFrom(record, RULES))
    return (now - before) / S
  })
}

describe('the pause after failed logins', () => {
  it.each<readonly [string, AuthFailure, AttemptRecord, readonly number[]]>([
    ['rejected', REFUSED, NO_ATTEMPTS, [5, 10, 900, 14_400, 14_400]],
    ['500', AMBIGUOUS, NO_ATTEMPTS, [5, 10, 900, 14_400]],
    ['500, known good', AMBIGUOUS, GOOD, [5, 30, 150, 750, 300, 300]],
    ['unknown', unknown(200), NO_ATTEMPTS, [5, 10, 150, 750, 300, 300]],
    ['unknown, known good', unknown(200), GOOD, [5, 30, 150, 750, 300]],
    ['without an answer', TIMEOUT, NO_ATTEMPTS, [5, 10, 150, 750, 300]],
    ['without an answer, known good', TIMEOUT, GOOD, [0, 0]],
    ['not processed', DOWN, NO_ATTEMPTS, [0, 0]],
  ])('%s', (_, failure, before, expected) => {
    expect(pauses(failure, expected.length, before)).toEqual(expected)
  })

  it('that only this replica knows is 15.5 min, and an operator ends it', () => {
    expect(pauses(REFUSED, 3, NO_ATTEMPTS, true)).toEqual([930, 930, 930])
    const record = after(NO_ATTEMPTS, REFUSED, NOW, true)
    expect(loginFrom(record, RULES, true)).toBe(-Infinity)
    expect([record.attempts, record.rejections]).toEqual([1, 1])
  })

  it.each([
    [7 * S, 7],
    [0, 1],
    [999_999_999_000, 300],
  ])('with Retry-After of %d ms is %d s, or so much longer', (retryAfter, seconds) => {
    expect(backoffAfter(throttled(retryAfter), 'login', 0, 0) / S).toBe(seconds)
    expect(pauses({ ...unknown(408), retryAfter }, 1)).toEqual([5 + seconds])
  })

  it.each([
    [1, 0, -Infinity],
    [4, 0, 12.5 * MINUTE],
    [5, 0, 5 * MINUTE],
    // Four hours become 15 min, after which a fifth login is allowed.
    [4, 4, 15 * MINUTE],
  ])('of %i attempts and %i refusals is ended by an operator', (attempts, rejections, ms) => {
    const record = { ...NO_ATTEMPTS, attempts, rejections, pauseFrom: NOW }
    expect(loginFrom(record, RULES, true) - NOW).toBe(ms)
    expect(loginFrom({ ...record, attempts: 0 }, RULES)).toBe(-Infinity)
  })

  it.each([
    [3, true, 15.5 * MINUTE],
    [4, true, 15.5 * MINUTE],
    [2, true, 2.5 * MINUTE],
  ])('of a login after %i attempts, forced: %s', (attempts, forced, ms) => {
    const record = recordStart({ ...NO_ATTEMPTS, attempts }, NOW, { forced })
    expect(loginFrom(record, RULES) - NOW).toBe(ms)
  })
})

it.each<readonly [string, AuthFailure, number, readonly number[]]>([
  ['not processed', DOWN, 1, [0.5, 1, 2, 4, 8, 16, 30, 30]],
  ['not processed, jittered', DOWN, 0.5, [0.25, 0.5, 1, 2, 4, 8, 15]],
  ['unknown', TIMEOUT, 1, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 300]],
  ['a refresh, unknown', TIMEOUT, 1, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]],
  ['a refresh with 500', AMBIGUOUS, 1, [0.5, 1, 2, 4, 8, 15, 15]],
  ['the egress proxy', EGRESS, 0, [30, 60, 120, 240, 300, 300]],
])('the back-off after a failure that does not count: %s', (name, failure, random, expected) => {
  const operation = name.startsWith('a refresh') ? 'refresh' : 'login'
  const backoff = (failures: number) => backoffAfter(failure, operation, failures, random) / S
  expect(expected.map((_, failures) => backoff(failures))).toEqual(expected)
})

it.each<readonly [string, AttemptRecord, AuthFailure, Partial<AttemptRecord>]>([
  ['a rejection', GOOD, REFUSED, { attempts: 1, rejections: 1, knownGoodUntil: -Infinity }],
  ['500, known good', GOOD, AMBIGUOUS, { attempts: 1, knownGoodUntil: GOOD.knownGoodUntil }],
  ['no answer, known good', GOOD, TIMEOUT, GOOD],
  ['a login that was not processed', after(GOOD, REFUSED), DOWN, after(GOOD, REFUSED)],
])('the record after %s', (_, before, failure, expected) => {
  expect(after(before, failure)).toMatchObject(expected)
})

it('the record is known good until 24 h after a grant', () => {
  const last = after(GOOD, AMBIGUOUS, NOW + 24 * HOUR - 1)
  const first = after(GOOD, AMBIGUOUS, NOW + 24 * HOUR)
  expect([last.rejections, first.rejections]).toEqual([0, 1])
})

it('the record keeps attempts that other processes began at the same time', () => {
  const first = recordStart(NO_ATTEMPTS, NOW)
  const both = recordStart(first, NOW + S)
  expect(recordFailure(both, NO_ATTEMPTS, DOWN, NOW)).toMatchObject({ attempts: 1 })
  expect(recordFailure(both, first, DOWN, NOW)).toEqual(first)
  const sent = { sentAt: NOW, now: NOW + 2 * S }
  const good = { grantedAt: NOW, knownGoodUntil: sent.now + 24 * HOUR }
  const left = { ...good, attempts: 1, pauseFrom: NOW + S }
  expect(recordGrant(both, NO_ATTEMPTS, sent)).toMatchObject(left)
  const again = recordStart(recordStart({ ...first, rejections: 1 }, NOW), NOW)
  expect(recordGrant(again, { ...first, rejections: 1 }, sent)).toMatchObject({ rejections: 0 })
  const refused = recordFailure(both, first, REFUSED, NOW)
  const late = { attempts: 1, rejections: 1, knownGoodUntil: -Infinity }
  expect(recordGrant(refused, NO_ATTEMPTS, sent)).toMatchObject(late)
  expect(recordGrant(both, first, sent)).toMatchObject({ attempts: 0, pauseFrom: -Infinity })
})

it.each([
  [23 * HOUR - 1, true],
  [23 * HOUR, false],
  [0, false],
])('the record that is known good for %d ms is extended by a refresh: %s', (ms, isDue) => {
  const knownGoodUntil = NOW + ms
  const before = { ...after(GOOD, AMBIGUOUS), knownGoodUntil }
  const extended = { ...before, knownGoodUntil: NOW + 24 * HOUR }
  expect(extendKnownGood(before, NOW)).toEqual(isDue ? extended : before)
})

const failed = after(GOOD, REFUSED, NOW + S)
const twice = after(failed, unknown(200), NOW + 9 * S)
const later = recordGrant(twice, twice, { sentAt: NOW + 20 * S, now: NOW + 21 * S })
const again = after(later, AMBIGUOUS, NOW + 30 * S)

it.each<readonly [string, AttemptRecord, AttemptRecord, AttemptRecord]>([
  ['the same', twice, twice, twice],
  ['more attempts', failed, twice, twice],
  ['a later grant', twice, later, later],
  ['a later grant than the attempts of a pause', { ...twice, pauseFrom: NOW + HOUR }, later, later],
  ['nothing known', NO_ATTEMPTS, again, again],
  ['a rejection', GOOD, failed, failed],
])('two records of the same credentials become one: %s', (_, one, other, expected) => {
  expect([mergeRecords(one, other), mergeRecords(other, one)]).toEqual([expected, expected])
})

it('two records of the same credentials count attempts after both grants', () => {
  const [pauseFrom, lastCode] = [NOW + 25 * S, 'timeout'] as const
  const elsewhere = { ...twice, pauseFrom, attemptedAt: pauseFrom, lastCode }
  const counts = { attempts: 2, rejections: 1, lastCode: 'business' }
  const from = { grantedAt: later.grantedAt, pauseFrom: again.pauseFrom }
  const merged = { ...counts, ...from, knownGoodUntil: -Infinity }
  expect(mergeRecords(elsewhere, again)).toMatchObject(merged)
})

it.each<readonly [string, AttemptRecord, AttemptRecord, AttemptRecord, number]>([
  ['of three replicas', twice, failed, GOOD, 3],
  ['of which the home has one', twice, twice, failed, 3],
  ['after a grant elsewhere', later, twice, failed, 0],
  ['although the home has lost its own', NO_ATTEMPTS, twice, failed, 2],
  ['after a grant in memory', twice, later, twice, 0],
])('two records of the same credentials add the attempts made in memory: %s', (...row) => {
  const [, stored, mine, base, attempts] = row
  expect(addAttempts(stored, mine, base)).toMatchObject({ attempts, unshared: false })
})
