import { mkdir } from 'node:fs/promises'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Admin } from '../../src/admin/app.ts'
import type { Status } from '../../src/admin/status.ts'
import { duration } from '../../src/admin/format.ts'
import { haveBrowser, openBrowser } from './browser.ts'
import { servePage } from './server.ts'
import { SCENES, adminOf, type SceneName } from './states.ts'

const NAMES = Object.keys(SCENES) as readonly SceneName[]
const IMAGES = 'docs/images'
const PICTURES: readonly (readonly [SceneName, string, BrowserContextOptions])[] = [
  ['healthy', 'status-healthy', {}],
  ['healthy', 'status-healthy-dark', { colorScheme: 'dark' }],
  ['healthy', 'status-healthy-phone', { viewport: { width: 390, height: 844 } }],
  ['failing', 'status-failing', {}],
  ['refused', 'status-refused', {}],
  ['starting', 'status-starting', {}],
]
const UPDATE = process.env['UPDATE_SCREENSHOTS'] === '1'

describe.runIf(haveBrowser())('the status page in a browser', () => {
  let browser: Browser
  const cleanups: (() => Promise<void>)[] = []

  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser.close())
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup()
  })

  async function open(app: Admin['app'], options: BrowserContextOptions = {}, query = '') {
    const server = await servePage(app)
    const context = await browser.newContext({ viewport: { width: 1080, height: 860 }, ...options })
    const page = await context.newPage()
    cleanups.push(
      () => context.close(),
      () => server.close(),
    )
    const complaints: string[] = []
    const requested: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => requested.push(new URL(request.url()).pathname))
    await page.goto(`${server.url}/${query}`)
    return { page, complaints, requested, url: server.url }
  }

  const openScene = (name: SceneName, options: BrowserContextOptions = {}) =>
    open(adminOf(SCENES[name]), options, '?refresh=off')

  describe.each(NAMES)('%s', (name) => {
    it('says what status.json says', async () => {
      const { page, url } = await openScene(name)
      const status = (await (await fetch(`${url}/status.json`)).json()) as Status
      expect(status.state).toBe(name)
      await page.click('summary')
      const text = await page.innerText('body')
      expect(await page.innerText('h1')).toBe(status.title)
      expect(await page.title()).toContain(`${status.title} · ${status.host}`)
      expect(text).toContain(status.reason)
      expect(text).toContain(status.remedy)
      expect(await page.locator('.verdict a').count()).toBe(status.runbook === null ? 0 : 1)
      expect(await outlook(page)).toBe(expectedOutlook(status))
      const failures = await rowsOf(page, 'Failed logins and refreshes')
      expect(
        Object.fromEntries(failures.map(([reason, , count]) => [reason, Number(count)])),
      ).toEqual(status.failures)
      expect(await page.locator('.chart g').count()).toBe(status.exchanges.length)
      expect(text).toContain(
        `Ended since the start\n${status.requests.total.toLocaleString('en-US')}`,
      )
      expect(text).toContain(`of these failed\n${status.requests.lastMinute.failed}`)
      expect(text).toContain(`Failed in a row\n${status.renewal.failuresInRow}`)
      expect(text).toContain(`Version ${status.version}`)
      const shown = status.settings.flatMap(({ name, value }) => [name, value ?? 'not set'])
      expect(shown.filter((each) => !text.includes(each))).toEqual([])
    })

    it('is accessible in light and dark, and does not scroll sideways, at every width', async () => {
      const { page } = await openScene(name)
      await page.evaluate(axe.source)
      for (const width of [320, 360, 390, 1080]) {
        await page.setViewportSize({ width, height: 800 })
        const scrollWidth = await page.evaluate<number>('document.documentElement.scrollWidth')
        expect(scrollWidth).toBeLessThanOrEqual(width)
        if (width !== 360 && width !== 1080) continue
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
          expect(
            violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`),
            `${colorScheme} at ${width}`,
          ).toEqual([])
        }
      }
    })
  })

  it.runIf(UPDATE).each(PICTURES)('%s is photographed as %s', async (scene, file, how) => {
    await mkdir(IMAGES, { recursive: true })
    const { page } = await open(adminOf(SCENES[scene]), { deviceScaleFactor: 1.5, ...how })
    const image = await page.screenshot({ path: `${IMAGES}/${file}.png` })
    expect(image.length).toBeGreaterThan(10_000)
  })

  it('is styled by its own sheet, loads nothing else and complains of nothing', async () => {
    const { page, complaints, requested } = await openScene('healthy')
    expect(await page.evaluate('getComputedStyle(document.querySelector("h1")).color')).toBe(
      'rgb(29, 122, 77)',
    )
    expect(requested.filter((path) => path !== '/favicon.ico')).toEqual(['/'])
    expect(complaints).toEqual([])
  })

  it('loads itself anew without JavaScript', async () => {
    const { page, requested } = await open(adminOf(SCENES.healthy), { javaScriptEnabled: false })
    await expect
      .poll(() => requested.filter((path) => path === '/').length, { timeout: 15_000 })
      .toBeGreaterThan(1)
    await page.click('text=pause refresh')
    expect(page.url()).toContain('refresh=off')
  })

  it('shows hostile values as text and runs nothing of them', async () => {
    const attack = `"><script>document.title='owned'</script><img src=x onerror="document.title='owned'">&amp;`
    const settings = [{ name: attack, value: `</style>${attack}`, source: attack }]
    const { page, requested } = await open(
      adminOf(SCENES.failing, { settings }),
      {},
      '?refresh=off',
    )
    expect(await page.title()).not.toContain('owned')
    expect(await page.locator('script, img').count()).toBe(0)
    expect(await page.innerText('body')).toContain(attack)
    expect(requested.filter((path) => path !== '/favicon.ico')).toEqual(['/'])
  })

  it('keeps to the width of a phone with values that cannot be broken at a space', async () => {
    const settings = [{ name: 'A_'.repeat(60), value: 'x'.repeat(500), source: '/'.repeat(200) }]
    const viewport = { width: 360, height: 800 }
    const { page } = await open(adminOf(SCENES.failing, { settings }), { viewport }, '?refresh=off')
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(360)
  })
})

async function outlook(page: Page): Promise<string | undefined> {
  const number = page.locator('.outlook dd')
  return (await number.count()) === 0 ? undefined : number.innerText()
}

function expectedOutlook(status: Status) {
  const { state, authenticated, outageBudgetSeconds, renewal } = status
  const { failed, total } = status.requests.lastMinute
  if ((state === 'failing' || state === 'degraded') && failed > 0) return `${failed} of ${total}`
  if (!authenticated && renewal.exchange !== null) return 'now'
  const seconds = Math.floor(authenticated ? outageBudgetSeconds : (renewal.nextInSeconds ?? 0))
  return seconds < 60 ? `${seconds} s` : duration(seconds)
}

function rowsOf(page: Page, heading: string): Promise<readonly (readonly string[])[]> {
  const rows = page.locator('section').filter({ hasText: heading }).first().locator('tr')
  return rows
    .all()
    .then((all) => Promise.all(all.map((row) => row.locator('th, td').allInnerTexts())))
}
