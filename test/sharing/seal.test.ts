import { assert, boolean, integer, option, property, record, stringMatching } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { Value } from '../../src/sharing/cell.ts'
import { createSeal, lifeOfToken, parseShared } from '../../src/sharing/seal.ts'
import type { SharedToken } from '../../src/sharing/shared-token.ts'
import { NO_ENTRY } from '../../src/token/book.ts'
import { grant } from '../token/support.ts'

const KEY = new Secret('k'.repeat(32))
const ORIGIN = 'https://isales.example:443'
const TOKEN: SharedToken = {
  grant: grant({ token: 'canary-token', refreshToken: 'canary-refresh' }),
  number: 7,
  fingerprint: 'f'.repeat(22),
  login: false,
}
const seal = createSeal(KEY, ORIGIN, 'obs')
const credentials = { user: 'obs', password: new Secret('pw') }

/** When it is put into the store. */
const NOW = TOKEN.grant.sentAt + 20_000
const sealedToken = (token = TOKEN): Value => seal.closeToken(token, NOW)

/** A token whose secrets can be compared. */
const revealed = (shared: SharedToken | undefined): unknown =>
  JSON.parse(
    JSON.stringify(shared, (_, value: unknown) =>
      value instanceof Secret ? value.reveal() : value,
    ),
  )

describe('sealing', () => {
  it('gives the token again to whoever has the key, the origin and the user', () => {
    const tokens = stringMatching(/^[\x21-\x7e]{1,200}$/)
    const seconds = integer({ min: 1, max: 86_400 })
    const grants = record({
      token: tokens,
      lives: seconds,
      refreshToken: option(tokens),
      refreshLives: option(seconds, { nil: undefined }),
      isText: boolean(),
    })
    assert(
      property(grants, boolean(), (given, login) => {
        const shared = { ...TOKEN, grant: grant({ ...given, sentAt: NOW - 500 }), login }
        const sealed = sealedToken(shared)
        expect(sealed.value).toMatch(/^[\w-]{80,}$/)
        const opened = createSeal(KEY, ORIGIN, 'obs').openToken(sealed, NOW)
        expect(revealed(opened)).toEqual(revealed(shared))
      }),
    )
  })

  it('shows nothing of the token, and looks different each time', () => {
    const [one, other] = [sealedToken().value, sealedToken().value]
    expect(one).not.toBe(other)
    const bytes = Buffer.from(one, 'base64url').toString('latin1')
    expect(`${one}${bytes}`).not.toContain('canary')
  })

  it.each([
    ['another key', createSeal(new Secret('x'.repeat(32)), ORIGIN, 'obs')],
    ['another user', createSeal(KEY, ORIGIN, 'other')],
    ['another iSales', createSeal(KEY, 'https://other.example', 'obs')],
    ['parts that join to the same text', createSeal(KEY, `${ORIGIN}","o`, 'bs')],
  ])('is another place, and opens nothing, with %s', (_, other) => {
    expect(other.place).not.toBe(seal.place)
    expect(other.openToken(sealedToken(), NOW)).toBeUndefined()
  })

  it.each([
    ['the same', credentials, seal, true],
    ['another password', { ...credentials, password: new Secret('pw2') }, seal, false],
    ['another user', { ...credentials, user: 'other' }, seal, false],
    [
      'parts that join to the same text',
      { user: 'obs","p', password: new Secret('w') },
      seal,
      false,
    ],
    ['another key', credentials, createSeal(new Secret('x'.repeat(32)), ORIGIN, 'obs'), false],
    ['another iSales', credentials, createSeal(KEY, 'https://other.example', 'obs'), false],
  ])('names credentials by what does not reveal them: %s', (_, other, by, isSame) => {
    const name = seal.fingerprint(credentials)
    expect(name).toMatch(/^[\w-]{22}$/)
    expect(by.fingerprint(other) === name).toBe(isSame)
  })

  it('opens nothing in which one character was changed, or that was cut off', () => {
    const { value, ms } = sealedToken()
    const open = (text: string) => seal.openToken({ value: text, ms }, NOW)
    assert(
      property(integer({ min: 0, max: value.length - 2 }), (at) => {
        const other = value[at] === 'A' ? 'B' : 'A'
        expect(open(value.slice(0, at) + other + value.slice(at + 1))).toBeUndefined()
        expect(open(value.slice(0, at))).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['bytes of somebody else', 'A'.repeat(200)],
    ['a megabyte', 'A'.repeat(1024 * 1024)],
    ['no base64', '\u{1F600}'.repeat(50)],
  ])('opens no token that is %s', (_, text) => {
    expect(seal.openToken({ value: text, ms: 1000 }, NOW)).toBeUndefined()
  })

  it('opens the longest token that can be granted', () => {
    const long = 't'.repeat(8192)
    const sealed = sealedToken({ ...TOKEN, grant: grant({ token: long, refreshToken: long }) })
    expect(seal.openToken(sealed, NOW)?.grant.token.reveal()).toHaveLength(8192)
  })
})

describe('the age of what is stored', () => {
  /** Another process with another clock opens it. */
  const LATER = 77_000
  const ageOf = ({ value, ms }: Value): number =>
    LATER - (seal.openToken({ value, ms }, LATER)?.grant.sentAt ?? Number.NaN)

  it('is what is gone of the life of its key', () => {
    const { value, ms } = sealedToken()
    expect(ms).toBe(3_580_000)
    expect(ageOf({ value, ms: ms - 5000 })).toBe(25_000)
  })

  it.each([
    ['a key that lives on for ever', -1, 3_600_000],
    ['a clock of the store that was set back', 9_000_000, 0],
  ])('is believed of a token for %s', (_, ms, age) => {
    expect(ageOf({ ...sealedToken(), ms })).toBe(age)
  })

  it('leaves a key at least a millisecond', () => {
    expect(seal.closeToken(TOKEN, NOW + 3_600_000).ms).toBe(1)
  })

  const BOOK = 'book:f'
  const refused = { ...NO_ENTRY, attempts: 2, refusals: 1, notBefore: NOW + 10_000 }

  it.each([
    ['pauses as long as it is to', 0, { attempts: 2, refusals: 1, notBefore: LATER + 10_000 }],
    ['pauses for what is left', -4000, { attempts: 2, refusals: 1, notBefore: LATER + 6000 }],
    ['is none when the clock of the store was set back', 1, NO_ENTRY],
  ])('an entry %s', (_, passed, expected) => {
    const { value, ms } = seal.closeEntry(BOOK, refused, NOW)
    expect(seal.openEntry(BOOK, { value, ms: ms + passed }, LATER)).toMatchObject(expected)
  })

  it('an entry of other credentials is none', () => {
    const sealed = seal.closeEntry(BOOK, refused, NOW)
    expect(seal.openEntry('book:g', sealed, LATER)).toEqual(NO_ENTRY)
  })

  it('an entry with attempts is kept for a day after its pause', () => {
    expect(seal.closeEntry(BOOK, refused, NOW).ms).toBe(86_410_000)
  })
})

describe('a token of another version of the program', () => {
  const written = (changes: object) => ({
    number: 1,
    token: 'abc',
    lifetime: 3_600_000,
    refreshToken: 'def',
    refreshLifetime: 7_200_000,
    fingerprint: 'f'.repeat(22),
    login: true,
    ...changes,
  })

  it('may have fields that this one does not know', () => {
    expect(parseShared(written({ added: 1 }))?.grant.token.reveal()).toBe('abc')
  })

  it.each([
    { number: undefined },
    { number: 1.5 },
    { token: undefined },
    { token: 'a\r\nX: y' },
    { refreshToken: 'a b' },
    { lifetime: undefined },
    { lifetime: 999 },
    { lifetime: 86_400_001 },
    { refreshLifetime: '3600000' },
    { fingerprint: undefined },
    { login: 'yes' },
  ])('is none with %j', (changes) => {
    expect(parseShared(written(changes))).toBeUndefined()
  })
})

it.each([
  ['as long as the token, without a refresh token', { refreshToken: null }, 300_000],
  ['as long as its refresh token', {}, 3_600_000],
  ['as long as the token, when that lives longer', { refreshLives: 30 }, 300_000],
  [
    'a day, when the refresh token lives nobody knows how long',
    { refreshLives: undefined },
    86_400_000,
  ],
])('a token is kept %s', (_, parts, expected) => {
  expect(lifeOfToken(grant(parts))).toBe(expected)
})
