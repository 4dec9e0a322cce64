import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import { until } from '../support/until.ts'
import type { Daemon } from './support/daemon.ts'
import { expressions, metricNames, readDashboard } from './support/dashboard.ts'
import { discover, startMonitoring, type Monitoring } from './support/prometheus.ts'
import { ROOT, run } from './support/run.ts'
import { installed } from './support/tools.ts'
import { startWatched, type Watched } from './support/watched.ts'

const programs = await Promise.all(
  ['prometheus', 'prometheus-alertmanager', 'promtool'].map(installed),
)

describe.skipIf(programs.includes(undefined))('a proxy, watched by a real Prometheus', () => {
  let watched: Watched
  let simulator: Simulator
  let proxy: Daemon
  let admin = ''
  let monitoring: Monitoring

  beforeAll(async () => {
    watched = await startWatched()
    ;({ simulator, proxy, admin, monitoring } = watched)
  })
  afterAll(() => watched?.stop())

  const ask = () => watched.ask()
  const page = async (): Promise<string> => (await fetch(`${admin}/metrics`)).text()

  it('shows a page that promtool finds nothing wrong with', async () => {
    const outcome = await run('promtool', ['check', 'metrics'], { input: await page() })
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('exports every metric that the dashboard and the alerts ask for', async () => {
    const text = await page()
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    const exported = new Set(
      types.flatMap(([, name, type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [`${name}`],
      ),
    )
    const alerts = await readFile(`${ROOT}config/prometheus/alerts.yaml`, 'utf8')
    const asked = [...expressions(await readDashboard()), alerts].flatMap(metricNames)
    expect(asked.length).toBeGreaterThan(30)
    // The annotations name two histograms as a whole.
    const whole = new Set(types.map(([, name]) => name))
    expect(asked.filter((name) => !exported.has(name) && !whole.has(name))).toEqual([])
  })

  it('is found up and authenticated, and raises no alert', async () => {
    await until(
      async () => (await monitoring.query('isales_proxy_authenticated == 1')).length > 0,
      20_000,
    )
    expect((await ask()).status).toBe(200)
    expect(await monitoring.query('up{job="isales-auth-proxy"} == 1')).toHaveLength(1)
    // Before the first scrape it was absent.
    await until(async () => (await monitoring.firing()).length === 0, 10_000)
  })

  it('fills the dashboard: every expression can be evaluated, the stats of its first row give a value', async () => {
    const dashboard = await readDashboard()
    for (const expression of expressions(dashboard)) await monitoring.query(expression)
    const stats = dashboard.panels.filter((panel) => panel.type === 'stat')
    const asked = expressions({ ...dashboard, panels: stats, annotations: { list: [] } })
    const responses = await Promise.all(asked.map((one) => monitoring.query(one)))
    expect(responses.map((response) => response.length)).toEqual(asked.map(() => 1))
  })

  it('pages once when iSales fails while the token lives, and says that calls fail', async () => {
    simulator.failBusiness({ status: 502, times: 'always' })
    for (let calls = 0; calls < 5; calls += 1) expect((await ask()).status).toBe(502)
    await until(() => monitoring.pages().length > 0, 30_000)
    expect(await monitoring.query('isales_proxy_authenticated == 1')).toHaveLength(1)
    simulator.clear()
    // More calls than have failed.
    for (let calls = 0; calls < 10; calls += 1) expect((await ask()).status).toBe(200)
    await until(
      async () => !(await monitoring.firing()).includes('IsalesProxyCallsFailing'),
      20_000,
    )
    expect(new Set(monitoring.pages().flat())).toEqual(new Set(['IsalesProxyCallsFailing']))
  })

  it('pages once for a wrong password, before calls stop and after it, and calms down when it is right', async () => {
    const before = monitoring.pages().length
    await watched.setPassword('wrong')
    const rejected = 'IsalesProxyAccountRejected'
    const firing = async (name: string) => (await monitoring.firing()).includes(name)
    await until(() => firing(rejected), 30_000)
    expect(await monitoring.query('isales_proxy_authenticated == 1')).toHaveLength(1)
    await until(async () => (await monitoring.notified()).includes(rejected), 20_000)
    await until(() => firing('IsalesProxyAuthenticationFailing'), 20_000)

    // The token that still serves is ended: from here on calls fail.
    simulator.revoke()
    expect((await ask()).status).toBeGreaterThanOrEqual(400)
    await until(() => firing('IsalesProxyNotAuthenticated'), 20_000)
    // The messages that follow come within a second.
    await until(async () => (await monitoring.notified()).includes(rejected), 20_000)
    await delay(3000)
    expect([...new Set(monitoring.pages().slice(before).flat())]).toEqual([rejected])
    await watched.setPassword('simulated-password')
    await until(async () => !(await firing(rejected)), 30_000)
    expect(await monitoring.query('isales_proxy_authenticated == 1')).toHaveLength(1)
    expect(simulator.state().loginAttempts).toBeLessThan(8)
  })

  it('is missed within seconds when it is gone', async () => {
    expect(await proxy.stop()).toBe(0)
    await until(async () => (await monitoring.firing()).includes('IsalesProxyDown'), 20_000)
  })
})

describe.skipIf(programs.includes(undefined))('the discovery of the example', () => {
  it('finds each running proxy and each sidecar that does not start, and nothing that has ended', async () => {
    const port = { name: 'isales-admin', containerPort: 9090 }
    const targets = await discover([
      { name: 'standalone', phase: 'Running', port, sidecar: false },
      { name: 'sidecar', phase: 'Running', port, sidecar: true },
      { name: 'crash-loop', phase: 'Pending', port, sidecar: true },
      { name: 'job', phase: 'Succeeded', port, sidecar: true },
      {
        name: 'other',
        phase: 'Running',
        port: { name: 'http', containerPort: 80 },
        sidecar: false,
      },
    ])
    expect(new Set(targets.map(({ pod }) => pod))).toEqual(
      new Set(['crash-loop', 'sidecar', 'standalone']),
    )
    for (const target of targets)
      expect(target).toMatchObject({ job: 'isales-auth-proxy', namespace: 'telephony' })
  })

  it('does not take Prometheus itself for a proxy', async () => {
    const example = await readFile(`${ROOT}config/prometheus/prometheus.example.yaml`, 'utf8')
    expect(example).not.toContain("targets: ['127.0.0.1:9090']")
    const itself = await startMonitoring('')
    try {
      await until(async () => (await itself.firing()).includes('IsalesProxyDown'), 20_000)
    } finally {
      await itself.stop()
    }
  })
})
