import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { until } from '../../support/until.ts'
import { freePort } from '../../support/free-port.ts'
import { startDaemon } from './daemon.ts'
import { ROOT } from './run.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}
interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

/** A real Prometheus with a real Alertmanager behind it. */
export interface Monitoring {
  /** The names of the alerts that Prometheus says are firing. */
  firing(): Promise<readonly string[]>
  /** The names of the alerts that have reached Alertmanager and are not inhibited. */
  notified(): Promise<readonly string[]>
  /** The names of the alerts that were sent to the receiver `page`, one list a message, the firing ones. */
  pages(): readonly (readonly string[])[]
  /** @throws with Prometheus' words when the expression cannot be evaluated. */
  query(expression: string): Promise<readonly Sample[]>
  stop(): Promise<void>
}

const LISTENING = /msg="Listening on" address="?([\d.]+:\d+)/
const json = async (url: string): Promise<unknown> => {
  const response = await fetch(url)
  const body = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${body}`)
  return JSON.parse(body)
}

/** How many times as fast as deployed the rules are tested. */
const FASTER = 20

/**
 * The rules of config/prometheus/alerts.yaml but for time: every `for` is shorter, the order of two stays, and every
 * interval is 1 s. Expressions, labels and annotations are as deployed.
 */
const quickened = async (): Promise<string> => {
  const rules = await readFile(`${ROOT}config/prometheus/alerts.yaml`, 'utf8')
  const shorter = (_: string, key: string, count: string, unit: string): string => {
    const seconds = Number(count) * (unit === 'm' ? 60 : 1)
    return `${key} ${Math.max(1, Math.round(seconds / FASTER))}s`
  }
  return rules
    .replaceAll(/^( +for:) (\d+)([sm])$/gm, shorter)
    .replaceAll(/^( +interval:) \w+$/gm, '$1 1s')
}

/** A receiver of Alertmanager's messages. */
const startReceiver = async () => {
  const pages: string[][] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      const { alerts } = JSON.parse(text) as {
        alerts: readonly { status: string; labels: Readonly<Record<string, string>> }[]
      }
      const firing = alerts.filter(({ status }) => status === 'firing')
      if (firing.length > 0) pages.push(firing.map(({ labels }) => labels['alertname'] ?? ''))
      response.end()
    })
  })
  return { pages, server, url: await listen(server) }
}

const listen = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Routes {
  route: Record<string, unknown>
  receivers: Record<string, unknown>[]
}
interface Configuration {
  global: Record<string, string>
  scrape_configs: Record<string, unknown>[]
  alerting: unknown
}

/** Starts both from the examples in config/prometheus/, to scrape the target (empty: Prometheus itself) each second. */
export const startMonitoring = async (target: string): Promise<Monitoring> => {
  const home = temporaryDirectory()
  const receiver = await startReceiver()
  const routes = parse(
    await readFile(`${ROOT}config/prometheus/alertmanager.example.yaml`, 'utf8'),
  ) as Routes
  Object.assign(routes.route, { group_wait: '1s', group_interval: '1s' })
  for (const one of routes.receivers)
    if (one['name'] === 'page') one['webhook_configs'] = [{ url: receiver.url }]
  await writeFile(join(home, 'alertmanager.yaml'), stringify(routes))
  const alertmanager = startDaemon('prometheus-alertmanager', [
    `--config.file=${join(home, 'alertmanager.yaml')}`,
    `--storage.path=${join(home, 'alertmanager')}`,
    '--web.listen-address=127.0.0.1:0',
    '--cluster.listen-address=',
  ])
  const [, alerts = ''] = await alertmanager.find(LISTENING)

  const example = await readFile(`${ROOT}config/prometheus/prometheus.example.yaml`, 'utf8')
  const config = parse(example) as Configuration
  config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
  const job = config.scrape_configs.find((one) => one['kubernetes_sd_configs'] === undefined)
  const port = target === '' ? await freePort() : 0
  const targets = [target === '' ? `127.0.0.1:${port}` : target]
  config.scrape_configs = [{ ...job, static_configs: [{ targets }] }]
  config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alerts] }] }] }
  await writeFile(join(home, 'prometheus.yaml'), stringify(config))
  await writeFile(join(home, 'alerts.yaml'), await quickened())
  const prometheus = startDaemon('prometheus', [
    `--config.file=${join(home, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(home, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  const [, address = ''] = await prometheus.find(LISTENING)
  await prometheus.find(/Server is ready/)

  return {
    async firing() {
      const { data } = (await json(`http://${address}/api/v1/alerts`)) as {
        data: { alerts: readonly Alert[] }
      }
      return data.alerts
        .filter((alert) => alert.state === 'firing')
        .map((alert) => alert.labels['alertname'] ?? '')
    },
    async notified() {
      const url = `http://${alerts}/api/v2/alerts?active=true&inhibited=false`
      const active = (await json(url)) as readonly Alert[]
      return active.map((alert) => alert.labels['alertname'] ?? '')
    },
    pages: () => receiver.pages,
    async query(expression) {
      const query = encodeURIComponent(expression)
      const { data } = (await json(`http://${address}/api/v1/query?query=${query}`)) as {
        data: { result: readonly Sample[] }
      }
      return data.result
    },
    async stop() {
      await prometheus.stop()
      await alertmanager.stop()
      receiver.server.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

export interface Pod {
  readonly name: string
  readonly phase: 'Pending' | 'Running' | 'Succeeded'
  readonly port: { readonly name: string; readonly containerPort: number }
  /** Whether the container is a native sidecar. */
  readonly sidecar: boolean
}

/**
 * The targets that Prometheus finds by the example's discovery in a cluster of these pods: for each its labels.
 * The API server is one that lists pods and does nothing else.
 */
export const discover = async (
  pods: readonly Pod[],
): Promise<readonly Readonly<Record<string, string>>[]> => {
  const items = pods.map(({ name, phase, port, sidecar }) => {
    const container = { name: 'isales-auth-proxy', image: 'isales-auth-proxy', ports: [port] }
    return {
      metadata: { name, namespace: 'telephony', uid: name, resourceVersion: '1' },
      spec: {
        containers: sidecar ? [{ name: 'cti-obs', image: 'cti-obs' }] : [container],
        initContainers: sidecar ? [{ ...container, restartPolicy: 'Always' }] : [],
      },
      status: { phase, podIP: '127.0.0.1', hostIP: '127.0.0.1' },
    }
  })
  const api = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    if (request.url?.includes('watch=true') === true) return response.flushHeaders()
    const metadata = { resourceVersion: '1' }
    response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }))
  })
  const url = await listen(api)
  const home = temporaryDirectory()
  const example = await readFile(`${ROOT}config/prometheus/prometheus.example.yaml`, 'utf8')
  const { scrape_configs: jobs } = parse(example) as Configuration
  const job = jobs.find((one) => one['kubernetes_sd_configs'] !== undefined)
  const found = [{ ...job, kubernetes_sd_configs: [{ role: 'pod', api_server: url }] }]
  await writeFile(join(home, 'prometheus.yaml'), stringify({ scrape_configs: found }))
  const prometheus = startDaemon('prometheus', [
    `--config.file=${join(home, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(home, 'prometheus')}`,
    '--web.listen-address=127.0.0.1:0',
  ])
  try {
    const [, address = ''] = await prometheus.find(LISTENING)
    await prometheus.find(/Server is ready/)
    return await until(async () => {
      const { data } = (await json(`http://${address}/api/v1/targets`)) as {
        data: {
          activeTargets: readonly { labels: Readonly<Record<string, string>> }[]
          droppedTargets: readonly unknown[]
        }
      }
      // Each pod is either a target or dropped: then all have been looked at.
      if (data.activeTargets.length + data.droppedTargets.length < pods.length) return undefined
      return data.activeTargets.map(({ labels }) => labels)
    }, 30_000)
  } finally {
    await prometheus.stop()
    api.closeAllConnections()
    api.close()
    await rm(home, { recursive: true, force: true })
  }
}
