import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expressions, metricNames, readDashboard } from './support/dashboard.ts'
import { ROOT, run } from './support/run.ts'
import { installed } from './support/tools.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const promtool = await installed('promtool')
const dashboard = await readDashboard()
const panels = dashboard.panels.filter((panel) => panel.type !== 'row')

describe('the dashboard', () => {
  it.skipIf(promtool === undefined)('asks only what Prometheus can parse', async () => {
    const exprs = expressions(dashboard)
    expect(exprs.length).toBeGreaterThan(panels.length)
    const home = temporaryDirectory()
    try {
      const rules = exprs.map((expr, index) => ({ record: `panel:${index}`, expr }))
      const file = join(home, 'rules.yaml') // JSON is YAML
      await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
      expect(await run('promtool', ['check', 'rules', file])).toMatchObject({ code: 0 })
    } finally {
      await rm(home, { recursive: true })
    }
  })

  it('has a panel for its five questions in four rows', () => {
    expect(dashboard.panels.filter((panel) => panel.type === 'row')).toMatchObject([
      { title: 'Is authentication healthy, and for how long are we safe?' },
      { title: 'What fails?' },
      { title: 'How fast is it?' },
      { title: 'Do replicas share one token?' },
    ])
  })

  it('shows of each replica whether it shares, and of the store what it did not do', () => {
    const row = dashboard.panels.findIndex(({ title }) => title.startsWith('Do replicas share'))
    const targets = dashboard.panels.slice(row).flatMap((panel) => panel.targets ?? [])
    const shown = targets.map(({ expr, legendFormat }) => [metricNames(expr).join(), legendFormat])
    expect(Object.fromEntries(shown)).toEqual({
      isales_proxy_session_sharing_state: '{{pod}} {{instance}} {{state}}',
      isales_proxy_session_replicas: '{{pod}} {{instance}}',
      isales_proxy_tokens_adopted_total: '{{pod}} {{instance}}',
      isales_proxy_session_store_failures_total: '{{reason}}',
      isales_proxy_session_store_duration_seconds_bucket: '{{operation}} p95',
    })
  })

  it.each(panels)(
    'explains the panel $title, and asks the data source that was chosen',
    (panel) => {
      expect(panel.description).toBeTruthy()
      expect(panel.datasource?.uid).toBe('${datasource}')
      expect(panel.targets?.length).toBeGreaterThan(0)
      for (const target of panel.targets ?? []) {
        expect(target.datasource.uid).toBe('${datasource}')
        for (const name of ['cluster', 'namespace', 'job', 'pod', 'instance'])
          expect(target.expr).toContain(`${name}=~"$${name}"`)
      }
    },
  )

  it('can be narrowed to a cluster, namespace, job, pod or instance', () => {
    const names = dashboard.templating.list.map(({ name }) => name)
    expect(names).toEqual(['datasource', 'cluster', 'namespace', 'job', 'pod', 'instance'])
  })

  it('names the pod wherever it shows one line a proxy', () => {
    const targets = panels.flatMap((panel) => panel.targets ?? [])
    const ofProxies = targets.filter(({ legendFormat = '' }) =>
      legendFormat.includes('{{instance}}'),
    )
    expect(ofProxies.length).toBeGreaterThan(5)
    for (const { legendFormat } of ofProxies) expect(legendFormat).toContain('{{pod}} {{instance}}')
  })

  it('shows one event once: in one panel, and in one bar of it', () => {
    const counters = panels.flatMap((panel) =>
      (panel.targets ?? [])
        .filter(({ expr }) => /increase\(|changes\(/.test(expr))
        .map(({ expr }) => ({ panel, names: metricNames(expr) })),
    )
    const names = counters.flatMap((one) => one.names)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    // At steps of a minute Grafana's range is a minute and one scrape; at shorter ones ranges overlap.
    for (const { panel } of counters) expect(panel.interval).toBe('1m')
  })

  it('links to pages of the run-book that exist', async () => {
    const runbook = await readFile(`${ROOT}docs/operations.md`, 'utf8')
    const headings = [...runbook.matchAll(/^#+ (\w+)$/gm)].map(([, text = '']) =>
      text.toLowerCase(),
    )
    const urls = [dashboard, ...panels].flatMap(({ links = [] }) => links.map(({ url }) => url))
    expect(urls.length).toBeGreaterThan(10)
    for (const url of urls) {
      expect(url).toMatch(/^https:\/\/.*\/docs\/operations\.md#/)
      expect(headings).toContain(url.replace(/.*#/, ''))
    }
  })

  it('has no two panels with one id or on one place, and none over the edge', () => {
    const ids = dashboard.panels.map((panel) => panel.id)
    expect(new Set(ids).size).toBe(ids.length)
    const places = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    )
    expect(places.filter((place, index) => places.indexOf(place) !== index)).toEqual([])
    expect(places.filter((place) => Number(place.split(',')[0]) > 23)).toEqual([])
  })
})
