import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/token/protocol.ts'
import {
  openSession,
  refreshable,
  usable,
  type Token,
  type SessionOrigin,
  type SessionRules,
} from '../../src/token/token.ts'
import { grant } from './support.ts'

const SENT = 50_000
const BEARER: SessionRules = { tokenScheme: 'Bearer', tokenField: 'token' }

function open(
  given: Grant,
  { rules = BEARER, ...origin }: Partial<SessionOrigin> & { readonly rules?: SessionRules } = {},
): Token {
  return openSession(given, rules, {
    sentAt: SENT,
    previous: undefined,
    operation: 'login',
    ...origin,
  })
}

describe('a new session', () => {
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
    const session = open(grant({ lives }))
    const end = SENT + lives * 1000 - margin
    expect(session.usableUntil).toBe(end)
    expect([usable(session, SENT), usable(session, end - 1), usable(session, end)]).toEqual([
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
    'with scheme %j puts the %s into the field as %j',
    (tokenScheme, tokenField, text) => {
      const session = open(grant(), { rules: { tokenScheme, tokenField } })
      expect(session.headerValue.reveal()).toBe(text)
      expect(session.token.reveal()).toBe('t1')
    },
  )
})

describe('when the refresh token goes into the field', () => {
  const rules: SessionRules = { tokenScheme: '', tokenField: 'refreshToken' }

  it.each([
    [300, 60, 60_000],
    [60, 300, 60_000],
    [60, undefined, 60_000],
  ])('a token of %i s and a refresh token of %j s live for %i ms', (lives, refreshLives, ms) => {
    const session = open(grant({ lives, refreshLives }), { rules })
    expect(session.lifetime).toBe(ms)
    expect(session.expiresAt).toBe(SENT + ms)
  })

  it('the token stands in when there is no refresh token', () => {
    const session = open(grant({ refreshToken: null }), { rules })
    expect(session.headerValue.reveal()).toBe('t1')
  })

  it('one that is kept over a refresh ends when it was said to end', () => {
    const previous = open(grant({ refreshLives: 100 }), { rules })
    const session = open(grant({ refreshToken: null }), {
      rules,
      previous,
      operation: 'refresh',
      sentAt: SENT + 80_000,
    })
    expect(session.headerValue.reveal()).toBe('r1')
    expect(session.lifetime).toBe(20_000)
    expect(session.expiresAt).toBe(SENT + 100_000)
  })
})

describe('the refresh token', () => {
  const previous = open(grant({ refreshToken: 'r0', refreshLives: 1000 }))

  it.each([
    ['refresh', 'r0', SENT + 1_000_000],
    ['login', undefined, undefined],
  ] as const)('of before, after a %s that answered none, is %j', (operation, text, expiresAt) => {
    const session = open(grant({ refreshToken: null }), { previous, operation })
    expect(session.refreshToken?.reveal()).toBe(text)
    expect(session.refreshExpiresAt).toBe(expiresAt)
  })

  it('of before keeps an end that is not known', () => {
    const endless = open(grant({ refreshToken: 'r0', refreshLives: undefined }))
    const session = open(grant({ refreshToken: null }), { previous: endless, operation: 'refresh' })
    expect(session.refreshToken?.reveal()).toBe('r0')
    expect('refreshExpiresAt' in session).toBe(false)
  })

  it('is not made up where there never was one', () => {
    const without = open(grant({ refreshToken: null }))
    const session = open(grant({ refreshToken: null }), { previous: without, operation: 'refresh' })
    expect('refreshToken' in session).toBe(false)
    const first = open(grant({ refreshToken: null }), { operation: 'refresh' })
    expect('refreshToken' in first).toBe(false)
  })

  it('that was rotated replaces the one of before, with its own end or none', () => {
    const session = open(grant({ refreshToken: 'r1', refreshLives: undefined }), {
      previous,
      operation: 'refresh',
    })
    expect(session.refreshToken?.reveal()).toBe('r1')
    expect('refreshExpiresAt' in session).toBe(false)
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
