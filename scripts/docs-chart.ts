import { readFileSync } from 'node:fs'
import { isMap, isScalar, parseDocument, type Scalar, type YAMLMap } from 'yaml'
import { SETTING_LIST, type Setting } from '../src/config/settings.ts'
import { markdownTable } from './docs-text.ts'

const CHART = 'helm/isales-auth-proxy'
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** What YAML may hold for a setting. */
function schemaOf({ name, type, choices }: Setting): object {
  // A password in a proxy's address would be in the manifest for all to read: `extraEnv` can take it from a Secret.
  if (name === 'HTTPS_PROXY') return { type: 'string', pattern: '^[^@]*$' }
  if (name === 'SESSION_STORE_URL')
    return { type: 'string', pattern: '^[^@/]+://([^:@/]*@)?[^@]*$' }
  if (type === 'boolean') return { enum: [true, false, 'true', 'false'] }
  if (choices !== undefined) return { enum: [...choices] }
  // YAML reads 0660 as the number 432.
  if (type === 'octal mode') return { type: 'string', pattern: '^0?[0-7]{3}$' }
  // `1h30m` would pass for a text and break the arithmetic of the templates.
  if (type === 'duration')
    return { type: ['number', 'string'], pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)?$' }
  if (/^(count|ratio|size)$|share/.test(type)) return { type: ['number', 'string'] }
  return { type: 'string' }
}

/** values.schema.json, with each setting by the name of its variable; secrets only as the name of a file. */
function schema(): string {
  const properties: Record<string, object> = {}
  for (const setting of SETTING_LIST) {
    const { name, fileName, doc: description, type } = setting
    if (type !== 'secret') properties[name] = { ...schemaOf(setting), description }
    if (fileName !== undefined)
      properties[fileName] = { type: 'string', description: `A file with it. ${description}` }
  }
  const whole = JSON.parse(read(`${CHART}/values.schema.json`)) as {
    properties: { settings: { properties: object } }
  }
  whole.properties.settings.properties = properties
  return `${JSON.stringify(whole, null, 2)}\n`
}

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
  [`${CHART}/values.schema.json`, schema()],
  [`${CHART}/README.md`, readme()],
  [`${CHART}/files/guard.yaml`, read('config/kubernetes/guard.yaml')],
  [`${CHART}/files/alerts.yaml`, read('config/prometheus/alerts.yaml')],
  [`${CHART}/files/isales-auth-proxy.json`, read('config/grafana/isales-auth-proxy.json')],
]
