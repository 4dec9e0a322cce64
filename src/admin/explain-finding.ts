import { findSection, MESSAGES, type Fact, type Language } from '../messages/index.ts'
import type { Finding } from './diagnosis.ts'

/** Returns a finding with the sections of its headline and cause: what page, text, `/status.json` and log show. */
export function explainFinding(found: Finding, language: Language) {
  const { finding, state, code, facts, cause, isOver } = found
  const headline = findSection(language, code)
  const explanation = cause && findSection(language, cause.code)
  const remedy = isOver ? '' : explanation?.remedy || headline.remedy
  const { title = '', meaning = '' } = explanation ?? {}
  return {
    finding,
    state,
    code,
    /** Code of the cause; null if the headline needs none. */
    cause: cause?.code ?? null,
    title: headline.title,
    reason: MESSAGES[language].sentences(title, meaning, headline.meaning),
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
