// Promise 5: a new maintainer understands any file in one reading. Understanding cannot be
// measured; what stands in its way can.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url).pathname
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

const CODE = ['src', 'simulator', 'demo'].flatMap((directory) =>
  readdirSync(`${root}${directory}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => `${directory}/${file}`),
)

test('no file has more than 460 lines, the table of settings apart', () => {
  const long = CODE.filter((file) => read(file).split('\n').length > 460)
  expect(long.filter((file) => file !== 'src/config/settings.ts')).toEqual([])
})

test('no file is named after what it might do some day', () => {
  expect(CODE.filter((file) => /manager|helper|util/i.test(file))).toEqual([])
})

test('every directory of src/ is in docs/architecture.md', () => {
  const architecture = read('docs/architecture.md')
  const modules = readdirSync(`${root}src`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  expect(modules.filter((name) => !architecture.includes(`\`${name}/\``))).toEqual([])
})

test('the README is read in five minutes', () => {
  expect(read('README.md').split('\n').length).toBeLessThan(200)
})
