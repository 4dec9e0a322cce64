import { describe, expect, it } from 'vitest'
import {
  LOG_EVENTS,
  type LogEventName,
  type LogFields,
  type LogLevel,
} from '../../src/log/events.ts'
import { sharingLog, tokenLog } from '../../src/token/token-log.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import { NOW, failed, granted, session } from '../admin/token.ts'

interface Line {
  readonly level: LogLevel
  readonly event: LogEventName
  readonly fields: LogFields
}

function linesOf(events: readonly TokenEvent[]): readonly Line[] {
  const lines: Line[] = []
  const observe = tokenLog((event, fields = {}, level = LOG_EVENTS[event].level) => {
    lines.push({ level, event, fields })
  })
  for (const event of events) observe(event)
  return lines
}

/** What is seen at LOG_LEVEL=info. */
function seen(events: readonly TokenEvent[]): readonly string[] {
  return linesOf(events)
    .filter(({ level }) => level !== 'debug')
    .map(({ level, event }) => `${level} ${event}`)
}

const grantedAs = (generation: number, changes: Parameters<typeof granted>[0] = {}) =>
  granted({ session: session({ generation }), operation: 'refresh', ...changes })

type Rejected = Extract<TokenEvent, { type: 'token-rejected' }>

const rejectedAs = (generation: number, verdict: Rejected['verdict'] = 'replace'): TokenEvent => ({
  type: 'token-rejected',
  at: NOW,
  generation,
  status: 401,
  verdict,
})

const refused = { kind: 'refused', reason: 'rejected', status: 403, detail: 'status 403' } as const
const down = { kind: 'unreached', reason: 'unavailable', detail: 'ECONNREFUSED' } as const
const slow = { kind: 'unclear', reason: 'timeout', detail: 'no response within 5 s' } as const

describe('the session log', () => {
  it('writes one line for a login and one for each renewal', () => {
    const events = [
      { type: 'request-started', operation: 'login', at: NOW } as const,
      granted(),
      grantedAs(2),
      grantedAs(3),
    ]
    expect(seen(events)).toEqual(['info logged-in', 'info renewed', 'info renewed'])
  })

  it('says for how long a token was granted and how long that took', () => {
    expect(linesOf([granted()])[0]?.fields).toEqual({
      operation: 'login',
      generation: 1,
      lifetimeSeconds: 300,
      durationMs: 42,
    })
  })

  it('says that the same token came back', () => {
    expect(linesOf([grantedAs(2, { sameToken: true })])[0]?.fields).toHaveProperty(
      'sameToken',
      true,
    )
  })

  it('writes one WARN for an outage of a thousand failed renewals, and one line at its end', () => {
    const outage = Array.from({ length: 1000 }, (_, n) => failed({ failuresInRow: n + 1 }))
    const events = [granted(), ...outage, grantedAs(2, { failuresBefore: 1000 })]
    expect(seen(events)).toEqual(['info logged-in', 'warn renewal-failed', 'info recovered'])
    expect(linesOf(events)).toHaveLength(1002)
  })

  it('turns to ERROR, once, when the token ends during the outage', () => {
    const ended = failed({ outageBudget: 0 })
    expect(seen([failed(), failed(), ended, ended])).toEqual([
      'warn renewal-failed',
      'error login-failed',
    ])
  })

  it('writes each reason of an outage once, however often they take turns', () => {
    const turns = [down, slow, down, slow].map((failure) => failed({ failure }))
    expect(seen(turns)).toEqual(['warn renewal-failed', 'warn renewal-failed'])
  })

  it('begins anew after a recovery', () => {
    const recovery = grantedAs(2, { failuresBefore: 1 })
    expect(seen([failed(), recovery, failed()])).toEqual([
      'warn renewal-failed',
      'info recovered',
      'warn renewal-failed',
    ])
  })

  it('says that credentials were refused, then that the account is guarded, each once', () => {
    const rejected = failed({ failure: refused, backoff: 'rejected' })
    const guarded = failed({ failure: refused, backoff: 'guarded' })
    expect(seen([rejected, rejected, guarded, guarded])).toEqual([
      'error login-rejected',
      'error guarded',
    ])
  })

  it('reads a result other than 0 as refused credentials', () => {
    const failure = { kind: 'refused', reason: 'result', status: 200, detail: 'result 7' } as const
    expect(seen([failed({ failure, backoff: 'rejected' })])).toEqual(['error login-rejected'])
  })

  it('says once that refreshing is refused while logins succeed', () => {
    const refusal = failed({ operation: 'refresh', failure: refused, backoff: 'none' })
    const login = grantedAs(2, { operation: 'login' })
    expect(seen([refusal, login, refusal, login])).toEqual([
      'warn refresh-refused',
      'info logged-in',
      'info logged-in',
    ])
  })

  it('says it again after a refresh has worked in between', () => {
    const refusal = failed({ operation: 'refresh', failure: refused, backoff: 'none' })
    expect(seen([refusal, grantedAs(2), refusal])).toEqual([
      'warn refresh-refused',
      'info renewed',
      'warn refresh-refused',
    ])
  })

  it('says that the secret was reloaded, and starts the failures anew', () => {
    const rejected = failed({ failure: refused, backoff: 'rejected' })
    expect(seen([rejected, { type: 'credentials-changed', at: NOW }, rejected])).toEqual([
      'error login-rejected',
      'info secret-reloaded',
      'error login-rejected',
    ])
  })

  it('says that logins work again also when the secret was corrected meanwhile', () => {
    const rejected = failed({ failure: refused, backoff: 'rejected' })
    const events = [
      rejected,
      rejected,
      { type: 'credentials-changed', at: NOW } as const,
      granted(),
    ]
    expect(seen(events).at(-1)).toBe('info recovered')
    expect(linesOf(events).at(-1)?.fields).toMatchObject({ failures: 2 })
    expect(seen([...events, grantedAs(2)]).at(-1)).toBe('info renewed')
  })

  it('says with each token how many calls there were since the last one, and how many failed', () => {
    const tallies = [
      { requests: 12, errors: 1 },
      { requests: 0, errors: 0 },
    ]
    const fields: LogFields[] = []
    const observe = tokenLog((_event, given = {}) => void fields.push(given), {
      takeTally: () => tallies.shift() ?? { requests: -1, errors: -1 },
    })
    observe(granted())
    observe(grantedAs(2))
    expect(fields).toMatchObject([
      { requests: 12, errors: 1 },
      { requests: 0, errors: 0 },
    ])
  })

  it('warns of a lifetime that had to be assumed once, and again after a good one', () => {
    const assumed = grantedAs(2, { lifetimeAssumed: true })
    expect(seen([assumed, assumed, grantedAs(3), assumed])).toEqual([
      'info renewed',
      'warn lifetime-assumed',
      'info renewed',
      'info renewed',
      'info renewed',
      'warn lifetime-assumed',
    ])
  })

  it('warns of a rejected token, and not again for each token after it that is rejected too', () => {
    expect(seen([rejectedAs(1), rejectedAs(2), rejectedAs(3), rejectedAs(9)])).toEqual([
      'warn token-rejected',
      'warn token-rejected',
    ])
  })

  it('warns once of rejections that are passed on, though tokens are replaced in between', () => {
    const events = [1, 2, 3, 4].flatMap((n) => [rejectedAs(n, 'brand-new'), rejectedAs(n)])
    expect(seen(events)).toEqual(['warn rejection-relayed', 'warn token-rejected'])
  })

  it('warns of a conflict once while it lasts, and of the next one again', () => {
    const conflict = { type: 'conflict', at: NOW, holdOff: 12_345 } as const
    const events = [rejectedAs(1), conflict, rejectedAs(2), conflict, rejectedAs(9), conflict]
    expect(seen(events).filter((line) => line.endsWith('conflict'))).toEqual([
      'warn conflict',
      'warn conflict',
    ])
    expect(linesOf([conflict])[0]?.fields).toEqual({ holdOffSeconds: 12.3 })
    expect(LOG_EVENTS.conflict.text).toContain('give each instance a user of its own')
  })

  it('says how a failure looked, how long requests go on working and when the next attempt comes', () => {
    expect(linesOf([failed({ failure: refused })])[0]?.fields).toEqual({
      operation: 'login',
      reason: 'rejected',
      status: 403,
      detail: 'status 403',
      failures: 1,
      backoff: 'transient',
      retryInSeconds: 0.5,
      budgetSeconds: 235,
      durationMs: 42,
    })
  })
})

describe('a token that other replicas share', () => {
  const adopted = (failuresBefore: number): TokenEvent => ({
    type: 'adopted',
    at: NOW,
    session: session({ generation: 4 }),
    failuresBefore,
  })

  it('is logged when it is adopted, and as a recovery after failures', () => {
    expect(seen([adopted(0)])).toEqual(['info token-adopted'])
    expect(seen([failed(), adopted(1)]).at(-1)).toBe('info recovered')
    expect(seen([adopted(2)])).toEqual(['info recovered'])
  })

  it('is waited for without a line above debug', () => {
    const held: TokenEvent = { type: 'held', at: NOW, because: 'busy', ms: 1000 }
    expect(linesOf([held])[0]).toMatchObject({
      event: 'token-request-held',
      fields: { reason: 'busy', retryInSeconds: 1 },
    })
  })

  it('is logged when sharing ends and begins again, and when a record cannot be read', () => {
    const names: LogEventName[] = []
    const observe = sharingLog((event) => void names.push(event))
    observe({ type: 'alone', reason: 'timeout' })
    observe({ type: 'shared' })
    observe({ type: 'unreadable' })
    expect(names).toEqual(['sharing-alone', 'sharing-restored', 'shared-token-unreadable'])
  })
})
