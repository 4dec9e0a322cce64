import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { ALERTS_FILE, read } from '../../docs/pages.ts'
import { temporaryDirectory } from '../../support/temporary.ts'
import { startDaemon } from './daemon.ts'

interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state?: 'pending' | 'firing'
}
interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}
/** Members of the examples in config/prometheus/ that are changed here. */
interface Configuration {
  global: object
  scrape_configs: { static_configs?: unknown; kubernetes_sd_configs?: unknown }[]
  alerting: unknown
}

const LISTENING = /msg="Listening on" address="?([\d.]+:\d+)/
const namesOf = (alerts: readonly Alert[]) => alerts.map(({ labels }) => labels['alertname'] ?? '')

const get = async (url: string): Promise<unknown> => {
  const response = await fetch(url)
  const body = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${body}`)
  return JSON.parse(body)
}

/** The rules are tested this many times as fast as deployed. */
const FASTER = 20

/** Returns the chart's alerts with every `for` divided by FASTER, and intervals of 1 s; the rest is as deployed. */
const quickened = (): string => {
  const shorter = (_: string, key: string, count: string, unit: string): string => {
    const seconds = Number(count) * (unit === 'm' ? 60 : 1)
    return `${key} ${Math.max(1, Math.round(seconds / FASTER))}s`
  }
  return read(ALERTS_FILE)
    .replaceAll(/^( +for:) (\d+)([sm])$/gm, shorter)
    .replaceAll(/^( +interval:) \w+$/gm, '$1 1s')
}

/** Runs a real Prometheus every second with the example's configuration, changed by `edit`. */
export const startPrometheus = async (edit: (config: Configuration) => void) => {
  const home = temporaryDirectory()
  const config = parse(read('config/prometheus/prometheus.example.yaml')) as Configuration
  config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
  edit(config)
  await writeFile(join(home, 'prometheus.yaml'), stringify(config))
  await writeFile(join(home, 'alerts.yaml'), quickened())
  const daemon = startDaemon('prometheus', [
    `--config.file=${join(home, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(home, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
  ])
  const [, address = ''] = await daemon.find(LISTENING)
  await daemon.find(/Server is ready/)
  const ask = async <Data>(path: string): Promise<Data> => {
    const { data } = (await get(`http://${address}/api/v1/${path}`)) as { data: Data }
    return data
  }
  return {
    ask,
    async firing(): Promise<readonly string[]> {
      const { alerts } = await ask<{ alerts: readonly Alert[] }>('alerts')
      return namesOf(alerts.filter(({ state }) => state === 'firing'))
    },
    /** @throws with Prometheus's message if the expression cannot be evaluated. */
    async query(expression: string): Promise<readonly Sample[]> {
      const query = `query?query=${encodeURIComponent(expression)}`
      return (await ask<{ result: readonly Sample[] }>(query)).result
    },
    stop: () => daemon.stop(),
  }
}

export const startAlertmanager = async () => {
  const home = temporaryDirectory()
  const config = read('config/prometheus/alertmanager.example.yaml')
  await writeFile(join(home, 'alertmanager.yaml'), config)
  const daemon = startDaemon('prometheus-alertmanager', [
    `--config.file=${join(home, 'alertmanager.yaml')}`,
    `--storage.path=${join(home, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
    '--cluster.listen-address=',
  ])
  const [, address = ''] = await daemon.find(LISTENING)
  return {
    address,
    /** Returns the names of the alerts for the receiver `page` that no other alert inhibits. */
    async pages(): Promise<readonly string[]> {
      const url = `http://${address}/api/v2/alerts?active=true&inhibited=false&receiver=page`
      return namesOf((await get(url)) as readonly Alert[])
    },
    stop: () => daemon.stop(),
  }
}
