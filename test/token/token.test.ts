import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/token/protocol.ts'
import { createToken, refreshable, type Token, type TokenRules } from '../../src/token/token.ts'
import { grant } from './support.ts'

const SENT = 50_000
const rulesOf = (scheme: string, field: 'token' | 'refreshToken'): TokenRules => ({
  isalesTokenHeader: { names: ['Authorization'], scheme, field },
})
const BEARER = rulesOf('Bearer', 'token')

function open(given: Grant, rules = BEARER, generation = 0): Token {
  return createToken({ ...given, sentAt: SENT }, rules, generation)
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
    expect(open(grant(), BEARER, first.generation).generation).toBe(2)
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
    expect(token.usableUntil).toBe(end)
  })

  it.each([
    ['Bearer', 'token', 'Bearer t1'],
    ['', 'token', 't1'],
    ['Token', 'refreshToken', 'Token r1'],
    ['', 'refreshToken', 'r1'],
  ] as const)('with scheme %j puts the %s into the header as %j', (...row) => {
    const [scheme, field, text] = row
    const token = open(grant(), rulesOf(scheme, field))
    expect([token.headerValue.reveal(), token.token.reveal()]).toEqual([text, 't1'])
  })
})

describe('when the refresh token goes into the header', () => {
  const rules = rulesOf('', 'refreshToken')

  it.each([
    [300, 60, 60_000],
    [60, 300, 60_000],
    [60, undefined, 60_000],
  ])('a token of %i s and a refresh token of %j s live for %i ms', (lives, refreshLives, ms) => {
    const token = open(grant({ lives, refreshLives }), rules)
    expect([token.lifetime, token.expiresAt]).toEqual([ms, SENT + ms])
  })

  it('the token stands in when there is no refresh token', () => {
    expect(open(grant({ refreshToken: null }), rules).headerValue.reveal()).toBe('t1')
  })
})

it.each([
  [grant({ refreshLives: 10 }), SENT + 9999, true],
  [grant({ refreshLives: 10 }), SENT + 10_000, false],
  [grant({ refreshLives: undefined }), SENT + 1e9, true],
  [grant({ refreshToken: null }), SENT, false],
])(
  'the refresh token may be tried until its end, and always when that is not known (%#)',
  (given, now, tried) => {
    expect(refreshable(open(given), now)).toBe(tried)
  },
)
