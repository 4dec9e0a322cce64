import { describe, expect, it } from 'vitest'
import { metricsWith, valueOf } from './metrics.ts'

describe('requests', () => {
  it('counts by method and class, and gives no client a label of its own', async () => {
    const metrics = metricsWith()
    metrics.requests.add('POST', 200, 0.02, 0.01)
    for (const method of ['BREW', 'get', '__proto__', 'constructor', '"}\n', '']) {
      metrics.requests.add(method, 404, 0.02, -1)
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
    [999, '5xx'],
    [Number.NaN, '5xx'],
  ])('counts status %d as %s', async (status, statusClass) => {
    const metrics = metricsWith()
    metrics.requests.add('GET', status, 0.01, 0.01)
    expect(
      await valueOf(metrics, `requests_total{method="GET",status_class="${statusClass}"}`),
    ).toBe(1)
  })

  it('files durations in cumulative buckets, a bound in its own bucket', async () => {
    const metrics = metricsWith()
    for (const seconds of [0, 0.001, 0.0011, 3, 31]) metrics.requests.add('GET', 200, seconds, -1)
    const bucket = (le: string): Promise<number> =>
      valueOf(metrics, `request_duration_seconds_bucket{le="${le}"}`)
    expect(await bucket('0.001')).toBe(2)
    expect(await bucket('0.0025')).toBe(3)
    expect(await bucket('1')).toBe(3)
    expect(await bucket('3')).toBe(4)
    expect(await bucket('30')).toBe(4)
    expect(await bucket('+Inf')).toBe(5)
    expect(await valueOf(metrics, 'request_duration_seconds_count')).toBe(5)
    expect(await valueOf(metrics, 'request_duration_seconds_sum')).toBeCloseTo(34.0021, 9)
  })

  it('leaves what was never sent, and a duration that is none, out of the histogram', async () => {
    const metrics = metricsWith()
    metrics.requests.add('GET', 503, 0.01, -1)
    metrics.requests.add('GET', 503, Number.NaN, Number.NaN)
    expect(await valueOf(metrics, 'upstream_duration_seconds_count')).toBe(0)
    expect(await valueOf(metrics, 'request_duration_seconds_count')).toBe(1)
    expect(await valueOf(metrics, 'request_duration_seconds_sum')).toBe(0.01)
  })

  it('counts errors, replays, local logins and reloads', async () => {
    const metrics = metricsWith({ inFlight: () => 7 })
    metrics.errors.add('no-token')
    metrics.replays.add('healed')
    metrics.obsLogins.add('rejected')
    metrics.credentialReloads.add('success')
    expect(await valueOf(metrics, 'request_errors_total{code="no-token"}')).toBe(1)
    expect(await valueOf(metrics, 'replays_total{outcome="healed"}')).toBe(1)
    expect(await valueOf(metrics, 'obs_logins_total{outcome="rejected"}')).toBe(1)
    expect(await valueOf(metrics, 'credential_reloads_total{outcome="success"}')).toBe(1)
    expect(await valueOf(metrics, 'requests_in_flight')).toBe(7)
  })

  it('keeps two instances apart', async () => {
    const one = metricsWith()
    const other = metricsWith()
    one.errors.add('overloaded')
    expect(await valueOf(other, 'request_errors_total{code="overloaded"}')).toBe(0)
  })
})
