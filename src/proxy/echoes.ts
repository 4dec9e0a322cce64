import { unescape } from 'node:querystring'
import type { Secret } from '../config/secret.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Token } from '../token/token.ts'

const MAX_TOKENS = 4
/** Characters; a shorter token stands in many a text that has nothing to do with it. */
const MIN_FOUND_WITHIN = 16

/** Finds the latest tokens, and that of the call however old it is, where iSales echoes one in a header. */
export function createEchoes() {
  let latest: readonly Token[] = []
  let secrets: readonly Secret[] = []
  /** Length of the shortest secret: most names and values are shorter, and need no search. */
  let shortest = Infinity
  return {
    onTokenEvent: (event: TokenEvent): void => {
      if (event.type !== 'granted' && event.type !== 'adopted') return
      latest = [...latest, event.token].slice(-MAX_TOKENS)
      secrets = latest.flatMap(secretsOf)
      shortest = Math.min(...secrets.map((secret) => secret.reveal().length))
    },
    /** True when the text is a token or refresh token, or contains a long one; percent-encoded, too. */
    carriesToken: (text: string, sent: Token): boolean => {
      const isKnown = latest.includes(sent)
      if (isKnown && text.length < shortest) return false
      const all = isKnown ? secrets : [...secrets, ...secretsOf(sent)]
      return holdsAny(text, all) || (text.includes('%') && holdsAny(unescape(text), all))
    },
  }
}

function secretsOf({ token, headerValue, refreshToken }: Token): readonly Secret[] {
  return [token, headerValue, ...(refreshToken === undefined ? [] : [refreshToken])]
}

function holdsAny(text: string, secrets: readonly Secret[]): boolean {
  return secrets.some((secret) => {
    const plain = secret.reveal()
    return plain.length < MIN_FOUND_WITHIN ? text === plain : text.includes(plain)
  })
}
