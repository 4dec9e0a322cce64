import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { REQUEST_CLASSES } from '../../src/request-summary.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import { CANARY, NOW, WALL, adminSources, granted, openShown, tokenOf, snapshot } from './token.ts'

type Shown = ReturnType<typeof openShown>

const NOW_SECONDS = WALL / 1000

/** The counters and histograms of docs/metrics.md, with their labels: `operation`: login, refresh; ... */
const DOCUMENTED = Array.from(
  readFileSync('docs/metrics.md', 'utf8').matchAll(
    /^\| `isales_proxy_(\w+)` \| (counter|histogram) \| (.*?) \|/gm,
  ),
  ([, name, type, labels = '']): [string, string] => [
    type === 'counter' ? `${name}` : `${name}_count`,
    labels,
  ],
)

/** The value of each series on the page, without the prefix. */
async function seriesOf(admin: Shown): Promise<Readonly<Record<string, number>>> {
  const page = await admin.metrics.render()
  const lines = page.matchAll(/^isales_proxy_(\S+(?:\{.*\})?) (\S+)$/gm)
  return Object.fromEntries(Array.from(lines, ([, name = '', value]) => [name, Number(value)]))
}

function open(changes?: Partial<AdminSources>): Shown {
  return openShown(adminSources(changes))
}

/** A status belongs to some reasons only, and a cause to some outcomes. */
const PAIRED: Readonly<Record<string, number>> = {
  auth_failures_total: 48,
  requests_total: REQUEST_CLASSES.length,
}

describe('the metrics page', () => {
  it.each(DOCUMENTED)('shows every label set of %s at 0 from the start', async (name, labels) => {
    const series = Object.entries(await seriesOf(open())).filter(
      ([each]) => each.replace(/\{.*/, '') === name,
    )
    const values = Array.from(labels.matchAll(/`: ([^;]+)/g), ([, list = '']) => list.split(', '))
    const sets = values.reduce((product, { length }) => product * length, 1)
    expect(series).toHaveLength(PAIRED[name] ?? sets)
    expect(series.filter(([, value]) => value !== 0)).toEqual([])
  })

  it('passes promtool', async () => {
    const { metrics } = open()
    metrics.requestEnded({ durationMs: 10, upstreamMs: 8 })
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

describe('the counters', () => {
  it('count a refresh with its duration, a token of another replica, and what the store did or not', async () => {
    const admin = open()
    admin.onTokenEvent(granted({ operation: 'refresh', durationMs: 250 }))
    admin.onTokenEvent({ type: 'adopted', at: NOW, token: tokenOf(), failuresBefore: 0 })
    admin.metrics.storeCalled({ operation: 'swap', durationMs: 500, failure: 'timeout' })
    expect(await seriesOf(admin)).toMatchObject({
      'auth_attempts_total{operation="refresh",outcome="success"}': 1,
      'auth_duration_seconds_sum{operation="refresh"}': 0.25,
      auth_lifetime_assumed_total: 0,
      tokens_adopted_total: 1,
      'session_store_operations_total{operation="swap",outcome="failure"}': 1,
      'session_store_failures_total{reason="timeout"}': 1,
      'session_store_duration_seconds_sum{operation="swap"}': 0.5,
    })
    expect(await admin.metrics.render()).not.toContain(CANARY)
  })

  it('count a rejection by its status, and an unexpected status as other', async () => {
    const admin = open({ rejectedStatuses: [401, 403, 200] })
    for (const status of [401, 401, 200, 418]) {
      const event = { at: NOW, generation: 1, status, verdict: 'replace' } as const
      admin.onTokenEvent({ type: 'token-rejected', ...event })
    }
    expect(await seriesOf(admin)).toMatchObject({
      'token_rejections_total{status="401"}': 2,
      'token_rejections_total{status="200"}': 1,
      'token_rejections_total{status="other"}': 1,
    })
  })

  it('count each request once, by its class and code, and those that were forwarded by their time', async () => {
    const admin = open()
    const request = { method: 'POST', target: '/', requestId: '' }
    admin.end({ ...request, status: 200, durationMs: 20, upstreamMs: 10 })
    admin.end({ ...request, status: 413, code: 'too-large', refusal: 'body-size' })
    admin.end({ ...request, status: 0, handshake: 'closed' })
    const series = await seriesOf(admin)
    expect(series).toMatchObject({
      'requests_total{outcome="answered",cause="answered"}': 1,
      'requests_total{outcome="refused",cause="too-large"}': 1,
      'requests_total{outcome="handshake",cause="half-sent"}': 1,
      request_duration_seconds_sum: 0.02,
      upstream_duration_seconds_sum: 0.01,
    })
    const requests = Object.entries(series).filter(([name]) => name.startsWith('requests_total'))
    expect(requests.filter(([, count]) => count > 0)).toHaveLength(3)
  })
})

it('a duration is counted as a histogram of prom-client counts it, byte for byte', async () => {
  const admin = open()
  const [registry, name] = [new Registry(), 'isales_proxy_request_duration_seconds']
  const page = await admin.metrics.render()
  const bounds = Array.from(page.matchAll(/^isales_proxy_request_duration\S+le="([\d.]+)/gm))
  const [, help = ''] = new RegExp(`# HELP ${name} (.*)`).exec(page) ?? []
  const buckets = bounds.map(([, bound]) => Number(bound))
  const theirs = new Histogram({ name, help, buckets, registers: [registry] })
  const durations = [...buckets, 0, 0.0004, 0.7, 1.9999, 29.9, 31].flatMap((each) => [
    each,
    each / 3,
  ])
  for (const seconds of durations) {
    admin.metrics.requestEnded({ durationMs: seconds * 1000 })
    theirs.observe((seconds * 1000) / 1000)
  }
  expect(await admin.metrics.render()).toContain((await registry.metrics()).trim())
})

const { refreshExpiresAt: _, ...NO_REFRESH_END } = tokenOf()
const NOTHING = {
  token: undefined,
  usable: false,
  nextRequestAt: undefined,
  lastSuccessAt: undefined,
  outageBudget: 0,
} as const
/** Instants are dates in seconds since 1970, 0 for none. */
const datesOf = (renewal: number, expiry: number, refreshExpiry: number) => ({
  token_next_renewal_timestamp_seconds: renewal,
  token_expiry_timestamp_seconds: expiry,
  refresh_token_expiry_timestamp_seconds: refreshExpiry,
})
const [EXPIRY, REFRESH_EXPIRY] = [NOW_SECONDS + 240, NOW_SECONDS + 3540]
const sharing = { reason: undefined, code: undefined, since: NOW, adoptedAt: undefined } as const
const certificate = (name: string) => `certificate_expiry_timestamp_seconds{certificate="${name}"}`
const token = (changes: Partial<TokenSnapshot>) => ({ token: () => snapshot(changes) })

it.each<[Readonly<Record<string, number>>, Partial<AdminSources>]>([
  [datesOf(NOW_SECONDS + 180, EXPIRY, REFRESH_EXPIRY), {}],
  [{ authenticated: 1, outage_budget_seconds: 235, upstream_connections: 3 }, {}],
  [
    { token_last_success_timestamp_seconds: NOW_SECONDS - 60, 'build_info{version="1.4.0"}': 1 },
    {},
  ],
  [datesOf(0, 0, 0), token(NOTHING)],
  [{ authenticated: 0, outage_budget_seconds: 0 }, token(NOTHING)],
  [{ token_last_success_timestamp_seconds: 0 }, token(NOTHING)],
  // A renewal that is never due, and a refresh token whose end is not known.
  [datesOf(0, EXPIRY, 0), token({ nextRequestAt: Infinity, token: NO_REFRESH_END })],
  // A renewal that is in flight.
  [datesOf(NOW_SECONDS, EXPIRY, REFRESH_EXPIRY), token({ request: 'login' })],
  [
    { 'auth_backoff_state{state="transient"}': 1, 'auth_backoff_state{state="none"}': 0 },
    token({ backoff: 'transient' }),
  ],
  [{ 'state{state="degraded"}': 1, 'state{state="healthy"}': 0 }, token({ backoff: 'transient' })],
  [{ requests_in_flight: 7 }, { running: { listening: true, draining: false, inFlight: 7 } }],
  [{ log_lines_dropped_total: 5 }, { logLinesDropped: () => 5 }],
  [
    { [certificate('listener')]: NOW_SECONDS, [certificate('client')]: 0 },
    { certificates: () => ({ listener: WALL, client: undefined, ca: undefined }) },
  ],
  [{ 'session_sharing_state{state="off"}': 1 }, {}],
  [
    { 'session_sharing_state{state="alone"}': 1, 'session_sharing_state{state="shared"}': 0 },
    { sharing: () => ({ ...sharing, state: 'alone' }) },
  ],
])('the gauges show %j (row %#)', async (expected, changes) => {
  expect(await seriesOf(open(changes))).toMatchObject(expected)
})
