import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { noCalls, type CallCounts, type CallsView } from '../../src/admin/calls.ts'
import type { TokenSnapshot } from '../../src/token/events.ts'
import { judge, type Health } from '../../src/admin/findings.ts'
import type { StateInput } from '../../src/admin/state.ts'
import { NOW, snapshot } from './token.ts'

const RUNBOOK = readFileSync('docs/operations.md', 'utf8').toLowerCase()
const UNREACHABLE = 'upstream-unreachable'

function counts(failed: number, total: number): CallCounts {
  return { ...noCalls(), succeeded: total - failed, failed, byFailure: { [UNREACHABLE]: failed } }
}

/** Calls of the last minute, the last of which failed now. */
function calls(minute: CallCounts, recent = noCalls()): CallsView {
  const lastFailedAt = minute.failed > 0 ? NOW : undefined
  return { minute, recent, outage: { since: 0, ...noCalls() }, succeededSince: 0, lastFailedAt }
}

const LAST_FAILURE = {
  at: NOW,
  operation: 'login',
  failure: { kind: 'untouched', reason: 'unavailable', detail: 'ECONNREFUSED' },
} as const
const NONE = { token: undefined, usable: false } as const

/** All findings; a valid token and no calls unless told otherwise. */
function judged(input: Partial<StateInput>) {
  return judge({
    draining: false,
    token: snapshot(),
    calls: calls(noCalls()),
    paths: [],
    clockAhead: undefined,
    passwordFile: '/etc/isales/password',
    stateDir: '/var/lib/proxy',
    ...input,
  })
}

interface Case {
  readonly token?: Partial<TokenSnapshot>
  readonly calls?: CallsView
  readonly draining?: boolean
}

describe('the state', () => {
  it.each<readonly [string, Case, Health]>([
    ['the token is valid and nothing was called', {}, 'healthy'],
    ['every call succeeds', { calls: calls(counts(0, 10)) }, 'healthy'],
    ['the token is valid and being renewed', { token: { request: 'refresh' } }, 'healthy'],
    ['one call of a thousand failed', { calls: calls(counts(1, 1000)) }, 'degraded'],
    ['half of the calls failed', { calls: calls(counts(5, 10)) }, 'degraded'],
    ['more than half of the calls failed', { calls: calls(counts(6, 10)) }, 'failing'],
    ['the only call failed', { calls: calls(counts(1, 1)) }, 'failing'],
    [
      'the last calls failed, after many that succeeded',
      { calls: calls(counts(4, 604), counts(4, 4)) },
      'failing',
    ],
    [
      'one call failed, after many that succeeded',
      { calls: calls(counts(1, 604), counts(1, 1)) },
      'degraded',
    ],
    ['half of the last calls failed', { calls: calls(counts(4, 604), counts(4, 8)) }, 'degraded'],
    ['renewals fail and the token serves', { token: { backoff: 'transient' } }, 'degraded'],
    [
      'renewals fail and calls fail, too',
      { token: { backoff: 'transient' }, calls: calls(counts(9, 10)) },
      'failing',
    ],
    ['the first login is in progress', { token: { ...NONE, request: 'login' } }, 'starting'],
    [
      'the first login has failed',
      { token: { ...NONE, backoff: 'transient', lastFailure: LAST_FAILURE } },
      'unauthenticated',
    ],
    ['the token has ended', { token: { usable: false, request: 'login' } }, 'unauthenticated'],
    [
      'iSales rejects the token, whatever calls did before',
      { token: { rejected: true }, calls: calls(counts(0, 10)) },
      'failing',
    ],
    ['the credentials are refused', { token: { backoff: 'rejected' } }, 'refused'],
    [
      'the credentials are refused and no token is left',
      { token: { ...NONE, backoff: 'guarded' } },
      'refused',
    ],
    ['another program logs in', { token: { conflict: true } }, 'conflict'],
    [
      'another program logs in and calls fail',
      {
        token: { conflict: true, rejected: true },
        calls: calls(counts(10, 12)),
      },
      'conflict',
    ],
    ['it shuts down', { draining: true, token: { ...NONE, backoff: 'guarded' } }, 'draining'],
  ])('when %s is %s', (_case, { token: changes, ...input }, state) => {
    const [headline] = judged({ ...input, token: snapshot(changes) })
    expect(headline.state).toBe(state)
    expect(headline.title).not.toBe('')
    expect(headline.reason).toMatch(/\.$/)
    expect(headline.remedy === '').toBe(headline.runbook === null)
    expect(RUNBOOK).toContain(`### ${headline.runbook?.split('operations.md#')[1] ?? ''}`)
  })

  it('gives the share of failed calls, their main reason and what to do', () => {
    const byFailure = { 'upstream-timeout': 2, [UNREACHABLE]: 7 } as const
    expect(judged({ calls: calls({ ...counts(9, 10), byFailure }) })).toEqual([
      {
        state: 'failing',
        title: 'Calls fail',
        reason: '9 of 10 calls failed in the last minute. iSales cannot be reached.',
        remedy: expect.stringContaining('Check the network'),
        runbook: expect.stringMatching(/operations\.md#isalesproxycallsfailing$/),
      },
    ])
  })

  it('says so of the last 20 seconds when these tell of an outage', () => {
    const [headline] = judged({ calls: calls(counts(4, 604), counts(4, 4)) })
    expect(headline.reason).toMatch(/^4 of 4 calls failed in the last 20 seconds\. /)
  })

  it('says everything that is wrong, the most important first', () => {
    const findings = judged({
      token: snapshot({ backoff: 'transient' }),
      calls: calls({ ...counts(1, 100), refused: 3, slow: 20 }),
      clockAhead: 60_000,
    })
    expect(findings.map(({ title }) => title)).toEqual([
      'Some calls fail',
      'iSales refuses some calls',
      'Renewal is failing',
      'iSales is slow',
      'The clock is wrong',
    ])
  })
})

describe('refused credentials', () => {
  it.each([
    ['the current token is still used', true],
    ['calls get 503 until a login succeeds', false],
  ])('say that %s', (words, usable) => {
    const [headline] = judged({ token: snapshot({ backoff: 'guarded', usable }) })
    expect(headline.reason.toLowerCase()).toContain(words)
  })

  it.each([
    [403, 'refuses the user or password', 'read from /etc/isales/password'],
    [401, 'service is not purchased', 'then run STATE_DIR=/var/lib/proxy isales-auth'],
    [400, 'with 400: by its documents', 'read from /etc/isales/password'],
    [500, 'with 500: by its documents', 'read from /etc/isales/password'],
  ])('by %i have words and a remedy of their own', (status, reason, remedy) => {
    const failure = { kind: 'refused', reason: 'rejected', status, detail: '' } as const
    const lastFailure = { at: NOW, operation: 'login', failure } as const
    const [headline] = judged({ token: snapshot({ backoff: 'guarded', lastFailure }) })
    expect(headline.reason).toContain(reason)
    expect(headline.remedy).toContain(remedy)
  })

  it('name the signal where renew has no STATE_DIR', () => {
    const failure = { kind: 'refused', reason: 'rejected', status: 401, detail: '' } as const
    const lastFailure = { at: NOW, operation: 'login', failure } as const
    const token = snapshot({ backoff: 'rejected', lastFailure })
    const [headline] = judged({ token, stateDir: undefined })
    expect(headline.remedy).toContain('send SIGHUP')
  })

  it('name the environment when the password comes from there', () => {
    const [headline] = judged({ token: snapshot({ backoff: 'rejected' }), passwordFile: undefined })
    expect(headline.remedy).toContain('then restart the proxy')
  })
})
