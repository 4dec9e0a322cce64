// The built program in front of a simulated iSales, watched by a real Prometheus with a real Alertmanager. The proxy's own
// pages in such scenes are in test/promises/5-truth.test.ts.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, inject, it, type TestContext } from 'vitest'
import { createSimulator } from '../../simulator/index.ts'
import { ALERTS_FILE, read } from '../docs/pages.ts'
import { call } from '../support/call.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { clientOf } from '../support/world.ts'
import { listening, startDaemon } from './support/daemon.ts'
import { dashboard, expressions, metricNames } from './support/dashboard.ts'
import { startAlertmanager, startPrometheus } from './support/prometheus.ts'
import { lacks } from './support/tools.ts'

const WAIT = 30_000
type Context = Pick<TestContext, 'onTestFinished'>

const start = async ({ onTestFinished }: Context) => {
  const home = temporaryDirectory()
  const setPassword = (password: string) => writeFile(join(home, 'password'), password)
  await writeFile(join(home, 'user'), 'obs')
  await setPassword('simulated-password')
  const simulator = await createSimulator()
  onTestFinished(() => simulator.close())
  const env = {
    ISALES_URL: simulator.origin,
    ISALES_USER_FILE: join(home, 'user'),
    ISALES_PASSWORD_FILE: join(home, 'password'),
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  }
  const proxy = startDaemon(process.execPath, [join(inject('program'), 'main.js')], { env })
  onTestFinished(() => proxy.stop())
  const [, address = ''] = await proxy.find(listening('proxy'))
  const [, admin = ''] = await proxy.find(listening('admin'))
  const alertmanager = await startAlertmanager()
  onTestFinished(() => alertmanager.stop())
  const prometheus = await startPrometheus((config) => {
    const targets = [new URL(admin).host]
    const job = config.scrape_configs.find((one) => one.kubernetes_sd_configs === undefined)
    config.scrape_configs = [{ ...job, static_configs: [{ targets }] }]
    config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alertmanager.address] }] }] }
  })
  onTestFinished(() => prometheus.stop())
  // An increase is visible only after a first scrape.
  await until(async () => (await prometheus.query('isales_proxy_build_info')).length > 0, WAIT)
  const ask = async () => (await clientOf({ proxy: address, admin }).tasks()).status
  const fires = (alert: string) =>
    until(async () => (await prometheus.firing()).includes(alert), WAIT)
  return { simulator, proxy, admin, prometheus, alertmanager, ask, fires, setPassword }
}
type Watched = Awaited<ReturnType<typeof start>>

/** Alerts that page while this alert also fires. */
const pagesWith = async ({ fires, alertmanager }: Watched, alert: string) => {
  await fires(alert)
  await until(async () => (await alertmanager.pages()).length > 0, WAIT)
  // Prometheus sends its alerts within a second.
  await delay(3000)
  return alertmanager.pages()
}

// Together: they wait most of the time.
describe.skipIf(await lacks('prometheus', 'prometheus-alertmanager'))(
  'a real Prometheus',
  { concurrent: true },
  () => {
    it('sees no alert of a healthy proxy, and has a value for each expression of dashboard and alerts', async (context) => {
      const watched = await start(context)
      const { ask, prometheus, admin } = watched
      expect(await ask()).toBe(200)
      const isAuthenticated = () => prometheus.query('isales_proxy_authenticated == 1')
      await until(async () => (await isAuthenticated()).length > 0)
      expect(await prometheus.query('up{job="isales-auth-proxy"} == 1')).toHaveLength(1)
      // Before the first scrape, the proxy was absent.
      await until(async () => (await prometheus.firing()).length === 0, WAIT)

      for (const expression of expressions(dashboard)) await prometheus.query(expression)
      const stats = dashboard.panels.filter((panel) => panel.type === 'stat')
      const asked = expressions({ panels: stats, annotations: { list: [] } })
      const samples = await Promise.all(asked.map((one) => prometheus.query(one)))
      expect(samples.map(({ length }) => length)).toEqual(asked.map(() => 1))

      const { text } = await call(`${admin}/metrics`)
      const exported = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name))
      const named = [...expressions(dashboard), read(ALERTS_FILE)]
        .flatMap(metricNames)
        .map((name) => name.replace(/_(?:bucket|sum|count)$/, ''))
      expect(named.length).toBeGreaterThan(30)
      expect(named.filter((name) => !exported.has(name))).toEqual([])
    })

    it('pages once when iSales is gone, while the token lives and after its end', async (context) => {
      const watched = await start(context)
      // The token lives 12 s: the alert about calls fires before the token ends.
      watched.simulator.set({ tokenLifetime: 12 })
      watched.simulator.revoke()
      await until(async () => (await watched.ask()) === 200)
      const calls = setInterval(() => void watched.ask().catch(() => undefined), 200)
      context.onTestFinished(() => clearInterval(calls))
      await watched.simulator.down()
      const failing = ['IsalesProxyCallsFailing']
      expect(await pagesWith(watched, 'IsalesProxyCallsFailing')).toEqual(failing)
      expect(await pagesWith(watched, 'IsalesProxyNotAuthenticated')).toEqual(failing)
    })

    it('pages once for a wrong password, before calls stop and after it, and calms down when it is right', async (context) => {
      const watched = await start(context)
      const { prometheus, setPassword } = watched
      expect(await watched.ask()).toBe(200)
      const rejected = 'IsalesProxyLoginRejected'
      await setPassword('wrong')
      expect(await pagesWith(watched, rejected)).toEqual([rejected])
      expect(await prometheus.query('isales_proxy_authenticated == 1')).toHaveLength(1)
      // Refreshes keep the token alive, so that only logins fail.
      expect(await prometheus.firing()).not.toContain('IsalesProxyAuthenticationFailing')
      // Ends the token, and refuses refreshes, so that calls fail.
      watched.simulator.failRefresh({ status: 403, times: 'always' })
      watched.simulator.revoke()
      for (let n = 0; n < 3; n += 1) expect(await watched.ask()).toBeGreaterThanOrEqual(400)
      expect(await pagesWith(watched, 'IsalesProxyNotAuthenticated')).toEqual([rejected])
      await setPassword('simulated-password')
      await until(async () => !(await prometheus.firing()).includes(rejected), WAIT)
      expect(await watched.ask()).toBe(200)
      const authenticated = 'isales_proxy_authenticated == 1'
      await until(async () => (await prometheus.query(authenticated)).length === 1, WAIT)
      expect(watched.simulator.state().loginAttempts).toBeLessThan(8)
    })

    it('discovers each running proxy and each sidecar that does not start, and takes nothing else for one', async ({
      onTestFinished,
    }) => {
      const items = [
        ['standalone', 'Running', 'containers', 'isales-admin'],
        ['sidecar', 'Running', 'initContainers', 'isales-admin'],
        ['crash-loop', 'Pending', 'initContainers', 'isales-admin'],
        ['job', 'Succeeded', 'initContainers', 'isales-admin'],
        ['other', 'Running', 'containers', 'http'],
      ].map(([name = '', phase, place = '', port]) => ({
        metadata: { name, namespace: 'telephony', uid: name, resourceVersion: '1' },
        spec: {
          containers: [{ name: 'cti-obs', image: 'cti-obs' }],
          [place]: [
            { name: 'proxy', image: 'proxy', ports: [{ name: port, containerPort: 9090 }] },
          ],
        },
        status: { phase, podIP: '127.0.0.1', hostIP: '127.0.0.1' },
      }))
      // An API server that only lists pods.
      const api = await serveHttp((request, response) => {
        response.setHeader('content-type', 'application/json')
        if (request.url?.includes('watch=true') === true) return response.flushHeaders()
        const metadata = { resourceVersion: '1' }
        response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }))
      })
      onTestFinished(api.close)
      const prometheus = await startPrometheus((config) => {
        const job = config.scrape_configs.find((one) => one.kubernetes_sd_configs)
        const discovery = [{ role: 'pod', api_server: api.url }]
        config.scrape_configs = [{ ...job, kubernetes_sd_configs: discovery }]
        config.alerting = {}
      })
      onTestFinished(() => prometheus.stop())
      interface Targets {
        readonly activeTargets: readonly { labels: Readonly<Record<string, string>> }[]
        readonly droppedTargets: readonly unknown[]
      }
      const found = await until(async () => {
        const { activeTargets, droppedTargets } = await prometheus.ask<Targets>('targets')
        // Each pod is a target or dropped.
        if (activeTargets.length + droppedTargets.length < items.length) return undefined
        return activeTargets.map(({ labels }) => labels)
      }, WAIT)
      const names = found.map(({ pod = '' }) => pod)
      expect(names.toSorted()).toEqual(['crash-loop', 'sidecar', 'standalone'])
      for (const target of found)
        expect(target).toMatchObject({ job: 'isales-auth-proxy', namespace: 'telephony' })
    })
  },
)
