import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import type { Speaker } from './speaker.ts'
import type { Fact, Status, Table } from './model.ts'
import { renderText } from './plain-text.ts'
import { STATES } from './findings.ts'
import { CallStrip, LifeLine } from './status-charts.tsx'
import { STYLE } from './status-style.ts'

/** Seconds between two loads of the page. */
export const REFRESH = 5

interface PageProps {
  readonly status: Status
  readonly speaker: Speaker
  /** Where it is read. */
  readonly origin: string
  /** False: the reader has paused the refresh. */
  readonly refreshing: boolean
}

/** One document that loads nothing, runs no script, and escapes whatever it shows. */
export function renderStatusPage(props: PageProps) {
  return html`<!doctype html>${<StatusPage {...props} />}`
}

function StatusPage({ status, speaker, origin, refreshing }: PageProps) {
  const { state, title, host, instance } = status
  const { say, duration, clockTime, language } = speaker
  const { cards, tables, settingTables } = status
  const [own, defaults] = settingTables
  const other = language === 'en' ? 'zh' : 'en'
  const address = (lang: string, refresh: boolean): string =>
    `/?lang=${lang}${refresh ? '' : '&refresh=off'}`
  return (
    <html lang={language === 'zh' ? 'zh-CN' : 'en'}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · ${instance} · isales-auth-proxy`}</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <div class={`page ${STATES[state]}`}>
          <header class="top">
            <span>
              <strong>{instance}</strong> isales-auth-proxy · {host}
            </span>
            <span>
              {clockTime(status.time, status.utcOffset)} ·{' '}
              <a href={address(language, !refreshing)}>
                {refreshing ? say('pause') : say('resume', { seconds: REFRESH })}
              </a>{' '}
              ·{' '}
              <a href={address(other, refreshing)} lang={other}>
                {say('otherLanguage')}
              </a>
            </span>
          </header>
          <main>
            <Hero status={status} speaker={speaker} />
            <Card title={say('hour')}>
              <CallStrip status={status} speaker={speaker} />
            </Card>
            <div class="cards">
              {cards.map(({ title: name, facts }) => (
                <Card title={name}>
                  <Facts rows={facts} />
                </Card>
              ))}
            </div>
            {tables.map((table) => (
              <Card title={table.title}>
                <Rows table={table} />
              </Card>
            ))}
            <Card title={say('configuration')}>
              <h3>{own.title}</h3>
              {own.rows.length > 0 && <Rows table={own} />}
              <details>
                <summary>{defaults.title}</summary>
                <Rows table={defaults} />
              </details>
            </Card>
            <Card title={say('copy')}>
              <details>
                <summary>{say('copyHint')}</summary>
                <pre>{renderText(status, speaker, origin)}</pre>
              </details>
            </Card>
          </main>
          <footer>
            <span>{say('version', { version: status.version })}</span>
            <span>{say('up', { time: duration(Math.round(status.upSeconds)) })}</span>
            <a href="/status.json">status.json</a>
            <a href={`/status.txt?lang=${language}`}>status.txt</a>
            <a href="/metrics">metrics</a>
          </footer>
        </div>
      </body>
    </html>
  )
}

function Hero({ status, speaker }: Pick<PageProps, 'status' | 'speaker'>) {
  const { figure, findings } = status
  const [headline, ...others] = findings
  return (
    <div class="hero">
      <div class="verdict">
        <div>
          <h1>{status.title}</h1>
          <Advice finding={headline} speaker={speaker} />
        </div>
        {figure !== null && (
          <dl class="outlook">
            <dt>{figure.above}</dt>
            <dd class={figure.marked ? 'tone' : ''}>{figure.value}</dd>
          </dl>
        )}
      </div>
      {others.map((finding) => (
        <div class="finding">
          <h2>{finding.title}</h2>
          <Advice finding={finding} speaker={speaker} />
        </div>
      ))}
      <LifeLine status={status} speaker={speaker} />
    </div>
  )
}

function Advice(props: { finding: Status['findings'][number]; speaker: Speaker }) {
  const { reason, remedy, runbook } = props.finding
  return (
    <>
      <p>{reason}</p>
      {remedy !== '' && <p class="remedy">{remedy}</p>}
      {runbook !== null && (
        <p>
          <a href={runbook}>{props.speaker.say('runbook')}</a>
        </p>
      )}
    </>
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

function Facts({ rows }: { rows: readonly Fact[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value, marked = false]) => (
        <>
          <dt>{name}</dt>
          <dd class={marked ? 'tone' : ''}>{withDates(value)}</dd>
        </>
      ))}
    </dl>
  )
}

/** A date is not broken over two lines. */
function withDates(value: string): readonly Child[] {
  const parts = value.split(/(\d{4}-\d\d-\d\d)/)
  return parts.map((part, index) => (index % 2 === 0 ? part : <span class="date">{part}</span>))
}

function Rows({ table: { head, rows } }: { table: Table }) {
  return (
    <table>
      <thead>
        <tr>
          {head.map((name) => (
            <th scope="col">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([first, ...rest]) => (
          <tr>
            <th scope="row">{first}</th>
            {rest.map((cell, index) => (
              <td data-name={head[index + 1]}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
