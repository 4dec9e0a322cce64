import { assert, boolean, integer, option, property, record, stringMatching } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import {
  createSeal,
  parseRecord,
  totalLife,
  type SharedGrant,
  type SharedRecord,
} from '../../src/sharing/seal.ts'
import { grant as granted, type GrantOptions } from '../token/support.ts'

function grant(options: GrantOptions): SharedGrant {
  const { sentAt: _, ...shared } = granted(options)
  return shared
}

const KEY = new Secret('k'.repeat(32))
const ORIGIN = 'https://isales.example:443'
const RECORD: SharedRecord = {
  grant: grant({ token: 'canary-token', refreshToken: 'canary-refresh' }),
  number: 7,
  total: 3_600_000,
  fingerprint: 'f'.repeat(22),
  login: false,
}
const seal = createSeal(KEY, ORIGIN, 'obs')
const credentials = { user: 'obs', password: new Secret('pw') }

/** A record whose secrets can be compared. */
const revealed = (shared: SharedRecord | undefined): unknown =>
  JSON.parse(
    JSON.stringify(shared, (_, value: unknown) =>
      value instanceof Secret ? value.reveal() : value,
    ),
  )

describe('sealing', () => {
  it('gives the record again to whoever has the key, the origin and the user', () => {
    const tokens = stringMatching(/^[\x21-\x7e]{1,200}$/)
    const seconds = integer({ min: 1, max: 86_400 })
    const grants = record({
      token: tokens,
      lives: seconds,
      refreshToken: option(tokens),
      refreshLives: option(seconds, { nil: undefined }),
    })
    assert(
      property(grants, boolean(), (given, login) => {
        const shared = { ...RECORD, grant: grant(given), login }
        const sealed = seal.closeToken({ ...shared, total: totalLife(shared.grant) })
        expect(sealed).toMatch(/^[\w-]{80,}$/)
        const opened = createSeal(KEY, ORIGIN, 'obs').openToken(sealed)
        expect(revealed(opened)).toEqual(revealed({ ...shared, total: totalLife(shared.grant) }))
      }),
    )
  })

  it('shows nothing of the record, and looks different each time', () => {
    const [one, other] = [seal.closeToken(RECORD), seal.closeToken(RECORD)]
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
    expect(other.openToken(seal.closeToken(RECORD))).toBeUndefined()
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
    const sealed = seal.closeToken(RECORD)
    assert(
      property(integer({ min: 0, max: sealed.length - 2 }), (at) => {
        const other = sealed[at] === 'A' ? 'B' : 'A'
        expect(seal.openToken(sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeUndefined()
        expect(seal.openToken(sealed.slice(0, at))).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['bytes of somebody else', 'A'.repeat(200)],
    ['a megabyte', 'A'.repeat(1024 * 1024)],
    ['no base64', '\u{1F600}'.repeat(50)],
  ])('opens no record that is %s', (_, text) => {
    expect(seal.openToken(text)).toBeUndefined()
  })

  it('opens the longest record that can be granted', () => {
    const long = 't'.repeat(8192)
    const sealed = seal.closeToken({ ...RECORD, grant: grant({ token: long, refreshToken: long }) })
    expect(seal.openToken(sealed)?.grant.token.reveal()).toHaveLength(8192)
  })
})

describe('a record of another version of the program', () => {
  const written = (changes: object) => ({
    number: 1,
    token: 'abc',
    lifetime: 3_600_000,
    refreshToken: 'def',
    refreshLifetime: 7_200_000,
    total: 7_200_000,
    fingerprint: 'f'.repeat(22),
    login: true,
    ...changes,
  })

  it('may have fields that this one does not know', () => {
    expect(parseRecord(written({ added: 1 }))?.grant.token.reveal()).toBe('abc')
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
    { total: null },
    { fingerprint: undefined },
    { login: 'yes' },
  ])('is none with %j', (changes) => {
    expect(parseRecord(written(changes))).toBeUndefined()
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
])('a record is kept %s', (_, parts, expected) => {
  expect(totalLife(grant(parts))).toBe(expected)
})
