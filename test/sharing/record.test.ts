import {
  assert,
  boolean,
  integer,
  option,
  property,
  record,
  string,
  stringMatching,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { formatRecord, parseRecord, totalLife } from '../../src/sharing/record.ts'

const WRITTEN = {
  v: 1,
  token: 'abc',
  lifetimeMs: 3_600_000,
  assumed: false,
  refreshToken: 'def',
  refreshLifetimeMs: 7_200_000,
  totalMs: 7_200_000,
  fp: 'f'.repeat(22),
  bought: true,
}
const written = (changes: object): string => JSON.stringify({ ...WRITTEN, ...changes })

describe('a record in the store', () => {
  it('is read as it was written', () => {
    const tokens = stringMatching(/^[\x21-\x7e]{1,200}$/)
    const lives = integer({ min: 1000, max: 86_400_000 })
    assert(
      property(
        record({
          token: tokens,
          lifetimeMs: lives,
          assumed: boolean(),
          refreshToken: option(tokens, { nil: undefined }),
          refreshLifetimeMs: option(lives, { nil: undefined }),
          bought: boolean(),
        }),
        ({ token, refreshToken, refreshLifetimeMs, ...rest }) => {
          const parts = {
            ...rest,
            token: new Secret(token),
            ...(refreshToken === undefined ? {} : { refreshToken: new Secret(refreshToken) }),
            ...(refreshLifetimeMs === undefined ? {} : { refreshLifetimeMs }),
            fingerprint: 'f'.repeat(22),
          }
          const text = formatRecord({ ...parts, totalMs: totalLife(parts) })
          const read = parseRecord(text)
          expect(read).toBeDefined()
          expect(read && formatRecord(read)).toBe(text)
        },
      ),
    )
  })

  it('may have fields that a later program adds', () => {
    expect(parseRecord(written({ added: 1 }))?.token.reveal()).toBe('abc')
  })

  it('needs no refresh token and no lifetime of it', () => {
    expect(parseRecord(written({ refreshToken: undefined }))?.refreshToken).toBeUndefined()
    expect(
      parseRecord(written({ refreshLifetimeMs: undefined }))?.refreshLifetimeMs,
    ).toBeUndefined()
  })

  it.each([
    ['another version', { v: 2 }],
    ['no token', { token: undefined }],
    ['a token that would end a header line', { token: 'a\r\nX: y' }],
    ['an empty token', { token: '' }],
    ['a token over 8192 characters', { token: 'a'.repeat(8193) }],
    ['a token that is no text', { token: 5 }],
    ['a refresh token with a space', { refreshToken: 'a b' }],
    ['no lifetime', { lifetimeMs: undefined }],
    ['a lifetime under a second', { lifetimeMs: 999 }],
    ['a lifetime over a day', { lifetimeMs: 86_400_001 }],
    ['a lifetime as text', { lifetimeMs: '3600000' }],
    ['a lifetime that is longer than both', { totalMs: 3_599_999 }],
    ['a refresh lifetime of 0', { refreshLifetimeMs: 0 }],
    ['no whole life', { totalMs: null }],
    ['a fingerprint of another length', { fp: 'f' }],
    ['no fingerprint', { fp: undefined }],
    ['assumed that is no boolean', { assumed: 1 }],
    ['bought that is no boolean', { bought: 'yes' }],
  ])('is none with %s', (_, changes) => {
    expect(parseRecord(written(changes))).toBeUndefined()
  })

  it.each(['', 'null', '[]', '"text"', '{', '5', written({}).slice(0, -1)])(
    'is none: %s',
    (text) => {
      expect(parseRecord(text)).toBeUndefined()
    },
  )

  it('is none, whatever the text is, unless it was written by this program', () => {
    assert(
      property(string(), (text) => {
        expect(parseRecord(text)).toBeUndefined()
      }),
    )
  })

  it.each([
    ['without a refresh token, as long as the token', {}, 60_000],
    [
      'with a refresh token, as long as that',
      { refreshToken: new Secret('r'), refreshLifetimeMs: 120_000 },
      120_000,
    ],
    [
      'with a refresh token that ends earlier, as long as the token',
      { refreshToken: new Secret('r'), refreshLifetimeMs: 30_000 },
      60_000,
    ],
    [
      'with a refresh token of an unknown life, a day',
      { refreshToken: new Secret('r') },
      86_400_000,
    ],
  ])('is kept %s', (_, parts, expected) => {
    const token = { token: new Secret('t'), lifetimeMs: 60_000, assumed: false, fingerprint: '' }
    expect(totalLife({ ...token, bought: false, ...parts })).toBe(expected)
  })
})
