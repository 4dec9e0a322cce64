import { readFile } from 'node:fs/promises'
import { ROOT } from './run.ts'

interface GridPos {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}
interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: GridPos
  /** The shortest step. */
  readonly interval?: string
  readonly links?: readonly { readonly url: string }[]
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly {
    readonly expr: string
    readonly refId: string
    readonly legendFormat?: string
    readonly datasource: { readonly uid: string }
  }[]
}
interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly links: readonly { readonly url: string }[]
  readonly templating: { readonly list: readonly { readonly name: string; definition?: string }[] }
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}

export const readDashboard = async (): Promise<Dashboard> =>
  JSON.parse(await readFile(`${ROOT}config/grafana/isales-auth-proxy.json`, 'utf8')) as Dashboard

/** What Grafana puts in before it asks Prometheus. */
const interpolate = (expr: string): string =>
  expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$job', 'isales-auth-proxy')
    .replaceAll(/\$(?:cluster|namespace|pod|instance)\b/g, '.*')

/** Each expression of the dashboard, as Prometheus is asked it. */
export const expressions = (dashboard: Dashboard): readonly string[] =>
  [
    ...dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr)),
    ...dashboard.annotations.list.map((annotation) => annotation.expr),
  ].map(interpolate)

/** The names of metrics in an expression. */
export const metricNames = (expr: string): readonly string[] => {
  const bare = expr.replaceAll(/"[^"]*"/g, '""').replaceAll(/\{[^}]*\}/g, '')
  return bare.match(/\b(?:isales_proxy|process|nodejs)_\w+/g) ?? []
}
