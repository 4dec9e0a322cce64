import { describe, expect, it } from 'vitest'
import {
  backoffOf,
  begun,
  countOf,
  failed,
  granted,
  merged,
  NO_ENTRY,
  notBefore,
  parseStoredBook,
  pauseAfter,
  prolonged,
  storedBook,
  waitOf,
  withBook,
  type BookStore,
  type Entry,
} from '../../src/token/book.ts'
import { type Ask } from '../../src/token/token.ts'
import type { AuthFailure, Grant, Operation, RefreshTokens } from '../../src/token/protocol.ts'
import { createToken } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'
import {
  ATTEMPTS,
  credentialsOf,
  DOWN,
  grant,
  loginOf,
  REFUSED,
  RULES,
  throttled,
  unclear,
  memoryBook,
} from './support.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const NOW = 1_000_000
const PROVEN: Entry = granted(NOW)
const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })
const EGRESS = authFailure('egress', 'egress-login')
const after = (before: Entry, failure: AuthFailure, weight = 1): Entry =>
  failed(begun(before, NOW), before, failure, { weight, now: NOW })

/** The pauses after so many of these failures in a row, seconds. */
function pauses(
  failure: AuthFailure,
  count: number,
  { before = NO_ENTRY, random = 0.5, attempts = 3, weight = 1 } = {},
) {
  let entry = before
  return Array.from({ length: count }, (_, failures) => {
    const counts = countOf(failure, entry, NOW) !== undefined
    entry = after(entry, failure, weight)
    const until = notBefore(entry, { loginRejectedAttempts: attempts })
    return (counts ? until - NOW : pauseAfter(failure, failures, random)) / S
  })
}

describe('the pause after a failed login', () => {
  it.each([
    ['refused', REFUSED, {}, [5, 10, 900, 14_400, 14_400]],
    ['refused, proven', REFUSED, { before: PROVEN }, [5, 10, 900, 14_400]],
    ['refused, with LOGIN_REJECTED_ATTEMPTS=1', REFUSED, { attempts: 1 }, [900, 14_400]],
    ['refused, with LOGIN_REJECTED_ATTEMPTS=5', REFUSED, { attempts: 5 }, [5, 10, 480, 480, 900]],
    ['refused while others may try as well', REFUSED, { weight: 3 }, [900, 14_400]],
    ['500, not proven', AMBIGUOUS, {}, [5, 10, 900, 14_400]],
    ['500, the proof has ended', AMBIGUOUS, { before: { ...NO_ENTRY, provenUntil: NOW } }, [5]],
    ['500, proven', AMBIGUOUS, { before: PROVEN, random: 1 }, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['unclear, not proven', unclear(200), {}, [5, 10, 480, 480, 480]],
    ['unclear, proven', unclear(200), { before: PROVEN, random: 0 }, [0.25, 0.5, 1, 2, 4, 8, 15]],
    ['untouched', DOWN, { random: 1 }, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['untouched, with jitter', DOWN, {}, [0.25, 0.5, 1, 2, 4, 8, 15, 15]],
    ['the egress proxy', EGRESS, { random: 0 }, [30, 60, 120, 240, 300, 300]],
  ])('%s', (_, failure, options, expected) => {
    expect(pauses(failure, expected.length, options)).toEqual(expected)
  })

  it('of proven credentials without a clear response grows to 5 min after ten', () => {
    const all = pauses(unclear(200), 12, { before: PROVEN, random: 1 })
    expect(all.slice(8)).toEqual([30, 30, 300, 300])
  })

  it.each([
    [7 * S, 7],
    [999, 1],
    [0, 1],
    [300 * S, 300],
    [999_999_999_000, 300],
  ])('with Retry-After of %d ms is %d s, or so much longer', (asked, pause) => {
    expect(pauses(throttled(asked), 1)).toEqual([pause])
    expect(pauses({ ...unclear(408), retryAfter: asked }, 1)).toEqual([5 + pause])
  })
})

describe('the entry', () => {
  it.each<readonly [string, Entry, AuthFailure, Partial<Entry>]>([
    ['a refusal', NO_ENTRY, REFUSED, { attempts: 1, refusals: 1, at: NOW }],
    ['a refusal, proven', PROVEN, REFUSED, { attempts: 1, refusals: 1, provenUntil: -Infinity }],
    ['no verdict', NO_ENTRY, unclear(200), { attempts: 1, refusals: 0 }],
    ['no verdict, proven', PROVEN, unclear(200), PROVEN],
    ['no verdict after refusals', after(NO_ENTRY, REFUSED), unclear(200), { refusals: 1 }],
    ['nothing that was touched', after(NO_ENTRY, REFUSED), DOWN, after(NO_ENTRY, REFUSED)],
  ])('after %s', (_, before, failure, expected) => {
    expect(after(before, failure)).toMatchObject({ ...expected, open: false })
  })

  it('of a fourth login that an operator forces keeps the next one waiting for 15 min', () => {
    const third = { ...NO_ENTRY, attempts: 3, at: NOW }
    const forced = begun(third, NOW, true)
    expect([forced.at, begun(third, NOW).at]).toEqual([NOW + 7 * MINUTE, NOW])
    const ended = failed(forced, third, unclear(200), { weight: 1, now: NOW + S })
    expect(notBefore(ended, ATTEMPTS)).toBe(NOW + 15 * MINUTE)
    expect(begun({ ...third, attempts: 2 }, NOW, true).at).toBe(NOW)
    // Another process looks for its end.
    expect(waitOf(forced, { forced: false }, ATTEMPTS, NOW)).toMatchObject({ ms: 3 * S })
  })

  it('keeps the attempt of another process that was open at the same time', () => {
    const first = begun(NO_ENTRY, NOW)
    const both = begun(first, NOW + 4 * S)
    const given = { weight: 1, now: NOW + 5 * S }
    const others = { attempts: 1, at: NOW + 4 * S, open: false }
    expect(failed(both, NO_ENTRY, DOWN, given)).toMatchObject(others)
    expect(begun(PROVEN, NOW).provenUntil).toBe(-Infinity)
    expect(failed(both, first, DOWN, given)).toEqual({ ...first, open: false })
    expect(failed(granted(NOW), first, REFUSED, given)).toMatchObject({ attempts: 1, refusals: 1 })
  })

  it.each<readonly [Partial<Entry>, string, boolean]>([
    [{ attempts: 1 }, 'transient', false],
    [{ attempts: 3 }, 'guarded', false],
    [{ attempts: 1, refusals: 1 }, 'rejected', true],
    [{ attempts: 1, refusals: 3 }, 'guarded', true],
  ])('with %j is shown as %s, refused: %s', (change, state, refused) => {
    expect(backoffOf({ ...NO_ENTRY, ...change }, ATTEMPTS)).toEqual({ state, refused })
  })

  it('of two the larger one counts in each field, and an attempt of either proves nothing', () => {
    const one: Entry = { ...NO_ENTRY, attempts: 3, refusals: 1, at: 5, open: true }
    const other: Entry = { attempts: 1, refusals: 2, at: 7, open: false, provenUntil: 9 }
    const larger = { attempts: 3, refusals: 2, at: 7, open: true, provenUntil: -Infinity }
    expect([merged(one, other), merged(other, one)]).toEqual([larger, larger])
    expect(merged(PROVEN, { ...NO_ENTRY, provenUntil: 9 })).toEqual(PROVEN)
  })

  it.each([
    ['renewed an hour and 1 ms ago', NOW + 23 * HOUR - 1, true],
    ['renewed an hour ago', NOW + 23 * HOUR, false],
    ['that ends', NOW + 1, true],
    ['that has ended', NOW, false],
  ])('a refresh prolongs a proof %s', (_, provenUntil, isDue) => {
    const expected = isDue ? PROVEN : undefined
    expect(prolonged({ ...NO_ENTRY, provenUntil }, NOW)).toEqual(expected)
  })
})

describe('a login waits', () => {
  it.each<readonly [string, Partial<Entry>, number | undefined, number | undefined]>([
    ['for nothing', {}, undefined, undefined],
    ['for the pause', { attempts: 1 }, 5 * S, undefined],
    ['for the pause after the third', { attempts: 3 }, 8 * MINUTE, undefined],
    ['for the pause after the fourth', { attempts: 4 }, 8 * MINUTE, 8 * MINUTE],
    ['for no more than that', { attempts: 5, refusals: 5 }, 4 * HOUR, 15 * MINUTE],
    ['for its Retry-After', { attempts: 1, at: NOW + 5 * MINUTE }, 5 * MINUTE + 5 * S, undefined],
    [
      'for one that is open too long',
      { attempts: 3, at: NOW - 3 * S, open: true },
      477 * S,
      undefined,
    ],
  ])('%s, and for an operator', (_, change, ms, forced) => {
    const entry = { ...NO_ENTRY, at: NOW, ...change }
    const waits = [false, true].map((isForced) => {
      const wait = waitOf(entry, { forced: isForced }, ATTEMPTS, NOW)
      return wait?.deferred === 'guarded' ? wait.ms : undefined
    })
    expect(waits).toEqual([ms, forced])
    expect(waitOf(entry, { forced: false }, ATTEMPTS, NOW + (ms ?? 0))).toBeUndefined()
  })

  it('3 s for the login of another process, which is forced by nobody, and then for its pause', () => {
    const entry = begun(NO_ENTRY, NOW)
    const at = (ms: number, forced: boolean) => waitOf(entry, { forced }, ATTEMPTS, NOW + ms)
    expect(at(2999, true)).toEqual({ deferred: 'busy', ms: 50 })
    expect(at(3000, false)).toMatchObject({ deferred: 'guarded', ms: 2 * S })
    expect(at(3000, true)).toBeUndefined()
  })
})

describe('a book outside of the process', () => {
  const entry: Entry = { attempts: 4, refusals: 2, at: NOW, open: true, provenUntil: -Infinity }
  const kept = { attempts: 4, refusals: 2, at: NOW + 7, open: true, provenUntil: null }
  const parse = (value: unknown) => parseStoredBook({ one: kept, other: value }, 7, NOW)

  it('is by another clock, and has the 20 latest entries', () => {
    const book = new Map('abcdefghijklmnopqrstu'.split('').map((name) => [name, entry]))
    book.set('a', { ...entry, at: NOW - 1 }).set('proven', PROVEN)
    const stored = storedBook(book, 7)
    expect(Object.keys(stored)).toEqual('bcdefghijklmnopqrstu'.split(''))
    expect(stored).toMatchObject({ b: kept })
    const proofs = Array.from({ length: 21 }, (_, hours) => {
      return [`${hours}h`, { ...PROVEN, provenUntil: NOW + hours * HOUR }] as const
    })
    expect(Object.keys(storedBook(new Map(proofs), 0)).toSorted()).toEqual(
      proofs
        .map(([name]) => name)
        .filter((name) => name !== '0h')
        .toSorted(),
    )
    const both = new Map([
      ['one', entry],
      ['other', PROVEN],
    ])
    expect(parseStoredBook(storedBook(both, 7), 7, NOW)).toEqual(both)
  })

  it.each([
    ['at', 7 * MINUTE, NOW + 7 * MINUTE],
    ['at', 7 * MINUTE + 1, NOW],
    ['provenUntil', 24 * HOUR, NOW + 24 * HOUR],
    ['provenUntil', 24 * HOUR + 1, NOW],
  ])('that was written before the clock was set back counts as now: %s + %d', (name, ms, at) => {
    const found = parse({ ...kept, [name]: NOW + 7 + ms })?.get('other')
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
    [{ open: 1 }, false],
    [{ provenUntil: undefined }, false],
  ])('with %j in an entry is one of ours: %s', (change, isOurs) => {
    expect(parse({ ...kept, ...change }) !== undefined).toBe(isOurs)
  })

  it.each([[null], ['text'], [[]]])('is none of ours with %j', (value) => {
    expect([parse(value), parseStoredBook(value, 7, NOW)]).toEqual([undefined, undefined])
  })
})

describe('the book', () => {
  const credentials = credentialsOf('p1')

  function open(outcomes: readonly (Grant | AuthFailure)[], given?: BookStore) {
    const clock = manualClock(NOW)
    const book = given ?? memoryBook(clock)
    const left = [...outcomes]
    const seen: Entry[] = []
    const sent: Operation[] = []
    const refreshed: RefreshTokens[] = []
    const entry = async () => (await book.update(credentials, () => undefined)).entry
    const next = async (operation: Operation) => {
      sent.push(operation)
      seen.push(await entry())
      return left.shift() ?? new Promise<never>(() => undefined)
    }
    const client = withBook({
      client: {
        login: () => next('login'),
        refresh(tokens) {
          refreshed.push(tokens)
          return next('refresh')
        },
      },
      book,
      rules: ATTEMPTS,
      clock,
      random: () => 0.5,
    })
    const ask = loginOf(credentials)
    const token = createToken(grant({ refreshToken: 'r' }), RULES, 0)
    return {
      clock,
      seen,
      sent,
      refreshed,
      entry,
      login: (changes: Partial<Ask> = {}) => client({ ...ask, ...changes }),
      refresh: (refreshExpiresAt?: number) =>
        client({ ...ask, operation: 'refresh', current: { ...token, refreshExpiresAt } }),
    }
  }

  it('has the login before it is sent, crosses it out by a grant, and takes it back when nothing was touched', async () => {
    const { login, entry, seen } = open([DOWN, grant()])
    const backoff = { state: 'transient', refused: false }
    expect(await login()).toEqual({ failure: DOWN, pause: 250, counted: false, backoff })
    expect(await entry()).toEqual(NO_ENTRY)
    await login()
    expect(seen).toEqual([begun(NO_ENTRY, NOW), begun(NO_ENTRY, NOW)])
    expect(await entry()).toEqual(PROVEN)
  })

  it('defers a login that comes too early, but not one that an operator asks for', async () => {
    const { login, seen, clock } = open([REFUSED, REFUSED])
    await login()
    const backoff = { state: 'rejected', refused: true }
    expect(await login()).toEqual({ deferred: 'guarded', ms: 5 * S, backoff })
    await clock.advance(2 * S)
    expect(await login({ forced: true })).toMatchObject({ pause: 10 * S, backoff })
    expect(seen).toHaveLength(2)
  })

  it('gives two wrong secrets that take turns each 20 s three logins each in 15 min', async () => {
    const { login, clock, sent } = open(Array.from({ length: 100 }, () => REFUSED))
    for (let second = 0; second < 900; second += 1) {
      await login({ credentials: credentialsOf(second % 40 < 20 ? 'wrong' : 'wrong, too') })
      await clock.advance(S)
    }
    expect(sent).toHaveLength(6)
  })

  it('looks each 50 ms for the end of the login of another process', async () => {
    const book = memoryBook(manualClock(NOW))
    await book.update(credentials, begun)
    const { login, seen, clock } = open([grant()], book)
    void login()
    await clock.advance(100)
    expect(seen).toEqual([])
    await book.update(credentials, () => granted(NOW))
    await clock.advance(50)
    expect(seen).toHaveLength(1)
  })

  it('says after each login what the account is spared by', async () => {
    const { login, clock } = open([REFUSED, DOWN, unclear(200), unclear(200)])
    const states: unknown[] = []
    for (let nth = 0; nth < 4; nth += 1) {
      states.push(Object(await login()).backoff)
      await clock.advance(10 * S)
    }
    const rejected = { state: 'rejected', refused: true }
    expect(states).toEqual([rejected, rejected, rejected, { state: 'guarded', refused: true }])
    const other = open([unclear(200), unclear(200), unclear(200)])
    for (const ms of [5 * S, 10 * S]) {
      await other.login()
      await other.clock.advance(ms)
    }
    const guarded = { counted: true, backoff: { state: 'guarded', refused: false } }
    expect(await other.login()).toMatchObject(guarded)
  })

  it('makes one login in 8 min while it cannot be written and nothing is proven', async () => {
    const book = memoryBook(manualClock(NOW))
    const update: BookStore['update'] = async (...given) => ({
      ...(await book.update(...given)),
      isWritten: false,
    })
    const { login } = open([REFUSED], { update })
    expect(await login()).toMatchObject({ pause: 8 * MINUTE })
  })

  it.each<readonly [string, AuthFailure, number, string]>([
    ['refused', REFUSED, 0, 'none'],
    ['not there', { ...DOWN, status: 404 }, 0, 'none'],
    ['without a response', DOWN, 250, 'transient'],
    ['unclear', unclear(200), 375, 'transient'],
  ])('lets a login follow a refresh that was %s', async (_, failure, pause, state) => {
    const { refresh, entry } = open([failure])
    const backoff = { state, refused: false }
    expect(await refresh()).toEqual({ failure, pause, counted: false, backoff })
    expect(await entry()).toEqual(NO_ENTRY)
  })

  it('logs in when that is asked for, whatever refresh token there is, and when there is none', async () => {
    const { login, refresh, sent, refreshed } = open([grant(), grant(), grant(), grant()])
    const current = createToken(grant({ refreshToken: 'r' }), RULES, 0)
    await login({ current })
    await login({ operation: 'refresh', current: { ...current, refreshToken: undefined } })
    await login({ operation: 'refresh' })
    await refresh()
    expect(sent).toEqual(['login', 'login', 'login', 'refresh'])
    expect(refreshed[0]?.refreshToken.reveal()).toBe('r')
  })

  it('prolongs a proof by a refresh, and proves nothing by it', async () => {
    const unproven = open([grant()])
    await unproven.refresh()
    expect(await unproven.entry()).toEqual(NO_ENTRY)
    const proven = open([grant(), grant()])
    await proven.login()
    await proven.clock.advance(HOUR + 1)
    await proven.refresh()
    expect(await proven.entry()).toEqual(granted(NOW + HOUR + 1))
  })

  it.each([
    ['none', { refreshToken: null }, 100 * S, 'r', 100 * S],
    ['none, when the end is not known', { refreshToken: null }, undefined, 'r', undefined],
    ['none, at the end of the former one', { refreshToken: null }, 1, 'r', S],
    ['one', { refreshLives: 10 }, 100 * S, 'r1', 10 * S],
    ['one without an end', { refreshLives: undefined }, 100 * S, 'r1', undefined],
  ])('goes on with the former refresh token when a refresh gives %s', async (...row) => {
    const [, given, end, text, refreshLifetime] = row
    const outcome = await open([grant({ sentAt: NOW, ...given })]).refresh(end && NOW + end)
    expect(outcome).toMatchObject({ refreshLifetime })
    expect('token' in outcome && outcome.refreshToken?.reveal()).toBe(text)
  })
})
