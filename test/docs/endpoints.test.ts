import { expect, test } from 'vitest'
import { NOW } from '../admin/token.ts'
import { adminOf, SCENES } from '../browser/states.ts'
import { read } from './pages.ts'

const [, schema = ''] = read('docs/endpoints.md').split('## status.json\n')
const namesIn = (text = ''): readonly string[] =>
  Array.from(text.matchAll(/`([\w.]+)(?:\[\])?`/g), ([, name = '']) => name)
/** Members of each row, and the members of these that its meaning names. */
const documented = Array.from(
  schema.matchAll(/^\| (`.*?) \| .*? \| (.*) \|$/gm),
  ([, members, meaning]) => {
    const [first = '', ...others] = namesIn(members)
    return [first, ...others, ...namesIn(meaning).map((name) => `${first}.${name}`)]
  },
).flat()

/** Returns the paths of all members, such as `token.expiresAt`; entries of a list have no number. */
const pathsOf = (node: unknown, parent = ''): readonly string[] => {
  if (Array.isArray(node)) return node.flatMap((one) => pathsOf(one, parent))
  if (typeof node !== 'object' || node === null) return []
  const members = Object.entries(node)
  return members.flatMap(([key, value]) =>
    [parent + key].concat(pathsOf(value, `${parent}${key}.`)),
  )
}
/** Every scene, with a shared store and a change of the state. */
const admins = Object.values(SCENES).map((scene) => {
  const sharing = { state: 'local', reason: 'timeout', code: 'x', since: NOW } as const
  const admin = adminOf({ ...scene, sharing })
  admin.activity.onState('degraded')
  return admin.request('/status.json')
})
const responses = await Promise.all(admins)
const bodies = await Promise.all(responses.map((response) => response.json() as Promise<object>))
const found = [...new Set(bodies.flatMap((body) => pathsOf(body)))]

test('docs/endpoints.md has every member of /status.json', () => {
  // Findings have the members of the headline, and groups have names of facts.
  const isGroup = (path: string) => /^(?:groups$|findings\.|groups\.\w+\.|hour\.)/.test(path)
  const missing = found.filter((path) => !isGroup(path) && !documented.includes(path))
  expect(missing).toEqual([])
})

test('docs/endpoints.md has no other member', () => {
  expect(documented.length).toBeGreaterThan(45)
  expect(documented.filter((path) => !found.includes(path))).toEqual([])
})
