import { html, raw } from 'hono/html'
import { Errors, Failures, Renewal, Requests, Sessions, Settings } from './status-cards.tsx'
import { ExchangeChart, LifeLine } from './status-charts.tsx'
import { STYLE } from './status-style.ts'
import type { Status } from './status.ts'
import { REASONS, ago, clockTime, countdown, duration, headline } from './words.ts'

export { STATUS_POLICY } from './status-style.ts'

/** Seconds between two loads of the page. */
export const REFRESH = 5

export interface StatusPageProps {
  readonly status: Status
  /** False: the reader asked the page to hold still. */
  readonly refreshing: boolean
}

/** Everything in one document: it loads nothing, runs nothing, and escapes whatever it shows. */
export function renderStatusPage(props: StatusPageProps) {
  return html`<!doctype html>${<StatusPage {...props} />}`
}

function StatusPage({ status, refreshing }: StatusPageProps) {
  const { tone, title } = headline(status)
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · isales-auth-proxy`}</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <div class={`page ${tone}`}>
          <header class="top">
            <strong>isales-auth-proxy</strong>
            <span>
              {clockTime(status.time)} ·{' '}
              {refreshing ? (
                <a href="/?refresh=off">hold still</a>
              ) : (
                <a href="/">refresh every {REFRESH} s</a>
              )}
            </span>
          </header>
          <main>
            <Hero status={status} />
            <div class="cards">
              <Renewal status={status} />
              <Sessions status={status} />
              <Requests status={status} />
            </div>
            <section>
              <h2>Last logins and refreshes</h2>
              {status.exchanges.length === 0 ? (
                <p class="note">None has ended yet.</p>
              ) : (
                <ExchangeChart status={status} />
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
  const { title, sentence } = headline(status)
  const { lastFailure } = status.renewal
  const failing = status.renewal.failuresInRow > 0
  return (
    <div class="hero">
      <div class="verdict">
        <div>
          <h1>{title}</h1>
          <p>{sentence}</p>
          {failing && lastFailure !== null && (
            <p>
              Last answer: <span class="tone">{REASONS[lastFailure.reason]}</span>{' '}
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

/** The one number that counts: how long we are safe, or when the next attempt comes when we are not. */
function Outlook({ status }: { status: Status }) {
  const { exchange, nextInSeconds } = status.renewal
  if (status.authenticated) {
    return (
      <dl class="outlook">
        <dt>Requests keep working for</dt>
        <dd>{countdown(status.outageBudgetSeconds)}</dd>
        <dt>if every login fails from now</dt>
      </dl>
    )
  }
  if (exchange === null && nextInSeconds === null) return null
  return (
    <dl class="outlook">
      <dt>{exchange === null ? 'Next attempt in' : 'Next attempt'}</dt>
      <dd>{exchange === null ? countdown(nextInSeconds ?? 0) : 'now'}</dd>
    </dl>
  )
}
