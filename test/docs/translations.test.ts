import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { anchorsOf, read, root } from './pages.ts'

/** Returns words in backquotes: settings, metrics, paths, values. */
const terms = (text: string): ReadonlySet<string> =>
  new Set(Array.from(text.matchAll(/`([^`\n]+)`/g), ([, term = '']) => term))

/** Returns code blocks without their comments, which are translated. */
const codeBlocks = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^```[^]*?^```/gm), ([block]) => block.replaceAll(/ +# .*$/gm, ''))

/** Returns terms of one page that are missing from the other. */
const termsBeyond = (page: string, other: string): readonly string[] => {
  const known = terms(other)
  return [...terms(page)].filter((term) => !known.has(term))
}

const SETTING = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:=.*)?$/

test('the Chinese README has only commands and metrics of the English one', () => {
  const [english, chinese] = [read('README.md'), read('README.zh-CN.md')]
  expect(codeBlocks(english)).toEqual(expect.arrayContaining([...codeBlocks(chinese)]))
  expect(termsBeyond(chinese, english)).toEqual([])
})

const TRANSLATED = readdirSync(`${root}docs`)
  .filter((file) => file.endsWith('.zh-CN.md'))
  .map((file) => file.replace('.zh-CN.md', ''))

const isTranslated = (path: string): boolean => TRANSLATED.some((page) => path === `${page}.md`)

/** Returns the level of every heading, with its text if it is an alert or a code. */
const headings = (text: string): readonly string[] =>
  Array.from(
    text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^(#+) (.*)$/gm),
    ([, level = '', words = '']) =>
      /^(?:Isales\w+|[a-z-]+)$/.test(words) ? `${level} ${words}` : level,
  )

/**
 * Returns the targets of links in order, except for the first, which leads to the other language. A heading of a page in
 * both languages is represented by its number.
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

  test('the headings and code blocks of the English page', () => {
    expect(headings(chinese)).toEqual(headings(english))
    expect(codeBlocks(chinese)).toEqual(codeBlocks(english))
  })

  test('its links, to Chinese pages if they exist', () => {
    expect(links(chinese)).toEqual(links(english))
    const translated = TRANSLATED.map((each) => `](${each}.md`)
    expect(translated.filter((link) => chinese.includes(link))).toEqual([`](${page}.md`])
  })

  test('exactly its settings, metrics and values', () => {
    expect(termsBeyond(chinese, english)).toEqual([])
    expect(termsBeyond(english, chinese)).toEqual([])
  })
})

test.each([
  'README.md',
  ...readdirSync(`${root}docs`)
    .filter((file) => /^[\w-]+\.md$/.test(file))
    .map((file) => `docs/${file}`),
])('every setting that %s names exists', (page) => {
  const reference = read('docs/configuration.md')
  const unknown = [...terms(read(page))]
    .filter((term) => SETTING.test(term) && !/^(?:NODE_|UPDATE_|CAP_|LC_|HTTP_PROXY)/.test(term))
    .map((term) => term.replace(/=.*$/, '').replace(/_FILE$/, ''))
    .filter((name) => !reference.includes(name))
  expect(unknown).toEqual([])
})
