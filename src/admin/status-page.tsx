import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import type { EffectiveSetting } from '../config/load.ts'
import { PROBLEMS } from '../http/problem.ts'
import { BACKOFFS } from '../token/events.ts'
import { AUTH_FAILURES } from '../token/protocol.ts'
import { STORE_FAILURES } from '../token/sharing.ts'
import { ago, clockTime, countdown, duration, number, until } from './format.ts'
import { STATES } from './state.ts'
import { LifeLine, ShareBar, TokenRequestChart } from './status-charts.tsx'
import { STYLE } from './status-style.ts'
import type { Status } from './status.ts'

/** Seconds between two loads of the page. */
export const REFRESH = 5

interface Props {
  readonly status: Status
}

interface PageProps extends Props {
  /** False: the reader has paused the refresh. */
  readonly refreshing: boolean
}

/** One document that loads nothing, runs no script, and escapes whatever it shows. */
export function renderStatusPage(props: PageProps) {
  return html`<!doctype html>${<StatusPage {...props} />}`
}

function StatusPage({ status, refreshing }: PageProps) {
  const { state, title, host } = status
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · ${host} · isales-auth-proxy`}</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <div class={`page ${STATES[state]}`}>
          <header class="top">
            <span>
              <strong>isales-auth-proxy</strong> on {host}
            </span>
            <span>
              {clockTime(status.time)} ·{' '}
              {refreshing ? (
                <a href="/?refresh=off">pause refresh</a>
              ) : (
                <a href="/">refresh every {REFRESH} s</a>
              )}
            </span>
          </header>
          <main>
            <Hero status={status} />
            <div class="cards">
              <Card title="Renewal">
                <Facts rows={renewalFacts(status)} />
              </Card>
              <Card title="Token">
                <Facts rows={tokenFacts(status)} />
              </Card>
              <Card title="Requests">
                <ShareBar requests={status.requests} />
                <Facts rows={requestFacts(status)} />
              </Card>
              <Certificates status={status} />
            </div>
            <Card title="Last logins and refreshes">
              {status.exchanges.length === 0 ? (
                <p class="note">None has ended yet.</p>
              ) : (
                <TokenRequestChart status={status} />
              )}
            </Card>
            <div class="cards uneven">
              <Card title="Failed logins and refreshes">
                <Counts counts={status.failures} words={AUTH_FAILURES} />
              </Card>
              <Card title="Errors of the proxy itself">
                {Object.keys(status.requests.errors).length === 0 ? (
                  <p class="note">None since the start.</p>
                ) : (
                  <Counts counts={status.requests.errors} words={TITLES} />
                )}
              </Card>
            </div>
            <Settings settings={status.settings} />
          </main>
          <footer>
            <span>Version {status.version}</span>
            <span>Up {duration(Math.round(status.upSeconds))}</span>
            <a href="/status.json">status.json</a>
            <a href="/metrics">metrics</a>
          </footer>
        </div>
      </body>
    </html>
  )
}

function Hero({ status }: Props) {
  const { title, reason, remedy, runbook } = status
  const { lastFailure, failuresInRow } = status.renewal
  return (
    <div class="hero">
      <div class="verdict">
        <div>
          <h1>{title}</h1>
          <p>{reason}</p>
          {remedy !== '' && <p class="remedy">{remedy}</p>}
          {runbook !== null && (
            <p>
              <a href={runbook}>What to look at and what to do</a>
            </p>
          )}
          {failuresInRow > 0 && lastFailure !== null && (
            <p>
              Last login or refresh: <span class="tone">{AUTH_FAILURES[lastFailure.reason]}</span>{' '}
              <span class="note">
                ({lastFailure.detail}, {ago(lastFailure.at, status.time)})
              </span>
            </p>
          )}
        </div>
        <Outlook status={status} />
      </div>
      {status.token !== null && <LifeLine status={status} token={status.token} />}
    </div>
  )
}

/** The number that matters most: how many calls fail, how long the token serves, or when the next login begins. */
function Outlook({ status }: Props) {
  const { exchange, nextInSeconds } = status.renewal
  const { total, failed } = status.requests.lastMinute
  if (failed > 0 && (status.state === 'failing' || status.state === 'degraded')) {
    return <Figure above="Failed in the last minute" value={`${failed} of ${total}`} />
  }
  if (status.authenticated) {
    return (
      <Figure
        above="Without another login, calls work for"
        value={countdown(status.outageBudgetSeconds)}
      />
    )
  }
  if (exchange !== null) return <Figure above="Next attempt" value="now" />
  if (nextInSeconds === null) return null
  return <Figure above="Next attempt in" value={countdown(nextInSeconds)} />
}

function Figure({ above, value }: { above: string; value: string }) {
  return (
    <dl class="outlook">
      <dt>{above}</dt>
      <dd>{value}</dd>
    </dl>
  )
}

function Card({ title, children }: { title: string; children: Child }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  )
}

/** Name and value; the third says whether the value needs attention. */
type Fact = readonly [name: string, value: string, marked?: boolean]

function Facts({ rows }: { rows: readonly Fact[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value, marked = false]) => (
        <>
          <dt>{name}</dt>
          <dd class={marked ? 'tone' : ''}>{value}</dd>
        </>
      ))}
    </dl>
  )
}

function renewalFacts(status: Status): readonly Fact[] {
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned = nextInSeconds === null ? 'not planned' : `in ${duration(nextInSeconds)}`
  return [
    [
      failuresInRow > 0 ? 'Next attempt' : 'Next renewal',
      exchange === null ? planned : `${exchange} in progress`,
    ],
    ['Back-off', BACKOFFS[backoff], backoff !== 'none'],
    ['Failed in a row', number(failuresInRow), failuresInRow > 0],
    ...sharingFact(status),
    ['Last success', lastSuccessAt === null ? 'never' : ago(lastSuccessAt, status.time)],
  ]
}

/** Nothing unless it is configured. */
function sharingFact({ sharing, time }: Status): readonly Fact[] {
  if (sharing === null) return []
  const { state, reason, replicas, since, adoptedAt } = sharing
  if (state === 'alone') {
    const why = reason === null ? '' : `${STORE_FAILURES[reason]}; `
    return [['Shared token', `alone: ${why}began ${ago(since, time)}`, true]]
  }
  const others = replicas === null ? '' : ` with ${otherReplicas(replicas - 1)}`
  const origin =
    adoptedAt === null ? '' : `; this token came from another replica ${ago(adoptedAt, time)}`
  return [['Shared token', `shared${others}${origin}`, false]]
}

function otherReplicas(count: number): string {
  if (count <= 0) return 'no other replica'
  return count === 1 ? '1 other replica' : `${number(count)} other replicas`
}

function tokenFacts(status: Status): readonly Fact[] {
  const { token, conflicts, rejections, credentialChanges, time } = status
  const end = token?.refreshTokenExpiresAt
  return [
    ['Tokens so far', number(token?.generation ?? 0)],
    ['Refresh token', token === null ? 'none' : end ? until(end, time) : 'end not known'],
    ['Rejected early', occurrences(rejections, time)],
    ['Conflicts', occurrences(conflicts, time)],
    ['Secret changed', occurrences(credentialChanges, time)],
  ]
}

function occurrences({ count, lastAt }: Status['conflicts'], time: string): string {
  return lastAt === null ? 'never' : `${number(count)}, last ${ago(lastAt, time)}`
}

function requestFacts({ requests, time }: Status): readonly Fact[] {
  const { lastMinute, lastFailedAt, byStatusClass } = requests
  const byClass = Object.entries(byStatusClass).filter(([, count]) => count > 0)
  return [
    ['Calls in the last minute', number(lastMinute.total)],
    ['of these failed', number(lastMinute.failed), lastMinute.failed > 0],
    ['Last failed call', lastFailedAt === null ? 'never' : ago(lastFailedAt, time)],
    ['In flight', number(requests.inFlight)],
    ['Waiting for a token', number(requests.waitingForToken)],
    ['Ended since the start', number(requests.total)],
    ...byClass.map(([name, count]): Fact => [`with ${name}`, number(count)]),
    ['Saved by a replay', number(requests.replays['healed'] ?? 0)],
  ]
}

const CERTIFICATE_NAMES = {
  listener: 'Of this proxy',
  client: 'For iSales',
  ca: 'Authority of iSales',
} as const

function Certificates({ status: { certificates, time } }: Props) {
  const rows = Object.entries(CERTIFICATE_NAMES).flatMap(([name, words]): Fact[] => {
    const end = certificates[name as keyof typeof CERTIFICATE_NAMES]
    if (end === null) return []
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [[words, `${until(end, time)}, ${end.slice(0, 10)}`, soon]]
  })
  if (rows.length === 0) return null
  return (
    <Card title="Certificates">
      <Facts rows={rows} />
    </Card>
  )
}

const TITLES = Object.fromEntries(
  Object.entries(PROBLEMS).map(([code, { title }]) => [code, title]),
)

function Settings({ settings }: { settings: readonly EffectiveSetting[] }) {
  const isDefault = ({ source }: EffectiveSetting): boolean => source === 'default'
  return (
    <Card title="Configuration">
      <h3>Set for this instance</h3>
      <SettingTable settings={settings.filter((setting) => !isDefault(setting))} withSource />
      <details>
        <summary>Defaults</summary>
        <SettingTable settings={settings.filter(isDefault)} />
      </details>
    </Card>
  )
}

function SettingTable(props: { settings: readonly EffectiveSetting[]; withSource?: boolean }) {
  const { settings, withSource = false } = props
  if (settings.length === 0) return <p class="note">None.</p>
  return (
    <table class="settings">
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Value</th>
          {withSource && <th scope="col">From</th>}
        </tr>
      </thead>
      <tbody>
        {settings.map(({ name, value, source }) => (
          <tr>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>{value ? <code>{value}</code> : <i>{value === null ? 'not set' : 'empty'}</i>}</td>
            {withSource && <td class="note">{source}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

type ByName<Value> = Readonly<Record<string, Value>>

function Counts({ counts, words }: { counts: ByName<number>; words: ByName<string> }) {
  return (
    <table>
      {Object.entries(counts).map(([name, count]) => (
        <tr class={count === 0 ? 'zero' : ''}>
          <th scope="row">{name}</th>
          <td>{words[name]}</td>
          <td class="count">{number(count)}</td>
        </tr>
      ))}
    </table>
  )
}
