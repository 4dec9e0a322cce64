import { expect, test } from 'vitest'
import { adminOf, SCENES } from '../browser/states.ts'
import { read } from './pages.ts'

const [, schema = ''] = read('docs/endpoints.md').split('## status.json\n')
const namesIn = (text = ''): readonly string[] =>
  Array.from(text.matchAll(/`([\w.]+)(?:\[\])?`/g), ([, name = '']) => name)
const members = Array.from(schema.matchAll(/^\| (`.*?) \| /gm), ([, cell]) => namesIn(cell)).flat()

/** Returns the paths of all members, such as `token.expiresAt`; entries of a list have no number. */
const pathsOf = (node: unknown, parent = ''): readonly string[] => {
  if (Array.isArray(node)) return node.flatMap((one) => pathsOf(one, parent))
  if (typeof node !== 'object' || node === null) return []
  const members = Object.entries(node)
  return members.flatMap(([key, value]) =>
    [parent + key].concat(pathsOf(value, `${parent}${key}.`)),
  )
}
const scenes = Object.values(SCENES).map((scene) => adminOf(scene).request('/status.json'))
const bodies = await Promise.all(
  scenes.map(async (response) => (await response).json() as Promise<object>),
)
const found = [...new Set(bodies.flatMap((body) => pathsOf(body)))]

test('docs/endpoints.md has every member of /status.json', () => {
  // Findings have the members of the headline, and groups have names of facts.
  const isGroup = (path: string) => /^(?:findings|groups\.\w+|hour)\./.test(path)
  const named = new Set(namesIn(schema).flatMap((name) => name.split('.')))
  expect(found.filter((path) => !isGroup(path) && !named.has(path.replace(/^.*\./, '')))).toEqual(
    [],
  )
})

test('docs/endpoints.md has no other member', () => {
  expect(members.length).toBeGreaterThan(25)
  expect(members.filter((path) => !found.includes(path))).toEqual([])
})
