import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url).pathname
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

/** Commands without their comments, which are translated. */
const commands = (text: string): readonly string[] =>
  [...text.matchAll(/^```(?:sh|text)\n([^]*?)^```/gm)].map(([, block = '']) =>
    block.replaceAll(/ +# .*$/gm, ''),
  )

/** What stands in backquotes: settings, metrics, paths, values. */
const terms = (text: string): ReadonlySet<string> =>
  new Set(Array.from(text.matchAll(/`([^`\n]+)`/g), ([, term = '']) => term))

const SETTING = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:=.*)?$/

test('the Chinese README has commands and metrics of the English one, and no others', () => {
  const [english, chinese] = [read('README.md'), read('README.zh-CN.md')]
  expect(commands(english)).toEqual(expect.arrayContaining([...commands(chinese)]))
  const known = terms(english)
  expect([...terms(chinese)].filter((term) => !known.has(term))).toEqual([])
})

test('the Chinese guide to CTI-OBS has the commands and settings of the English one', () => {
  const [english, chinese] = [read('docs/cti-obs.md'), read('docs/cti-obs.zh-CN.md')]
  expect(commands(chinese)).toEqual(commands(english))
  const known = terms(english)
  expect([...terms(chinese)].filter((term) => !known.has(term))).toEqual([])
  const settings = (text: string) => [...terms(text)].filter((term) => SETTING.test(term)).sort()
  const missing = settings(english).filter((term) => !settings(chinese).includes(term))
  // Explained in the English guide only.
  expect(missing).toEqual(['OBS_NUMBERS=string', 'OBS_TICKET_LIFETIME'])
})

test.each([
  'README.md',
  'docs/get-started.md',
  'docs/cti-obs.md',
  'docs/vm.md',
  'docs/security.md',
  'docs/compatibility.md',
  'docs/glossary.md',
])('every setting that %s names exists', (page) => {
  const reference = read('docs/configuration.md')
  const unknown = [...terms(read(page))]
    .filter((term) => SETTING.test(term) && !/^(?:NODE_|UPDATE_)/.test(term))
    .map((term) => term.replace(/=.*$/, '').replace(/_FILE$/, ''))
    .filter((name) => !reference.includes(name))
  expect(unknown).toEqual([])
})
