import type { Moment, Renewal, RenewalRules } from './state.ts'
import { usable, type Token } from './token.ts'

/** Somebody else logs in as this user when so many tokens a minute are rejected before their end. */
const CONFLICT_REJECTIONS = 3
const CONFLICT_WINDOW = 60_000
const HOLD_OFF_MIN = 5000
const HOLD_OFF_MAX = 60_000

/**
 * What a rejection by a business call means.
 *
 * - `stale`: it is about a token that has been replaced already, or that has ended meanwhile and will be.
 * - `known`: this generation was reported before, and its replacement is under way or held off.
 * - `relay`: a brand-new token, soon after another was replaced: a login would not cure it.
 * - `hold`: tokens are rejected so often that somebody else must be logging in; replaced after a hold-off.
 * - `replace`: replaced now.
 */
export type RejectionVerdict = 'stale' | 'known' | 'relay' | 'hold' | 'replace'

export function judgeRejection(
  state: Renewal,
  generation: number,
  rules: RenewalRules,
  now: number,
): RejectionVerdict {
  const { session } = state
  if (session === undefined || session.generation !== generation) return 'stale'
  if (!usable(session, now)) return 'stale'
  if (generation === state.rejectedGeneration || generation === state.heldGeneration) return 'known'
  // In a conflict the other login may end a token before its first call: that, a login would cure.
  if (isBrandNew(state, session, rules, now)) return now < state.conflictUntil ? 'hold' : 'relay'
  return recent(state, now).length + 1 >= CONFLICT_REJECTIONS ? 'hold' : 'replace'
}

/** The state after a business call was answered with a rejection. */
export function rejected(
  state: Renewal,
  generation: number,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const verdict = judgeRejection(state, generation, rules, now)
  if (verdict !== 'hold' && verdict !== 'replace') return state
  const known = { ...state, earlyRejections: [...recent(state, now), now] }
  // A back-off that protects the account or a struggling iSales is not cut short by a business call.
  const free = state.backoff === 'none' || state.backoff === 'conflict'
  if (verdict === 'replace') {
    return { ...known, rejectedGeneration: generation, nextAt: free ? now : state.nextAt }
  }
  const heldUntil = now + HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
  return {
    ...known,
    heldGeneration: generation,
    nextAt: free ? heldUntil : Math.max(state.nextAt, heldUntil),
    conflictUntil: heldUntil + CONFLICT_WINDOW,
    backoff: free ? 'conflict' : state.backoff,
  }
}

/** No business call has accepted it yet, and a rejection has bought a token not long ago. */
function isBrandNew(state: Renewal, session: Token, rules: RenewalRules, now: number): boolean {
  return !session.accepted && now - state.boughtAt < rules.replacePause
}

/** True when a business call has found this session's token rejected. */
export function isRejected(state: Renewal, session: Token): boolean {
  return (
    session.generation === state.rejectedGeneration || session.generation === state.heldGeneration
  )
}

function recent(state: Renewal, now: number): readonly number[] {
  return state.earlyRejections.filter((at) => now - at < CONFLICT_WINDOW)
}
