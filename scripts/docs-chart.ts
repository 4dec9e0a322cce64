import { readFileSync } from 'node:fs'
import { isMap, isScalar, parseDocument, type Scalar, type YAMLMap } from 'yaml'
import { settingRanges, valuesSchema } from './docs-chart-schema.ts'
import { markdownTable } from './markdown.ts'

const CHART = 'helm/isales-auth-proxy'
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** The rows of the table of values: each key whose comment begins with `# --`. */
function rowsOf(
  map: YAMLMap<Scalar<string>>,
  before: string,
  path: readonly string[] = [],
): string[][] {
  return map.items.flatMap(({ key, value }, index) => {
    // The comment before the first key of a map hangs on the map.
    const comment = key.commentBefore ?? (index === 0 ? before : '')
    const [, text] = /(?:^|\n) -- ([\s\S]*)$/.exec(comment) ?? []
    const name = [...path, key.value]
    if (text !== undefined) {
      const json = JSON.stringify(isScalar(value) ? value.value : (value as YAMLMap).toJSON())
      return [[`\`${name.join('.')}\``, `\`${json}\``, text.replaceAll(/\s+/g, ' ').trim()]]
    }
    if (isMap<Scalar<string>>(value)) return rowsOf(value, value.commentBefore ?? '', name)
    throw new Error(`values.yaml says nothing about ${name.join('.')}`)
  })
}

/** README.md of the chart, with its table of values. */
function readme(): string {
  const values = parseDocument<YAMLMap<Scalar<string>>>(read(`${CHART}/values.yaml`))
  if (values.contents === null) throw new Error('values.yaml is empty')
  // The comment of the first key of all hangs on the document, after the heading.
  const rows = rowsOf(values.contents, values.commentBefore ?? '')
  const table = markdownTable(['value', 'default', 'what it does'], rows)
  return read(`${CHART}/README.md`).replace(
    /(<!-- values -->\n)[\s\S]*(<!-- \/values -->)/,
    (_, from: string, to: string) => `${from}${table}\n${to}`,
  )
}

/** What the chart repeats, by the name of the file: Helm reads nothing outside of a chart. */
export const chartFiles = (): readonly (readonly [string, string])[] => [
  [`${CHART}/values.schema.json`, valuesSchema(read(`${CHART}/values.schema.json`))],
  [`${CHART}/files/settings.json`, settingRanges()],
  [`${CHART}/README.md`, readme()],
  [`${CHART}/files/guard.yaml`, read('config/kubernetes/guard.yaml')],
  [`${CHART}/files/alerts.yaml`, read('config/prometheus/alerts.yaml')],
  [`${CHART}/files/isales-auth-proxy.json`, read('config/grafana/isales-auth-proxy.json')],
]
