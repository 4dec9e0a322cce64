import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import type { Messages } from '../messages/index.ts'
import { CallStrip, LifeLine } from './charts.tsx'
import { STATES } from '../codes.ts'
import type { Status } from './status-json.ts'
import { toView, type View } from './status-view.ts'
import { STYLE } from './style.ts'

/** Seconds between two refreshes of the page. */
export const REFRESH = 5

/**
 * Renders a document that loads nothing, runs no script, and escapes every text.
 *
 * @param refreshing false if the reader has paused the refresh.
 */
export function renderPage(status: Status, messages: Messages, refreshing: boolean) {
  const { page, language } = messages
  const view = toView(status, messages)
  const other = language === 'en' ? 'zh' : 'en'
  const address = (lang: string, refresh: boolean): string =>
    `/?lang=${lang}${refresh ? '' : '&refresh=off'}`
  const title = `${status.title} · ${status.instance} · isales-auth-proxy`
  return renderDocument(
    language,
    title,
    <div class={`page ${STATES[status.state]}`}>
      <header class="top">
        <span>
          <strong>{status.instance}</strong> isales-auth-proxy
        </span>
        <span>
          {view.date} ·{' '}
          <a href={address(language, !refreshing)}>{refreshing ? page.pause : page.resume}</a> ·{' '}
          <a href={address(other, refreshing)} lang={other}>
            {page.otherLanguage}
          </a>
        </span>
      </header>
      <main>
        <div class="hero">
          {view.findings.map((found, index) => (
            <Finding found={found} more={page.more} first={index === 0} />
          ))}
          {!status.local && <p class="note">{page.hidden}</p>}
          <LifeLine status={status} view={view} />
        </div>
        <Card title={page.hour}>
          <CallStrip status={status} view={view} />
        </Card>
        <div class="cards">
          {view.groups.map(({ title, rows, tones }) => (
            <Card title={title}>
              <Facts rows={rows} tones={tones} />
            </Card>
          ))}
          {view.changes.length > 0 && (
            <Card title={page.changes}>
              <Facts rows={view.changes} />
            </Card>
          )}
        </div>
        {view.failedCalls.length > 0 && (
          <Card title={page.failedCalls}>
            <table>
              <thead>
                <tr>
                  {page.columns.map((name) => (
                    <th scope="col">{name}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {view.failedCalls.map(([first, ...rest]) => (
                  <tr>
                    <th scope="row">{first}</th>
                    {rest.map((cell, index) => (
                      <td data-name={page.columns[index + 1]}>{cell}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
        )}
      </main>
      <footer>
        <span>{view.version}</span>
        <span>{view.up}</span>
        <a href={`/status.txt?lang=${language}`}>{page.copy}</a>
        <a href="/status.json">status.json</a>
        <a href="/metrics">metrics</a>
      </footer>
    </div>,
  )
}

const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='%231d7a4d' stroke-width='2.4'><rect x='1.5' y='5' width='8' height='6' rx='3'/><rect x='6.5' y='5' width='8' height='6' rx='3'/></svg>"

/** Renders a page of this port, with the style sheet. It loads nothing. */
export function renderDocument(language: Messages['language'], title: string, body: Child) {
  const page = (
    <html lang={language === 'zh' ? 'zh-CN' : 'en'}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{title}</title>
        <link rel="icon" href={ICON} />
        <style>{raw(STYLE)}</style>
      </head>
      <body>{body}</body>
    </html>
  )
  return html`<!doctype html>${page}`
}

interface FindingProps {
  readonly found: View['findings'][number]
  readonly more: string
  readonly first: boolean
}

function Finding({ found, more, first }: FindingProps) {
  const { code, cause, title, reason, remedy, rows, runbooks } = found
  return (
    <div class={first ? 'verdict' : 'finding'}>
      {first ? <h1>{title}</h1> : <h2>{title}</h2>}
      {reason !== '' && <p>{reason}</p>}
      {remedy !== '' && <p class="remedy">{remedy}</p>}
      {rows.length > 0 && <Facts rows={rows} />}
      {runbooks.length > 0 && (
        <p class="note">
          {more}
          {runbooks.map((link, index) => (
            <>
              {' '}
              <a href={link}>{index === 0 ? code : cause}</a>
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

/** The space between a number and its unit, which must not wrap. */
const BEHIND_NUMBER = /(?<=\d) (?=\S)/g

type Rows = readonly (readonly [name: string, text: string])[]

/** @param tones class of each row. Default: none. */
function Facts({ rows, tones }: { rows: Rows; tones?: readonly string[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, text], index) => (
        <>
          <dt>{name}</dt>
          <dd class={tones?.[index]}>{text.replaceAll(BEHIND_NUMBER, '\u00a0')}</dd>
        </>
      ))}
    </dl>
  )
}
