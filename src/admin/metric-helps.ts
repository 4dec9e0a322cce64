import { pagesOf } from '../words/index.ts'

const ROW = /^\| `isales_proxy_(\w+)` \|[^|]*\|[^|]*\| ([^|]*) \|/gm

let helps: ReadonlyMap<string, string> | undefined

/** What a metric shows, as Prometheus has it in `# HELP`: the words of its row in docs/metrics.md. */
export function helpOf(name: string): string {
  helps ??= new Map(Array.from(rows(), ([, metric = '', help = '']) => [metric, help]))
  return helps.get(name) ?? name
}

function rows() {
  return (pagesOf('en').get('metrics.md') ?? '').matchAll(ROW)
}
