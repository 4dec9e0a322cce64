import type { SharedRecord } from './record.ts'
import type { StoreFailure } from './store.ts'
import type { ClaimReply } from './store.ts'
import type { Before, HeldBecause } from '../token/obtain.ts'
import type { FailureKind } from '../token/protocol.ts'

/** What is in the store, opened. Instants are on the monotonic clock of this process. */
export interface Found {
  /** Names what is in the key, be it a record or not; '' for an empty key. */
  readonly id: string
  /** Undefined: there is none, or none that can be read. */
  readonly record: SharedRecord | undefined
  readonly obtainedAt: number
  readonly usableUntil: number
  /** It is the token at hand. */
  readonly isAtHand: boolean
}

/** The token at hand. */
export interface Mine {
  readonly obtainedAt: number
  readonly usableUntil: number
  readonly rejected: boolean
  /** Without a store it is renewed from here on, shortly before its end, at another time in each replica. */
  readonly aloneFrom: number
}

/** All that a turn depends on; `random` in [0, 1). */
export interface Situation {
  readonly now: number
  readonly random: number
  readonly mine: Mine | undefined
  /** Of the credentials that a login would use. */
  readonly fingerprint: string
  /** The first token of this process, or the first with these credentials: another secret's serves, and we log in. */
  readonly firstOfSecret: boolean
  /** Refusals of these credentials that this process knows of. */
  readonly refusals: number
}

export type Reply =
  | { readonly type: 'grant'; readonly found: Found }
  | Exclude<ClaimReply, { readonly type: 'grant' }>
  | StoreFailure

export type Turn =
  | { readonly do: 'adopt'; readonly found: Found; readonly loginDue: boolean }
  /** What is in the store is of no use, and now known. */
  | { readonly do: 'claim-again'; readonly seen: string }
  | {
      readonly do: 'ask'
      readonly before: Before
    }
  | {
      readonly do: 'wait'
      readonly because: HeldBecause
      readonly ms: number
      readonly refusals: number
    }

/** Milliseconds between two looks while another replica asks iSales; without a usable token calls are waiting. */
const LOOK_USABLE = 1000
const LOOK_URGENT = 250
const LOOK_JITTER = 0.2
/** No pause of ours is longer. What the store says is not believed beyond. */
const LONGEST_HOLD = 600_000
const LONGEST_GUARD = 4 * 3600 * 1000

/** What the reply to a claim means. */
export function turnOf(reply: Reply, situation: Situation): Turn {
  const { refusals } = situation
  switch (reply.type) {
    case 'grant': {
      const { found } = reply
      if (!isBetter(found, situation)) return { do: 'claim-again', seen: found.id }
      const foreign = found.record?.fingerprint !== situation.fingerprint
      return { do: 'adopt', found, loginDue: foreign && situation.firstOfSecret }
    }
    case 'busy': {
      const ms = isUsable(situation) ? LOOK_USABLE : LOOK_URGENT
      return { do: 'wait', because: 'busy', ms: jittered(ms, situation), refusals }
    }
    case 'held': {
      // All replicas see it end at the same time; the first to claim then asks alone.
      const ms = Math.min(reply.ms, LONGEST_HOLD)
      const because = reply.hold.startsWith('conflict ') ? 'conflict' : 'held'
      return { do: 'wait', because, ms, refusals }
    }
    case 'guarded':
      return {
        do: 'wait',
        because: 'guarded',
        ms: Math.min(reply.ms, LONGEST_GUARD),
        refusals: Math.max(refusals, reply.refusals),
      }
    case 'mine':
      return {
        do: 'ask',
        before: {
          failures: failuresOf(reply.hold),
          refusals: Math.max(refusals, reply.refusals),
          alone: false,
        },
      }
    case 'failure': {
      const { mine, now } = situation
      const serves = isUsable(situation) && mine !== undefined && now < mine.aloneFrom
      return serves
        ? { do: 'wait', because: 'alone', ms: jittered(LOOK_USABLE, situation), refusals }
        : { do: 'ask', before: { failures: undefined, refusals, alone: true } }
    }
  }
}

/** True when the token in the store is of more use than the one at hand. */
export function isBetter(found: Found, { now, mine, ...situation }: Situation): boolean {
  const { record } = found
  if (record === undefined || now >= found.usableUntil) return false
  if (mine === undefined) return true
  // The same token: taken once more only because it was obtained with the credentials that are new here.
  if (found.isAtHand) {
    return !mine.rejected && situation.firstOfSecret && record.fingerprint === situation.fingerprint
  }
  if (found.obtainedAt > mine.obtainedAt) return true
  return !mine.rejected && now >= mine.usableUntil
}

/** `<kind> <failures>`; what cannot be read counts as none. */
function failuresOf(hold: string): Before['failures'] {
  const [, kind, count] = /^(unclear|unreached|egress) (\d{1,4})$/.exec(hold) ?? []
  return kind === undefined ? undefined : { kind: kind as FailureKind, count: Number(count) }
}

function isUsable({ mine, now }: Situation): boolean {
  return mine !== undefined && !mine.rejected && now < mine.usableUntil
}

function jittered(ms: number, { random }: Situation): number {
  return ms * (1 + (random * 2 - 1) * LOOK_JITTER)
}
