import type { Ask, Deferred } from '../token/client.ts'
import { usableUntil } from '../token/token.ts'
import type { SharedRecord } from './seal.ts'
import type { Reply, StoreFailure } from './store.ts'

/** A token as it is in the store, opened. */
export interface Found {
  readonly record: SharedRecord
  /** When it was requested, on the monotonic clock of this process. */
  readonly sentAt: number
}

/** All that a turn depends on. */
export interface Situation {
  readonly now: number
  /** In [0, 1). */
  readonly random: number
  readonly ask: Pick<Ask, 'current' | 'rejectedAt' | 'why'>
}

/** Milliseconds between two looks while another replica asks iSales; without a usable token calls are waiting. */
const LOOK_USABLE = 1000
const LOOK_URGENT = 250
const LOOK_JITTER = 0.2
/** Another replica that had to log in has probably ended the token. Calls wait for 2.5 s, which a login is part of. */
const MAX_WAIT_REJECTED = 1500
/** From then on a token is not sent, and each replica renews it without the store. */
const LAST_SECOND = 1000

/** What follows a claim that found no other record. Undefined: ask iSales, with the lease, or alone without the store. */
export function turnOf(
  reply: Pick<Reply, 'type' | 'ms'> | StoreFailure,
  { now, random, ask }: Situation,
): Deferred | undefined {
  const { current, rejectedAt, why } = ask
  const isServing = current !== undefined && rejectedAt === undefined && now < current.usableUntil
  const look = jittered(isServing ? LOOK_USABLE : LOOK_URGENT, random)
  switch (reply.type) {
    case 'busy':
      return { deferred: 'busy', ms: look }
    case 'held':
      // All replicas see it end at the same time; the first to claim then asks alone.
      return { deferred: 'held', ms: reply.ms, backoff: 'transient' }
    case 'failure': {
      if (current === undefined || why === 'operator') return undefined
      // Scattered: of two that log in at the same time nobody knows whose token is the later one.
      const lastUse = current.expiresAt - LAST_SECOND * (1 + random)
      const waited = (rejectedAt ?? Infinity) + MAX_WAIT_REJECTED
      const left = Math.min(lastUse, waited) - now
      return left > 0 ? { deferred: 'alone', ms: Math.min(look, left) } : undefined
    }
    case 'grant':
    case 'guarded':
    case 'mine':
    case 'kept':
      return undefined
  }
}

/**
 * True when the token in the store is to be taken.
 *
 * @param ours the token at hand.
 * @param highest the highest number that this process has seen.
 */
export function isBetter(
  found: Found,
  ours: Found | undefined,
  highest: number,
  now: number,
): boolean {
  const { record, sentAt } = found
  if (record.number < highest || now >= usableUntil(sentAt, record.grant.lifetime.ms)) return false
  return ours === undefined || isNewer(found, ours)
}

/** Of two with one number, which two replicas obtained while the store was away, the younger is the newer. */
export function isNewer(one: Found, other: Found): boolean {
  if (isSame(one.record, other.record)) return false
  const { number } = one.record
  return number === other.record.number ? one.sentAt > other.sentAt : number > other.record.number
}

export function isSame(one: SharedRecord, other: SharedRecord): boolean {
  return one.grant.token.reveal() === other.grant.token.reveal()
}

/** Milliseconds, scattered by a fifth. */
export function jittered(ms: number, random: number): number {
  return ms * (1 + (random * 2 - 1) * LOOK_JITTER)
}
