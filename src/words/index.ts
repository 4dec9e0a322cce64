// What people read: the sections of docs/ by their codes, and names of facts and headings in English and in Chinese, the
// second typed by the first. No sentence is made of parts: a section says what happened, facts stand beside it.
import { en, type Words } from './en.ts'
import { languageOf, type Environment, type Language } from './language.ts'
import { zh } from './zh.ts'

export { en, type Words }
export { explained, explainedStore, type Failure, type Places } from './explain.ts'
export {
  dateText,
  durationText,
  factsLine,
  lineOf,
  timeText,
  valueText,
  type Explained,
  type Fact,
  type FactName,
  type Reading,
  type Value,
} from './facts.ts'
export { LANGUAGES, languageOf, type Language } from './language.ts'
export { missingSections, pagesOf, sectionOf } from './sections.ts'

export function wordsOf(env: Environment): Words {
  return WORDS[languageOf(env)]
}

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
