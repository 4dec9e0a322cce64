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

export { STATUS_POLICY } from './status-style.ts'

/** Seconds between two loads of the page. */
export const REFRESH = 5

export interface StatusPageProps {
  readonly status: Status
  /** False: the reader has paused the refresh. */
  readonly refreshing: boolean
}

/** One document that loads nothing, runs no script, and escapes whatever it shows. */
export function renderStatusPage(props: StatusPageProps) {
  return html`<!doctype html>${<StatusPage {...props} />}`
}

function StatusPage({ status, refreshing }: StatusPageProps) {
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
              <Renewal status={status} />
              <Token status={status} />
              <Requests status={status} />
              <Certificates status={status} />
            </div>
            <section>
              <h2>Last logins and refreshes</h2>
              {status.exchanges.length === 0 ? (
                <p class="note">None has ended yet.</p>
              ) : (
                <TokenRequestChart status={status} />
              )}
            </section>
            <div class="cards uneven">
              <Failures status={status} />
              <Errors status={status} />
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

function Hero({ status }: { status: Status }) {
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
function Outlook({ status }: { status: Status }) {
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

function Renewal({ status }: { status: Status }) {
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned = nextInSeconds === null ? 'not planned' : `in ${duration(nextInSeconds)}`
  return (
    <section>
      <h2>Renewal</h2>
      <Facts
        rows={[
          [
            failuresInRow > 0 ? 'Next attempt' : 'Next renewal',
            exchange === null ? planned : `${exchange} in progress`,
          ],
          ['Back-off', BACKOFFS[backoff], backoff !== 'none'],
          ['Failed in a row', number(failuresInRow), failuresInRow > 0],
          ...sharingRow(status),
          ['Last success', lastSuccessAt === null ? 'never' : ago(lastSuccessAt, status.time)],
        ]}
      />
    </section>
  )
}

/** Nothing unless it is configured. */
function sharingRow({ sharing, time }: Status): [name: string, value: string, alert: boolean][] {
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

function Token({ status }: { status: Status }) {
  const { token, conflicts, rejections, credentialChanges, time } = status
  const end = token?.refreshTokenExpiresAt
  return (
    <section>
      <h2>Token</h2>
      <Facts
        rows={[
          ['Tokens so far', number(token?.generation ?? 0)],
          ['Refresh token', token === null ? 'none' : end ? until(end, time) : 'end not known'],
          ['Rejected early', occurrences(rejections, time)],
          ['Conflicts', occurrences(conflicts, time)],
          ['Secret changed', occurrences(credentialChanges, time)],
        ]}
      />
    </section>
  )
}

function occurrences({ count, lastAt }: Status['conflicts'], time: string): string {
  return lastAt === null ? 'never' : `${number(count)}, last ${ago(lastAt, time)}`
}

function Requests({ status }: { status: Status }) {
  const { requests, time } = status
  const { lastMinute, lastFailedAt, byStatusClass } = requests
  const byClass = Object.entries(byStatusClass).filter(([, count]) => count > 0)
  return (
    <section>
      <h2>Requests</h2>
      <ShareBar counts={byStatusClass} />
      <Facts
        rows={[
          ['Calls in the last minute', number(lastMinute.total)],
          ['of these failed', number(lastMinute.failed), lastMinute.failed > 0],
          ['Last failed call', lastFailedAt === null ? 'never' : ago(lastFailedAt, time)],
          ['In flight', number(requests.inFlight)],
          ['Waiting for a token', number(requests.waitingForToken)],
          ['Ended since the start', number(requests.total)],
          ...byClass.map(([name, count]) => [`with ${name}`, number(count)] as const),
          ['Saved by a replay', number(requests.replays['healed'] ?? 0)],
        ]}
      />
    </section>
  )
}

const CERTIFICATE_NAMES = {
  listener: 'Of this proxy',
  client: 'For iSales',
  ca: 'Authority of iSales',
} as const

function Certificates({ status: { certificates, time } }: { status: Status }) {
  const rows = Object.entries(CERTIFICATE_NAMES).flatMap(([name, words]): Fact[] => {
    const end = certificates[name as keyof typeof CERTIFICATE_NAMES]
    if (end === null) return []
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [[words, `${until(end, time)}, ${end.slice(0, 10)}`, soon]]
  })
  if (rows.length === 0) return null
  return (
    <section>
      <h2>Certificates</h2>
      <Facts rows={rows} />
    </section>
  )
}

function Failures({ status }: { status: Status }) {
  return (
    <section>
      <h2>Failed logins and refreshes</h2>
      <Counts counts={status.failures} words={AUTH_FAILURES} />
    </section>
  )
}

const TITLES = Object.fromEntries(
  Object.entries(PROBLEMS).map(([code, { title }]) => [code, title]),
)

function Errors({ status }: { status: Status }) {
  const { errors } = status.requests
  return (
    <section>
      <h2>Errors of the proxy itself</h2>
      {Object.keys(errors).length === 0 ? (
        <p class="note">None since the start.</p>
      ) : (
        <Counts counts={errors} words={TITLES} />
      )}
    </section>
  )
}

function Settings({ settings }: { settings: readonly EffectiveSetting[] }) {
  const isDefault = ({ source }: EffectiveSetting): boolean => source === 'default'
  return (
    <section>
      <h2>Configuration</h2>
      <h3>Set for this instance</h3>
      <SettingTable settings={settings.filter((setting) => !isDefault(setting))} withSource />
      <details>
        <summary>Defaults</summary>
        <SettingTable settings={settings.filter(isDefault)} />
      </details>
    </section>
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

/** Name and value; the third says whether the value needs attention. */
type Fact = readonly [name: string, value: Child, marked?: boolean]

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
