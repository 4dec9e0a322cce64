import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import axe from 'axe-core'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import { toView } from '../../src/admin/status-view.ts'
import { LANGUAGES, MESSAGES, type Language } from '../../src/messages/index.ts'
import { serveHono } from '../../src/hono-adapter.ts'
import { serveHttp } from '../support/http-server.ts'
import { SCENES, adminOf, calls, type SceneName } from './states.ts'

const NAMES = Object.keys(SCENES) as readonly SceneName[]
const IMAGES = 'docs/images'
const PICTURES: readonly (readonly [SceneName, string, BrowserContextOptions])[] = [
  ['healthy', 'status-healthy', {}],
  ['login-rejected', 'status-rejected', {}],
  ['failing', 'status-failing-chinese', { locale: 'zh-CN' }],
]
const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const HAVE_BROWSER = existsSync(EXECUTABLE)
const MISSING = `no Chromium at ${EXECUTABLE} (apt install chromium, or set CHROMIUM)`
if (!HAVE_BROWSER && process.env['CI'] === 'true') throw new Error(MISSING)
if (!HAVE_BROWSER) process.stderr.write(`skipped: ${MISSING}\n`)
const UPDATE = process.env['UPDATE_SCREENSHOTS'] === '1'

describe.runIf(HAVE_BROWSER)('the status page in a browser', () => {
  let browser: Browser

  beforeAll(async () => {
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
    browser = await chromium.launch({ executablePath: EXECUTABLE, args })
  })
  afterAll(() => browser.close())

  async function open(
    { app }: ReturnType<typeof adminOf>,
    options: BrowserContextOptions = {},
    query = '',
  ) {
    const serve = serveHono(app)
    const server = await serveHttp((...http) => serve(...http, http[0].url ?? '/'))
    const { url } = server
    const context = await browser.newContext({ viewport: { width: 1080, height: 860 }, ...options })
    const page = await context.newPage()
    onTestFinished(async () => {
      await context.close()
      server.close()
    })
    const complaints: string[] = []
    const requested: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => requested.push(new URL(request.url()).pathname))
    await page.goto(`${url}/${query}`)
    return { page, complaints, requested, url }
  }

  /** Returns what axe complains of, on a phone and a desktop, in light and dark. */
  async function violations(page: Page): Promise<readonly string[]> {
    const found: string[] = []
    await page.evaluate(axe.source)
    for (const width of [360, 1080]) {
      await page.setViewportSize({ width, height: 800 })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        // A color scheme changes only colors.
        const rules = colorScheme === 'light' ? '' : "{ runOnly: ['color-contrast'] }"
        const results = await page.evaluate<axe.AxeResults>(`axe.run(${rules})`)
        for (const { id, nodes } of results.violations)
          found.push(`${colorScheme} at ${width}, ${id}: ${nodes[0]?.html}`)
      }
    }
    return found
  }

  const openScene = (name: SceneName, language: Language = 'en') =>
    open(adminOf(SCENES[name]), {}, `?refresh=off&lang=${language}`)

  const CASES = NAMES.flatMap((name) => LANGUAGES.map((language) => [name, language] as const))
  describe.each(CASES)('%s in %s', (name, language) => {
    it('says what status.json says, is accessible in light and dark, does not scroll sideways, and loads nothing else', async () => {
      const { page, url, complaints, requested } = await openScene(name, language)
      expect(requested.filter((path) => path !== '/favicon.ico')).toEqual(['/'])
      expect(complaints).toEqual([])
      const response = await fetch(`${url}/status.json?lang=${language}`)
      const status = (await response.json()) as Status
      const messages = MESSAGES[language]
      const text = await page.innerText('body')
      expect(await page.innerText('h1')).toBe(status.title)
      expect(await page.title()).toContain(`${status.title} · ${status.instance}`)
      for (const finding of status.findings) {
        expect(text).toContain(finding.title)
        expect(text).toContain(finding.reason)
        expect(text).toContain(finding.remedy)
      }
      const links = status.findings.flatMap(({ runbooks, code, cause }) =>
        [code, cause ?? ''].slice(0, runbooks.length),
      )
      expect(await page.locator('.hero a').allInnerTexts()).toEqual(links)
      for (const { title, rows } of toView(status, messages).groups) {
        expect(text).toContain(title)
        for (const [name] of rows) expect(text).toContain(name)
      }
      const failed = status.failedCalls.map(({ requestId }) => requestId)
      const rows = await page.locator('tr > *:last-child').allInnerTexts()
      expect(rows.slice(1)).toEqual(failed)
      expect(await page.locator('.life').count()).toBe(status.token === null ? 0 : 1)
      expect(await page.locator('.chart > g').count()).toBe(60)
      for (const width of [320, 360, 390, 1080]) {
        await page.setViewportSize({ width, height: 800 })
        const scrollWidth = await page.evaluate<number>('document.documentElement.scrollWidth')
        expect(scrollWidth).toBeLessThanOrEqual(width)
      }
      expect(await violations(page)).toEqual([])
    })
  })

  it.runIf(UPDATE).each(PICTURES)('%s is photographed as %s', async (scene, file, how) => {
    await mkdir(IMAGES, { recursive: true })
    const { page } = await open(adminOf(SCENES[scene]), { deviceScaleFactor: 1.5, ...how })
    const image = await page.screenshot({ path: `${IMAGES}/${file}.png` })
    expect(image.length).toBeGreaterThan(10_000)
  })

  it('is printed light and whole, without what a reader of paper cannot use', async () => {
    const { page } = await openScene('failing')
    const color = 'getComputedStyle(document.querySelector("h1")).color'
    expect(await page.evaluate(color)).toMatch(/^rgb\(1\d\d, /)
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(await page.evaluate('getComputedStyle(document.body).color')).toBe('rgb(28, 29, 26)')
    expect(await page.locator('footer').isVisible()).toBe(false)
    expect((await page.pdf({ format: 'A4' })).length).toBeGreaterThan(10_000)
  })

  it('reloads itself without JavaScript', async () => {
    const { page, requested } = await open(adminOf(SCENES.healthy), { javaScriptEnabled: false })
    await expect
      .poll(() => requested.filter((path) => path === '/').length, { timeout: 15_000 })
      .toBeGreaterThan(1)
    await page.click('text=pause refresh')
    expect(page.url()).toContain('refresh=off')
  })

  it('opens the section of a code, with its anchor, links that work, and a dark mode', async () => {
    const { page, url, complaints } = await openScene('login-rejected', 'zh')
    await page.click('.hero a >> nth=1')
    expect(page.url()).toBe(`${url}/docs/errors.zh-CN.md#password`)
    expect(await page.innerText(':target')).toBe('password')
    const links = await page
      .locator('a')
      .evaluateAll((all) =>
        all.map((each) => [each.getAttribute('href') ?? '', String(Reflect.get(each, 'href'))]),
      )
    const served = links.filter(([href = '']) => !/^https?:/.test(href))
    expect(served.length).toBeGreaterThan(20)
    for (const [, address = ''] of served) {
      const { hash } = new URL(address)
      const other = await fetch(address, { headers: { Accept: 'text/html' } })
      expect(other.status).toBe(200)
      const id = decodeURIComponent(hash.slice(1))
      expect(await other.text()).toContain(id === '' ? '<main' : `id="${id}"`)
    }
    const ground = 'getComputedStyle(document.body).backgroundColor'
    const light = await page.evaluate(ground)
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await page.evaluate(ground)).not.toBe(light)
    expect(await violations(page)).toEqual([])
    expect(complaints).toEqual([])
  })

  it('shows hostile and endless values as text, runs nothing of them, and keeps to the width of a phone', async () => {
    const attack = `"><script>document.title='owned'</script><img src=x onerror="document.title='owned'">&amp;`
    const scene = { calls: [calls({ status: 403, target: `/${attack}${'/'.repeat(500)}` }, 1)] }
    const viewport = { width: 360, height: 800 }
    const admin = adminOf(scene, { instance: attack + 'x'.repeat(300) })
    const { page, requested } = await open(admin, { viewport }, '?refresh=off')
    expect(await page.title()).not.toContain('owned · ')
    expect(await page.locator('script, img').count()).toBe(0)
    expect(await page.innerText('body')).toContain(attack.slice(0, 20))
    expect(requested.filter((path) => path !== '/favicon.ico')).toEqual(['/'])
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(360)
  })
})
