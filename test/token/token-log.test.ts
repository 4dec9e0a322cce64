import { describe, expect, it } from 'vitest'
import { LOG_EVENTS, type LogFields } from '../../src/log/log-events.ts'
import { tokenLog } from '../../src/token/token-log.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { NOW, failed, granted, tokenOf } from '../admin/token.ts'
import type { Log } from '../../src/log/logger.ts'
import { authFailure, PLACES } from '../support/failure.ts'

function linesOf(events: readonly TokenEvent[]) {
  /** What is seen at LOG_LEVEL=info: level and name. */
  const seen: string[] = []
  const fields: LogFields[] = []
  const log: Log = (event, given = {}, level = LOG_EVENTS[event].level) => {
    if (level !== 'debug') seen.push(`${level} ${event}`)
    fields.push(given)
  }
  const observe = tokenLog(log, PLACES)
  for (const event of events) observe(event)
  return { seen, fields }
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
const assumed = grantedAs(2, { lifetimeDoubt: 'missing' })
const deferred: TokenEvent = { type: 'deferred', at: NOW, because: 'busy', ms: 1000 }
const adoptedAfter = (failuresBefore: number): TokenEvent => ({
  type: 'adopted',
  at: NOW,
  token: tokenOf({ generation: 4 }),
  failuresBefore,
})

describe('the log of the token', () => {
  it.each<readonly [string, readonly TokenEvent[], readonly string[]]>([
    [
      'has one line for a login and one for each renewal',
      [{ type: 'request-started', operation: 'login', at: NOW }, login, grantedAs(3), grantedAs(4)],
      ['info logged-in', 'info renewed', 'info renewed'],
    ],
    [
      'has one WARN for an outage, and one line at its end',
      [down, down, down, recovery, down],
      ['warn renewal-failed', 'info recovered', 'warn renewal-failed'],
    ],
    [
      'turns to ERROR, once, when the token ends during the outage',
      [down, down, ended, ended],
      ['warn renewal-failed', 'error login-failed'],
    ],
    [
      'has each reason of an outage once, however often they take turns',
      [down, slow, down, slow],
      ['warn renewal-failed', 'warn renewal-failed'],
    ],
    [
      'says that credentials were refused, then that the account is guarded, each once',
      [rejected, rejected, guarded, guarded],
      ['error login-rejected', 'error guarded'],
    ],
    [
      'says once that refreshing is refused while logins succeed',
      [refusal, login, refusal, login, missing, login],
      ['warn refresh-refused', 'info logged-in', 'info logged-in', 'info logged-in'],
    ],
    [
      'says it again after a refresh has worked in between',
      [refusal, grantedAs(2), refusal],
      ['warn refresh-refused', 'info renewed', 'warn refresh-refused'],
    ],
    [
      'starts the failures anew when the secret has changed',
      [rejected, changed, rejected],
      ['error login-rejected', 'error login-rejected'],
    ],
    [
      'says that an operator asks',
      [{ type: 'renew-asked', at: NOW, endsPause: true }, login],
      ['info renew-asked', 'info logged-in'],
    ],
    [
      'says of no recovery by refreshes while a changed secret is refused',
      [changed, rejected, grantedAs(2, { loginDue: true }), grantedAs(3)],
      ['error login-rejected', 'info renewed', 'info recovered'],
    ],
    [
      'warns once of lifetimes that had to be assumed, and again after a good one',
      [assumed, assumed, grantedAs(3), assumed],
      [
        'info renewed',
        'warn lifetime-assumed',
        'info renewed',
        'info renewed',
        'info renewed',
        'warn lifetime-assumed',
      ],
    ],
    [
      'warns of a rejected token, and not again for each token after it that is rejected too',
      [rejectedAs(1), rejectedAs(2), rejectedAs(3), rejectedAs(9)],
      ['warn token-rejected', 'warn token-rejected'],
    ],
    [
      'warns once of rejections that are passed on, though tokens are replaced in between',
      [1, 2, 3, 4].flatMap((n) => [rejectedAs(n, 'rejection-relayed'), rejectedAs(n)]),
      ['warn rejection-relayed', 'warn token-rejected'],
    ],
    [
      'says that a token of another replica is used, and as a recovery after failures',
      [adoptedAfter(0), down, adoptedAfter(1), adoptedAfter(2)],
      ['info token-adopted', 'warn renewal-failed', 'info recovered', 'info recovered'],
    ],
  ])('%s', (_, events, lines) => {
    const written = linesOf(events)
    expect(written.seen).toEqual(lines)
    // What only repeats is there at DEBUG.
    expect(written.fields.length).toBeGreaterThanOrEqual(events.length)
  })

  it.each<readonly [string, readonly TokenEvent[], LogFields]>([
    [
      'the same token',
      [grantedAs(2, { sameToken: true })],
      {
        operation: 'refresh',
        generation: 2,
        lifetimeSeconds: 300,
        durationMs: 42,
        sameToken: true,
      },
    ],
    [
      'a recovery',
      [rejected, rejected, changed, granted()],
      { operation: 'login', generation: 1, lifetimeSeconds: 300, durationMs: 42, failures: 2 },
    ],
    [
      'an adopted token',
      [adoptedAfter(0)],
      { generation: 4, lifetimeSeconds: 300, ageSeconds: 60 },
    ],
    [
      'a failure',
      [failed({ failure: REFUSED })],
      {
        operation: 'login',
        reason: 'rejected',
        cause: 'password',
        status: 403,
        detail: expect.stringMatching(
          /^iSales refuses the user or the password\. Correct .* Status: 403/,
        ),
        failures: 1,
        backoff: 'transient',
        retryInSeconds: 0.5,
        budgetSeconds: 235,
        durationMs: 42,
      },
    ],
    [
      'an operator who asks while a token serves',
      [{ type: 'renew-asked', at: NOW, endsPause: false }],
      { by: 'SIGHUP', outcome: 'nothing-paused' },
    ],
    ['a rejection', [rejectedAs(3)], { generation: 3, status: 401 }],
    ['a wait for another replica', [deferred], { reason: 'busy', retryInSeconds: 1 }],
  ])('has these fields of %s', (_, events, fields) => {
    expect(linesOf(events).fields.at(-1)).toEqual(fields)
  })
})
