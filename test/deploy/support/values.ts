import { readFileSync } from 'node:fs'
import type { AnySchemaObject } from 'ajv'
import { isMap, parseDocument } from 'yaml'
import { CHART } from './chart.ts'

const DOCUMENT = parseDocument(readFileSync(`${CHART}/values.yaml`, 'utf8'))
export const SCHEMA = JSON.parse(
  readFileSync(`${CHART}/values.schema.json`, 'utf8'),
) as AnySchemaObject
export const DEFAULTS: unknown = DOCUMENT.toJS()

/** The path of each value of the chart, and of each group of them, such as `image.tag`. */
export const PATHS = (function walk(node: unknown, path: readonly string[]): readonly string[] {
  if (!isMap<{ value: string }>(node)) return []
  return node.items.flatMap(({ key, value }) => {
    const name = [...path, key.value]
    return [name.join('.'), ...walk(value, name)]
  })
})(DOCUMENT.contents, [])

/** A copy of `target` with a value at this path; a list gets it as its only member. */
export const withValue = (target: unknown, path: string, value: unknown): object => {
  const [key = '', ...rest] = path.split('.')
  const inner = (target as Readonly<Record<string, unknown>> | undefined)?.[key]
  const next = rest.length === 0 ? value : withValue(inner, rest.join('.'), value)
  return key === '0' ? [next] : { ...(target as object), [key]: next }
}

export const at = (from: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (node, key) => (node as Readonly<Record<string, unknown>> | undefined)?.[key],
      from,
    )
