import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/token/protocol.ts'
import {
  createToken,
  refreshable,
  usable,
  type Token,
  type TokenOrigin,
  type TokenRules,
} from '../../src/token/token.ts'
import { grant } from './support.ts'

const SENT = 50_000
const BEARER: TokenRules = { isalesTokenScheme: 'Bearer', isalesTokenField: 'token' }

function open(
  given: Grant,
  { rules = BEARER, ...origin }: Partial<TokenOrigin> & { readonly rules?: TokenRules } = {},
): Token {
  return createToken(given, rules, {
    sentAt: SENT,
    previous: undefined,
    operation: 'login',
    ...origin,
  })
}

describe('a new token', () => {
  it('counts its life from the moment the request was sent', () => {
    expect(open(grant({ lives: 300 }))).toMatchObject({
      obtainedAt: SENT,
      lifetime: 300_000,
      expiresAt: SENT + 300_000,
      refreshExpiresAt: SENT + 3_600_000,
      accepted: false,
    })
  })

  it.each([
    [1, 100],
    [1.5, 150],
    [4, 400],
    [20, 2000],
    [49, 4900],
    [50, 5000],
    [51, 5000],
    [300, 5000],
    [86_400, 5000],
  ])('of %d s is not sent in its last %d ms', (lives, margin) => {
    const token = open(grant({ lives }))
    const end = SENT + lives * 1000 - margin
    expect(token.usableUntil).toBe(end)
    expect([usable(token, SENT), usable(token, end - 1), usable(token, end)]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('takes the next generation', () => {
    const first = open(grant())
    expect(first.generation).toBe(1)
    expect(open(grant(), { previous: first }).generation).toBe(2)
  })

  it.each([
    ['Bearer', 'token', 'Bearer t1'],
    ['', 'token', 't1'],
    ['Token', 'refreshToken', 'Token r1'],
    ['', 'refreshToken', 'r1'],
  ] as const)(
    'with scheme %j puts the %s into the header as %j',
    (isalesTokenScheme, isalesTokenField, text) => {
      const token = open(grant(), { rules: { isalesTokenScheme, isalesTokenField } })
      expect(token.headerValue.reveal()).toBe(text)
      expect(token.token.reveal()).toBe('t1')
    },
  )
})

describe('when the refresh token goes into the header', () => {
  const rules: TokenRules = { isalesTokenScheme: '', isalesTokenField: 'refreshToken' }

  it.each([
    [300, 60, 60_000],
    [60, 300, 60_000],
    [60, undefined, 60_000],
  ])('a token of %i s and a refresh token of %j s live for %i ms', (lives, refreshLives, ms) => {
    const token = open(grant({ lives, refreshLives }), { rules })
    expect(token.lifetime).toBe(ms)
    expect(token.expiresAt).toBe(SENT + ms)
  })

  it('the token stands in when there is no refresh token', () => {
    const token = open(grant({ refreshToken: null }), { rules })
    expect(token.headerValue.reveal()).toBe('t1')
  })

  it('one that is kept over a refresh ends when it was said to end', () => {
    const previous = open(grant({ refreshLives: 100 }), { rules })
    const token = open(grant({ refreshToken: null }), {
      rules,
      previous,
      operation: 'refresh',
      sentAt: SENT + 80_000,
    })
    expect(token.headerValue.reveal()).toBe('r1')
    expect(token.lifetime).toBe(20_000)
    expect(token.expiresAt).toBe(SENT + 100_000)
  })
})

describe('the refresh token', () => {
  const previous = open(grant({ refreshToken: 'r0', refreshLives: 1000 }))

  it.each([
    ['refresh', 'r0', SENT + 1_000_000],
    ['login', undefined, undefined],
  ] as const)('of before, after a %s that gave none, is %j', (operation, text, expiresAt) => {
    const token = open(grant({ refreshToken: null }), { previous, operation })
    expect(token.refreshToken?.reveal()).toBe(text)
    expect(token.refreshExpiresAt).toBe(expiresAt)
  })

  it('of before keeps an end that is not known', () => {
    const endless = open(grant({ refreshToken: 'r0', refreshLives: undefined }))
    const token = open(grant({ refreshToken: null }), { previous: endless, operation: 'refresh' })
    expect(token.refreshToken?.reveal()).toBe('r0')
    expect('refreshExpiresAt' in token).toBe(false)
  })

  it('is not made up where there never was one', () => {
    const without = open(grant({ refreshToken: null }))
    const token = open(grant({ refreshToken: null }), { previous: without, operation: 'refresh' })
    expect('refreshToken' in token).toBe(false)
    const first = open(grant({ refreshToken: null }), { operation: 'refresh' })
    expect('refreshToken' in first).toBe(false)
  })

  it('that was rotated replaces the one of before, with its own end or none', () => {
    const token = open(grant({ refreshToken: 'r1', refreshLives: undefined }), {
      previous,
      operation: 'refresh',
    })
    expect(token.refreshToken?.reveal()).toBe('r1')
    expect('refreshExpiresAt' in token).toBe(false)
  })

  it.each([
    [grant({ refreshLives: 10 }), SENT + 9999, true],
    [grant({ refreshLives: 10 }), SENT + 10_000, false],
    [grant({ refreshLives: undefined }), SENT + 1e9, true],
    [grant({ refreshToken: null }), SENT, false],
  ])('may be tried until its end, and always when that is not known (%#)', (given, now, tried) => {
    expect(refreshable(open(given), now)).toBe(tried)
  })
})
