import type { Setting } from './settings.ts'

export type TypingAccident =
  | 'own-name'
  | 'spaces'
  | 'lines'
  | 'quotes'
  | 'odd-character'
  | 'is-path'

/** In a value whose format has none of these, anywhere; around a user or a password, which may have them inside. */
const QUOTES = {
  anywhere: /["'`\u2018-\u201f]/u,
  around: /^(["'\u2018-\u201f]).*["'\u2018-\u201f]$/su,
}

/**
 * What an env file, a copied line or an input method adds to a value. In a value with a format that is an error. In a user
 * or a password, which may be meant so, it is a doubt: one that is wrong costs an attempt to log in.
 */
export function typingAccident(
  { name, kind, verbatim }: Pick<Setting, 'name' | 'kind' | 'verbatim'>,
  text: string,
): TypingAccident | undefined {
  if (text.startsWith(`${name}=`)) return 'own-name'
  if (text !== text.trim()) return 'spaces'
  if (/[\r\n]/.test(text)) return 'lines'
  if ((verbatim ? QUOTES.around : QUOTES.anywhere).test(text)) return 'quotes'
  // A directory may have any name.
  if (kind === 'file') return undefined
  // Full-width, or invisible.
  if (/[\uff01-\uff5e\u3000\p{Cf}]/u.test(text)) return 'odd-character'
  return verbatim && /^(?:\/[\w.-]+){2,}$/.test(text) ? 'is-path' : undefined
}
