/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

export type Environment = Readonly<Record<string, string | undefined>>

/** Of a process, by its locale: `zh_CN.UTF-8` is Chinese. A terminal of another encoding cannot show it. */
export function languageOf({ LC_ALL, LC_MESSAGES, LANG }: Environment): Language {
  const isChinese = /^zh[_.@-].*utf-?8/i.test(LC_ALL || LC_MESSAGES || LANG || '')
  return isChinese ? 'zh' : 'en'
}
