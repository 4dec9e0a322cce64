// Every sentence that people read, in English and in Chinese: one object each, the second typed by the first.
import { en, type Words } from './en.ts'
import { zh } from './zh.ts'

export { en, type Words }
export { explain, type Failure, type Places } from './explain.ts'

/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
