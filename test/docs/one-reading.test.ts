// Measurable obstacles for a reader.
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { read, root } from './pages.ts'

const CODE = ['src', 'simulator', 'demo'].flatMap((directory) =>
  readdirSync(`${root}${directory}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => `${directory}/${file}`),
)

test('no file has a name without a meaning', () => {
  expect(CODE.filter((file) => /manager|helper|util/i.test(file))).toEqual([])
})

const architecture = read('docs/dev/architecture.md')

test('docs/dev/architecture.md names every module of src/, and no missing file', () => {
  const modules = readdirSync(`${root}src`, { withFileTypes: true })
    .filter(({ name }) => !name.endsWith('.d.ts'))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
  expect(modules.filter((name) => !architecture.includes(`\`${name}\``))).toEqual([])
  const named = [...architecture.matchAll(/`([a-z]+\/[a-z-]+)`/g)].map(([, name = '']) => name)
  const modulesNamed = named.filter((name) => modules.includes(name.replace(/[^/]*$/, '')))
  expect(modulesNamed).toContain('proxy/forward')
  expect(
    modulesNamed.filter((name) => !CODE.some((file) => file.startsWith(`src/${name}.`))),
  ).toEqual([])
})

test('docs/dev/architecture.md has the layers of .dependency-cruiser.cjs', () => {
  const [, table = ''] = /const LAYERS = \[\n(.*?)\n\]/s.exec(read('.dependency-cruiser.cjs')) ?? []
  const plain = table.replaceAll(/\/'|\.ts'|[[\]']/g, '')
  const layers = plain.split('\n').map((line) => line.trim().replace(/,$/, ''))
  expect(layers).toContain('upstream')
  expect(architecture.replaceAll('\n', ' ')).toContain(`\`${layers.join(' > ')}\``)
})

test('the README has at most 75 lines of at most 100 columns', () => {
  const lines = read('README.md').trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(75)
  expect(lines.filter((line) => line.length > 100)).toEqual([])
})
