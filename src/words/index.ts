// Every sentence that people read, in English and in Chinese: one object each, the second typed by the first. What programs
// search for stays in English: messages of the log, details of problem responses, helps of
// metrics.
import { en, type Words } from './en.ts'
import { zh } from './zh.ts'

export { en, type Words }
export { details, helps, messages, refusals, type MetricName } from './english-only.ts'
export type { Said } from './said.ts'
export { explain, type Failure, type Places } from './explain.ts'

/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

/** Of a process, by its locale: `zh_CN.UTF-8` is Chinese. */
export function wordsOf(env: Readonly<Record<string, string | undefined>>): Words {
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || ''
  return /^zh(?:[_.@-]|$)/i.test(locale) ? zh : en
}

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
