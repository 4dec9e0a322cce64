import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ALL_CODES, type Code } from '../../src/codes.ts'
import { LANGUAGES, missingSections, loadPages, findSection } from '../../src/messages/index.ts'
import { sectionsIn } from '../../src/messages/doc-sections.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[]
}
const { groups } = parse(readFileSync('config/prometheus/alerts.yaml', 'utf8')) as Rules
const ALERTS = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))

/** Codes after which nothing is to be done here. */
const NOTHING_TO_DO: ReadonlySet<string> = new Set([
  'healthy',
  'idle',
  'logging-in',
  'draining',
  'serve',
  'check',
  'status',
  'renew',
  'exit-codes',
  'check-sound',
  'check-works',
])

/** Letters that an English sentence may have, and Chinese ones. */
const HAN = /\p{Script=Han}/u

describe.each(LANGUAGES)('the sections of docs/ in %s', (language) => {
  const codes = [...sectionsIn(loadPages(language)).keys()]

  it('exist for every code and every alert, once', () => {
    const written = [...loadPages(language).values()].flatMap((text) =>
      Array.from(text.matchAll(/^#+ (.+)\n\*\*/gm), ([, heading = '']) => heading),
    )
    expect(written.toSorted()).toEqual([...new Set(written)].toSorted())
    expect(codes.toSorted()).toEqual([...new Set([...ALL_CODES, ...ALERTS])].toSorted())
  })

  it('have no chapter whose heading is a code', () => {
    const chapters = [...loadPages(language).values()].flatMap((text) =>
      Array.from(text.matchAll(/^#+ (.+)\n(?!\*\*)/gm), ([, heading = '']) => heading),
    )
    expect(chapters.filter((heading) => ALL_CODES.includes(heading as Code))).toEqual([])
  })

  it.each(ALL_CODES)('%s has a title, and says what is to be done', (code) => {
    const { title, meaning, remedy } = findSection(language, code)
    expect(title).not.toBe(code)
    expect(title).not.toMatch(/[.。]$/)
    expect(meaning).toMatch(/^$|[.。]$/)
    expect(remedy === '').toBe(NOTHING_TO_DO.has(code))
    expect(remedy).toMatch(/^$|[.。]$/)
    // Shown without Markdown, also to readers without Prometheus.
    expect(title + meaning + remedy).not.toMatch(/`|\*\*|\]\(|isales_proxy_/)
    for (const text of [title, meaning, remedy].filter((each) => each !== ''))
      expect(HAN.test(text)).toBe(language === 'zh')
  })
})

it('none is missing, and one that is would be named', () => {
  expect(missingSections()).toEqual([])
  expect(missingSections(new URL('../../src/', import.meta.url))).toContain('zh: lost')
})

it('a code without a section is its own title', () => {
  const code = 'none-of-ours' as Code
  expect(findSection('zh', code)).toMatchObject({ title: code, meaning: '', remedy: '' })
})

it('a paragraph of several lines is read on one, without a space between Chinese characters', () => {
  const page =
    '### a\n**一个\n`标题`。** 说明见\n[此处](b.md#c)。\n\n**处理。** 做\n这个 X\n那个。\n\n其余。'
  expect(sectionsIn(new Map([['errors.zh-CN.md', page]])).get('a')).toEqual({
    at: 'errors.zh-CN.md#a',
    title: '一个标题',
    meaning: '说明见此处。',
    remedy: '做这个 X 那个。',
    body: '其余。',
  })
})
