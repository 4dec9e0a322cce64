import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createMetrics, type Metrics, type MetricsOptions } from '../../src/admin/metrics.ts'
import { HANDSHAKE_FAILURES } from '../../src/http/handshake.ts'
import { PROBLEM_CODES, REFUSAL_REASONS } from '../../src/http/problem.ts'
import { AUTH_FAILURE_REASONS } from '../../src/token/protocol.ts'
import { STORE_FAILURES, STORE_OPERATIONS } from '../../src/token/sharing.ts'
import { CONNECT_FAILURES } from '../../src/upstream/errors.ts'
import { CANARY, NOW, failed, granted, session, snapshot } from './token.ts'

const WALL = 1_760_000_000_000
const OPERATIONS = ['login', 'refresh']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other']
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx']
const OUTCOMES = ['success', 'failure']
const OBS_LOGIN_OUTCOMES = ['success', 'rejected', 'throttled', 'malformed']
const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token', 'not-kept']

function metricsWith(changes: Partial<MetricsOptions> = {}): Metrics {
  return createMetrics({
    token: () => snapshot(),
    state: () => 'healthy',
    certificates: () => ({ listener: WALL, client: undefined, ca: undefined }),
    running: { inFlight: 0 },
    upstreamConnections: () => 3,
    rejectedStatuses: new Set([401, 403]),
    version: '1.2.3',
    wallClock: () => WALL,
    processMetrics: false,
    ...changes,
  })
}

/** The value of one line of the page, without the prefix. */
async function valueOf(metrics: Metrics, series: string): Promise<number> {
  const page = await metrics.render()
  const line = page.split('\n').find((line) => line.startsWith(`isales_proxy_${series} `))
  if (line === undefined) throw new Error(`no ${series} on the page`)
  return Number(line.slice(line.lastIndexOf(' ') + 1))
}

type Values = readonly string[]

function singles(name: string, label: string, values: Values): Values {
  return values.map((value) => `${name}{${label}="${value}"}`)
}

function pairs(name: string, ...labels: readonly [string, Values, string, Values]): Values {
  const [outer, outerValues, inner, innerValues] = labels
  return outerValues.flatMap((value) =>
    innerValues.map((innerValue) => `${name}{${outer}="${value}",${inner}="${innerValue}"}`),
  )
}

describe('the metrics page', () => {
  it('shows every label set at 0 before anything has happened', async () => {
    const page = await metricsWith().render()
    const expected = [
      ...pairs('auth_attempts_total', 'operation', OPERATIONS, 'outcome', OUTCOMES),
      ...pairs('auth_failures_total', 'operation', OPERATIONS, 'reason', AUTH_FAILURE_REASONS),
      ...singles('auth_duration_seconds_count', 'operation', OPERATIONS),
      'auth_lifetime_assumed_total',
      'log_lines_dropped_total',
      'session_conflicts_total',
      'token_waiters',
      'requests_in_flight',
      ...singles('token_rejections_total', 'status', ['401', '403', 'other']),
      ...singles('replays_total', 'outcome', REPLAY_OUTCOMES),
      ...singles('obs_logins_total', 'outcome', OBS_LOGIN_OUTCOMES),
      ...singles('credential_reloads_total', 'outcome', OUTCOMES),
      ...pairs('requests_total', 'method', METHODS, 'status_class', STATUS_CLASSES),
      'request_duration_seconds_count',
      ...singles('request_duration_seconds_bucket', 'le', [
        '0.001',
        '2',
        '2.25',
        '2.5',
        '2.75',
        '3',
        '+Inf',
      ]),
      'upstream_duration_seconds_count',
      'upstream_connections_opened_total',
      ...singles('upstream_connect_failures_total', 'reason', CONNECT_FAILURES),
      ...singles('client_handshake_failures_total', 'reason', HANDSHAKE_FAILURES),
      'slow_clients_closed_total',
      ...singles('obs_refreshes_total', 'outcome', ['success', 'rejected']),
      ...singles('request_errors_total', 'code', PROBLEM_CODES),
      ...singles('requests_refused_total', 'reason', REFUSAL_REASONS),
    ]
    const lines = new Set(page.split('\n'))
    expect(expected.filter((series) => !lines.has(`isales_proxy_${series} 0`))).toEqual([])
  })

  it('names the version once, as a label of build_info', async () => {
    expect(await valueOf(metricsWith(), 'build_info{version="1.2.3"}')).toBe(1)
  })

  it('shows no secret', async () => {
    const metrics = metricsWith()
    metrics.onTokenEvent(granted())
    expect(await metrics.render()).not.toContain(CANARY)
  })

  it('shows the lines that the log has dropped until now', async () => {
    let dropped = 3
    const metrics = metricsWith({ logLinesDropped: () => dropped })
    expect(await valueOf(metrics, 'log_lines_dropped_total')).toBe(3)
    dropped = 5
    expect(await valueOf(metrics, 'log_lines_dropped_total')).toBe(5)
  })

  it('shows when each certificate ends, and 0 for none', async () => {
    const metrics = metricsWith()
    const end = (name: string): Promise<number> =>
      valueOf(metrics, `certificate_expiry_timestamp_seconds{certificate="${name}"}`)
    expect(await end('listener')).toBe(WALL / 1000)
    expect(await end('client')).toBe(0)
    expect(await end('ca')).toBe(0)
  })

  it('keeps two instances apart', async () => {
    const one = metricsWith()
    const other = metricsWith()
    one.connectionFailed('bad-request', 'parser')
    expect(await valueOf(other, 'request_errors_total{code="bad-request"}')).toBe(0)
  })

  it.each([false, true])('passes promtool (process metrics: %s)', async (processMetrics) => {
    const metrics = metricsWith({ processMetrics })
    metrics.requestEnded({ method: 'POST', status: 200, durationMs: 10, upstreamMs: 8 })
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

describe('a connection', () => {
  it('to iSales is counted when it was opened, and when it was not, by the stage', async () => {
    const metrics = metricsWith()
    metrics.upstreamConnected('opened')
    metrics.upstreamConnected('dns')
    metrics.upstreamConnected('dns')
    expect(await valueOf(metrics, 'upstream_connections')).toBe(3)
    expect(await valueOf(metrics, 'upstream_connections_opened_total')).toBe(1)
    expect(await valueOf(metrics, 'upstream_connect_failures_total{reason="dns"}')).toBe(2)
  })

  it('of a client whose TLS handshake failed is counted by the reason', async () => {
    const metrics = metricsWith()
    metrics.handshakeFailed('plain-http')
    const series = 'client_handshake_failures_total{reason="plain-http"}'
    expect(await valueOf(metrics, series)).toBe(1)
  })

  it('that the listener closed itself, for an error of ours, is no refusal', async () => {
    const metrics = metricsWith()
    metrics.connectionFailed('internal', undefined)
    expect(await valueOf(metrics, 'request_errors_total{code="internal"}')).toBe(1)
    expect(await metrics.render()).not.toMatch(/requests_refused_total\{.*\} 1/)
  })
})

describe('a login or refresh', () => {
  it('is counted by operation and outcome, with its duration', async () => {
    const metrics = metricsWith()
    metrics.onTokenEvent(granted({ operation: 'refresh', durationMs: 250 }))
    expect(
      await valueOf(metrics, 'auth_attempts_total{operation="refresh",outcome="success"}'),
    ).toBe(1)
    expect(await valueOf(metrics, 'auth_duration_seconds_sum{operation="refresh"}')).toBe(0.25)
  })

  it.each(AUTH_FAILURE_REASONS)('that failed is counted with the reason %s', async (reason) => {
    const metrics = metricsWith()
    metrics.onTokenEvent(failed({ failure: { kind: 'unclear', reason, detail: 'x' } }))
    expect(
      await valueOf(metrics, `auth_failures_total{operation="login",reason="${reason}"}`),
    ).toBe(1)
    expect(await valueOf(metrics, 'auth_attempts_total{operation="login",outcome="failure"}')).toBe(
      1,
    )
  })

  it('is counted once more when its lifetime had to be assumed', async () => {
    const metrics = metricsWith()
    metrics.onTokenEvent(granted({ lifetimeAssumed: true }))
    metrics.onTokenEvent(granted())
    expect(await valueOf(metrics, 'auth_lifetime_assumed_total')).toBe(1)
  })
})

describe('a rejection', () => {
  it('is counted by its status, and an unexpected status as other', async () => {
    const metrics = metricsWith({ rejectedStatuses: new Set([401, 403, 200]) })
    for (const status of [401, 401, 200, 418]) {
      metrics.onTokenEvent({
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
    expect((await metrics.totals()).rejections).toEqual({ '200': 1, '401': 2, '403': 0, other: 1 })
  })

  it('that belongs to a conflict is counted as one', async () => {
    const metrics = metricsWith()
    metrics.onTokenEvent({ type: 'conflict', at: NOW, holdOff: 9000 })
    expect(await valueOf(metrics, 'session_conflicts_total')).toBe(1)
  })
})

describe('a request', () => {
  it('is counted by method and class, and a client cannot make up a label', async () => {
    const metrics = metricsWith()
    metrics.requestEnded({ method: 'POST', status: 200 })
    for (const method of ['BREW', 'get', '__proto__', 'constructor', '"}\n', '']) {
      metrics.requestEnded({ method, status: 404 })
    }
    expect(await valueOf(metrics, 'requests_total{method="POST",status_class="2xx"}')).toBe(1)
    expect(await valueOf(metrics, 'requests_total{method="other",status_class="4xx"}')).toBe(6)
    expect(await metrics.render()).not.toMatch(/BREW|__proto__/)
  })

  it.each([
    [100, '1xx'],
    [199, '1xx'],
    [200, '2xx'],
    [304, '3xx'],
    [499, '4xx'],
    [599, '5xx'],
    [0, '4xx'],
    [99, '5xx'],
    [600, '5xx'],
    [Number.NaN, '5xx'],
  ])('with status %d is counted as %s', async (status, statusClass) => {
    const metrics = metricsWith()
    metrics.requestEnded({ method: 'GET', status })
    expect(
      await valueOf(metrics, `requests_total{method="GET",status_class="${statusClass}"}`),
    ).toBe(1)
  })

  it('is timed in seconds, in cumulative buckets', async () => {
    const metrics = metricsWith()
    for (const durationMs of [0, 1, 1.1, 3000, 31_000]) {
      metrics.requestEnded({ method: 'GET', status: 200, durationMs, upstreamMs: undefined })
    }
    const bucket = (le: string): Promise<number> =>
      valueOf(metrics, `request_duration_seconds_bucket{le="${le}"}`)
    expect(await bucket('0.001')).toBe(2)
    expect(await bucket('1')).toBe(3)
    expect(await bucket('3')).toBe(4)
    expect(await bucket('+Inf')).toBe(5)
    expect(await valueOf(metrics, 'upstream_duration_seconds_count')).toBe(0)
  })

  it('that was refused is counted and not timed', async () => {
    const metrics = metricsWith()
    metrics.requestEnded({ method: 'GET', status: 400, code: 'bad-request', refusal: 'target' })
    expect(await valueOf(metrics, 'requests_refused_total{reason="target"}')).toBe(1)
    expect(await valueOf(metrics, 'request_duration_seconds_count')).toBe(0)
  })

  it('leaves its error, its replay, its login and the reload of secrets in the totals', async () => {
    const metrics = metricsWith({ running: { inFlight: 7 } })
    metrics.requestEnded({ method: 'GET', status: 200 })
    metrics.requestEnded({ method: 'POST', status: 200 })
    metrics.requestEnded({ method: 'GET', status: 503, code: 'no-token' })
    metrics.replayed('healed')
    metrics.obsLogin('rejected')
    metrics.credentialsReloaded('success')
    metrics.credentialsReloaded('failure')
    expect(await valueOf(metrics, 'obs_logins_total{outcome="rejected"}')).toBe(1)
    expect(await valueOf(metrics, 'requests_in_flight')).toBe(7)
    expect(await metrics.totals()).toMatchObject({
      requests: { '2xx': 2, '4xx': 0, '5xx': 1 },
      errors: { 'no-token': 1, overloaded: 0 },
      replays: { healed: 1, failed: 0 },
      credentialReloads: { success: 1, failure: 1 },
    })
  })
})

describe('the gauges of the token', () => {
  it('give its ends as dates and the budget in seconds', async () => {
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

  it('keep the end of a token right when the date jumps', async () => {
    let wall = WALL
    const metrics = metricsWith({ wallClock: () => wall })
    wall += 3_600_000
    expect(await valueOf(metrics, 'token_expiry_timestamp_seconds')).toBe(wall / 1000 + 240)
  })

  it('are 0 for what is not there', async () => {
    const none = snapshot({
      session: undefined,
      usable: false,
      nextExchangeAt: undefined,
      lastSuccessAt: undefined,
      outageBudget: 0,
    })
    const metrics = metricsWith({ token: () => none })
    for (const name of [
      'authenticated',
      'outage_budget_seconds',
      'token_expiry_timestamp_seconds',
      'token_next_renewal_timestamp_seconds',
      'token_last_success_timestamp_seconds',
      'refresh_token_expiry_timestamp_seconds',
    ]) {
      expect(await valueOf(metrics, name)).toBe(0)
    }
  })

  it('give 0 for a renewal that is never due and for a refresh token whose end is not known', async () => {
    const { refreshExpiresAt: _, ...rest } = session()
    const metrics = metricsWith({
      token: () => snapshot({ nextExchangeAt: Infinity, session: rest }),
    })
    expect(await valueOf(metrics, 'token_next_renewal_timestamp_seconds')).toBe(0)
    expect(await valueOf(metrics, 'refresh_token_expiry_timestamp_seconds')).toBe(0)
  })

  it('give now for a renewal that is in flight', async () => {
    const metrics = metricsWith({ token: () => snapshot({ exchange: 'login' }) })
    expect(await valueOf(metrics, 'token_next_renewal_timestamp_seconds')).toBe(WALL / 1000)
  })

  it('mark exactly the present state', async () => {
    let state: 'failing' | 'healthy' = 'failing'
    const metrics = metricsWith({ state: () => state })
    expect(await valueOf(metrics, 'state{state="failing"}')).toBe(1)
    expect(await valueOf(metrics, 'state{state="healthy"}')).toBe(0)
    state = 'healthy'
    expect(await valueOf(metrics, 'state{state="failing"}')).toBe(0)
  })

  it('mark exactly the present back-off state', async () => {
    let backoff: 'guarded' | 'none' = 'guarded'
    const metrics = metricsWith({ token: () => snapshot({ backoff }) })
    expect(await valueOf(metrics, 'auth_backoff_state{state="guarded"}')).toBe(1)
    expect(await valueOf(metrics, 'auth_backoff_state{state="none"}')).toBe(0)
    backoff = 'none'
    expect(await valueOf(metrics, 'auth_backoff_state{state="guarded"}')).toBe(0)
    expect(await valueOf(metrics, 'auth_backoff_state{state="none"}')).toBe(1)
  })
})

describe('the metrics of a shared token', () => {
  const state = (value: string): string => `session_sharing_state{state="${value}"}`

  it('say that none is shared when no store is configured, with every label set at 0', async () => {
    const metrics = metricsWith()
    expect(await valueOf(metrics, state('off'))).toBe(1)
    expect(await valueOf(metrics, 'session_replicas')).toBe(0)
    const zero = [
      'tokens_adopted_total',
      ...singles('session_store_failures_total', 'reason', STORE_FAILURES),
      ...pairs(
        'session_store_operations_total',
        'operation',
        STORE_OPERATIONS,
        'outcome',
        OUTCOMES,
      ),
    ]
    for (const series of zero) expect(await valueOf(metrics, series)).toBe(0)
  })

  it('say whether it is shared and with how many', async () => {
    const now = { reason: undefined, since: NOW, adoptedAt: undefined } as const
    const shared = metricsWith({ sharing: () => ({ ...now, state: 'shared', replicas: 3 }) })
    expect(await valueOf(shared, state('shared'))).toBe(1)
    expect(await valueOf(shared, state('alone'))).toBe(0)
    expect(await valueOf(shared, 'session_replicas')).toBe(3)
    const alone = metricsWith({ sharing: () => ({ ...now, state: 'alone', replicas: undefined }) })
    expect(await valueOf(alone, state('alone'))).toBe(1)
    expect(await valueOf(alone, 'session_replicas')).toBe(0)
  })

  it('count what the store did and did not do, with reason and duration', async () => {
    const metrics = metricsWith()
    metrics.storeCalled({ operation: 'claim', durationMs: 2, failure: undefined })
    metrics.storeCalled({ operation: 'claim', durationMs: 500, failure: 'timeout' })
    const claims = 'session_store_operations_total{operation="claim"'
    expect(await valueOf(metrics, `${claims},outcome="success"}`)).toBe(1)
    expect(await valueOf(metrics, `${claims},outcome="failure"}`)).toBe(1)
    expect(await valueOf(metrics, 'session_store_failures_total{reason="timeout"}')).toBe(1)
    const seconds = 'session_store_duration_seconds_sum{operation="claim"}'
    expect(await valueOf(metrics, seconds)).toBeCloseTo(0.502)
  })

  it('count the tokens of other replicas, which are no logins', async () => {
    const metrics = metricsWith()
    metrics.onTokenEvent({ type: 'adopted', at: NOW, session: session(), failuresBefore: 0 })
    expect(await valueOf(metrics, 'tokens_adopted_total')).toBe(1)
    const login = 'auth_attempts_total{operation="login",outcome="success"}'
    expect(await valueOf(metrics, login)).toBe(0)
  })
})
