import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  judgeState,
  type CallCounts,
  type JudgedToken,
  type State,
  type StateInput,
} from '../../src/admin/state.ts'
import { NOW, token } from './token.ts'

const RUNBOOK = readFileSync('docs/operations.md', 'utf8')
const NO_CALLS: CallCounts = { total: 0, failed: 0, byFailure: {} }
const UNREACHABLE = 'upstream-unreachable'

function calls(failed: number, total: number): CallCounts {
  return { total, failed, byFailure: { [UNREACHABLE]: failed } }
}

const LAST_FAILURE = {
  at: NOW,
  operation: 'login',
  failure: { kind: 'unreached', reason: 'unavailable', detail: 'ECONNREFUSED' },
} as const
const NONE = { session: undefined, usable: false } as const

/** The verdict; a valid token and no calls unless told otherwise. */
function judge(input: Partial<StateInput>) {
  return judgeState({
    draining: false,
    token: token(),
    calls: NO_CALLS,
    recentCalls: NO_CALLS,
    ...input,
  })
}

interface Case {
  readonly token?: Partial<JudgedToken>
  readonly calls?: CallCounts
  readonly recentCalls?: CallCounts
  readonly draining?: boolean
}

describe('the state', () => {
  it.each<readonly [string, Case, State]>([
    ['the token is valid and nothing was called', {}, 'healthy'],
    ['every call succeeds', { calls: calls(0, 10) }, 'healthy'],
    ['the token is valid and being renewed', { token: { exchange: 'refresh' } }, 'healthy'],
    ['one call of a thousand failed', { calls: calls(1, 1000) }, 'degraded'],
    ['half of the calls failed', { calls: calls(5, 10) }, 'degraded'],
    ['more than half of the calls failed', { calls: calls(6, 10) }, 'failing'],
    ['the only call failed', { calls: calls(1, 1) }, 'failing'],
    [
      'the last calls failed, after many that succeeded',
      { calls: calls(4, 604), recentCalls: calls(4, 4) },
      'failing',
    ],
    [
      'one call failed, after many that succeeded',
      { calls: calls(1, 604), recentCalls: calls(1, 1) },
      'degraded',
    ],
    [
      'half of the last calls failed',
      { calls: calls(4, 604), recentCalls: calls(4, 8) },
      'degraded',
    ],
    ['renewals fail and the token serves', { token: { backoff: 'transient' } }, 'degraded'],
    [
      'renewals fail and calls fail, too',
      { token: { backoff: 'transient' }, calls: calls(9, 10) },
      'failing',
    ],
    ['the first login is in progress', { token: { ...NONE, exchange: 'login' } }, 'starting'],
    [
      'the first login has failed',
      { token: { ...NONE, backoff: 'transient', lastFailure: LAST_FAILURE } },
      'unauthenticated',
    ],
    ['the token has ended', { token: { usable: false, exchange: 'login' } }, 'unauthenticated'],
    [
      'iSales rejects the token, whatever calls did before',
      { token: { usable: false, rejected: true }, calls: calls(0, 10) },
      'unauthenticated',
    ],
    ['the credentials are refused', { token: { backoff: 'rejected' } }, 'refused'],
    [
      'the credentials are refused and no token is left',
      { token: { ...NONE, backoff: 'guarded' } },
      'refused',
    ],
    ['another program logs in', { token: { backoff: 'conflict' } }, 'conflict'],
    [
      'another program logs in and calls fail',
      { token: { backoff: 'conflict', usable: false, rejected: true }, calls: calls(10, 12) },
      'conflict',
    ],
    ['it shuts down', { draining: true, token: { ...NONE, backoff: 'guarded' } }, 'draining'],
  ])('when %s is %s', (_case, { token: changes, ...input }, state) => {
    const verdict = judge({ ...input, token: token(changes) })
    expect(verdict.state).toBe(state)
    expect(verdict.title).not.toBe('')
    expect(verdict.reason).toMatch(/\.$/)
    expect(verdict.remedy === '').toBe(verdict.runbook === undefined)
    expect(RUNBOOK).toContain(`### ${verdict.runbook ?? ''}`)
  })

  it('gives the share of failed calls, their main reason and what to do', () => {
    const byFailure = { 'upstream-timeout': 2, [UNREACHABLE]: 7 } as const
    const counts = { total: 10, failed: 9, byFailure }
    expect(judge({ calls: counts })).toEqual({
      state: 'failing',
      title: 'Calls fail',
      reason: '9 of 10 calls failed in the last minute: iSales cannot be reached.',
      remedy: expect.stringContaining('Check the network'),
      runbook: 'IsalesProxyCallsFailing',
    })
  })

  it('says so of the last 20 seconds when these tell of an outage and the minute does not yet', () => {
    const { reason } = judge({ calls: calls(4, 604), recentCalls: calls(4, 4) })
    expect(reason).toMatch(/^4 of 4 calls failed in the last 20 seconds: /)
  })

  it.each([
    ['the current token is still used', true],
    ['calls get 503 until a login succeeds', false],
  ])('says that %s when the credentials are refused', (words, usable) => {
    const { reason } = judge({ token: token({ backoff: 'guarded', usable }) })
    expect(reason.toLowerCase()).toContain(words)
  })
})
