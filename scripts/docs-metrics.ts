import { openAdmin, openRecords } from '../src/admin/index.ts'
import type { Health } from '../src/admin/findings.ts'
import { systemClock } from '../src/clock.ts'
import type { TokenSnapshot } from '../src/token/snapshot.ts'
import { markdownTable } from './markdown.ts'

/** What each metric is good for. The page cannot be written when one is missing here, or too many. */
const USES: Readonly<Record<string, string>> = {
  auth_attempts_total: 'A rate of `failure` means that renewals fail.',
  auth_backoff_state: '`rejected` and `guarded` need a human.',
  auth_duration_seconds:
    'How slow logins are. A slow login delays calls only when there is no token.',
  auth_failures_total:
    'Why logins fail: the reasons are explained under IsalesProxyNotAuthenticated. `status` is that of the response, `none` without one.',
  auth_lifetime_assumed_total:
    'When it grows, ask the operator of iSales what a token lives: 5 min are assumed.',
  authenticated: 'At 0 calls get 503, or the 401 or 403 of iSales.',
  info: 'Which instance this is: join it by `instance` and `pod` to name the others.',
  build_info: 'Which version runs where; also proof that it is this program that is scraped.',
  certificate_expiry_timestamp_seconds:
    'Renew a certificate before it ends; alerts begin 14 days ahead.',
  client_handshake_failures_total:
    'Which clients cannot connect by TLS: the reasons are explained under IsalesProxyClientHandshakesRefused. `closed` alone is a port scan or a TCP probe.',
  credential_reloads_total:
    '`failure`: a changed secret cannot be used, and the former stays in force.',
  log_lines_dropped_total: 'When it grows, nobody reads the log, or the disk is full.',
  obs_logins_total:
    '`rejected` and `throttled`: CTI-OBS has the wrong `OBS_USER` or `OBS_PASSWORD`, or somebody guesses.',
  obs_refreshes_total:
    '`rejected`: the ticket has expired, or is of another `OBS_PASSWORD`; CTI-OBS logs in again.',
  outage_budget_seconds: 'How much time is left to restore the connection to iSales.',
  finding:
    'Each thing that the status page says, for alerts and boards: `clock`, `state`, `lifetime`, `files`, `store` need a human, though calls may go on.',
  refresh_token_expiry_timestamp_seconds: 'After it the next renewal is a login.',
  replays_total: '`healed` needs nothing. `rejected`: a login does not cure it.',
  request_duration_seconds: 'What CTI-OBS waits. It gives up after 3 s.',
  request_errors_total: 'Errors of the proxy itself; the code is in the body that CTI-OBS got.',
  requests_refused_total:
    'What clients do wrong, and what was too much (`connections`, `in-flight`); `client-refused` in the log has a request id, and the `detail` of the response says it in words.',
  requests_in_flight: 'Compare it with `MAX_IN_FLIGHT`.',
  requests_total: 'Load, and the share of 5xx. 4xx includes clients that left before a response.',
  session_conflicts_total: 'When it grows, find the other program that logs in as this user.',
  state_failures_total:
    'Above 0: a restart forgets attempts to log in. Look for `state-unusable` in the log.',
  session_sharing_state: '`alone` for long: the store cannot be used, and each replica logs in.',
  session_store_duration_seconds: 'An operation may take 0.5 s.',
  session_store_failures_total: 'Why the store cannot be used; docs/sharing.md explains each.',
  session_store_operations_total:
    'What is asked of the store, and with what outcome. `swap` changes the account, `read` looks at it.',
  state:
    'The headline of the status page. Alert on `failing`, `unauthenticated`, `refused` and `conflict`.',
  token_expiry_timestamp_seconds: 'It moves on with each renewal.',
  token_last_success_timestamp_seconds: 'How long ago the last login or refresh succeeded.',
  token_next_renewal_timestamp_seconds: 'When it lies behind the expiry, the token runs out.',
  token_rejections_total: 'Tokens that iSales ended early: revoked, restarted, or another login.',
  token_waiters: 'Calls that wait for a login. Above 0 for long: logins are slow or fail.',
  tokens_adopted_total: 'Tokens that another replica obtained: each saved a login or refresh.',
  upstream_connect_failures_total:
    'Why iSales cannot be reached: `dns`, `refused` (TCP), `timeout` (a third of `CLIENT_DEADLINE`), `tls` (certificate or handshake), `proxy` (`HTTPS_PROXY`).',
  upstream_connections:
    'At 256 (or `MAX_IN_FLIGHT`, where it is less) calls wait for a free one: iSales is slow.',
  upstream_connections_opened_total:
    'About as fast as the calls: iSales, or something before it, closes connections, and each call pays for a handshake.',
  upstream_duration_seconds: 'What iSales takes. Compare it with `request_duration_seconds`.',
}

const STATES: Readonly<Record<Health, string>> = {
  starting: 'The first login has not ended yet.',
  healthy: 'No call of the last minute failed or was refused, and renewals work.',
  degraded:
    'Some calls of the last minute failed, or iSales refused them (401, 403); or renewals fail while the token is still used; or iSales is slow; or the clock is so wrong that the certificate of iSales is not valid yet.',
  failing:
    'No call has succeeded for 3 s and at least two failed, or more than half of the last 20 s or of the last minute failed, or iSales rejected the last three judged calls. It ends when none has failed for 5 s and three have succeeded. Readiness stays: a pod that leaves its Service heals nothing.',
  unauthenticated: 'There is no usable token. Not ready.',
  refused: 'iSales refuses the user or password; somebody has to act.',
  conflict:
    'Somebody else logs in as this user: three tokens in a minute ended early. Renewals cure it, up to one each 2 s.',
  draining: 'The process is shutting down. Not ready.',
}

/** docs/metrics.md, from what a scrape shows. */
export async function metricsPage(): Promise<string> {
  const page = await renderPage()
  const names = [...page.matchAll(/^# HELP isales_proxy_(\S+) (.*)$/gm)]
    .map(([, name = '', help = '']) => ({ name, help }))
    .sort((one, other) => one.name.localeCompare(other.name))
  const documented = Object.keys(USES).filter((use) => !names.some(({ name }) => name === use))
  if (documented.length > 0) throw new Error(`no such metric: ${documented.join(', ')}`)
  const rows = names.map(({ name, help }) => {
    const use = USES[name]
    if (use === undefined) throw new Error(`scripts/docs-metrics.ts does not explain ${name}`)
    const type = new RegExp(`^# TYPE isales_proxy_${name} (.*)$`, 'm').exec(page)?.[1]
    return [`\`isales_proxy_${name}\``, type ?? '', labelsOf(page, name), help, use]
  })
  return `<!-- Written by \`npm run docs\` from the metrics of the program and scripts/docs-metrics.ts. Do not edit. -->
# Metrics

\`/metrics\` on the admin listener, in Prometheus' text format. Every series exists at 0 from the start, and a client cannot make up a label value. Dates are seconds since 1970, 0 for none.
The [alerts](operations.md#alerts) are built on these.

${markdownTable(['metric', 'type', 'labels', 'meaning', 'what to do with it'], rows)}

Beside these there are the metrics of the process that prom-client knows: \`process_*\` (CPU, memory, open files, start time) and \`nodejs_*\` (event-loop lag, garbage collection, heap, version).

## States

\`isales_proxy_state\`, the status page, \`/status.json\` and the log say the same. What the client did wrong, or gave up, counts for none of them. Where two are true, what ends all calls wins over what ends some (\`degraded\`),
and \`draining\` over all. Among equals the order is that of the label \`finding\` above.

${markdownTable(
  ['state', 'meaning'],
  Object.entries(STATES).map(([state, meaning]) => [`\`${state}\``, meaning]),
)}
`
}

function renderPage(): Promise<string> {
  const token: TokenSnapshot = {
    now: 0,
    token: undefined,
    usable: false,
    rejected: false,
    conflict: false,
    request: undefined,
    backoff: 'none',
    refused: false,
    nextRequestAt: undefined,
    idle: false,
    lastSuccessAt: undefined,
    outageBudget: 0,
    waiters: 0,
    failuresInRow: 0,
    lastFailure: undefined,
  }
  const sources = {
    token: () => token,
    sharing: () => undefined,
    running: { listening: false, draining: false, inFlight: 0 },
    upstreamConnections: () => 0,
    certificates: () => ({ listener: undefined, client: undefined, ca: undefined }),
    logLinesDropped: () => 0,
    rejectedStatuses: [401, 403],
    places: {
      hosts: { isales: '', egress: '', store: '', client: '', disk: '' },
      serverName: '',
      userFile: '',
      passwordFile: '',
    },
    settings: [],
    hosts: new Set<string>(),
    instance: '',
    host: '',
    version: '',
    pid: undefined,
    clock: systemClock,
    wallClock: () => 0,
    utcOffset: () => 0,
    log: () => undefined,
  }
  const records = openRecords(sources)
  openAdmin(sources, records)
  const { metrics } = records
  return metrics.render()
}

/** Name and values of each label; the values of a label that depends on the settings are those of the defaults. */
function labelsOf(page: string, metric: string): string {
  const labels = new Map<string, Set<string>>()
  for (const [, text = ''] of page.matchAll(
    new RegExp(`^isales_proxy_${metric}(?:_count)?\\{(.*)\\}`, 'gm'),
  )) {
    for (const [, label = '', value = ''] of text.matchAll(/(\w+)="([^"]*)"/g)) {
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
    }
  }
  return Array.from(labels, ([label, values]) => {
    const known = [...values].filter((value) => value !== '')
    return known.length === 0 ? `\`${label}\`` : `\`${label}\`: ${known.join(', ')}`
  }).join('; ')
}
