import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createAdminApp } from '../../src/admin/app.ts'
import { anchorsOf, read, root } from '../docs/pages.ts'
import { adminSources, openShown, snapshot } from './token.ts'

const sources = adminSources()
const app = createAdminApp(openShown(sources))
const BROWSER = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

it.each(['operations.md', 'operations.zh-CN.md', 'errors.md', 'errors.zh-CN.md'])(
  'the admin port serves %s, with the anchor of each heading',
  async (page) => {
    const written = read(`docs/${page}`)
    const plain = await app.request(`/docs/${page}`)
    expect(plain.headers.get('content-type')).toMatch(/^text\/plain; *charset=utf-8$/i)
    expect(await plain.text()).toBe(written)
    const response = await app.request(`/docs/${page}`, { headers: BROWSER })
    const html = await response.text()
    const ids = Array.from(html.matchAll(/<pre id="([^"]+)">/g), ([, id]) => id)
    expect(ids).toEqual(anchorsOf(written))
    expect(html).toContain(`lang="${page.includes('zh') ? 'zh-CN' : 'en'}"`)
    expect(response.headers.get('content-security-policy')).toMatch(/style-src 'sha256-/)
  },
)

it('the admin port serves what each alert links to', async () => {
  const alerts = readFileSync(`${root}config/prometheus/alerts.yaml`, 'utf8')
  const links = Array.from(alerts.matchAll(/\/(docs\/operations\.md)#(\S+)$/gm))
  expect(links.length).toBeGreaterThan(10)
  const page = await (await app.request('/docs/operations.md', { headers: BROWSER })).text()
  const missing = links.filter(([, , anchor = '']) => !page.includes(`<pre id="${anchor}">`))
  expect(missing).toEqual([])
})

it('the status as text links to where it is read', async () => {
  const failing = adminSources({ token: () => snapshot({ conflict: true }) })
  const other = createAdminApp(openShown(failing))
  const headers = { Host: '127.0.0.1:9091' }
  const text = await (await other.request('/status.txt', { headers })).text()
  const [link = ''] = /http:\/\/127\.0\.0\.1:9091\/docs\/operations\.md#\S+/.exec(text) ?? []
  expect((await other.request(link)).status).toBe(200)
})

it.each(['security.md', '..%2fpackage.json', 'operations', ''])(
  'the admin port serves no other file: %s',
  async (page) => {
    expect((await app.request(`/docs/${page}`)).status).toBe(404)
  },
)
