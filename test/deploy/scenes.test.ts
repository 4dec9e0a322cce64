// The built program before a simulated iSales, watched by a real Prometheus with a real Alertmanager.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, inject, it, vi, type TestContext } from 'vitest'
import { createSimulator, INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Status } from '../../src/admin/index.ts'
import { call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { listening, startDaemon } from './support/daemon.ts'
import { dashboard, expressions, metricNames } from './support/dashboard.ts'
import { startAlertmanager, startPrometheus } from './support/prometheus.ts'
import { ROOT } from './support/run.ts'
import { lacks } from './support/tools.ts'

const WAIT = 30_000
const FAILING = 'IsalesProxyCallsFailing'
type Context = Pick<TestContext, 'onTestFinished'>

const start = async ({ onTestFinished }: Context) => {
  const home = temporaryDirectory()
  const setPassword = (password: string) => writeFile(join(home, 'password'), password)
  await writeFile(join(home, 'user'), 'obs')
  await setPassword('simulated-password')
  const simulator = await createSimulator()
  onTestFinished(() => simulator.close())
  const proxy = startDaemon(process.execPath, [join(inject('program'), 'main.js')], {
    ISALES_URL: simulator.origin,
    ISALES_USER_FILE: join(home, 'user'),
    ISALES_PASSWORD_FILE: join(home, 'password'),
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  })
  onTestFinished(() => proxy.stop())
  const [, address = ''] = await proxy.find(listening('proxy'))
  const [, admin = ''] = await proxy.find(listening('admin'))
  const alertmanager = await startAlertmanager()
  onTestFinished(() => alertmanager.stop())
  const prometheus = await startPrometheus(0, (config) => {
    const targets = [new URL(admin).host]
    const job = config.scrape_configs.find((one) => one.kubernetes_sd_configs === undefined)
    config.scrape_configs = [{ ...job, static_configs: [{ targets }] }]
    config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alertmanager.address] }] }] }
  })
  onTestFinished(() => prometheus.stop())
  // An increase is seen from the first scrape on.
  await until(async () => (await prometheus.query('isales_proxy_build_info')).length > 0, WAIT)
  /** Sends a business call. */
  const ask = async () => {
    const headers = { 'content-type': 'application/json' }
    const body = '{"subCCNo":1,"vdnId":1}'
    const path = address + INTERFACE_PATHS.getTask
    return (await call(path, { method: 'POST', headers, body })).status
  }
  const fires = (alert: string) =>
    until(async () => (await prometheus.firing()).includes(alert), WAIT)
  const ends = (alert: string) =>
    until(async () => !(await prometheus.firing()).includes(alert), WAIT)
  return { simulator, proxy, admin, prometheus, alertmanager, ask, fires, ends, setPassword }
}
type Watched = Awaited<ReturnType<typeof start>>

/** State for an operator and for a program, on every output. */
const seenBy = async ({ admin }: Watched) => {
  const [json, page, metrics, ready] = await Promise.all(
    ['/status.json', '', '/metrics', '/readyz'].map((path) => call(admin + path)),
  )
  const status = json?.json as unknown as Status
  const find = (expression: RegExp, from = metrics) => expression.exec(from?.text ?? '')?.[1]
  return {
    state: status.state,
    gauge: find(/^isales_proxy_state\{state="(\w+)"\} 1$/m),
    title: status.title,
    headline: find(/<h1>(.*)<\/h1>/, page),
    reason: status.reason,
    runbook: status.runbook?.replace(/.*#/, ''),
    ready: ready?.status === 200,
    authenticated: find(/^isales_proxy_authenticated (.*)$/m) === '1',
    hasBudget: find(/^isales_proxy_outage_budget_seconds (.*)$/m) !== '0',
  }
}

/** All of them come to this state and headline, and to more. */
const shows = (watched: Watched, state: string, title: string, more: object = {}) => {
  const wanted = { state, gauge: state, title, headline: title, ...more }
  const check = async () => expect(await seenBy(watched)).toMatchObject(wanted)
  return vi.waitFor(check, { timeout: WAIT, interval: 20 })
}
const SERVING = { ready: true, authenticated: true, hasBudget: true }
const STOPPED = { ready: false, authenticated: false, hasBudget: false }

/** Alerts that have paged when this alert also fires. */
const pagedFor = async ({ fires, alertmanager }: Watched, alert: string) => {
  await fires(alert)
  await until(() => alertmanager.pages.length > 0, WAIT)
  // The messages that follow come within a second.
  await delay(3000)
  return [...new Set(alertmanager.pages.flat())]
}

/** Repeats an action, as CTI-OBS and other programs do, until the test ends. */
const keep = ({ onTestFinished }: Context, everyMs: number, act: () => Promise<unknown>): void => {
  const ending = new AbortController()
  const acting = (async () => {
    while (!ending.signal.aborted) {
      await act()
      await delay(everyMs)
    }
  })()
  onTestFinished(async () => {
    ending.abort()
    await acting
  })
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
      await shows(watched, 'healthy', 'Healthy', SERVING)
      await until(
        async () => (await prometheus.query('isales_proxy_authenticated == 1')).length > 0,
      )
      expect(await prometheus.query('up{job="isales-auth-proxy"} == 1')).toHaveLength(1)
      // Before the first scrape it was absent.
      await until(async () => (await prometheus.firing()).length === 0, WAIT)

      for (const expression of expressions(dashboard)) await prometheus.query(expression)
      const stats = dashboard.panels.filter((panel) => panel.type === 'stat')
      const asked = expressions({ panels: stats, annotations: { list: [] } })
      const samples = await Promise.all(asked.map((one) => prometheus.query(one)))
      expect(samples.map(({ length }) => length)).toEqual(asked.map(() => 1))

      const { text } = await call(`${admin}/metrics`)
      const exported = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name))
      const alerts = readFileSync(`${ROOT}config/prometheus/alerts.yaml`, 'utf8')
      const named = [...expressions(dashboard), alerts]
        .flatMap(metricNames)
        .map((name) => name.replace(/_(?:bucket|sum|count)$/, ''))
      expect(named.length).toBeGreaterThan(30)
      expect(named.filter((name) => !exported.has(name))).toEqual([])
    })

    it('pages once when iSales is gone while the token lives, also when the token ends: all say so', async (context) => {
      const watched = await start(context)
      // From here on the token lives 12 s: the page for the calls comes before its end.
      watched.simulator.set({ tokenLifetime: 12 })
      watched.simulator.revoke()
      await until(async () => (await watched.ask()) === 200)
      keep(context, 200, watched.ask)
      await watched.simulator.down()
      await shows(watched, 'failing', 'Calls fail', {
        ...SERVING,
        reason: expect.stringMatching(/^Nothing listens/),
        runbook: 'isalesproxycallsfailing',
      })
      await watched.proxy.find(/"event":"finding-began".*"finding":"failed"/)
      await until(() => watched.alertmanager.pages.length > 0, WAIT)
      await shows(watched, 'unauthenticated', 'Cannot log in to iSales', STOPPED)
      expect(await pagedFor(watched, 'IsalesProxyNotAuthenticated')).toEqual([FAILING])
    })

    it('pages once for a wrong password, before calls stop and after it, and calms down when it is right', async (context) => {
      const watched = await start(context)
      const { fires, alertmanager, prometheus, setPassword } = watched
      expect(await watched.ask()).toBe(200)
      const rejected = 'IsalesProxyAccountRejected'
      await setPassword('wrong')
      await fires(rejected)
      expect(await prometheus.query('isales_proxy_authenticated == 1')).toHaveLength(1)
      await until(async () => (await alertmanager.notified()).includes(rejected), WAIT)
      await fires('IsalesProxyAuthenticationFailing')
      // The token that still serves is ended, and iSales refreshes none: from here on calls fail.
      watched.simulator.failRefresh({ status: 403, times: 'always' })
      watched.simulator.revoke()
      for (let call = 0; call < 3; call += 1) {
        expect(await watched.ask()).toBeGreaterThanOrEqual(400)
      }
      expect(await pagedFor(watched, 'IsalesProxyNotAuthenticated')).toEqual([rejected])
      await setPassword('simulated-password')
      await watched.ends(rejected)
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
      // The API server is one that lists pods and does nothing else.
      const api = await serveHttp((request, response) => {
        response.setHeader('content-type', 'application/json')
        if (request.url?.includes('watch=true') === true) return response.flushHeaders()
        const metadata = { resourceVersion: '1' }
        response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }))
      })
      onTestFinished(api.close)
      const port = await freePort()
      const prometheus = await startPrometheus(port, (config) => {
        config.scrape_configs = config.scrape_configs.map((job) =>
          job.kubernetes_sd_configs === undefined
            ? { ...job, static_configs: [{ targets: [`127.0.0.1:${port}`] }] }
            : { ...job, kubernetes_sd_configs: [{ role: 'pod', api_server: api.url }] },
        )
        config.alerting = {}
      })
      onTestFinished(() => prometheus.stop())
      interface Targets {
        readonly activeTargets: readonly { labels: Readonly<Record<string, string>> }[]
        readonly droppedTargets: readonly unknown[]
      }
      const found = await until(async () => {
        const { activeTargets, droppedTargets } = await prometheus.ask<Targets>('targets')
        // Each pod is either a target or dropped, apart from Prometheus itself.
        if (activeTargets.length + droppedTargets.length <= items.length) return undefined
        return activeTargets.map(({ labels }) => labels).filter(({ pod }) => pod !== undefined)
      }, WAIT)
      expect(new Set(found.map(({ pod }) => pod))).toEqual(
        new Set(['crash-loop', 'sidecar', 'standalone']),
      )
      for (const target of found)
        expect(target).toMatchObject({ job: 'isales-auth-proxy', namespace: 'telephony' })
      const itself = `ALERTS{alertname="IsalesProxyDown", instance="127.0.0.1:${port}"}`
      await until(async () => (await prometheus.query(itself)).length > 0, WAIT)
    })
  },
)
