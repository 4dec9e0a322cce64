import { readFileSync } from 'node:fs'

/** A text in English that people read, and its place. Words in backquotes are shortened to one backquote. */
export interface Prose {
  readonly file: string
  readonly line: number
  readonly kind: 'user page' | 'page' | 'comment' | 'string'
  readonly text: string
}

/** Section of docs/ for one code, as far as its shape is checked. */
interface Section {
  readonly at: string
  readonly title: string
  readonly meaning: string
  readonly remedy: string
}

const MAX_SENTENCE = 30
const MAX_TITLE = 9
const MAX_MEANING = 2

/** Every line of the list: an expression, and a proposal. */
const AVOIDED = readFileSync(new URL('prose-avoided.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, pattern = '', better = ''] = /^(.*\S) {2,}(.*)$/.exec(line) ?? []
    return { pattern: new RegExp(pattern, 'gi'), better }
  })

const OPENING = /^(?:It|They|This|That|What|Who|Whoever|One)\b/

/** Returns the violations, such as `docs/log.md:7: beside: next to, besides`. */
export function problemsIn({ file, line, kind, text }: Prose): readonly string[] {
  const found = AVOIDED.flatMap(({ pattern, better }) =>
    Array.from(text.matchAll(pattern), ([words]) => `${words}: ${better}`),
  )
  const [pronoun] = (kind === 'comment' && OPENING.exec(text)) || []
  if (pronoun !== undefined) found.push(`${pronoun}: a comment opens with a verb or a noun`)
  for (const sentence of kind === 'user page' ? sentencesOf(text) : []) {
    const words = sentence.split(' ').length
    if (words > MAX_SENTENCE) found.push(`${sentence}: ${words} words, of at most ${MAX_SENTENCE}`)
  }
  return found.map((problem) => `${file}:${line}: ${problem}`)
}

/** Returns how a section differs from title, meaning and remedy, as `errors.md#connection-lost: …`. */
export function problemsOfSection(
  { at, title, meaning, remedy }: Section,
  withoutAction: boolean,
): readonly string[] {
  const found: string[] = []
  const words = title.split(' ').length
  if (words > MAX_TITLE) found.push(`a title of ${words} words, of at most ${MAX_TITLE}`)
  const sentences = sentencesOf(meaning).length
  if (sentences > MAX_MEANING) found.push(`${sentences} sentences of meaning, of ${MAX_MEANING}`)
  if (remedy === '' && !withoutAction) found.push('no paragraph “Do”')
  return found.map((problem) => `docs/${at}: ${problem}`)
}

function sentencesOf(text: string): readonly string[] {
  return text.split(/(?<=[.?!:][)"”]?) (?=[A-Z`"“(*])/)
}
