import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Handler } from 'hono'
import { accepts } from 'hono/accepts'
import { html, raw } from 'hono/html'

/** What findings, alerts and errors link to, for where no other network can be reached. */
const PAGES = ['operations.md', 'operations.zh-CN.md', 'errors.md', 'errors.zh-CN.md'] as const

/** Beside the built program, or, from the source, where the pages are written. */
const DIRECTORY = [new URL('docs/', import.meta.url), new URL('../../docs/', import.meta.url)].find(
  (directory) => existsSync(directory),
)

const STYLE =
  ':root{color-scheme:light dark}pre{white-space:pre-wrap;font:1rem/1.5 system-ui;max-width:60em;margin:auto;padding:.5em}:target{outline:2px solid}'
const HASH = createHash('sha256').update(STYLE).digest('base64')
const POLICY = `default-src 'none'; style-src 'sha256-${HASH}'; frame-ancestors 'none'`

/** Serves `/docs/:page`: to a browser with the anchors that links have, to others as it is written. */
export const serveRunBook: Handler = async (context, next) => {
  const page = PAGES.find((name) => name === context.req.param('page'))
  if (page === undefined || DIRECTORY === undefined) return next()
  const text = readFileSync(new URL(page, DIRECTORY), 'utf8')
  const supports = ['text/plain', 'text/html']
  const type = accepts(context, { header: 'Accept', supports, default: 'text/plain' })
  if (type !== 'text/html') return context.text(text)
  const sections = text.split(/^(?=#+ )/m).map((section) => {
    const [, heading = ''] = /^#+ (.+)/.exec(section) ?? []
    return html`<pre id="${anchorOf(heading)}">${section}</pre>`
  })
  const language = page.includes('zh-CN') ? 'zh-CN' : 'en'
  const head = html`<meta charset="utf-8" /><title>${page}</title>
    <style>
      ${raw(STYLE)}
    </style>`
  const body = html`<!doctype html>
    <html lang="${language}">
      <head>
        ${head}
      </head>
      <body>
        ${sections}
      </body>
    </html>`
  return context.html(body, 200, { 'Content-Security-Policy': POLICY })
}

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}
