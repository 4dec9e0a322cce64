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
  return createToken({ ...given, sentAt: SENT }, rules, {
    previous: undefined,
    operation: 'login',
    ...origin,
  })
}

describe('a new token', () => {
  it('counts its life from the moment the request was sent, and takes the next generation', () => {
    const first = open(grant({ lives: 300 }))
    expect(first).toMatchObject({
      generation: 1,
      obtainedAt: SENT,
      lifetime: 300_000,
      expiresAt: SENT + 300_000,
      refreshExpiresAt: SENT + 3_600_000,
    })
    expect(open(grant(), { previous: first }).generation).toBe(2)
  })

  it.each([
    [1, 100],
    [1.5, 150],
    [49, 4900],
    [50, 5000],
    [51, 5000],
    [86_400, 5000],
  ])('of %d s is not sent in its last %d ms', (lives, margin) => {
    const token = open(grant({ lives }))
    const end = SENT + lives * 1000 - margin
    expect([token.usableUntil, usable(token, end - 1), usable(token, end)]).toEqual([
      end,
      true,
      false,
    ])
  })

  it.each([
    ['Bearer', 'token', 'Bearer t1'],
    ['', 'token', 't1'],
    ['Token', 'refreshToken', 'Token r1'],
    ['', 'refreshToken', 'r1'],
  ] as const)('with scheme %j puts the %s into the header as %j', (...row) => {
    const [isalesTokenScheme, isalesTokenField, text] = row
    const token = open(grant(), { rules: { isalesTokenScheme, isalesTokenField } })
    expect([token.headerValue.reveal(), token.token.reveal()]).toEqual([text, 't1'])
  })
})

describe('when the refresh token goes into the header', () => {
  const rules: TokenRules = { isalesTokenScheme: '', isalesTokenField: 'refreshToken' }

  it.each([
    [300, 60, 60_000],
    [60, 300, 60_000],
    [60, undefined, 60_000],
  ])('a token of %i s and a refresh token of %j s live for %i ms', (lives, refreshLives, ms) => {
    const token = open(grant({ lives, refreshLives }), { rules })
    expect([token.lifetime, token.expiresAt]).toEqual([ms, SENT + ms])
  })

  it('the token stands in when there is no refresh token', () => {
    expect(open(grant({ refreshToken: null }), { rules }).headerValue.reveal()).toBe('t1')
  })

  it('one that is kept over a refresh ends when it was said to end', () => {
    const previous = open(grant({ refreshLives: 100 }), { rules })
    const origin = { previous, operation: 'refresh' } as const
    const given = { ...grant({ refreshToken: null }), sentAt: SENT + 80_000 }
    const token = createToken(given, rules, origin)
    expect(token.headerValue.reveal()).toBe('r1')
    expect([token.lifetime, token.expiresAt]).toEqual([20_000, SENT + 100_000])
  })
})

describe('the refresh token', () => {
  const former = open(grant({ refreshToken: 'r0', refreshLives: 1000 }))
  const endless = open(grant({ refreshToken: 'r0', refreshLives: undefined }))
  const none = open(grant({ refreshToken: null }))

  it.each([
    ['refresh', 'none', former, { refreshToken: null }, 'r0', SENT + 1_000_000],
    ['refresh', 'none', endless, { refreshToken: null }, 'r0', undefined],
    ['refresh', 'none', none, { refreshToken: null }, undefined, undefined],
    ['refresh', 'none', undefined, { refreshToken: null }, undefined, undefined],
    ['login', 'none', former, { refreshToken: null }, undefined, undefined],
    ['refresh', 'one', former, { refreshLives: 10 }, 'r1', SENT + 10_000],
    ['refresh', 'one without an end', former, { refreshLives: undefined }, 'r1', undefined],
  ] as const)('after a %s that gave %s: %#', (...row) => {
    const [operation, , previous, given, text, expiresAt] = row
    const token = open(grant(given), { previous, operation })
    expect([token.refreshToken?.reveal(), token.refreshExpiresAt]).toEqual([text, expiresAt])
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
