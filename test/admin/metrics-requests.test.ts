import {
  array,
  asyncProperty,
  assert,
  constantFrom,
  float,
  integer,
  oneof,
  record,
} from 'fast-check'
import { Counter, Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createRequestMetrics } from '../../src/admin/metrics-requests.ts'

const BUCKETS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 2250, 2500, 2750, 3000, 5000]

const requests = array(
  record({
    method: constantFrom('GET', 'POST', 'other'),
    status: integer({ min: 200, max: 599 }),
    ms: oneof(float({ min: 0, max: 40_000, noNaN: true }), constantFrom(...BUCKETS)),
  }),
)

/** The same, counted by prom-client itself. */
function original(registry: Registry) {
  const registers = [registry]
  const requests = new Counter({
    name: 'x_requests_total',
    help: 'Requests that ended, by method and status class of the response',
    labelNames: ['method', 'status_class'],
    registers,
  })
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'])
    for (const status_class of ['1xx', '2xx', '3xx', '4xx', '5xx'])
      requests.inc({ method, status_class }, 0)
  const buckets = [...BUCKETS, 10_000, 30_000].map((ms) => ms / 1000)
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets, registers })
  const whole = histogram(
    'x_request_duration_seconds',
    'From the head of the request to the end of the response',
  )
  const upstream = histogram(
    'x_upstream_duration_seconds',
    'From sending to iSales to the head of its response',
  )
  return (method: string, status: number, ms: number): void => {
    requests.inc({ method, status_class: `${String(status)[0]}xx` })
    whole.observe(ms / 1000)
    upstream.observe(ms / 2000)
  }
}

test('the page is the same, byte for byte, as if prom-client had counted each request itself', async () => {
  await assert(
    asyncProperty(requests, requests, async (earlier, later) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const countOurs = createRequestMetrics('x_', ours, () => undefined)
      const countTheirs = original(theirs)
      // The page is read in between, too.
      for (const batch of [earlier, later]) {
        for (const { method, status, ms } of batch) {
          countOurs({ method, status, durationMs: ms, upstreamMs: ms / 2 })
          countTheirs(method, status, ms)
        }
        expect(await ours.metrics()).toBe(await theirs.metrics())
      }
    }),
  )
})
