import { describe, expect, it } from 'vitest'
import { ALL_CODES, type Code } from '../../src/codes.ts'
import { LANGUAGES, missingSections, loadPages, findSection } from '../../src/messages/index.ts'
import { sectionsIn } from '../../src/messages/doc-sections.ts'
import { ALERTS } from '../docs/pages.ts'

/** iSales and the servers on the way to it reject; the proxy refuses. */
const WRONG_VERB =
  /(?<!egress )\bproxy (?:\w+ )?reject(?:s|ed)\b|\biSales (?:\w+ )?refus(?:es|ed)\b/i
const HAN = /\p{Script=Han}/u

describe.each(LANGUAGES)('the sections of docs/ in %s', (language) => {
  const codes = [...sectionsIn(loadPages(language)).keys()]

  it('exist once for every code and alert, and no other heading is a code', () => {
    const known = new Set<string>([...ALL_CODES, ...ALERTS.map(({ alert }) => alert)])
    const headings = [...loadPages(language).values()].flatMap((text) =>
      Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading = '']) => heading),
    )
    const written = headings.filter((heading) => known.has(heading))
    expect(written.toSorted()).toEqual([...known].toSorted())
    expect(codes.toSorted()).toEqual([...known].toSorted())
  })

  it.each(ALL_CODES)(
    '%s has a title, sentences, and a remedy in both languages or in none',
    (code) => {
      const { title, meaning, remedy, body } = findSection(language, code)
      expect(title).not.toBe(code)
      expect(title).not.toMatch(/[.。]$/)
      // Lines of a paragraph are joined, without a space between Chinese characters.
      expect(title + meaning + remedy).not.toMatch(/\n|\p{Script=Han} \p{Script=Han}/u)
      expect(title + meaning + remedy + body).not.toMatch(WRONG_VERB)
      expect(meaning).toMatch(/^$|[.。]$/)
      expect(remedy === '').toBe(findSection('en', code).remedy === '')
      expect(remedy).toMatch(/^$|[.。]$/)
      // Page, terminal and log show them without Markdown, also to readers without Prometheus.
      expect(title + meaning + remedy).not.toMatch(/`|\*\*|\]\(|isales_proxy_/)
      for (const text of [title, meaning, remedy].filter((each) => each !== ''))
        expect(HAN.test(text)).toBe(language === 'zh')
    },
  )
})

it('no section is missing, and a missing one would be named', () => {
  expect(missingSections()).toEqual([])
  expect(missingSections(() => new Map())).toContain('zh: connection-lost')
})

it('a code without a section is its own title', () => {
  const code = 'not-a-code' as Code
  expect(findSection('zh', code)).toMatchObject({ title: code, meaning: '', remedy: '' })
})
