import { usableUntil, type Grant } from '../token/index.ts'

// Which of the tokens that replicas obtain is the newest.

/** A token, and what one replica tells the others of it. */
export interface SharedToken {
  /** Whoever obtained it: `sentAt` is on the monotonic clock of this process. */
  readonly grant: Grant
  /** See `nextNumber`. */
  readonly number: number
  /** Fingerprint of the credentials that the token, or the one that was refreshed, was obtained with. */
  readonly fingerprint: string
  /** A login gave it: iSales took these credentials. */
  readonly login: boolean
}

/** What a process knows of the shared token. */
export interface Known {
  /** Id of the token that it last saw in the store; '' for none. */
  readonly seen: string
  /** The same, when it could not be read; '' when it could, or there was none. */
  readonly unreadable: string
  /** The highest number of a token that it has seen. */
  readonly highest: number
  /** The token at hand, as it is in the store, or would be. */
  readonly ours: SharedToken | undefined
  /** When it was adopted from another replica, on the monotonic clock; undefined: it was not. */
  readonly adoptedAt: number | undefined
}

export const NOTHING_KNOWN: Known = {
  seen: '',
  unreadable: '',
  highest: 0,
  ours: undefined,
  adoptedAt: undefined,
}

/**
 * After a look at the store.
 *
 * @param seen id of what is there.
 * @param there undefined: no token, or none that can be read.
 */
export function looked(known: Known, seen: string, there: SharedToken | undefined): Known {
  const highest = Math.max(known.highest, there?.number ?? 0)
  return { ...known, seen, unreadable: there === undefined ? seen : '', highest }
}

/** With a token of this process, or with one that it adopts. */
export function taken(known: Known, ours: SharedToken, adoptedAt?: number): Known {
  return { ...known, ours, adoptedAt, highest: Math.max(known.highest, ours.number) }
}

/**
 * The number of a token that this process obtains: that of the one before plus the milliseconds between the two requests,
 * and above every number that it has seen. So an older token is never taken for a newer one, and of two that were
 * obtained without the store the later one is the newer.
 */
export function nextNumber({ highest, ours }: Known, sentAt: number): number {
  const later = ours === undefined ? 0 : ours.number + Math.round(sentAt - ours.grant.sentAt)
  return Math.max(highest + 1, later)
}

/** True when the token in the store is to be taken. */
export function isBetter(
  there: SharedToken | undefined,
  { highest, ours }: Known,
  now: number,
): there is SharedToken {
  if (there === undefined || there.number < highest || !isUsable(there, now)) return false
  return ours === undefined || isNewer(there, ours)
}

/** True when the token at hand is to be put into the store. */
export function isMissed(
  ours: SharedToken | undefined,
  there: SharedToken | undefined,
  now: number,
): ours is SharedToken {
  if (ours === undefined || !isUsable(ours, now)) return false
  return there === undefined || isNewer(ours, there)
}

/** Two replicas may obtain tokens with the same number while the store is away: then the younger one is the newer. */
function isNewer(one: SharedToken, other: SharedToken): boolean {
  if (one.grant.token.reveal() === other.grant.token.reveal()) return false
  return one.number === other.number
    ? one.grant.sentAt > other.grant.sentAt
    : one.number > other.number
}

export function isUsable({ grant }: SharedToken, now: number): boolean {
  return now < usableUntil(grant.sentAt, grant.lifetime.ms)
}
