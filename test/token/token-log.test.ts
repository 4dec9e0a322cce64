import { expect, it } from 'vitest'
import { LOG_EVENTS } from '../../src/log/log-events.ts'
import { tokenLog } from '../../src/token/token-log.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { NOW, failed, granted, tokenOf } from '../admin/token.ts'
import type { Log } from '../../src/log/logger.ts'
import { authFailure, PLACES } from '../support/failure.ts'

function seenOf(events: readonly TokenEvent[]): readonly string[] {
  const seen: string[] = []
  const log: Log = (event, _, level = LOG_EVENTS[event].level) => {
    if (level !== 'debug') seen.push(`${level} ${event}`)
  }
  const observe = tokenLog(log, PLACES)
  for (const event of events) observe(event)
  return seen
}

const grantedAs = (generation: number, changes: Parameters<typeof granted>[0] = {}) =>
  granted({ token: tokenOf({ generation }), operation: 'refresh', ...changes })

const rejectedAs = (
  generation: number,
  type: 'token-rejected' | 'rejection-relayed' = 'token-rejected',
): TokenEvent => ({
  type,
  at: NOW,
  generation,
  status: 401,
})

const REFUSED = authFailure('refused', 'password', { status: 403 })
const down = failed({
  failure: authFailure('untouched', 'connection-refused', { detail: 'ECONNREFUSED' }),
})
const slow = failed({ failure: authFailure('unclear', 'timeout') })
const rejected = failed({ failure: REFUSED, backoff: 'rejected' })
const guarded = failed({ failure: REFUSED, backoff: 'guarded' })
const ended = failed({ outageBudget: 0 })
const refusal = failed({ operation: 'refresh', failure: REFUSED, backoff: 'none' })
const missing = failed({
  operation: 'refresh',
  failure: authFailure('untouched', 'path-unknown', { status: 404 }),
})
const login = grantedAs(2, { operation: 'login' })
const recovery = grantedAs(2, { failuresBefore: 1 })
const changed: TokenEvent = { type: 'credentials-changed', at: NOW }
const assumed = grantedAs(2, { operation: 'login', lifetimeDoubt: 'missing' })
const adoptedAfter = (failuresBefore: number): TokenEvent => ({
  type: 'adopted',
  at: NOW,
  token: tokenOf({ generation: 4 }),
  failuresBefore,
})

// Each case is what is seen at LOG_LEVEL=info. What only repeats the state is there at DEBUG.
it.each<readonly [string, readonly TokenEvent[], readonly string[]]>([
  [
    'an outage is news once, and so is its end',
    [down, down, recovery, down],
    ['warn renewal-failed', 'info recovered', 'warn renewal-failed'],
  ],
  [
    'an outage is news again when the token ends',
    [down, ended, ended],
    ['warn renewal-failed', 'error login-failed'],
  ],
  [
    'two reasons of an outage that take turns are news once each',
    [down, slow, down, slow],
    ['warn renewal-failed', 'warn renewal-failed'],
  ],
  [
    'refused credentials are news, and then the guard, until the secret changes',
    [rejected, rejected, guarded, guarded, changed, rejected],
    ['error login-rejected', 'error guarded', 'error login-rejected'],
  ],
  [
    'a refresh that is refused is news until one has worked',
    [refusal, login, missing, login, grantedAs(2), refusal],
    ['refresh-refused', 'logged-in', 'logged-in', 'renewed', 'refresh-refused'].map((event) =>
      event === 'refresh-refused' ? `warn ${event}` : `info ${event}`,
    ),
  ],
  [
    'refreshes recover nothing while a changed secret is refused',
    [changed, rejected, grantedAs(2, { loginDue: true }), grantedAs(3)],
    ['error login-rejected', 'info renewed', 'info recovered'],
  ],
  [
    'lifetimes that were assumed are news again after a good one',
    [assumed, assumed, login, assumed],
    [
      'logged-in',
      'lifetime-assumed',
      'logged-in',
      'logged-in',
      'logged-in',
      'lifetime-assumed',
    ].map((event) => (event === 'logged-in' ? `info ${event}` : `warn ${event}`)),
  ],
  [
    'a rejected token is news, not each one after it, nor what is relayed meanwhile',
    [1, 2, 3, 9].flatMap((n) => [rejectedAs(n, 'rejection-relayed'), rejectedAs(n)]),
    ['rejection-relayed', 'token-rejected', 'rejection-relayed', 'token-rejected'].map(
      (event) => `warn ${event}`,
    ),
  ],
  [
    'a token of another replica is a recovery after failures',
    [adoptedAfter(0), down, adoptedAfter(1), adoptedAfter(2)],
    ['info token-adopted', 'warn renewal-failed', 'info recovered', 'info recovered'],
  ],
])('%s', (_, events, lines) => {
  expect(seenOf(events)).toEqual(lines)
})
