// The alert rules, their routing and the dashboard by themselves; scenes.test.ts runs them.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { adminSources, openShown } from '../admin/token.ts'
import { ALERTS, read } from '../docs/pages.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { renderSidecar } from './support/chart.ts'
import { dashboard } from './support/dashboard.ts'
import { specOf } from './support/manifests.ts'
import { run } from './support/run.ts'
import { lacks } from './support/tools.ts'

type Alerting = { readonly alertname: string; readonly exp_alerts: readonly unknown[] }
type RuleTest = { readonly alert_rule_test?: readonly Alerting[] }

const { home } = parse(read('helm/isales-auth-proxy/Chart.yaml')) as { home: string }
const runbook = read('docs/operations.md')
const headings = Array.from(runbook.matchAll(/^#+ (\w+)$/gm), ([, text = '']) => text)
const anchors = headings.map((heading) => heading.toLowerCase())
const page = `${home}/blob/main/docs/operations.md#`

it
  .skipIf(await lacks('promtool', 'amtool'))
  .each([
    'promtool check rules --lint=all --lint-fatal helm/isales-auth-proxy/files/alerts.yaml',
    'promtool test rules config/prometheus/alerts.test.yaml',
    'promtool check config --syntax-only config/prometheus/prometheus.example.yaml',
    'amtool check-config config/prometheus/alertmanager.example.yaml',
  ])('rules, their tests, scrape configuration and routes pass: %s', async (command) => {
  const [tool = '', ...args] = command.split(' ')
  expect(await run(tool, args)).toMatchObject({ code: 0 })
})

it.skipIf(await lacks('promtool'))('promtool finds nothing in the metrics', async () => {
  const { metrics } = openShown(adminSources())
  metrics.requestEnded({ durationMs: 10, upstreamMs: 8 })
  const outcome = await run('promtool', ['check', 'metrics'], { input: await metrics.render() })
  expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' })
})

/** Samples of proxies by namespace: of a Job that has ended, of proxies that have gone, and of proxies that are there. */
const MIXED = { nightly: '1x40 stale', east: '1x40 stale', west: '1x320' }
const JOBS = { nightly: '1x40 stale _x400 1x40', batch: '_x200 1x40 stale' }

it.skipIf(await lacks('promtool')).each([
  [MIXED, [], '20m', ['{namespace="east"}', '{namespace="nightly"}']],
  [MIXED, ['batch', 'nightly'], '20m', ['{namespace="east"}']],
  [JOBS, [], '30m', ['{namespace="nightly"}']],
  // More than an hour after the last run, there is no namespace to name.
  [{ nightly: JOBS.nightly }, [], '85m', ['{}']],
  [JOBS, ['batch', 'nightly'], '30m', []],
  [JOBS, ['batch', 'nightly'], '95m', []],
])(
  'of proxies %j, where those of Jobs are in %j, IsalesProxyAbsent misses after %s %j',
  async (series, jobNamespaces, at, missed) => {
    const rules = { prometheusRule: { enabled: true, jobNamespaces } }
    const expr = 'group by (namespace) (ALERTS{alertname="IsalesProxyAbsent", alertstate="firing"})'
    const samples = missed.map((labels) => ({ labels, value: 1 }))
    const test = {
      interval: '15s',
      input_series: Object.entries(series).map(([namespace, values]) => ({
        series: `up{job="isales-auth-proxy", namespace="${namespace}"}`,
        values,
      })),
      promql_expr_test: [{ expr, eval_time: at, exp_samples: samples }],
    }
    const directory = temporaryDirectory()
    const write = (name: string, value: unknown) =>
      writeFileSync(join(directory, name), JSON.stringify(value))
    write('rules', specOf(await renderSidecar('sidecar', rules), 'PrometheusRule'))
    write('test', { rule_files: ['rules'], evaluation_interval: '15s', tests: [test] })
    const outcome = await run('promtool', ['test', 'rules', join(directory, 'test')])
    expect(outcome).toMatchObject({ code: 0 })
  },
)

const { tests } = parse(read('config/prometheus/alerts.test.yaml')) as { tests: RuleTest[] }
const cases = tests.flatMap((test) => test.alert_rule_test ?? [])

it.each(ALERTS)(
  'each alert $alert is tested firing and not firing, has a severity, a summary and a place in the run book',
  ({ alert, labels, annotations }) => {
    const own = cases.filter(({ alertname }) => alertname === alert)
    const fires = own.map(({ exp_alerts: alerts }) => alerts.length > 0)
    expect(new Set(fires)).toEqual(new Set([true, false]))
    expect(labels['severity']).toMatch(/^(critical|warning)$/)
    for (const name of ['summary', 'description']) {
      const [english = '', chinese = ''] = [name, `${name}_zh`].map((each) => annotations[each])
      expect([english, chinese].map((text) => /\p{Script=Han}/u.test(text))).toEqual([false, true])
      // The same value, in the same unit.
      const values = (text: string) => text.match(/\$value[^}]*/g) ?? []
      expect(values(chinese)).toEqual(values(english))
    }
    expect(annotations['runbook_url']).toBe(page + alert.toLowerCase())
    expect(headings).toContain(alert)
  },
)

describe('the dashboard', () => {
  const panels = dashboard.panels.filter((panel) => panel.type !== 'row')
  const [source, ...variables] = dashboard.templating.list.map(({ name }) => name)

  it.each(panels)('explains the panel $title, which can be narrowed by each variable', (panel) => {
    const names = 'datasource,cluster,namespace,job,pod,instance_name,instance'
    expect([source, ...variables].join()).toBe(names)
    expect(panel.description).toBeTruthy()
    expect(panel.targets?.length).toBeGreaterThan(0)
    for (const { datasource } of [panel, ...(panel.targets ?? [])])
      expect(datasource?.uid).toBe('${datasource}')
    for (const { expr } of panel.targets ?? [])
      for (const name of variables.filter((each) => each !== 'instance_name'))
        expect(expr).toContain(`${name}=~"$${name}"`)
  })

  it('links to pages of the run-book that exist', () => {
    const urls = [dashboard, ...panels].flatMap(({ links = [] }) => links.map(({ url }) => url))
    expect(urls.length).toBeGreaterThan(10)
    expect(urls.filter((url) => !anchors.some((anchor) => url === page + anchor))).toEqual([])
  })
})
