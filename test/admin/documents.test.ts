import { expect, it } from 'vitest'
import { anchorsOf, read } from '../docs/pages.ts'
import { adminSources, openShown, snapshot } from './token.ts'

const { request } = openShown(adminSources())
const BROWSER = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const PAGES = ['errors', 'operations', 'configuration', 'commands'].flatMap((page) => [
  `${page}.md`,
  `${page}.zh-CN.md`,
])

it.each(PAGES)('the admin port serves %s, with the anchor of each heading', async (page) => {
  const written = read(`docs/${page}`)
  const plain = await request(`/docs/${page}`)
  expect(plain.headers.get('content-type')).toMatch(/^text\/plain; *charset=utf-8$/i)
  expect(await plain.text()).toBe(written)
  const response = await request(`/docs/${page}`, { headers: BROWSER })
  const html = await response.text()
  const ids = Array.from(html.matchAll(/<h\d id="([^"]+)">/g), ([, id]) => id)
  expect(ids).toEqual(anchorsOf(written))
  expect(html).toContain(`lang="${page.includes('zh') ? 'zh-CN' : 'en'}"`)
  expect(response.headers.get('content-security-policy')).toMatch(/style-src 'sha256-/)
  // Nothing of Markdown is left but in code, and a table is one.
  expect(html.replaceAll(/<code>[^]*?<\/code>/g, '')).not.toMatch(/\*\*|\]\(|^#|^\| ---/m)
})

it('a link to a page that is not served here leads to the project', async () => {
  const html = await (await request('/docs/operations.md', { headers: BROWSER })).text()
  expect(html).toContain(
    'href="https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs/sharing.md"',
  )
  expect(html).toContain(
    'href="https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/config/prometheus/alerts.yaml"',
  )
  expect(html).toContain('href="errors.md#clients-that-connect-by-tls"')
})

it('the status as text links to where it is read', async () => {
  const failing = openShown(adminSources({ token: () => snapshot({ conflict: true }) }))
  const headers = { Host: '127.0.0.1:9091' }
  const text = await (await failing.request('/status.txt', { headers })).text()
  const [link = ''] = /http:\/\/127\.0\.0\.1:9091\/docs\/operations\.md#\S+/.exec(text) ?? []
  expect((await failing.request(link)).status).toBe(200)
})

it.each(['security.md', '..%2fpackage.json', 'operations', ''])(
  'the admin port serves no other file: %s',
  async (page) => {
    expect((await request(`/docs/${page}`)).status).toBe(404)
  },
)
