import type { AtHand, Before, Obtained } from '../token/obtain.ts'
import type { FailureKind } from '../token/protocol.ts'
import { usable, usableUntil, type Token } from '../token/token.ts'
import type { SharedRecord } from './seal.ts'
import { CONFLICT, type ClaimReply, type StoreFailure } from './store.ts'

/** A token as it is in the store, opened. */
export interface Found {
  readonly record: SharedRecord
  /** When it was requested, on the monotonic clock of this process. */
  readonly sentAt: number
}

/** All that a turn depends on; random numbers in [0, 1). */
export interface Situation {
  readonly now: number
  readonly random: number
  /** The same for each turn of this process: without the store, each replica renews at another time. */
  readonly ownRandom: number
  readonly atHand: AtHand | undefined
  /** Refusals of the credentials that this process knows of. */
  readonly refusals: number
}

/** iSales is not asked for a while. */
type Wait = Extract<Obtained, { readonly type: 'held' }>

/** Milliseconds between two looks while another replica asks iSales; without a usable token calls are waiting. */
const LOOK_USABLE = 1000
const LOOK_URGENT = 250
const LOOK_JITTER = 0.2
/** No pause of ours is longer. What the store says is not believed beyond. */
const LONGEST_HOLD = 600_000
const LONGEST_GUARD = 4 * 3600 * 1000
/** Without the store a token is renewed this long before its last use, or later. */
const ALONE_WINDOW = 30_000
const ALONE_SHARE = 0.05
const ALONE_MARGIN = 1000

/** What follows a claim that found no other record: to wait, or what is known before iSales is asked. */
export function turnOf(
  reply: Exclude<ClaimReply, { readonly type: 'grant' }> | StoreFailure,
  situation: Situation,
): Wait | Before {
  const { now, random, atHand } = situation
  const refusals = Math.max(situation.refusals, 'refusals' in reply ? reply.refusals : 0)
  const wait = (because: Wait['because'], ms: number): Wait => ({
    type: 'held',
    because,
    ms,
    refusals,
  })
  switch (reply.type) {
    case 'busy':
      return wait('busy', jittered(serves(atHand, now) ? LOOK_USABLE : LOOK_URGENT, random))
    case 'held': {
      // All replicas see it end at the same time; the first to claim then asks alone.
      const because = reply.hold === CONFLICT ? 'conflict' : 'held'
      return wait(because, Math.min(reply.ms, LONGEST_HOLD))
    }
    case 'guarded':
      return wait('guarded', Math.min(reply.ms, LONGEST_GUARD))
    case 'mine':
      return { failures: failuresOf(reply.hold), refusals, alone: false }
    case 'failure':
      return serves(atHand, now) && now < aloneFrom(atHand.token, situation.ownRandom)
        ? wait('alone', jittered(LOOK_USABLE, random))
        : { failures: undefined, refusals, alone: true }
  }
}

/** True while calls are sent with the token at hand and nobody has found it rejected. */
export function serves(atHand: AtHand | undefined, now: number): atHand is AtHand {
  return atHand !== undefined && !atHand.rejected && usable(atHand.token, now)
}

/** True when the token in the store is of more use than the one at hand. */
export function isBetter(
  { record, sentAt }: Found,
  atHand: AtHand | undefined,
  now: number,
): boolean {
  if (now >= usableUntil(sentAt, record.grant.lifetime.ms)) return false
  if (atHand === undefined) return true
  if (isAtHand(record, atHand)) return false
  const { token, rejected } = atHand
  return sentAt > token.obtainedAt || (!rejected && !usable(token, now))
}

/** True when this is the record of the token at hand. */
export function isAtHand({ grant }: SharedRecord, atHand: AtHand | undefined): boolean {
  return atHand?.token.token.reveal() === grant.token.reveal()
}

/** Milliseconds, scattered by a fifth. */
export function jittered(ms: number, random: number): number {
  return ms * (1 + (random * 2 - 1) * LOOK_JITTER)
}

/** From here on a token is renewed without the store: shortly before its end. */
function aloneFrom({ usableUntil: end, lifetime }: Token, ownRandom: number): number {
  return end - ALONE_MARGIN - ownRandom * Math.min(ALONE_WINDOW, lifetime * ALONE_SHARE)
}

/** `<kind> <failures>`; what cannot be read counts as none. */
function failuresOf(hold: string): Before['failures'] {
  const [, kind, count] = /^(unclear|unreached|egress) (\d{1,4})$/.exec(hold) ?? []
  return kind === undefined ? undefined : { kind: kind as FailureKind, count: Number(count) }
}
