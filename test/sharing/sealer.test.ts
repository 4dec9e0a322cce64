import { assert, integer, option, property, record, stringMatching } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { NO_ATTEMPTS, recordStart } from '../../src/token/login-guard.ts'
import { NO_STATE, type SharedState } from '../../src/token/register.ts'
import { credentialsOf, grant } from '../token/support.ts'

const KEY = new Secret('k'.repeat(32))
const ORIGIN = 'https://isales.example:443'
const NOW = 1_020_000
/** What the clock of the store is ahead of ours. */
const OFFSET = 1e12
const NAME = 'f'.repeat(22)
const STATE: SharedState = {
  token: {
    grant: grant({ token: 'canary-token', refreshToken: 'canary-refresh' }),
    name: NAME,
  },
  records: new Map([[NAME, recordStart(NO_ATTEMPTS, NOW)]]),
  lease: { holder: 'a', renewedAt: NOW },
}
/** Made anew in each test. */
const sealerOf = (key = KEY, origin = ORIGIN, user = 'obs') => createSealer(key, origin, user)
const sealed = (state = STATE) => sealerOf().seal(state, OFFSET)
const opened = (value: string, by = sealerOf(), offset = OFFSET, now = NOW) =>
  by.open(value, offset, now)
const OTHER_KEY = new Secret('x'.repeat(32))
const credentials = credentialsOf('pw')

/** What it holds, with secrets that can be compared. */
const revealed = (state: SharedState | undefined): unknown =>
  JSON.parse(
    JSON.stringify({ ...state, records: [...(state?.records ?? [])] }, (_, value: unknown) =>
      value instanceof Secret ? value.reveal() : value,
    ),
  )

describe('sealing', () => {
  it('gives the state again to whoever has the key, the origin and the user', () => {
    const tokens = stringMatching(/^[\x21-\x7e]{1,200}$/)
    const seconds = integer({ min: 1, max: 86_400 })
    const grants = record({
      token: tokens,
      lives: seconds,
      refreshToken: option(tokens),
      refreshLives: option(seconds, { nil: undefined }),
    })
    assert(
      property(grants, (given) => {
        const token = { grant: grant({ ...given, sentAt: NOW - 500 }), name: NAME }
        const account = { ...STATE, token }
        expect(revealed(opened(sealed(account)))).toEqual(revealed(account))
      }),
    )
    expect(opened(sealed(NO_STATE))).toEqual(NO_STATE)
  })

  it('is the same for each replica of this version', () => {
    const { storeKey, nameOf } = sealerOf()
    expect([storeKey, nameOf(credentials)]).toEqual([
      'AH4mmYrNb1iSPcvVK5kklw',
      'twnh0emIAguZkrTnpt0JTw',
    ])
    const value = 'q//qNaoWEchX9tyvqdLoK6JDy4QT9t13xO9g223nbYB0rguhgf88D6vx'
    expect(opened(Buffer.from(value, 'base64').toString('latin1'))).toEqual(NO_STATE)
  })

  it('shows nothing of the token, and looks different each time', () => {
    const [one, other] = [sealed(), sealed()]
    expect(one).not.toBe(other)
    expect(one).not.toContain('canary')
  })

  it.each([
    ['another key', OTHER_KEY, ORIGIN, 'obs'],
    ['another user', KEY, ORIGIN, 'other'],
    ['another iSales', KEY, 'https://other.example', 'obs'],
    ['parts that join to the same text', KEY, `${ORIGIN}","o`, 'bs'],
  ])('is another store key, and opens nothing, with %s', (_, ...parts) => {
    const other = sealerOf(...parts)
    expect(other.storeKey).not.toBe(sealerOf().storeKey)
    expect(opened(sealed(), other)).toBeUndefined()
  })

  it.each([
    ['the same', {}, [KEY, ORIGIN], true],
    ['another password', { password: new Secret('pw2') }, [KEY, ORIGIN], false],
    ['another user', { user: 'other' }, [KEY, ORIGIN], false],
    ['the same text', { user: 'obs","p', password: new Secret('w') }, [KEY, ORIGIN], false],
    ['another key', {}, [OTHER_KEY, ORIGIN], false],
    ['another iSales', {}, [KEY, 'https://other.example'], false],
  ] as const)('names credentials by what does not reveal them: %s', (...row) => {
    const [, changes, [key, origin], isSame] = row
    const name = sealerOf().nameOf(credentials)
    expect(name).toMatch(/^[\w-]{22}$/)
    expect(sealerOf(key, origin).nameOf({ ...credentials, ...changes }) === name).toBe(isSame)
  })

  it('opens nothing in which one byte was changed, or that was cut off', () => {
    const value = sealed()
    assert(
      property(integer({ min: 0, max: value.length - 1 }), (at) => {
        const other = value[at] === 'A' ? 'B' : 'A'
        expect(opened(value.slice(0, at) + other + value.slice(at + 1))).toBeUndefined()
        expect(opened(value.slice(0, at))).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['bytes of somebody else', 'A'.repeat(200)],
    ['nothing', ''],
  ])('opens no value that is %s', (_, text) => {
    expect(opened(text)).toBeUndefined()
  })

  it('opens the longest token that can be granted, and nothing that is longer than 32 KiB', () => {
    const long = 't'.repeat(8192)
    const token = { grant: grant({ token: long, refreshToken: long }), name: NAME }
    expect(opened(sealed({ ...STATE, token }))?.token?.grant.token.reveal()).toHaveLength(8192)
    const longer = { ...token, name: 'f'.repeat(32 * 1024) }
    expect(opened(sealed({ ...STATE, token: longer }))).toBeUndefined()
  })
})

describe('instants', () => {
  it('are by the clock of the store: another process with another clock reads the same ages', () => {
    const there = opened(sealed(), sealerOf(), OFFSET - 5000, NOW + 5000)
    expect(there?.token?.grant.sentAt).toBe(1_005_000)
    expect(there?.lease).toEqual({ holder: 'a', renewedAt: NOW + 5000 })
    expect(there?.records.get(NAME)).toMatchObject({ at: NOW + 5000 })
  })

  it('of a store whose clock was set back since are now at the latest', () => {
    const there = opened(sealed(), sealerOf(), OFFSET - 1e9, NOW)
    expect(there?.token?.grant.sentAt).toBe(NOW)
    expect(there?.records.get(NAME)).toMatchObject({ at: NOW })
  })
})
