import { read } from '../../docs/pages.ts'

interface Panel {
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly links?: readonly { readonly url: string }[]
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly {
    readonly expr: string
    readonly datasource: { readonly uid: string }
  }[]
}
interface Asking {
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}
interface Dashboard extends Asking {
  readonly links: readonly { readonly url: string }[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[]
  }
}

const FILE = 'helm/isales-auth-proxy/files/isales-auth-proxy.json'
export const dashboard = JSON.parse(read(FILE)) as Dashboard

/** Returns each expression with Grafana's variables replaced. */
export const expressions = ({ panels, annotations }: Asking): readonly string[] =>
  [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list].map(({ expr }) =>
    expr
      .replaceAll('$__rate_interval', '1m')
      .replaceAll('$job', 'isales-auth-proxy')
      .replaceAll(/\$(?:cluster|namespace|pod|instance_name|instance)\b/g, '.*'),
  )

export const metricNames = (expr: string): readonly string[] => {
  const bare = expr.replaceAll(/"[^"]*"/g, '""').replaceAll(/\{[^}]*\}/g, '')
  return bare.match(/\b(?:isales_proxy|process|nodejs)_\w+/g) ?? []
}
