// Texts that people read: the sections of docs/ by their codes, and names of facts and headings, in English and
// Chinese. Sentences are never assembled: a section explains the event, and facts follow it.
export {
  dateOf,
  explained,
  explainedEnd,
  explainedStore,
  settingFacts,
  type FailureDetails,
  type DiagnosticContext,
} from './explain.ts'
export {
  dateText,
  durationText,
  factsLine,
  factText,
  formatLine,
  timeText,
  type Explained,
  type Fact,
  type Reading,
  type Value,
} from './format-facts.ts'
export {
  findSection,
  findSetting,
  loadPages,
  missingSections,
  sectionNames,
  withoutMarkup,
} from './doc-sections.ts'
export {
  en,
  isFact,
  LANGUAGES,
  MESSAGES,
  messagesFor,
  type FactName,
  type Language,
  type Messages,
} from './messages.ts'
