import { describe, expect, test } from 'vitest'
import { anchorsOf, read } from './pages.ts'

/** Words in backquotes: settings, metrics, paths, values. */
const terms = (text: string): ReadonlySet<string> =>
  new Set(Array.from(text.matchAll(/`([^`\n]+)`/g), ([, term = '']) => term))

/** Code blocks without comments, which are translated. */
const codeBlocks = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^```[^]*?^```/gm), ([block]) => block.replaceAll(/ +# .*$/gm, ''))

/** Terms of one page that are missing from the other. */
const termsBeyond = (page: string, other: string): readonly string[] => {
  const known = terms(other)
  return [...terms(page)].filter((term) => !known.has(term))
}

const SETTING = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:=.*)?$/

test('the Chinese README has commands and metrics of the English one, and no others', () => {
  const [english, chinese] = [read('README.md'), read('README.zh-CN.md')]
  expect(codeBlocks(english)).toEqual(expect.arrayContaining([...codeBlocks(chinese)]))
  expect(termsBeyond(chinese, english)).toEqual([])
})

/** Pages of docs/ that are in both languages, in whole. */
const TRANSLATED = [
  'get-started',
  'how-it-works',
  'reliability',
  'glossary',
  'cti-obs',
  'kubernetes-sidecar',
  'kubernetes-injection',
  'kubernetes-standalone',
  'kubernetes-operating',
  'vm',
  'operations',
  'errors',
  'configuration',
  'commands',
  'metrics',
  'log',
] as const

const isTranslated = (path: string): boolean => TRANSLATED.some((page) => path === `${page}.md`)

/** The level of each heading; the name of an alert or a code is an anchor, which stays. */
const headings = (text: string): readonly string[] =>
  Array.from(
    text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^(#+) (.*)$/gm),
    ([, level = '', words = '']) =>
      /^(?:Isales\w+|[a-z-]+)$/.test(words) ? `${level} ${words}` : level,
  )

/**
 * Where links lead, in order, but for the first, to the other language. One to a heading of this page, or of another that
 * is in both languages, leads to its nth heading.
 */
const links = (text: string): readonly string[] => {
  const nth = (headingsOf: string, anchor: string) => `#${anchorsOf(headingsOf).indexOf(anchor)}`
  return Array.from(
    text.matchAll(/\]\(([^)\s]+)\)|<(https?:[^>]+)>/g),
    ([, link, address]) => link ?? address ?? '',
  )
    .map((link) => {
      const [path = '', anchor] = link.split('#')
      const page = path.replace('.zh-CN.md', '.md')
      if (anchor === undefined) return page
      if (page === '') return nth(text, anchor)
      return page + (isTranslated(page) ? nth(read(`docs/${path}`), anchor) : `#${anchor}`)
    })
    .slice(1)
}

describe.each(TRANSLATED)('docs/%s.zh-CN.md has', (page) => {
  const english = read(`docs/${page}.md`)
  const chinese = read(`docs/${page}.zh-CN.md`)

  test('the headings of the English page', () => {
    expect(headings(chinese)).toEqual(headings(english))
  })

  test('its code blocks', () => {
    expect(codeBlocks(chinese)).toEqual(codeBlocks(english))
  })

  test('its links, to the Chinese page where there is one', () => {
    expect(links(chinese)).toEqual(links(english))
    const translated = TRANSLATED.map((each) => `](${each}.md`)
    expect(translated.filter((link) => chinese.includes(link))).toEqual([`](${page}.md`])
  })

  test('its settings, metrics and values, and no others', () => {
    expect(termsBeyond(chinese, english)).toEqual([])
    expect(termsBeyond(english, chinese)).toEqual([])
  })
})

/** The first cells of each row of each table. */
const cells = (page: string, count: number): readonly string[] =>
  Array.from(read(page).matchAll(/^\| `.*$/gm), ([row]) =>
    row.split(' | ').slice(0, count).join(' | '),
  )

test.each([
  ['metrics', 3],
  ['log', 1],
])('docs/%s.zh-CN.md has the first %i cells of each row of the English page', (page, count) => {
  const of = (file: string) =>
    cells(file, count).filter((row) => page === 'log' || row.startsWith('| `isales'))
  expect(of(`docs/${page}.zh-CN.md`)).toEqual(of(`docs/${page}.md`))
  expect(of(`docs/${page}.md`).length).toBeGreaterThan(30)
})

test.each([
  'README.md',
  'docs/get-started.md',
  'docs/cti-obs.md',
  'docs/kubernetes-sidecar.md',
  'docs/kubernetes-injection.md',
  'docs/kubernetes-standalone.md',
  'docs/kubernetes-operating.md',
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
