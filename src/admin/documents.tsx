import type { Handler } from 'hono'
import { accepts } from 'hono/accepts'
import { raw } from 'hono/html'
import { Marked } from 'marked'
import { DOCUMENTATION } from '../problem.ts'
import { LANGUAGES, loadPages } from '../messages/index.ts'
import { renderDocument } from './page.tsx'
import { PAGE_POLICY } from './style.ts'

/**
 * Serves `/docs/:page`, to which findings, alerts and errors link, for networks without access to the project: to a
 * browser as HTML with anchors, to other clients as Markdown. A link to a page that is not served leads to the project.
 */
export const serveDocument: Handler = (context, next) => {
  const page = context.req.param('page') ?? ''
  const language = LANGUAGES.find((each) => loadPages(each).has(page))
  if (language === undefined) return next()
  const written = loadPages(language).get(page) ?? ''
  const text = written.replaceAll(/\]\(([^)\s]+)\)/g, (_, href: string) => `](${targetOf(href)})`)
  const supports = ['text/plain', 'text/html']
  const type = accepts(context, { header: 'Accept', supports, default: 'text/plain' })
  if (type !== 'text/html') return context.text(text)
  const content = raw(markdown.parse(text, { async: false }))
  const body = <main class="page document">{content}</main>
  const document = renderDocument(language, `${page} · isales-auth-proxy`, body)
  return context.html(document, 200, { 'Content-Security-Policy': PAGE_POLICY })
}

const markdown = new Marked({
  renderer: {
    heading({ tokens, text, depth }) {
      const content = this.parser.parseInline(tokens)
      return `<h${depth} id="${anchorOf(text)}">${content}</h${depth}>\n`
    },
  },
})

function targetOf(href: string): string {
  const [file = ''] = href.split('#')
  const isServed = file === '' || LANGUAGES.some((language) => loadPages(language).has(file))
  return isServed || URL.canParse(href) ? href : new URL(href, `${DOCUMENTATION}/`).href
}

/** Returns the anchor that GitHub makes for a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}
