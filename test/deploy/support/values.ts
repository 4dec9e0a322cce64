import { readFileSync } from 'node:fs'
import { sample, stringMatching } from 'fast-check'
import { isMap, parse, parseDocument } from 'yaml'
import { SETTING_LIST } from '../../../src/config/settings.ts'
import { CHART } from './chart.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}
const TEXT = readFileSync(`${CHART}/values.yaml`, 'utf8')
const DEFAULTS: unknown = parse(TEXT)
const SCHEMA = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8')) as Schema

/** The path of each value of the chart, and of each group of them, such as `image.tag`. */
export const PATHS = (function walk(node: unknown, path: readonly string[]): readonly string[] {
  if (!isMap<{ value: string }>(node)) return []
  return node.items.flatMap(({ key, value }) => {
    const name = [...path, key.value]
    return [name.join('.'), ...walk(value, name)]
  })
})(parseDocument(TEXT).contents, [])

/** A copy of `target` with a value at this path; a list gets it as its only member. */
export const withValue = (target: unknown, path: string, value: unknown): object => {
  const [key = '', ...rest] = path.split('.')
  const inner = (target as Readonly<Record<string, unknown>> | undefined)?.[key]
  const next = rest.length === 0 ? value : withValue(inner, rest.join('.'), value)
  return key === '0' ? [next] : { ...(target as object), [key]: next }
}

/** Returns the value in `from` at this path. */
export const at = (from: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (node, key) => (node as Readonly<Record<string, unknown>> | undefined)?.[key],
      from,
    )

/** Lists and maps whose members Kubernetes describes. */
const OBJECTS: Readonly<Record<string, unknown>> = {
  extraEnv: [{ name: 'NODE_OPTIONS', value: '--no-warnings' }],
  extraVolumes: [{ name: 'scratch', emptyDir: {} }],
  extraVolumeMounts: [{ name: 'isales-state', mountPath: '/scratch' }],
  'standalone.tolerations': [{ key: 'dedicated' }],
  'standalone.topologySpreadConstraints': [{ maxSkew: 1 }],
  'prometheusRule.alerts': { IsalesProxyDown: { for: '5m' } },
}

const textFor = (pattern: string): string =>
  sample(stringMatching(new RegExp(pattern)), { seed: 1, numRuns: 100 }).find(
    (text) => text !== '' && text.length < 50,
  ) ?? ''

/** Returns another value that the schema accepts. */
function otherOf(path: string, was: unknown): unknown {
  if (path in OBJECTS) return OBJECTS[path]
  const schema = path
    .split('.')
    .reduce<Schema | undefined>((node, key) => node?.properties?.[key], SCHEMA)
  if (schema?.enum) return schema.enum.find((one) => one !== was && one !== null && one !== '')
  if (typeof was === 'boolean') return !was
  if (typeof was === 'number') return was + 1
  if (schema?.type?.includes('integer')) return 30_000
  if (schema?.pattern !== undefined) return textFor(schema.pattern)
  if (Array.isArray(was))
    return schema?.items?.pattern === undefined ? [{ a: 'b' }] : [textFor(schema.items.pattern)]
  return typeof was === 'object' && was !== null ? { ...was, a: 'b' } : 'other'
}

/** For each path of the values and each setting, returns `base` with another value there. */
export function changesOf(
  base: object,
): readonly { readonly path: string; readonly values: object }[] {
  const leaves = PATHS.filter((path) => !PATHS.some((other) => other.startsWith(`${path}.`)))
  const values = leaves
    .filter((path) => path !== 'settings')
    .map((path) => {
      const was = at(base, path) ?? at(DEFAULTS, path)
      return { path, values: withValue(base, path, otherOf(path, was)) }
    })
  const settings = SETTING_LIST.filter(({ kind }) => kind !== 'secret').map((setting) => {
    const { name, choices = [], range, example, default: was } = setting
    const other =
      name === 'ADMIN_LISTEN'
        ? ':9191'
        : [example, range?.max, ...choices].find((one) => one !== undefined && one !== was)
    return { path: `settings.${name}`, values: withValue(base, `settings.${name}`, other) }
  })
  return [...values, ...settings]
}
