import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { SERVED } from '../../src/messages/doc-sections.ts'
import { anchorsOf, linksOf, read } from '../docs/pages.ts'
import { adminSources, openShown } from './token.ts'

const { request } = openShown(adminSources())
const BROWSER = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const PAGES = SERVED.flatMap((page) => [`${page}.md`, `${page}.zh-CN.md`]).filter((page) =>
  existsSync(`docs/${page}`),
)
const withoutLinks = (text: string) => text.replaceAll(/\]\([^)]*\)/g, ']')

it.each(PAGES)('the admin port serves %s, with the anchors of all headings', async (page) => {
  const written = read(`docs/${page}`)
  const plain = await request(`/docs/${page}`)
  expect(plain.headers.get('content-type')).toMatch(/^text\/plain; *charset=utf-8$/i)
  const text = await plain.text()
  expect(withoutLinks(text)).toBe(withoutLinks(written))
  const isReached = (link: string) =>
    /^(?:https?:|#)/.test(link) || PAGES.includes(link.replace(/#.*/, ''))
  expect(linksOf(text).filter((link) => !isReached(link))).toEqual([])
  const response = await request(`/docs/${page}`, { headers: BROWSER })
  const html = await response.text()
  const ids = Array.from(html.matchAll(/<h\d id="([^"]+)">/g), ([, id]) => id)
  expect(ids).toEqual(anchorsOf(written))
  expect(html).toContain(`lang="${page.includes('zh') ? 'zh-CN' : 'en'}"`)
  expect(response.headers.get('content-security-policy')).toMatch(/style-src 'sha256-/)
  // Outside of code, no Markdown is left.
  expect(html.replaceAll(/<code>[^]*?<\/code>/g, '')).not.toMatch(/\*\*|\]\(|^#|^\| ---/m)
})

it('a link to a page that is not served leads to the project', async () => {
  const html = await (await request('/docs/operations.md', { headers: BROWSER })).text()
  const project = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main'
  expect(html).toContain(`href="${project}/docs/kubernetes.md#install-it"`)
  expect(html).toContain(`href="${project}/helm/isales-auth-proxy/files/alerts.yaml"`)
})

it.each(['security.md', '..%2fpackage.json', 'operations', ''])(
  'the admin port serves no other file: %s',
  async (page) => {
    expect((await request(`/docs/${page}`)).status).toBe(404)
  },
)
