import { expect, test } from 'vitest'
import { adminOf, SCENES } from '../browser/states.ts'
import { read } from './pages.ts'

const [, schema = ''] = read('docs/endpoints.md').split('## status.json\n')
const named = (text: string): readonly string[] =>
  Array.from(text.matchAll(/`([\w.]+)(?:\[\])?`/g), ([, name = '']) => name)
const rows = Array.from(schema.matchAll(/^\| (`.*?) \| (.*) \|$/gm), ([row, member = '']) => ({
  members: named(member),
  all: named(row),
}))

/** Returns the paths of all members, such as `renewal.nextAt`; entries of a list have no number. */
const membersOf = (node: unknown, path: string): readonly string[] => {
  if (Array.isArray(node)) return node.flatMap((one) => membersOf(one, path))
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => {
    const member = path === '' ? key : `${path}.${key}`
    return [member].concat(membersOf(value, member))
  })
}

const bodies = await Promise.all(
  Object.values(SCENES).map(
    async (scene) => (await adminOf(scene).request('/status.json')).json() as Promise<object>,
  ),
)
const found = new Set(bodies.flatMap((body) => membersOf(body, '')))

test('docs/endpoints.md has every member of /status.json', () => {
  const missing = [...found].filter((path) => {
    const isIn = (one: string) =>
      path === one || path.startsWith(`${one}.`) || one.startsWith(`${path}.`)
    const owner = rows.find(({ members }) => members.some(isIn))
    return (
      owner === undefined ||
      !(owner.members.some((one) => one.startsWith(path)) || isNamed(path, owner.all))
    )
  })
  expect(missing).toEqual([])
})

/** Findings have the members of the headline; counts have the names of outcomes. */
const isNamed = (path: string, names: readonly string[]): boolean =>
  /^(?:findings|requests\.last(?:Minute|Hour))\./.test(path) ||
  names.includes(path.replace(/^.*\./, ''))

test('docs/endpoints.md has no other member', () => {
  const members = rows.flatMap((row) => row.members)
  expect(members.length).toBeGreaterThan(30)
  expect(members.filter((path) => !found.has(path))).toEqual([])
})
