import {
  findSection,
  MESSAGES,
  timeText,
  type Fact,
  type Language,
  type Reading,
} from '../messages/index.ts'
import type { Finding } from './diagnosis.ts'

/**
 * Returns a finding with the sections of its headline and cause: what page, text, `/status.json` and log show.
 *
 * @param reading for the time of the end in the title. Default: without it.
 */
export function explainFinding(found: Finding, language: Language, reading?: Reading) {
  const { finding, state, code, facts, cause, first, isOver, hasWorked, isEvery } = found
  const messages = MESSAGES[language]
  const headline = findSection(language, code)
  const explanation = cause && findSection(language, cause.code)
  const restore = hasWorked === true ? explanation?.restore : ''
  const before = first === undefined ? '' : findSection(language, first).remedy
  const own = restore || explanation?.remedy || headline.remedy
  const remedy = isOver ? '' : messages.sentences(before, own)
  const { title = '', meaning = '' } = explanation ?? {}
  const [, endedAt] = facts.find(([name]) => name === 'endedAt') ?? []
  const past = headline.over || headline.title
  const titleOfPast =
    reading && typeof endedAt === 'object' && 'at' in endedAt
      ? messages.until(past, timeText(Date.parse(endedAt.at), reading))
      : past
  return {
    finding,
    state,
    code,
    /** Code of the cause; null if the headline needs none. */
    cause: cause?.code ?? null,
    title: isOver ? titleOfPast : (isEvery === true && headline.every) || headline.title,
    reason: messages.sentences(title, meaning, headline.meaning),
    /** The finding has ended, at the time that a fact shows. */
    isOver,
    /** Empty if no action is needed. */
    remedy,
    /** Paths on the admin port of the sections of code and cause; none if no action is needed. */
    runbooks: (remedy === '' ? [] : [headline, explanation]).flatMap((section) =>
      section === undefined ? [] : [`/docs/${section.at}`],
    ),
    facts: [...(cause?.facts ?? []), ...facts] as readonly Fact[],
  }
}
