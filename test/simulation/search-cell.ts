// The store of the exhaustive search: the script of the program on an account that is not sealed.
import { Secret } from '../../src/config/secret.ts'
import { NO_ACCOUNT, type Account, type SharedToken } from '../../src/sharing/seal.ts'
import { NO_ENTRY, type Entry } from '../../src/token/book.ts'
import type { Grant } from '../../src/token/protocol.ts'
import { swapped } from './swap.ts'

/** Time has no length here: what is over is as old as the start, and what is not began now. */
export const NOW = 1_000_000_000
export const LONG = 1_000_000_000_000

/** One fingerprint: all replicas have the same credentials. */
const BOOK = 'f'

export const numberOf = (secret: Secret | undefined): number => Number(secret?.reveal() ?? 0)
/**
 * @param token in the order in which iSales granted them.
 * @param sentAt in the order in which they were asked for.
 */
export const grantOf = (token: number, sentAt: number): Grant => ({
  token: new Secret(String(token)),
  refreshToken: new Secret(String(token)),
  sentAt,
  lifetime: { ms: LONG },
})
export const sharedToken = (token: number, sentAt: number): SharedToken => ({
  grant: grantOf(token, sentAt),
  fingerprint: BOOK,
})
export const tokenIn = ({ token }: Account): number => numberOf(token?.grant.token)
export const entryIn = ({ book }: Account): Entry => book.get(BOOK) ?? NO_ENTRY
export const withEntry = (account: Account, entry: Entry): Account => ({
  ...account,
  book: new Map([[BOOK, entry]]),
})

/** Of an entry only counts what the rules ask for. */
interface Kept {
  readonly token: number
  readonly sentAt: number
  readonly attempts: number
  readonly open: boolean
  readonly waits: boolean
  readonly proven: boolean
  readonly who: string
  readonly isAsking: boolean
}

export function close(account: Account): string {
  const { attempts, open, at, provenUntil } = entryIn(account)
  const { asking } = account
  const kept: Kept = {
    token: tokenIn(account),
    sentAt: account.token?.grant.sentAt ?? 0,
    attempts,
    open,
    waits: at > 0,
    proven: provenUntil > NOW,
    who: asking?.who ?? '',
    isAsking: (asking?.since ?? 0) > 0,
  }
  return JSON.stringify(kept)
}

export function open(value: string): Account {
  if (value === '') return NO_ACCOUNT
  const {
    token,
    sentAt,
    attempts,
    open: isOpen,
    waits,
    proven,
    who,
    isAsking,
  } = JSON.parse(value) as Kept
  const entry = {
    attempts,
    refusals: 0,
    open: isOpen,
    at: waits ? NOW : -LONG,
    provenUntil: proven ? LONG : -Infinity,
  }
  return {
    token: token === 0 ? undefined : sharedToken(token, sentAt),
    book: new Map([[BOOK, entry]]),
    asking: who === '' ? undefined : { who, since: isAsking ? NOW : -LONG },
  }
}

/**
 * As `swapNow` of `sharing/share.ts`: from what the replica has seen, and again from what is there when that was not it.
 *
 * @returns the value in the store after it, what the replica has seen, and whether its change is in it.
 */
export function swap(
  value: string,
  seen: string,
  rewrite: (account: Account) => Account | undefined,
) {
  let view = seen
  let isFresh = false
  for (;;) {
    const account = open(view)
    const next = rewrite(account)
    if (isFresh && next === undefined) return { value, seen: view, account, isChanged: false }
    const text = next === undefined ? '' : close(next)
    const reply = swapped(value, view, text)
    if (next !== undefined && reply === text)
      return { value: reply, seen: text, account: next, isChanged: true }
    view = reply
    isFresh = true
  }
}
