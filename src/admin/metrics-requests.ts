import { Counter, Histogram, type Registry } from 'prom-client'

// What every request changes is counted in plain arrays and handed to prom-client when the page is read. Its own
// counters hash their labels at each call, and its histograms make a closure: a tenth of a request's CPU.

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Seconds. CTI-OBS gives up after 3 s, so the buckets before it are narrow. */
const BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 2.75, 3, 5, 10, 30,
]

/** @returns counts a request; durations in milliseconds, undefined: not timed. */
export function createRequestMetrics(prefix: string, registry: Registry) {
  const registers = [registry]
  const sets = METHODS.flatMap((method) =>
    STATUS_CLASSES.map((status_class) => ({ method, status_class })),
  )
  const counts = sets.map(() => 0)
  const requests: Counter = new Counter({
    name: `${prefix}requests_total`,
    help: 'Requests that ended, by method and status class of the response',
    labelNames: ['method', 'status_class'],
    registers,
    collect() {
      for (const [index, labels] of sets.entries()) requests.inc(labels, counts[index])
      counts.fill(0)
    },
  })
  const requestDuration = new RequestHistogram(
    `${prefix}request_duration_seconds`,
    'From the head of the request to the end of the response',
    registry,
  )
  const upstreamDuration = new RequestHistogram(
    `${prefix}upstream_duration_seconds`,
    'From sending to iSales to the head of its response',
    registry,
  )

  return (method: string, status: number, durationMs?: number, upstreamMs?: number): void => {
    const known = METHODS.findIndex((each) => each === method)
    const row = known === -1 ? METHODS.indexOf('other') : known
    const index = row * STATUS_CLASSES.length + statusClass(status)
    counts[index] = (counts[index] ?? 0) + 1
    if (durationMs !== undefined) requestDuration.observe(durationMs / 1000)
    if (upstreamMs !== undefined) upstreamDuration.observe(upstreamMs / 1000)
  }
}

/** The index in `STATUS_CLASSES`: 0, the client left, counts as 4xx; a status that HTTP does not know as 5xx. */
function statusClass(status: number): number {
  if (status === 0) return 3
  return status >= 100 && status < 500 ? Math.trunc(status / 100) - 1 : 4
}

/** Has no labels. */
class RequestHistogram extends Histogram {
  /** Of the same name, and never observed: what it gives is filled in. */
  readonly #empty: Histogram
  /** One for each bucket, not cumulative; the last has no bound. */
  readonly #counts = [...BUCKETS, Infinity].map(() => 0)
  #sum = 0

  constructor(name: string, help: string, registry: Registry) {
    super({ name, help, buckets: BUCKETS, registers: [registry] })
    this.#empty = new Histogram({ name, help, buckets: BUCKETS, registers: [] })
  }

  // A field, since the constructor of prom-client makes one.
  override readonly observe = ((seconds: number): void => {
    let bucket = 0
    while (seconds > (BUCKETS[bucket] ?? Infinity)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sum += seconds
  }) as Histogram['observe']

  override async get() {
    const metric = await this.#empty.get()
    let total = 0
    const cumulative = this.#counts.map((count) => (total += count))
    const numbers = [...cumulative, this.#sum, total]
    const values = metric.values.map((each, index) => ({ ...each, value: numbers[index] ?? 0 }))
    return { ...metric, values }
  }

  /** What the registry of prom-client 15 calls, when it is there, in place of `get`. */
  getForPromString() {
    return this.get()
  }
}
