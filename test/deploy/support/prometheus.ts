import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { startDaemon } from './daemon.ts'
import { ROOT } from './run.ts'

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

/**
 * The rules of config/prometheus/alerts.yaml but for time: every `for` becomes 2 s and every interval 1 s.
 * Expressions, labels and annotations are as deployed.
 */
const quickened = async (): Promise<string> => {
  const rules = await readFile(`${ROOT}config/prometheus/alerts.yaml`, 'utf8')
  return rules.replaceAll(/^( +for:) \w+$/gm, '$1 2s').replaceAll(/^( +interval:) \w+$/gm, '$1 1s')
}

interface Configuration {
  global: Record<string, string>
  scrape_configs: Record<string, unknown>[]
  alerting: unknown
}

/** Starts both from the examples in config/prometheus/, to scrape the target each second. */
export const startMonitoring = async (target: string): Promise<Monitoring> => {
  const home = await mkdtemp(join(tmpdir(), 'monitoring-'))
  const routes = await readFile(`${ROOT}config/prometheus/alertmanager.example.yaml`, 'utf8')
  await writeFile(
    join(home, 'alertmanager.yaml'),
    routes.replace('group_wait: 10s', 'group_wait: 1s'),
  )
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
  config.scrape_configs = [{ ...job, static_configs: [{ targets: [target] }] }]
  config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alerts] }] }] }
  await writeFile(join(home, 'prometheus.yaml'), stringify(config))
  await writeFile(join(home, 'alerts.yaml'), await quickened())
  const prometheus = startDaemon('prometheus', [
    `--config.file=${join(home, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(home, 'prometheus')}`,
    '--web.listen-address=127.0.0.1:0',
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
      await rm(home, { recursive: true, force: true })
    },
  }
}
