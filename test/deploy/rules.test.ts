import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ROOT, run } from './support/run.ts'
import { installed } from './support/tools.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
interface RuleFile {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}
interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test?: readonly {
      readonly alertname: string
      readonly exp_alerts: readonly unknown[]
    }[]
  }[]
}

const read = (path: string): Promise<string> => readFile(ROOT + path, 'utf8')
const rules = (parse(await read('config/prometheus/alerts.yaml')) as RuleFile).groups.flatMap(
  (group) => group.rules,
)
const promtool = await installed('promtool')
const amtool = await installed('amtool')

describe.skipIf(promtool === undefined)('the alert rules', () => {
  it('are rules that Prometheus takes, without a lint finding', async () => {
    const args = ['check', 'rules', '--lint=all', '--lint-fatal', 'config/prometheus/alerts.yaml']
    expect(await run('promtool', args)).toMatchObject({ code: 0 })
  })

  it('fire and stay quiet as their tests say', async () => {
    const outcome = await run('promtool', ['test', 'rules', 'config/prometheus/alerts.test.yaml'])
    expect(outcome.stdout + outcome.stderr).toContain('SUCCESS')
    expect(outcome.code).toBe(0)
  })

  it('come with a scrape configuration that Prometheus takes', async () => {
    const args = ['check', 'config', '--syntax-only', 'config/prometheus/prometheus.example.yaml']
    expect(await run('promtool', args)).toMatchObject({ code: 0 })
  })
})

describe.skipIf(amtool === undefined)('the routing of alerts', () => {
  it('is a configuration that Alertmanager takes', async () => {
    const args = ['check-config', 'config/prometheus/alertmanager.example.yaml']
    expect(await run('amtool', args)).toMatchObject({ code: 0 })
  })
})

describe('each alert', async () => {
  const { tests } = parse(await read('config/prometheus/alerts.test.yaml')) as RuleTests
  const cases = tests.flatMap((test) => test.alert_rule_test ?? [])
  const runbook = await read('docs/operations.md')

  it.each(rules.map((rule) => rule.alert))('%s is tested firing and not firing', (alert) => {
    const own = cases.filter((one) => one.alertname === alert)
    expect(own.some((one) => one.exp_alerts.length > 0)).toBe(true)
    expect(own.some((one) => one.exp_alerts.length === 0)).toBe(true)
  })

  it.each(rules)('$alert has a severity, a summary and a place in the run book', async (rule) => {
    expect(rule.labels['severity']).toMatch(/^(critical|warning)$/)
    expect(rule.annotations['summary']).toBeTruthy()
    const anchor = rule.alert.toLowerCase()
    const { home } = parse(await read('helm/isales-auth-proxy/Chart.yaml')) as { home: string }
    expect(rule.annotations['runbook_url']).toBe(`${home}/blob/main/docs/operations.md#${anchor}`)
    expect(runbook).toMatch(new RegExp(`^### ${rule.alert}$`, 'm'))
  })
})
