import type { Metric, Registry } from 'prom-client'
import type { Counter } from './counter.ts'
import type { Counts } from './counts.ts'
import type { Distribution } from './distribution.ts'
import { OPERATIONS } from './session-tally.ts'

export const PREFIX = 'isales_proxy_'

type Labels = Readonly<Record<string, string>>

interface Row {
  readonly labels: Labels
  readonly value: number
  readonly metricName?: string
}

interface Named {
  /** Without the prefix. */
  readonly name: string
  readonly help: string
}

interface Published extends Named {
  readonly type: 'counter' | 'histogram'
  readonly rows: () => readonly Row[]
}

/** Puts what has been counted on the metrics page, read when the page is. */
export function publishCounts(registry: Registry, counts: Counts): void {
  publishSession(registry, counts.session)
  publishRequests(registry, counts)
  publish(registry, {
    name: 'obs_logins_total',
    help: 'Logins of CTI-OBS that were answered here, by outcome',
    type: 'counter',
    rows: () => rowsOf(counts.obsLogins, 'outcome'),
  })
  publish(registry, {
    name: 'credential_reloads_total',
    help: 'Times the secret files changed and were read anew, by outcome',
    type: 'counter',
    rows: () => rowsOf(counts.credentialReloads, 'outcome'),
  })
}

function publishSession(registry: Registry, session: Counts['session']): void {
  const { exchanges } = session
  publish(registry, {
    name: 'auth_attempts_total',
    help: 'Logins and refreshes that ended, by outcome',
    type: 'counter',
    rows: () =>
      OPERATIONS.flatMap((operation) =>
        rowsOf(exchanges[operation].attempts, 'outcome', { operation }),
      ),
  })
  publish(registry, {
    name: 'auth_failures_total',
    help: 'Logins and refreshes that gave no token, by reason',
    type: 'counter',
    rows: () =>
      OPERATIONS.flatMap((operation) =>
        rowsOf(exchanges[operation].failures, 'reason', { operation }),
      ),
  })
  publishHistogram(registry, {
    name: 'auth_duration_seconds',
    help: 'How long logins and refreshes took',
    read: () =>
      OPERATIONS.map((operation) => [{ operation }, exchanges[operation].durations()] as const),
  })
  publish(registry, {
    name: 'auth_lifetime_assumed_total',
    help: 'Tokens whose lifetime could not be believed, so that the default was taken',
    type: 'counter',
    rows: () => [{ labels: {}, value: session.lifetimesAssumed() }],
  })
  publish(registry, {
    name: 'session_conflicts_total',
    help: 'Times tokens were rejected so often that somebody else must be logging in as this user',
    type: 'counter',
    rows: () => [{ labels: {}, value: session.conflicts() }],
  })
  publish(registry, {
    name: 'token_rejections_total',
    help: 'Tokens that a business call found rejected, by the status of its answer',
    type: 'counter',
    rows: () => rowsOf(session.rejections, 'status'),
  })
}

function publishRequests(registry: Registry, { requests, errors, replays }: Counts): void {
  publish(registry, {
    name: 'requests_total',
    help: 'Requests that ended, by method and status class of the answer',
    type: 'counter',
    rows: () =>
      requests.counts().map(({ method, statusClass, count }) => ({
        labels: { method, status_class: statusClass },
        value: count,
      })),
  })
  publishHistogram(registry, {
    name: 'request_duration_seconds',
    help: 'From the head of the request to the end of the answer',
    read: () => [[{}, requests.durations()]],
  })
  publishHistogram(registry, {
    name: 'upstream_duration_seconds',
    help: 'From sending to iSales to the head of its answer',
    read: () => [[{}, requests.upstreamDurations()]],
  })
  publish(registry, {
    name: 'request_errors_total',
    help: 'Requests that the proxy itself answered with an error, by code',
    type: 'counter',
    rows: () => rowsOf(errors, 'code'),
  })
  publish(registry, {
    name: 'replays_total',
    help: 'Requests whose token iSales rejected, by what became of them',
    type: 'counter',
    rows: () => rowsOf(replays, 'outcome'),
  })
}

function rowsOf(
  counter: Pick<Counter<string>, 'read'>,
  label: string,
  labels: Labels = {},
): readonly Row[] {
  return Array.from(counter.read(), ([name, value]) => ({
    labels: { ...labels, [label]: name },
    value,
  }))
}

function publishHistogram(
  registry: Registry,
  { read, ...named }: Named & { readonly read: () => readonly (readonly [Labels, Distribution])[] },
): void {
  const metricName = `${PREFIX}${named.name}`
  publish(registry, {
    ...named,
    type: 'histogram',
    rows: () =>
      read().flatMap(([labels, distribution]) => histogramRows(metricName, labels, distribution)),
  })
}

function histogramRows(name: string, labels: Labels, { bounds, counts, sum }: Distribution): Row[] {
  let total = 0
  const rows: Row[] = counts.map((count, index) => {
    total += count
    const le = String(bounds[index] ?? '+Inf')
    return { labels: { ...labels, le }, value: total, metricName: `${name}_bucket` }
  })
  rows.push({ labels, value: sum, metricName: `${name}_sum` })
  rows.push({ labels, value: total, metricName: `${name}_count` })
  return rows
}

function publish(registry: Registry, { help, type, rows, ...named }: Published): void {
  const name = `${PREFIX}${named.name}`
  const metric = {
    name,
    get: () => Promise.resolve({ name, help, type, values: rows(), aggregator: 'sum' }),
  }
  // The page asks a metric for its name and `get()` only; the declared type is the union of the four classes.
  registry.registerMetric(metric as unknown as Metric)
}
