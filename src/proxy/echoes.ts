import { Secret } from '../config/secret.ts'
import { percentDecode } from '../http/percent.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Token } from '../token/token.ts'

/** Finds tokens that iSales echoes in a header: also one that was replaced while the call was in flight. */
export interface Echoes {
  onTokenEvent(event: TokenEvent): void
  /**
   * True when the text is a token, or contains one that is too long to stand there by chance.
   *
   * @param sent the token of the call, however old it is.
   */
  readonly carriesToken: (text: string, sent: Token | undefined) => boolean
}

/** A token or refresh token as a header may hold it. */
interface Spelling {
  readonly text: Secret
  /** False: only as the whole text. */
  readonly within: boolean
}

const GENERATIONS = 4
/** A shorter token stands in many a text that has nothing to do with it. */
const SHORTEST_FOUND_WITHIN = 16

/** Knows the token that was sent and those of the last four generations: plain, in base64 and in percent-encoding. */
export function createEchoes(): Echoes {
  let generations: readonly Token[] = []
  let spellings: readonly Spelling[] = []
  let shortest = Infinity

  const found = (text: string, sent: Token | undefined): boolean => {
    if (text.length >= shortest && spellings.some((spelling) => holds(text, spelling))) return true
    if (sent === undefined || generations.includes(sent)) return false
    return spellToken(sent).some((spelling) => holds(text, spelling))
  }

  return {
    onTokenEvent(event) {
      if (event.type !== 'granted' && event.type !== 'adopted') return
      generations = [...generations, event.session].slice(-GENERATIONS)
      spellings = generations.flatMap(spellToken)
      shortest = Math.min(...spellings.map(({ text }) => text.reveal().length))
    },

    carriesToken: (text, sent) =>
      found(text, sent) || (text.includes('%') && found(percentDecode(text), sent)),
  }
}

function holds(text: string, spelling: Spelling): boolean {
  const secret = spelling.text.reveal()
  return spelling.within ? text.includes(secret) : text === secret
}

function spellToken({ token, refreshToken, headerValue }: Token): readonly Spelling[] {
  const ofRefresh = refreshToken === undefined ? [] : spell(refreshToken)
  return [...spell(token), ...ofRefresh, { text: headerValue, within: false }]
}

function spell(secret: Secret): readonly Spelling[] {
  const plain = secret.reveal()
  const within = plain.length >= SHORTEST_FOUND_WITHIN
  const texts = [plain, ...(within ? base64Within(plain) : base64(plain))]
  return [...new Set(texts)].map((text) => ({ text: new Secret(text), within }))
}

function base64(plain: string): readonly string[] {
  const bytes = Buffer.from(plain)
  const padded = bytes.toString('base64')
  return [padded, padded.replace(/=+$/, ''), bytes.toString('base64url')]
}

/**
 * What base64 makes of a text inside a longer one: it begins at the first, second or third byte of a group of three,
 * and the characters that also depend on the bytes around it are left out.
 */
function base64Within(plain: string): readonly string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.from('-'.repeat(before) + plain)
    const [begin, end] = [Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6)]
    return (['base64', 'base64url'] as const).map((coding) =>
      bytes.toString(coding).slice(begin, end),
    )
  })
}
