import { MINUTE } from '../clock.ts'

/**
 * What rejections and acceptances of business calls say about the current token. Instants are milliseconds on the monotonic
 * clock. A rejection may be about the token or about its call. A call that was sent after the rejection arrived, with the
 * same token, tells: if iSales accepts it, the token works. The pace of renewals bounds the cost of the doubt.
 *
 * @example one call is refused for what it is, others are accepted
 *   0.0 s  the call is rejected: a login begins. The replay is also rejected: `ineffectiveRenewals` 1
 *   0.3 s  another call is accepted with the newer token: `ineffectiveRenewals` 0
 *   5.0 s  the call is rejected: the login waits for confirmation until 5.5
 *   5.1 s  a call that was sent at 5.05 is accepted: no login. The refused call is sent once more, and relayed
 *  30.0 s  the call is rejected twice with one token: a login begins all the same, the first since 0.0
 */
export const NO_REJECTIONS = {
  /** Arrival of the oldest rejection that no acceptance has followed. Infinity: there is none. */
  unresolvedSince: Infinity,
  /** Arrival of the latest rejection. */
  rejectedAt: -Infinity,
  /** A call with the current token was accepted or rejected. */
  hasResult: false,
  /** First attempts that were rejected since the last acceptance. */
  consecutiveRejections: 0,
  /** Until then a rejection waits for confirmation before it asks for a newer token. */
  confirmUntil: -Infinity,
  /** Accepted calls have suppressed a renewal for long: a newer token is wanted all the same. */
  forceRenewal: false,
  /** Start of the last rejection-triggered renewal, jittered so that two proxies do not stay in lockstep. */
  lastReactiveRenewalAt: -Infinity,
  /** Rejection-triggered renewals since a call was accepted with a token of theirs. */
  ineffectiveRenewals: 0,
  /** False: a rejection-triggered renewal gave the current token, and no rejected call has been accepted with it yet. */
  lastRenewalHelped: true,
  /** When the last three renewals helped. A token of another replica replaces the last of them: it is not a conflict. */
  effectiveRenewals: [] as readonly number[],
}
export type RejectionState = Readonly<typeof NO_REJECTIONS>

/** The first, or sent again: with the same token, a newer one, or one whose renewal may have ended the older one. */
export type AttemptKind = 'first' | 'same-token' | 'newer-token' | 'superseded'
/** `replays`: how often the call was sent again. */
export type Rejection = Readonly<{ kind: AttemptKind; replays: number }>

/** With the jitter 2.2 s at most: a call that is rejected right after a renewal gets the next token within its 2.8 s. */
export const MIN_RENEWAL_INTERVAL = 1800
const SUPERSEDED_RENEWAL_INTERVAL = 400
/** While the latest renewal has helped no call, though others may be accepted: 24 renewals a minute. */
const INEFFECTIVE_RENEWAL_INTERVAL = 2500
/**
 * The longest distance of renewals that rejections ask for, whether calls are rejected or others are accepted: iSales may
 * answer the accepted ones without looking at the token. Within 30 s, with jitter and login.
 */
const MAX_RENEWAL_INTERVAL = 28_000
const JITTER = 400
const CONFIRM_FOR = 10 * MINUTE
/** A rejected call waits so long for confirmation. Steady traffic gives it within some milliseconds. */
export const CONFIRMATION_WAIT = 500

/** Records a rejection. A call that is rejected again with the same token is rejected for what it is. */
export function reject(
  before: RejectionState,
  { kind, replays }: Rejection,
  now: number,
): RejectionState {
  const isAgain = kind === 'same-token'
  const isSuppressed = now - before.lastReactiveRenewalAt < MAX_RENEWAL_INTERVAL
  const isDoubtful = kind !== 'first' || before.ineffectiveRenewals > 0
  const state = {
    ...before,
    hasResult: true,
    confirmUntil: isDoubtful ? now + CONFIRM_FOR : before.confirmUntil,
    forceRenewal: before.forceRenewal || (isAgain && !isSuppressed),
  }
  if (isAgain || !mayReplay(state, replays, now)) return state
  return {
    ...state,
    unresolvedSince: Math.min(state.unresolvedSince, now),
    rejectedAt: now,
    consecutiveRejections: state.consecutiveRejections + (kind === 'first' ? 1 : 0),
  }
}

/** True if the last call that says something of the current token was accepted. */
export function isAccepted({ hasResult, consecutiveRejections }: RejectionState): boolean {
  return hasResult && consecutiveRejections === 0
}

/** Records that iSales accepted a call with the current token; the same object if that is not news. */
export function accept(
  before: RejectionState,
  { kind, sentAt }: { readonly kind: AttemptKind; readonly sentAt: number },
  { adopted }: { readonly adopted: boolean },
  now: number,
): RejectionState {
  const { unresolvedSince, effectiveRenewals } = before
  const isAnswer = sentAt > unresolvedSince
  const isEffective = !before.lastRenewalHelped && kind === 'newer-token'
  if (isAccepted(before) && !isAnswer && !isEffective) return before
  const kept = adopted ? effectiveRenewals.slice(0, -1) : effectiveRenewals.slice(-2)
  return {
    ...before,
    hasResult: true,
    consecutiveRejections: 0,
    // Rejections that arrived after the call was sent are still unresolved.
    unresolvedSince: isAnswer ? (sentAt > before.rejectedAt ? Infinity : sentAt) : unresolvedSince,
    confirmUntil: isAnswer ? now + CONFIRM_FOR : before.confirmUntil,
    ineffectiveRenewals: isEffective || !before.hasResult ? 0 : before.ineffectiveRenewals,
    lastRenewalHelped: before.lastRenewalHelped || isEffective,
    effectiveRenewals: isEffective ? [...kept, now] : effectiveRenewals,
  }
}

/**
 * Records a newer token, ours or another replica's.
 *
 * @param requestedAt when the request that gave it began here; undefined: another replica gave it unasked.
 * @param random in [0, 1).
 */
export function replace(
  state: RejectionState,
  requestedAt: number | undefined,
  random: number,
): RejectionState {
  const { unresolvedSince, forceRenewal, ineffectiveRenewals } = state
  // A rejection that arrived while a timer's request was in flight asked for nothing: that request ended the token.
  const isReactive = requestedAt !== undefined && (forceRenewal || unresolvedSince <= requestedAt)
  return {
    ...state,
    unresolvedSince: Infinity,
    forceRenewal: false,
    hasResult: false,
    lastRenewalHelped: !isReactive,
    ...(isReactive && {
      lastReactiveRenewalAt: requestedAt + (random * 2 - 1) * JITTER,
      ineffectiveRenewals: ineffectiveRenewals + 1,
    }),
  }
}

/** When rejections want a newer token. Infinity: they do not. */
export function renewalDueAt(state: RejectionState): number {
  const { unresolvedSince, confirmUntil, lastReactiveRenewalAt, ineffectiveRenewals } = state
  const wait = unresolvedSince < confirmUntil ? CONFIRMATION_WAIT : 0
  const at = state.forceRenewal ? -Infinity : unresolvedSince + wait
  // While renewals help, a token that did not was ended before its first call: the next one is asked for soon.
  const isSuperseded = ineffectiveRenewals === 1 && mayReplay(state, 1, lastReactiveRenewalAt)
  if (isSuperseded) return Math.max(at, lastReactiveRenewalAt + SUPERSEDED_RENEWAL_INTERVAL)
  const doubled = Math.min(MAX_RENEWAL_INTERVAL, MIN_RENEWAL_INTERVAL * 2 ** ineffectiveRenewals)
  const least = state.lastRenewalHelped ? 0 : INEFFECTIVE_RENEWAL_INTERVAL
  return Math.max(at, lastReactiveRenewalAt + Math.max(least, doubled))
}

/** True if a rejected call may be sent again: once, and twice if a renewal helped within the last minute. */
export function mayReplay(
  { effectiveRenewals }: RejectionState,
  replays: number,
  now: number,
): boolean {
  return replays < (now - (effectiveRenewals.at(-1) ?? -Infinity) < MINUTE ? 2 : 1)
}

/** For people: the last three first attempts or more were rejected. */
export function isRejected({ consecutiveRejections }: RejectionState): boolean {
  return consecutiveRejections >= 3
}

/** For people: somebody else logs in as this user. Three rejection-triggered renewals in a minute helped. */
export function isConflict({ effectiveRenewals }: RejectionState, now: number): boolean {
  return now - (effectiveRenewals.at(-3) ?? -Infinity) < MINUTE
}
