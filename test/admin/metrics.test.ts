import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { AUTH_FAILURE_REASONS } from '../../src/token/protocol.ts'
import { PROBLEM_CODES } from '../../src/http/problem.ts'
import { WALL, metricsWith, valueOf } from './metrics.ts'
import { CANARY, NOW, failed, granted, session, snapshot } from './token.ts'

const OPERATIONS = ['login', 'refresh']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other']
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx']
const OUTCOMES = ['success', 'failure']
const OBS_LOGIN_OUTCOMES = ['success', 'rejected', 'throttled', 'malformed']
const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token', 'not-kept']

function singles(name: string, label: string, values: readonly string[]): readonly string[] {
  return values.map((value) => `${name}{${label}="${value}"}`)
}

function pairs(name: string, ...labels: readonly [string, Values, string, Values]) {
  const [outer, outerValues, inner, innerValues] = labels
  return outerValues.flatMap((value) =>
    innerValues.map((innerValue) => `${name}{${outer}="${value}",${inner}="${innerValue}"}`),
  )
}
type Values = readonly string[]

describe('the metrics page', () => {
  it('shows every label set at 0 before anything has happened', async () => {
    const page = await metricsWith().render()
    const expected = [
      ...pairs('auth_attempts_total', 'operation', OPERATIONS, 'outcome', OUTCOMES),
      ...pairs('auth_failures_total', 'operation', OPERATIONS, 'reason', AUTH_FAILURE_REASONS),
      ...singles('auth_duration_seconds_count', 'operation', OPERATIONS),
      'auth_lifetime_assumed_total',
      'session_conflicts_total',
      'token_waiters',
      'requests_in_flight',
      ...singles('token_rejections_total', 'status', ['401', '403', 'other']),
      ...singles('replays_total', 'outcome', REPLAY_OUTCOMES),
      ...singles('obs_logins_total', 'outcome', OBS_LOGIN_OUTCOMES),
      ...singles('credential_reloads_total', 'outcome', OUTCOMES),
      ...pairs('requests_total', 'method', METHODS, 'status_class', STATUS_CLASSES),
      'request_duration_seconds_count',
      ...singles('request_duration_seconds_bucket', 'le', ['0.001', '2', '3', '+Inf']),
      'upstream_duration_seconds_count',
      ...singles('request_errors_total', 'code', PROBLEM_CODES),
    ]
    const lines = new Set(page.split('\n'))
    expect(expected.filter((series) => !lines.has(`isales_proxy_${series} 0`))).toEqual([])
  })

  it('names the version once, as a label of build_info', async () => {
    expect(await valueOf(metricsWith(), 'build_info{version="1.2.3"}')).toBe(1)
  })

  it('shows no secret', async () => {
    const metrics = metricsWith()
    metrics.session.onTokenEvent(granted())
    expect(await metrics.render()).not.toContain(CANARY)
  })

  it.each([false, true])('passes promtool (process metrics: %s)', async (collectDefaults) => {
    const metrics = metricsWith({ collectDefaults })
    metrics.requests.add('POST', 200, 0.01, 0.008)
    const input = await metrics.render()
    const run = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
    if (run.error !== undefined) {
      process.stderr.write('skipped: promtool is not installed (apt install prometheus)\n')
      return
    }
    expect(run.stderr + run.stdout).toBe('')
    expect(run.status).toBe(0)
  })
})

describe('what a login or refresh leaves', () => {
  it('counts a success by operation, with its duration', async () => {
    const metrics = metricsWith()
    metrics.session.onTokenEvent(granted({ operation: 'refresh', durationMs: 250 }))
    expect(
      await valueOf(metrics, 'auth_attempts_total{operation="refresh",outcome="success"}'),
    ).toBe(1)
    expect(await valueOf(metrics, 'auth_duration_seconds_sum{operation="refresh"}')).toBe(0.25)
  })

  it.each(AUTH_FAILURE_REASONS)('counts the failure %s by operation and reason', async (reason) => {
    const metrics = metricsWith()
    metrics.session.onTokenEvent(failed({ failure: { reason, detail: 'x' } }))
    expect(
      await valueOf(metrics, `auth_failures_total{operation="login",reason="${reason}"}`),
    ).toBe(1)
    expect(await valueOf(metrics, 'auth_attempts_total{operation="login",outcome="failure"}')).toBe(
      1,
    )
  })

  it('counts a lifetime that had to be assumed', async () => {
    const metrics = metricsWith()
    metrics.session.onTokenEvent(granted({ lifetimeAssumed: true }))
    metrics.session.onTokenEvent(granted())
    expect(await valueOf(metrics, 'auth_lifetime_assumed_total')).toBe(1)
  })

  it('counts rejections by status, and one it was not told of as other', async () => {
    const metrics = metricsWith({}, [401, 403, 200])
    for (const status of [401, 401, 200, 418]) {
      metrics.session.onTokenEvent({
        type: 'token-rejected',
        at: NOW,
        generation: 1,
        status,
        replacing: true,
      })
    }
    expect(await valueOf(metrics, 'token_rejections_total{status="401"}')).toBe(2)
    expect(await valueOf(metrics, 'token_rejections_total{status="200"}')).toBe(1)
    expect(await valueOf(metrics, 'token_rejections_total{status="other"}')).toBe(1)
  })

  it('counts conflicts', async () => {
    const metrics = metricsWith()
    metrics.session.onTokenEvent({ type: 'conflict', at: NOW, holdOff: 9000 })
    expect(await valueOf(metrics, 'session_conflicts_total')).toBe(1)
  })
})

describe('how the session stands', () => {
  it('tells the ends as dates and the budget in seconds, right to the second', async () => {
    const metrics = metricsWith()
    expect(await valueOf(metrics, 'authenticated')).toBe(1)
    expect(await valueOf(metrics, 'outage_budget_seconds')).toBe(235)
    expect(await valueOf(metrics, 'token_expiry_timestamp_seconds')).toBe(WALL / 1000 + 240)
    expect(await valueOf(metrics, 'token_next_renewal_timestamp_seconds')).toBe(WALL / 1000 + 180)
    expect(await valueOf(metrics, 'token_last_success_timestamp_seconds')).toBe(WALL / 1000 - 60)
    expect(await valueOf(metrics, 'refresh_token_expiry_timestamp_seconds')).toBe(
      WALL / 1000 + 3540,
    )
  })

  it('keeps the end of a token right when the date jumps', async () => {
    let wall = WALL
    const metrics = metricsWith({ wallClock: () => wall })
    wall += 3_600_000
    expect(await valueOf(metrics, 'token_expiry_timestamp_seconds')).toBe(wall / 1000 + 240)
  })

  it('shows 0 for what is not there', async () => {
    const metrics = metricsWith({
      snapshot: () =>
        snapshot({
          session: undefined,
          usable: false,
          nextExchangeAt: Infinity,
          lastSuccessAt: undefined,
          outageBudget: 0,
        }),
    })
    const values = await Promise.all(
      [
        'authenticated',
        'outage_budget_seconds',
        'token_expiry_timestamp_seconds',
        'token_next_renewal_timestamp_seconds',
        'token_last_success_timestamp_seconds',
        'refresh_token_expiry_timestamp_seconds',
      ].map((series) => valueOf(metrics, series)),
    )
    expect(values).toEqual([0, 0, 0, 0, 0, 0])
  })

  it('shows 0 for the end of a refresh token whose lifetime is not known', async () => {
    const { refreshExpiresAt: _, ...rest } = session()
    const metrics = metricsWith({ snapshot: () => snapshot({ session: rest }) })
    expect(await valueOf(metrics, 'refresh_token_expiry_timestamp_seconds')).toBe(0)
  })

  it('dates the next renewal now while one is under way', async () => {
    const metrics = metricsWith({
      snapshot: () => snapshot({ exchange: 'login', nextExchangeAt: undefined }),
    })
    expect(await valueOf(metrics, 'token_next_renewal_timestamp_seconds')).toBe(WALL / 1000)
  })

  it('marks exactly the present back-off state', async () => {
    let backoff: 'guarded' | 'none' = 'guarded'
    const metrics = metricsWith({ snapshot: () => snapshot({ backoff }) })
    expect(await valueOf(metrics, 'auth_backoff_state{state="guarded"}')).toBe(1)
    expect(await valueOf(metrics, 'auth_backoff_state{state="none"}')).toBe(0)
    backoff = 'none'
    expect(await valueOf(metrics, 'auth_backoff_state{state="guarded"}')).toBe(0)
    expect(await valueOf(metrics, 'auth_backoff_state{state="none"}')).toBe(1)
  })

  it('reads the snapshot once a page, so that the page cannot contradict itself', async () => {
    let reads = 0
    const metrics = metricsWith({
      snapshot: () => {
        reads += 1
        return snapshot()
      },
    })
    await metrics.render()
    expect(reads).toBe(1)
  })
})
