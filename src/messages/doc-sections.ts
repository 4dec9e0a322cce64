import { existsSync, readFileSync } from 'node:fs'
import { ALL_CODES, type Code } from '../codes.ts'
import { memoized } from '../memoized.ts'
import { LANGUAGES, type Language } from './messages.ts'

/** Section of docs/ for one code, in one language. Texts are plain, without Markdown. */
export interface Section {
  /** Page and anchor, such as `errors.md#connection-lost`. */
  readonly at: string
  /** Without a full stop. */
  readonly title: string
  /** Sentences, or empty if the title says it. */
  readonly meaning: string
  /** Remedy; empty if no action is needed. */
  readonly remedy: string
  /** Titles if every call is affected, and if it is over; remedy if the same settings worked before. Empty if there is no other. */
  readonly every: string
  readonly over: string
  readonly restore: string
  /** Rest of the section for readers of the page, in Markdown. */
  readonly body: string
}

/** Pages that the admin port serves. */
// oxfmt-ignore
export const SERVED = ['errors', 'operations', 'configuration', 'commands', 'metrics', 'log', 'sharing', 'glossary', 'endpoints'] as const
const SUFFIX: Readonly<Record<Language, string>> = { en: '.md', zh: '.zh-CN.md' }

/** Next to the built program, or, when run from source, where the pages are written. */
const DIRECTORY =
  [new URL('docs/', import.meta.url), new URL('../../docs/', import.meta.url)].find((directory) =>
    existsSync(directory),
  ) ?? new URL('docs/', import.meta.url)

type Pages = ReadonlyMap<string, string>

/** Returns the pages of a language by file name. Read once, because an upgrade in place removes the files. */
export const loadPages = memoized((language: Language): Pages => {
  const files = SERVED.map((name) => `${name}${SUFFIX[language]}`)
  return new Map(
    files.flatMap((file) => {
      const url = new URL(file, DIRECTORY)
      return existsSync(url) ? [[file, readFileSync(url, 'utf8')] as const] : []
    }),
  )
})
const loadSections = memoized((language: Language) => sectionsIn(loadPages(language)))

/** Returns the section of a code; if it is missing, the code is the title. */
export function findSection(language: Language, code: Code): Section {
  const empty = {
    at: `errors${SUFFIX[language]}#${code}`,
    meaning: '',
    remedy: '',
    every: '',
    over: '',
    restore: '',
    body: '',
  }
  return loadSections(language).get(code) ?? { ...empty, title: code }
}

/** Returns the codes and alerts with a section. */
export function sectionNames(language: Language): readonly Code[] {
  return [...loadSections(language).keys()] as Code[]
}

/** Returns the columns of a setting's row, with their titles; none if there is no such setting. */
export function findSetting(language: Language, name: string): readonly (readonly string[])[] {
  const page = loadPages(language).get(`configuration${SUFFIX[language]}`) ?? ''
  const cells = (line: string) => line.slice(2, -2).split(' | ').map(plain)
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map(cells)
  const [head = []] = rows
  const row = rows.find(([names = '']) => names.split(/, |、/).includes(name))
  return row?.map((cell, i) => [head[i] ?? '', cell || '-']) ?? []
}

/** Returns the codes without a section in one of the languages, as `zh: lost`. */
export function missingSections(load = loadSections): readonly string[] {
  return LANGUAGES.flatMap((language) => {
    const missing = ALL_CODES.filter((code) => !load(language).has(code))
    return missing.map((code) => `${language}: ${code}`)
  })
}

/**
 * Finds sections by their headings, in chapters. A remedy at the beginning of a chapter applies to each of its sections that
 * has none.
 */
export function sectionsIn(from: Pages): ReadonlyMap<string, Section> {
  const found = [...from].flatMap(([file, text]) =>
    text.split(/^(?=## )/m).flatMap((chapter) => {
      const [opening = '', ...parts] = chapter.split(/^(?=### )/m)
      return parts.flatMap((part) => sectionIn(file, part, paragraphsOf(opening)))
    }),
  )
  return new Map(found)
}

const paragraphsOf = (text: string): readonly string[] => text.trim().split(/\n{2,}/)

/** Returns a code with its section; nothing if the heading is not a code. */
function sectionIn(file: string, part: string, shared: readonly string[]) {
  const [, code, rest = ''] = /^### ([\w-]+)\n([^]*)$/.exec(part) ?? []
  const [first = '', ...own] = paragraphsOf(rest)
  const [, title, meaning = ''] = /^\*\*([^]+?)[.。]\*\*([^]*)$/.exec(first) ?? []
  if (code === undefined || title === undefined) return []
  const inherited = [REMEDY, RESTORE].flatMap((mark) =>
    own.some((each) => mark.test(each)) ? [] : shared.filter((each) => mark.test(each)),
  )
  const others = [...own, ...inherited]
  const textOf = (mark: RegExp): string =>
    plain(others.find((paragraph) => mark.test(paragraph))?.replace(mark, '') ?? '')
  const titleOf = (mark: RegExp): string => textOf(mark).replace(/[.。]$/, '')
  const section = {
    at: `${file}#${code.toLowerCase()}`,
    title: plain(title),
    meaning: plain(meaning),
    remedy: textOf(REMEDY),
    every: titleOf(EVERY),
    over: titleOf(OVER),
    restore: textOf(RESTORE),
    body: others.filter((paragraph) => !REMEDY.test(paragraph)).join('\n\n'),
  }
  return [[code, section] as const]
}

const REMEDY = /^\*\*(?:Do\.|处理。)\*\* /
const EVERY = /^\*\*(?:Most calls\.|大部分调用。)\*\* /
const OVER = /^\*\*(?:Ended\.|已结束。)\*\* /
const RESTORE = /^\*\*(?:If it worked before\.|此前正常时。)\*\* /

/** Returns one line without markup. A line break between Chinese characters is not a space. */
function plain(markdown: string): string {
  return withoutMarkup(markdown)
    .replaceAll(/(?<=[⺀-￯])\s*\n\s*(?=[⺀-￯])/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** Returns the text without backquotes and link targets. */
export function withoutMarkup(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '')
}
