// Texts that people read: the sections of docs/ by their codes, and names of facts and headings, in English and
// Chinese. Sentences are never assembled: a section explains the event, and facts follow it.
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
  type Value,
} from './facts.ts'
export { missingSections, pagesOf, sectionOf } from './sections.ts'
export { en, LANGUAGES, WORDS, wordsOf, type FactName, type Language, type Words } from './words.ts'
