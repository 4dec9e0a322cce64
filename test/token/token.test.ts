import { expect, it } from 'vitest'
import { createToken, refreshable, type CurrentToken } from '../../src/token/token.ts'
import type { Rules } from '../../src/token/login-guard.ts'
import { grant, type GrantOptions } from './support.ts'

const SENT = 50_000

/** @param header its scheme, and what it carries. */
function open(options: GrantOptions, header = 'Bearer token'): CurrentToken {
  const [scheme = '', field] = header.split(' ')
  const isalesTokenHeader = { names: ['Authorization'], scheme, field }
  const rules = { isalesTokenHeader } as unknown as Rules
  return createToken({ ...grant(options), sentAt: SENT }, rules, 0)
}

it.each([
  [1, 100],
  [1.5, 150],
  [49, 4900],
  [50, 5000],
  [51, 5000],
  [86_400, 5000],
])('a token of %d s is not sent in its last %d ms', (lives, margin) => {
  expect(open({ lives }).usableUntil).toBe(SENT + lives * 1000 - margin)
})

it.each<readonly [string, GrantOptions, string, number]>([
  ['Bearer token', {}, 'Bearer t1', 300],
  [' token', {}, 't1', 300],
  ['Token refreshToken', {}, 'Token r1', 300],
  [' refreshToken', {}, 'r1', 300],
  [' refreshToken', { refreshToken: null }, 't1', 300],
])('the header %j of a grant of %j is %j, for %d s', (header, options, text, lives) => {
  const { headerValue, token, lifetime, expiresAt } = open(options, header)
  expect([headerValue.reveal(), token.reveal()]).toEqual([text, 't1'])
  expect([lifetime.ms, expiresAt]).toEqual([lives * 1000, SENT + lives * 1000])
})

it.each<readonly [GrantOptions, number, boolean]>([
  [{ refreshLives: 10 }, 9999, true],
  [{ refreshLives: 10 }, 10_000, false],
  [{ refreshLives: undefined }, 1e9, true],
  [{ refreshToken: null }, 0, false],
])('the refresh token of %j may be tried after %d ms: %s', (options, ms, isTried) => {
  expect(refreshable(open(options), SENT + ms)).toBe(isTried)
})
