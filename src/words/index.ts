// Every sentence that people read, in English and in Chinese: one object each, the second typed by the first. What programs
// search for stays in English: messages of the log, details of problem responses, helps of
// metrics.
import { en, type Words } from './en.ts'
import { zh } from './zh.ts'

export { en, type Words }
export { details, helps, messages, refusals, type MetricName } from './english-only.ts'
export type { Said } from './said.ts'
export { explain, explainSetting, settingLine, type Failure, type Places } from './explain.ts'

/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

type Environment = Readonly<Record<string, string | undefined>>

/** Of a process, by its locale: `zh_CN.UTF-8` is Chinese. */
export function languageOf({ LC_ALL, LC_MESSAGES, LANG }: Environment): Language {
  return /^zh(?:[_.@-]|$)/i.test(LC_ALL || LC_MESSAGES || LANG || '') ? 'zh' : 'en'
}

export function wordsOf(env: Environment): Words {
  return WORDS[languageOf(env)]
}

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
