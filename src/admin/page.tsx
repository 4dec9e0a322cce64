import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import {
  dateText,
  durationText,
  timeText,
  valueText,
  type Fact,
  type Words,
} from '../words/index.ts'
import { CallStrip, LifeLine } from './charts.tsx'
import { STATES } from './judge.ts'
import { failedRows, groupsOf, linksOf, readingOf, type Status } from './status.ts'
import { STYLE } from './style.ts'
import { renderText } from './text.ts'

/** Seconds between two loads of the page. */
export const REFRESH = 5

interface PageProps {
  readonly status: Status
  readonly words: Words
  /** Where it is read. */
  readonly origin: string
  /** False: the reader has paused the refresh. */
  readonly refreshing: boolean
}

/** One document that loads nothing, runs no script, and escapes whatever it shows. */
export function renderPage(props: PageProps) {
  return html`<!doctype html>${<StatusPage {...props} />}`
}

function StatusPage({ status, words, origin, refreshing }: PageProps) {
  const { page, language } = words
  const reading = readingOf(status)
  const other = language === 'en' ? 'zh' : 'en'
  const address = (lang: string, refresh: boolean): string =>
    `/?lang=${lang}${refresh ? '' : '&refresh=off'}`
  const failed = failedRows(status, (at) => timeText(Date.parse(at), reading))
  return (
    <html lang={language === 'zh' ? 'zh-CN' : 'en'}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${status.title} · ${status.instance} · isales-auth-proxy`}</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <div class={`page ${STATES[status.state]}`}>
          <header class="top">
            <span>
              <strong>{status.instance}</strong> isales-auth-proxy · {status.host}
            </span>
            <span>
              {dateText(reading)} ·{' '}
              <a href={address(language, !refreshing)}>{refreshing ? page.pause : page.resume}</a> ·{' '}
              <a href={address(other, refreshing)} lang={other}>
                {page.otherLanguage}
              </a>
            </span>
          </header>
          <main>
            <div class="hero">
              {status.findings.map((finding, index) => (
                <Finding finding={finding} words={words} status={status} first={index === 0} />
              ))}
              {!status.local && <p class="note">{page.hidden}</p>}
              <LifeLine status={status} words={words} />
            </div>
            <Card title={page.hour}>
              <CallStrip status={status} words={words} />
            </Card>
            <div class="cards">
              {groupsOf(status, words).map(([title, facts]) => (
                <Card title={title}>
                  <Facts facts={facts} words={words} status={status} />
                </Card>
              ))}
            </div>
            {failed.length > 0 && (
              <Card title={page.failedCalls}>
                <Rows head={page.columns} rows={failed} />
              </Card>
            )}
            <Card title={page.copy}>
              <details>
                <summary>{page.copyHint}</summary>
                <pre>{renderText(status, words, origin)}</pre>
              </details>
            </Card>
          </main>
          <footer>
            <span>{`${page.version} ${status.version}`}</span>
            <span>{`${page.up} ${durationText(words, Math.round(status.upSeconds))}`}</span>
            <a href="/status.json">status.json</a>
            <a href={`/status.txt?lang=${language}`}>status.txt</a>
            <a href="/metrics">metrics</a>
          </footer>
        </div>
      </body>
    </html>
  )
}

interface Shown {
  readonly words: Words
  readonly status: Status
}
interface FindingProps extends Shown {
  readonly finding: Status['findings'][number]
  readonly first: boolean
}

function Finding({ finding, first, words, status }: FindingProps) {
  const { title, reason, remedy, facts } = finding
  const links = linksOf(finding, words)
  return (
    <div class={first ? 'verdict' : 'finding'}>
      {first ? <h1>{title}</h1> : <h2>{title}</h2>}
      {reason !== '' && <p>{reason}</p>}
      {remedy !== '' && <p class="remedy">{remedy}</p>}
      {facts.length > 0 && <Facts facts={facts} words={words} status={status} />}
      {links.length > 0 && (
        <p class="note">
          {words.page.more}
          {links.map(([code, link]) => (
            <>
              {' '}
              <a href={link}>{code}</a>
            </>
          ))}
        </p>
      )}
    </div>
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

function Facts({ facts, words, status }: Shown & { readonly facts: readonly Fact[] }) {
  const reading = readingOf(status)
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <>
          <dt>{words.facts[name]}</dt>
          <dd>{valueText(words, value, reading)}</dd>
        </>
      ))}
    </dl>
  )
}

function Rows({ head, rows }: { head: readonly string[]; rows: readonly (readonly string[])[] }) {
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
