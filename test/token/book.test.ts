import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import {
  afterFailure,
  begun,
  granted,
  memoryBook,
  merged,
  NO_ENTRY,
  parseStored,
  prolonged,
  restored,
  stored,
  waitOf,
  withBook,
  type BookStore,
  type Entry,
} from '../../src/token/book.ts'
import { askOnce, loginOnce, type Ask } from '../../src/token/client.ts'
import type { AuthFailure, Grant, Operation } from '../../src/token/protocol.ts'
import { manualClock } from '../support/manual-clock.ts'
import { createToken } from '../../src/token/token.ts'
import { ATTEMPTS, DOWN, grant, REFUSED, RULES, throttled, unclear } from './support.ts'
import { authFailure } from '../support/failure.ts'

const S = 1000
const MINUTE = 60 * S
const HOUR = 60 * MINUTE
const NOW = 1_000_000
const PROVEN: Entry = granted(NOW)
const REFUSED_THRICE: Entry = { ...NO_ENTRY, attempts: 3, refusals: 3 }
const AMBIGUOUS = authFailure('ambiguous', 'business', { status: 500 })
const EGRESS = authFailure('egress', 'egress-login')

/** The pauses, and what is shown, after so many of these failures in a row. */
function pauses(
  failure: AuthFailure,
  count: number,
  { before = NO_ENTRY, random = 0.5, attempts = 3, weight = 1 } = {},
) {
  let entry = before
  return Array.from({ length: count }, (_, failures) => {
    const rules = { loginRejectedAttempts: attempts }
    const given = { rules, weight, failures, now: NOW, random }
    const verdict = afterFailure(entry, failure, given)
    ;({ entry } = verdict)
    return [verdict.pause, verdict.backoff] as const
  })
}

const seconds = (rows: ReturnType<typeof pauses>): readonly number[] =>
  rows.map(([pause]) => pause / S)

describe('the pause after a failed login', () => {
  it.each([
    ['refused', REFUSED, {}, [5, 10, 900, 14_400, 14_400]],
    ['refused, proven', REFUSED, { before: PROVEN }, [5, 10, 900, 14_400]],
    ['refused, with LOGIN_REJECTED_ATTEMPTS=1', REFUSED, { attempts: 1 }, [900, 14_400]],
    ['refused, with LOGIN_REJECTED_ATTEMPTS=5', REFUSED, { attempts: 5 }, [5, 10, 480, 480, 900]],
    ['refused while others may try as well', REFUSED, { weight: 3 }, [900, 14_400]],
    ['500, not proven', AMBIGUOUS, {}, [5, 10, 900, 14_400]],
    ['500, the proof has ended', AMBIGUOUS, { before: { ...NO_ENTRY, provenUntil: NOW } }, [5]],
    ['unclear after refusals', unclear(200), { before: REFUSED_THRICE }, [480]],
    ['500, proven', AMBIGUOUS, { before: PROVEN, random: 1 }, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['unclear, not proven', unclear(200), {}, [5, 10, 480, 480, 480]],
    ['unclear, proven', unclear(200), { before: PROVEN, random: 0 }, [0.25, 0.5, 1, 2, 4, 8, 15]],
    ['untouched', DOWN, { random: 1 }, [0.5, 1, 2, 4, 8, 16, 30, 30]],
    ['untouched, with jitter', DOWN, {}, [0.25, 0.5, 1, 2, 4, 8, 15, 15]],
    ['the egress proxy', EGRESS, { random: 0 }, [30, 60, 120, 240, 300, 300]],
  ])('%s', (_, failure, options, expected) => {
    expect(seconds(pauses(failure, expected.length, options))).toEqual(expected)
  })

  it('of proven credentials without a clear response grows to 5 min after ten', () => {
    expect(seconds(pauses(unclear(200), 12, { before: PROVEN, random: 1 })).slice(8)).toEqual([
      30, 30, 300, 300,
    ])
  })

  it.each([
    [REFUSED, ['rejected', 'rejected', 'guarded', 'guarded']],
    [unclear(200), ['transient', 'transient', 'guarded', 'guarded']],
    [DOWN, ['transient', 'transient', 'transient', 'transient']],
  ])('is shown as what it is: %j', (failure, expected) => {
    expect(pauses(failure, 4).map(([, backoff]) => backoff)).toEqual(expected)
  })

  it('is shown as guarded from LOGIN_REJECTED_ATTEMPTS on', () => {
    expect(pauses(REFUSED, 1, { attempts: 1 })).toEqual([[900_000, 'guarded']])
  })

  it('is shown as the refusals before it when nothing was touched', () => {
    const shown = (before: Partial<Entry>) =>
      pauses(DOWN, 1, { before: { ...NO_ENTRY, ...before } })[0]
    expect(shown({ attempts: 2, refusals: 2 })).toEqual([250, 'rejected'])
    expect(shown({ attempts: 3 })).toEqual([250, 'transient'])
  })

  it.each([
    [7 * S, 7 * S],
    [999, S],
    [0, S],
    [300 * S, 300 * S],
    [999_999_999_000, 300 * S],
  ])('with Retry-After of %d ms is %d ms', (asked, pause) => {
    expect(pauses(throttled(asked), 1)[0]?.[0]).toBe(pause)
  })

  it('keeps at most 4 logins that may lock the account in any 15 min, whatever the order of failures', () => {
    const failures = [REFUSED, unclear(200), AMBIGUOUS]
    for (let order = 0; order < 3 ** 6; order += 1) {
      let entry = NO_ENTRY
      let now = NOW
      const sent: number[] = []
      for (let index = 0; index < 6; index += 1) {
        const failure = failures[Math.trunc(order / 3 ** index) % 3] ?? REFUSED
        sent.push(now)
        const given = { rules: ATTEMPTS, failures: index, now, random: 0.5 }
        const verdict = afterFailure(entry, failure, given)
        ;({ entry } = verdict)
        now += verdict.pause
      }
      const crowded = sent.filter((at, index) => (sent[index + 4] ?? Infinity) - at < 15 * MINUTE)
      expect(crowded).toEqual([])
    }
  })

  it('of a process that died in the login is that of an attempt without proof', () => {
    const first = begun(PROVEN, NOW)
    expect(first).toEqual({
      attempts: 1,
      refusals: 0,
      notBefore: NOW + 5 * S,
      fullUntil: -Infinity,
      provenUntil: -Infinity,
    })
    expect(begun(begun(first, NOW), NOW).notBefore).toBe(NOW + 8 * MINUTE)
  })
})

describe('an entry outside of the process', () => {
  const entry: Entry = {
    attempts: 4,
    refusals: 2,
    notBefore: NOW + 10.5,
    fullUntil: NOW + 15 * MINUTE,
    provenUntil: NOW + HOUR,
  }
  const kept = { attempts: 4, refusals: 2, pause: 11, full: 15 * MINUTE, proof: HOUR }

  it('holds durations, and none that is over', () => {
    expect(stored(entry, NOW)).toEqual(kept)
    expect(stored(NO_ENTRY, NOW)).toEqual({ attempts: 0, refusals: 0, pause: 0, full: 0, proof: 0 })
  })

  it.each([
    ['4 s old', 4000, NOW - 4000],
    ['of a clock that was set back since', -4000, NOW],
  ])('counts from when it was written: %s', (_, age, at) => {
    expect(restored(kept, age, NOW)).toEqual({
      attempts: 4,
      refusals: 2,
      notBefore: at + 11,
      fullUntil: at + 15 * MINUTE,
      provenUntil: at + HOUR,
    })
    expect(restored({ ...kept, full: 0 }, age, NOW).fullUntil).toBe(-Infinity)
  })

  it.each([
    [{}, true],
    [{ attempts: 1e6 }, true],
    [{ attempts: 1e6 + 1 }, false],
    [{ attempts: 0.5 }, false],
    [{ attempts: -1 }, false],
    [{ refusals: '1' }, false],
    [{ refusals: 0, attempts: 0 }, true],
    [{ pause: 4 * HOUR }, true],
    [{ pause: 4 * HOUR + 1 }, false],
    [{ pause: '1' }, false],
    [{ full: 15 * MINUTE + 1 }, false],
    [{ proof: 24 * HOUR }, true],
    [{ proof: 24 * HOUR + 1 }, false],
    [{ proof: Number.NaN }, false],
  ])('with %j is one of ours: %s', (change, isOurs) => {
    const value = { ...kept, ...change }
    expect(parseStored({ ...value, other: 1 })).toEqual(isOurs ? value : undefined)
  })

  it.each([[null], ['text'], [[]]])('is none of ours when it is %j', (value) => {
    expect(parseStored(value)).toBeUndefined()
  })
})

describe('the rules of the book', () => {
  it('of two entries the larger one counts in each field, and an attempt of either proves nothing', () => {
    const one: Entry = { ...NO_ENTRY, attempts: 3, refusals: 1, notBefore: 5, fullUntil: 6 }
    const other: Entry = { attempts: 1, refusals: 2, notBefore: 4, fullUntil: 7, provenUntil: 9 }
    const larger = { attempts: 3, refusals: 2, notBefore: 5, fullUntil: 7, provenUntil: -Infinity }
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

  it.each([
    ['an attempt', 'login', { attempts: 1 }, ['guarded', 'transient']],
    ['a refusal', 'login', { attempts: 1, refusals: 1 }, ['guarded', 'rejected']],
    ['three refusals', 'login', { attempts: 3, refusals: 3 }, ['guarded', 'guarded']],
    ['an attempt', 'refresh', { attempts: 1 }, undefined],
    ['a failure that another replica met', 'login', {}, ['paused', 'transient']],
    ['a failure that another replica met', 'refresh', {}, ['paused', 'transient']],
  ] as const)('after %s a %s waits: %j', (_, operation, change, expected) => {
    const entry = { ...NO_ENTRY, notBefore: NOW + 7, ...change }
    const [deferred, backoff] = expected ?? []
    const wait = expected && { deferred, ms: 7, backoff }
    const ask = { operation, why: 'renewal' } as const
    expect(waitOf(entry, ask, ATTEMPTS, NOW)).toEqual(wait)
    expect(waitOf(entry, ask, ATTEMPTS, NOW + 7)).toBeUndefined()
  })

  it.each([
    ['login', -Infinity, undefined],
    ['login', NOW + 3, 3],
    ['login', NOW + 9, 7],
    ['refresh', -Infinity, 7],
  ] as const)('a %s that an operator asks for, where four are full until %d', (...row) => {
    const [operation, fullUntil, ms] = row
    const attempts = operation === 'login' ? 4 : 0
    const entry = { ...NO_ENTRY, attempts, notBefore: NOW + 7, fullUntil }
    expect(waitOf(entry, { operation, why: 'operator' }, ATTEMPTS, NOW)?.ms).toBe(ms)
  })
})

describe('the book', () => {
  const credentials = { user: 'obs', password: new Secret('p1') }

  function open(
    outcomes: readonly (Grant | AuthFailure | undefined)[],
    book: BookStore = memoryBook(),
  ) {
    const clock = manualClock(NOW)
    const left = [...outcomes]
    const asked: (Entry | undefined)[] = []
    const sent: Operation[] = []
    const next = async (operation: Operation) => {
      sent.push(operation)
      asked.push(await book.read(credentials))
      return left.shift() ?? new Promise<never>(() => undefined)
    }
    const client = withBook({
      client: { login: () => next('login'), refresh: () => next('refresh') },
      book,
      rules: ATTEMPTS,
      clock,
      random: () => 0.5,
    })
    const ask = loginOnce(credentials, askOnce(new AbortController().signal))
    return {
      clock,
      asked,
      sent,
      login: (changes: Partial<Ask> = {}) => client({ ...ask, ...changes }),
      refresh: (refreshExpiresAt?: number) =>
        client({
          ...ask,
          operation: 'refresh',
          current: {
            ...createToken(grant({ refreshToken: 'r' }), RULES, 0),
            refreshExpiresAt,
          },
        }),
      entry: () => book.read(credentials),
    }
  }

  it('has the login before it is sent, crosses it out by a grant, and takes it back when nothing was touched', async () => {
    const { login, entry, asked } = open([DOWN, grant()])
    await login()
    expect(await entry()).toEqual(NO_ENTRY)
    await login()
    expect(asked).toEqual([begun(NO_ENTRY, NOW), begun(NO_ENTRY, NOW)])
    expect(await entry()).toEqual(PROVEN)
  })

  it('defers a login that comes too early, but not one that an operator asks for', async () => {
    const { login, asked, clock } = open([REFUSED, REFUSED])
    await login()
    expect(await login()).toEqual({ deferred: 'guarded', ms: 5 * S, backoff: 'rejected' })
    await clock.advance(2 * S)
    expect(await login({ why: 'operator' })).toMatchObject({ pause: 10 * S, backoff: 'rejected' })
    expect(asked).toHaveLength(2)
  })

  it.each([
    ['refused', REFUSED],
    ['unclear', unclear(200)],
    ['each kills the process', undefined],
  ])(
    'lets four logins through in 15 min, however often an operator asks: %s',
    async (_, failure) => {
      const { login, asked, clock } = open(Array.from({ length: 20 }, () => failure))
      const sent: number[] = []
      // Of a process that is killed nobody waits for the end of its login.
      const isKilled = failure === undefined
      for (let second = 0; second < 3600; second += 1) {
        // An operator who asks each 7 s, and the pauses of the proxy itself.
        const before = asked.length
        const ended = login({ why: second % 7 === 0 ? 'operator' : 'renewal' })
        await (isKilled ? turn() : ended)
        if (asked.length > before) sent.push(second)
        await clock.advance(S)
      }
      const windows = sent.map((at) => sent.filter((one) => at <= one && one < at + 900).length)
      expect(Math.max(...windows)).toBe(4)
    },
  )

  it('sends no login whose ask ended while it waited for the lock', async () => {
    const stop = new AbortController()
    const lock = () => Promise.resolve(stop.abort()).then(() => () => Promise.resolve())
    const { login, asked, entry } = open([grant()], { ...memoryBook(), lock })
    expect(await login({ signal: stop.signal })).toMatchObject({ deferred: 'busy' })
    expect([asked, await entry()]).toEqual([[], undefined])
  })

  it('makes one login in 8 min while it cannot be written and nothing is proven', async () => {
    const book = { ...memoryBook(), write: () => Promise.resolve(false) }
    const { login } = open([REFUSED, DOWN], book)
    expect(await login()).toMatchObject({ pause: 8 * MINUTE })
    expect(await login()).toMatchObject({ pause: 250 })
  })

  it.each<readonly [string, AuthFailure, number, string]>([
    ['refused', REFUSED, 0, 'none'],
    ['not there', { ...DOWN, status: 404 }, 0, 'none'],
    ['without a response', DOWN, 250, 'transient'],
    ['unclear', unclear(200), 375, 'transient'],
  ])('lets a login follow a refresh that was %s', async (_, failure, pause, backoff) => {
    const { refresh, entry } = open([failure])
    expect(await refresh()).toEqual({ failure, pause, counted: false, backoff })
    expect(await entry()).toBeUndefined()
  })

  it('logs in when that is asked for, whatever refresh token there is, and when there is none', async () => {
    const { login, refresh, sent } = open([grant(), grant(), grant()])
    const current = createToken(grant({ refreshToken: 'r' }), RULES, 0)
    await login({ current })
    await login({ operation: 'refresh', current: { ...current, refreshToken: undefined } })
    await refresh()
    expect(sent).toEqual(['login', 'login', 'refresh'])
  })

  it('defers a refresh in the pause of another replica', async () => {
    const memory = memoryBook()
    await memory.write(credentials, { ...NO_ENTRY, notBefore: NOW + 7 })
    const { refresh, asked } = open([grant()], memory)
    expect(await refresh()).toMatchObject({ deferred: 'paused', ms: 7 })
    expect(asked).toEqual([])
  })

  it('is not locked for a refresh that prolongs no proof', async () => {
    const lock = vi.fn<BookStore['lock']>()
    await open([grant()], { ...memoryBook(), lock }).refresh()
    expect(lock).not.toHaveBeenCalled()
  })

  it('shows the refused login while a refresh is refused, too', async () => {
    const { login, refresh } = open([REFUSED, REFUSED])
    await login()
    expect(await refresh()).toMatchObject({ pause: 0, backoff: 'rejected' })
  })

  it('prolongs a proof by a refresh, and proves nothing by it', async () => {
    const unproven = open([grant()])
    await unproven.refresh()
    expect(await unproven.entry()).toBeUndefined()
    const proven = open([grant(), grant(), grant()])
    await proven.login()
    await proven.clock.advance(HOUR)
    await proven.refresh()
    expect(await proven.entry()).toEqual(PROVEN)
    await proven.clock.advance(1)
    await proven.refresh()
    // Nobody waits for it.
    await turn()
    expect(await proven.entry()).toEqual(granted(NOW + HOUR + 1))
  })

  it('prolongs no proof that another process has lost while the lock was waited for', async () => {
    const memory = memoryBook()
    const refused = { ...NO_ENTRY, attempts: 1, refusals: 1 }
    const lock: BookStore['lock'] = async () => {
      await memory.write(credentials, refused)
      return () => Promise.resolve()
    }
    const { refresh, entry } = open([grant()], { ...memory, lock })
    await memory.write(credentials, granted(NOW - 2 * HOUR))
    await refresh()
    await turn()
    expect(await entry()).toEqual(refused)
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
