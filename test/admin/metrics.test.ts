import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { adminOf, SCENES } from '../browser/states.ts'
import { REQUEST_CLASSES } from '../../src/request-summary.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { TokenSnapshot } from '../../src/token/snapshot.ts'
import { CANARY, NOW, WALL, adminSources, granted, loginOf } from './token.ts'
import { openShown, tokenOf, snapshot } from './token.ts'

type Shown = ReturnType<typeof openShown>

const NOW_SECONDS = WALL / 1000

/** Counters and histograms of docs/metrics.md, with labels such as `operation`: login, refresh. */
const DOCUMENTED = Array.from(
  readFileSync('docs/metrics.md', 'utf8').matchAll(
    /^\| `isales_proxy_(\w+_(total|duration_seconds))` \| (.*?) ?\|/gm,
  ),
  ([, name, end, labels = '']): [string, string] => [
    end === 'total' ? `${name}` : `${name}_count`,
    labels,
  ],
)

async function seriesOf(admin: Shown): Promise<Readonly<Record<string, number>>> {
  const page = await admin.metrics.render()
  const lines = page.matchAll(/^isales_proxy_(\S+(?:\{.*\})?) (\S+)$/gm)
  return Object.fromEntries(Array.from(lines, ([, name = '', value]) => [name, Number(value)]))
}

function open(changes?: Partial<AdminSources>): Shown {
  return openShown(adminSources(changes))
}

/** Label sets of metrics with pairs that cannot occur. */
const PAIRED: Readonly<Record<string, number>> = {
  auth_failures_total: 50,
  requests_total: REQUEST_CLASSES.length,
}

describe('the metrics page', () => {
  it.each(DOCUMENTED)('shows every label set of %s at 0 from the start', async (name, labels) => {
    const all = Object.entries(await seriesOf(open()))
    const series = all.filter(([each]) => each.replace(/\{.*/, '') === name)
    const values = Array.from(labels.matchAll(/`: ([^;]+)/g), ([, list = '']) => list.split(', '))
    const sets = values.reduce((product, { length }) => product * length, 1)
    expect(series).toHaveLength(PAIRED[name] ?? sets)
    expect(series.filter(([, value]) => value !== 0)).toEqual([])
  })
})

it('the counters count a refresh with its duration, an adopted token, and a failed store operation', async () => {
  const admin = open()
  admin.onTokenEvent(granted({ operation: 'refresh', durationMs: 250 }))
  admin.onTokenEvent(granted({ token: tokenOf({ lifetime: { ms: 300_000, doubt: 'missing' } }) }))
  admin.onTokenEvent({ type: 'adopted', at: NOW, token: tokenOf() })
  admin.metrics.storeCalled({ operation: 'swap', durationMs: 500, failure: 'timeout' })
  expect(await seriesOf(admin)).toMatchObject({
    'auth_attempts_total{operation="refresh",outcome="success"}': 1,
    'auth_duration_seconds_sum{operation="refresh"}': 0.25,
    'auth_attempts_total{operation="login",outcome="success"}': 1,
    auth_lifetime_assumed_total: 1,
    tokens_adopted_total: 1,
    'session_store_operations_total{operation="swap",outcome="failure"}': 1,
    'session_store_failures_total{reason="timeout"}': 1,
    'session_store_duration_seconds_sum{operation="swap"}': 0.5,
  })
  expect(await admin.metrics.render()).not.toContain(CANARY)
})

it('the counters count a rejection by its status, and an unexpected status as other', async () => {
  const admin = openShown(adminSources(), undefined, [401, 200])
  for (const status of [401, 401, 418])
    admin.onTokenEvent({ type: 'token-rejected', at: NOW, generation: 1, status })
  expect(await seriesOf(admin)).toMatchObject({
    'token_rejections_total{status="401"}': 2,
    'token_rejections_total{status="200"}': 0,
    'token_rejections_total{status="other"}': 1,
  })
})

it('a request is observed in seconds, if it was forwarded', async () => {
  const admin = open()
  admin.metrics.requestEnded({ durationMs: 2300, upstreamMs: 250 })
  admin.metrics.requestEnded({ durationMs: 200 })
  admin.metrics.requestEnded({})
  expect(await seriesOf(admin)).toMatchObject({
    'request_duration_seconds_bucket{le="2.25"}': 1,
    'request_duration_seconds_bucket{le="2.5"}': 2,
    request_duration_seconds_sum: 2.5,
    request_duration_seconds_count: 2,
    'upstream_duration_seconds_bucket{le="0.25"}': 1,
    upstream_duration_seconds_count: 1,
  })
})

it('a finding that is over is 0', async () => {
  expect(await seriesOf(adminOf(SCENES.failing))).toMatchObject({ 'finding{finding="failed"}': 1 })
  const over = { 'finding{finding="failed"}': 0, 'state{state="degraded"}': 1 }
  expect(await seriesOf(adminOf(SCENES['failing no longer']))).toMatchObject(over)
})

const ENDLESS = tokenOf({ refreshExpiresAt: undefined })
const NOTHING = { token: undefined, usable: false, nextRequestAt: undefined, usableFor: 0 }
const ALONE = { state: 'local', reason: undefined, code: undefined, since: NOW } as const
const RUNNING = { listening: true, draining: false, inFlight: 7 }
const token = (changes: Partial<TokenSnapshot>) => ({ token: () => snapshot(changes) })

/** Dates are in seconds since 1970; 0 if there is none. */
it.each<[string, number, Partial<AdminSources>?]>([
  ['token_next_renewal_timestamp_seconds', NOW_SECONDS + 180],
  ['token_next_renewal_timestamp_seconds', 0, token(NOTHING)],
  ['token_next_renewal_timestamp_seconds', NOW_SECONDS, token({ request: 'login' })],
  ['token_expiry_timestamp_seconds', NOW_SECONDS + 240],
  ['token_expiry_timestamp_seconds', 0, token(NOTHING)],
  ['refresh_token_expiry_timestamp_seconds', NOW_SECONDS + 3540],
  ['refresh_token_expiry_timestamp_seconds', 0, token({ token: ENDLESS })],
  ['token_obtained_timestamp_seconds', NOW_SECONDS - 60],
  ['token_obtained_timestamp_seconds', 0, token(NOTHING)],
  ['authenticated', 0, token({ rejected: true })],
  ['token_usable_seconds', 235],
  ['auth_backoff_state{state="transient"}', 1, token({ login: loginOf('transient') })],
  ['state{state="degraded"}', 1, token({ login: loginOf('transient') })],
  ['requests_in_flight', 7, { running: RUNNING }],
  ['upstream_connections', 3],
  ['log_lines_dropped_total', 5, { stdout: { dropped: () => 5, failure: () => undefined } }],
  [
    'certificate_expiry_timestamp_seconds{certificate="listener"}',
    NOW_SECONDS,
    { certificates: () => ({ listener: WALL, client: undefined, ca: undefined }) },
  ],
  ['session_sharing_state{state="local"}', 1, { sharing: () => ALONE }],
  ['session_sharing_state{state="shared"}', 0, { sharing: () => ALONE }],
])('%s is %j (row %#)', async (name, expected, changes) => {
  expect(await seriesOf(open(changes))).toMatchObject({ [name]: expected })
})
