import { MINUTE, SECOND } from '../clock.ts'

/**
 * State of rejected and accepted business calls with the current token. Instants are milliseconds on the monotonic clock. A
 * rejection may be about the token or only about its call: if iSales accepts a call that was sent with the same token after
 * the rejection arrived, the token works. The pace of renewals bounds the cost of a wrong decision.
 *
 * @example iSales rejects one call because of its request, and accepts others
 *   0.0 s  the call is rejected: a login begins. The replay is also rejected: `ineffectiveRenewals` 1
 *   0.3 s  another call is accepted with the newer token: `ineffectiveRenewals` 0
 *   5.0 s  the call is rejected: the login waits for confirmation until 5.5
 *   5.1 s  a call that was sent at 5.05 is accepted: no login. The rejected call is replayed once, and its response relayed
 *  28.0 s  a login begins nevertheless, because the call was rejected twice with one token
 */
export const NO_REJECTIONS = {
  /** Arrival of the oldest rejection that no acceptance has resolved; Infinity if there is none. */
  unresolvedSince: Infinity,
  /** Arrival of the latest rejection. */
  rejectedAt: -Infinity,
  /** A call with the current token was accepted or rejected. */
  hasResult: false,
  /** Arrival of the current token. */
  replacedAt: -Infinity,
  /** First attempts that were rejected since the last response to a call that was no rejection. For display, and `isAccepted`. */
  consecutiveRejections: 0,
  /** Arrival of the first of these. For display only. */
  consecutiveSince: Infinity,
  /** Until then a rejection waits for confirmation before it triggers a renewal. */
  confirmUntil: -Infinity,
  /** Renew then even if calls are accepted: a call was rejected twice with the current token. */
  forceAt: Infinity,
  /** Start of the last rejection-triggered renewal, jittered so that two proxies do not stay in lockstep. */
  lastReactiveRenewalAt: -Infinity,
  /** Rejection-triggered renewals since a call was accepted with a token from one of them. */
  ineffectiveRenewals: 0,
  /** False while a token from a rejection-triggered renewal has not yet fixed a rejected call. */
  lastRenewalHelped: true,
  /** When the last three renewals helped. Another replica's token replaces the last one, since it is not a conflict. */
  helpedAt: [] as readonly number[],
  /** When the last three calls that were rejected were accepted with the same token, at least 1 s apart. For display only. */
  unsteadyAt: [] as readonly number[],
}
export type RejectionState = Readonly<typeof NO_REJECTIONS>

/** First attempt, or a replay. `superseded`: replayed with a newer token; obtaining it may itself have ended the older one. */
export type AttemptKind = 'first' | 'same-token' | 'newer-token' | 'superseded'
/** `replays`: how often the call was already replayed. */
export type Rejection = Readonly<{ kind: AttemptKind; replays: number }>

/** At most 2.2 s with jitter, so that a call rejected right after a renewal gets the next token within its 2.8 s. */
export const MIN_RENEWAL_INTERVAL = 1800
const SUPERSEDED_RENEWAL_INTERVAL = 400
/** Limits renewals to 24 per minute while the latest one has helped no call, although other calls may be accepted. */
const INEFFECTIVE_RENEWAL_INTERVAL = 2500
/** Keeps the promised 30 s, jitter and login included. Also bounds suppression: iSales may accept calls without a check. */
const MAX_RENEWAL_INTERVAL = 28_000
const JITTER = 400
const CONFIRM_FOR = 10 * MINUTE
/** How long a rejection describes the token that it concerned, and a newer one that no call has used. */
export const REJECTED_FOR = 10 * MINUTE
export const UNUSED_FOR = 10 * SECOND
/** If iSales rejects some calls, three of these follow one another now and then. */
const DISPLAYED_AFTER = 2 * SECOND
/** How long a rejected call waits for confirmation. Steady traffic confirms within milliseconds. */
export const CONFIRMATION_WAIT = 500

/** Records a rejection. If a call is rejected again with the same token, the rejection is about the call. */
export function reject(before: RejectionState, { kind, replays }: Rejection, now: number) {
  const isAgain = kind === 'same-token'
  // Does not wait for a later rejection: rare calls would otherwise be rejected for longer.
  const forceAt = Math.max(now, before.lastReactiveRenewalAt + MAX_RENEWAL_INTERVAL)
  const isDoubtful = kind !== 'first' || before.ineffectiveRenewals > 0
  const state = {
    ...before,
    hasResult: true,
    confirmUntil: isDoubtful ? now + CONFIRM_FOR : before.confirmUntil,
    forceAt: isAgain ? Math.min(before.forceAt, forceAt) : before.forceAt,
  }
  if (isAgain || !mayReplay(state, replays, now)) return state
  const count = isCurrent(before, now) ? before.consecutiveRejections : 0
  return {
    ...state,
    unresolvedSince: Math.min(state.unresolvedSince, now),
    rejectedAt: now,
    consecutiveRejections: count + Number(kind === 'first'),
    consecutiveSince: count > 0 ? before.consecutiveSince : now,
  }
}

/** True if the last call with a result for the current token was accepted. */
export function isAccepted({ hasResult, consecutiveRejections }: RejectionState): boolean {
  return hasResult && consecutiveRejections === 0
}

/** Records that iSales accepted a call with the current token. Returns the same object if nothing changes. */
export function accept(
  before: RejectionState,
  { kind, sentAt }: { readonly kind: AttemptKind; readonly sentAt: number },
  { adopted }: { readonly adopted: boolean },
  now: number,
): RejectionState {
  const { unresolvedSince, helpedAt, unsteadyAt } = before
  const isAnswer = sentAt > unresolvedSince
  const isEffective = !before.lastRenewalHelped && kind === 'newer-token'
  const isUnsteady = kind === 'same-token' && now - (unsteadyAt.at(-1) ?? -Infinity) >= SECOND
  if (isAccepted(before) && !isAnswer && !isEffective && !isUnsteady) return before
  const kept = adopted ? helpedAt.slice(0, -1) : helpedAt.slice(-2)
  return {
    ...before,
    hasResult: true,
    consecutiveRejections: 0,
    // Rejections that arrived after the call was sent are still unresolved.
    unresolvedSince: isAnswer ? (sentAt > before.rejectedAt ? Infinity : sentAt) : unresolvedSince,
    confirmUntil: isAnswer ? now + CONFIRM_FOR : before.confirmUntil,
    ineffectiveRenewals: isEffective || !before.hasResult ? 0 : before.ineffectiveRenewals,
    lastRenewalHelped: before.lastRenewalHelped || isEffective,
    helpedAt: isEffective ? [...kept, now] : helpedAt,
    unsteadyAt: isUnsteady ? [...unsteadyAt.slice(-2), now] : unsteadyAt,
  }
}

/**
 * Records a newer token.
 *
 * @param requestedAt start of this process's request; undefined if another replica's token arrived unrequested.
 * @param random in [0, 1).
 */
export function replace(
  state: RejectionState,
  requestedAt: number | undefined,
  random: number,
  now: number,
): RejectionState {
  const { unresolvedSince, forceAt, ineffectiveRenewals } = state
  // A rejection that arrived during a scheduled renewal triggered nothing: that renewal ended the token.
  const isReactive = requestedAt !== undefined && Math.min(forceAt, unresolvedSince) <= requestedAt
  return {
    ...state,
    unresolvedSince: Infinity,
    forceAt: Infinity,
    hasResult: false,
    replacedAt: now,
    lastRenewalHelped: !isReactive,
    ...(isReactive && {
      lastReactiveRenewalAt: requestedAt + (random * 2 - 1) * JITTER,
      ineffectiveRenewals: ineffectiveRenewals + 1,
    }),
  }
}

/** Returns when rejections trigger a renewal; Infinity if they do not. */
export function renewalDueAt(state: RejectionState): number {
  const { unresolvedSince, confirmUntil, lastReactiveRenewalAt, ineffectiveRenewals } = state
  const wait = unresolvedSince < confirmUntil ? CONFIRMATION_WAIT : 0
  const at = Math.min(state.forceAt, unresolvedSince + wait)
  // While renewals help, a token that did not help was ended before its first call; renew again soon.
  const isSuperseded = ineffectiveRenewals === 1 && mayReplay(state, 1, lastReactiveRenewalAt)
  if (isSuperseded) return Math.max(at, lastReactiveRenewalAt + SUPERSEDED_RENEWAL_INTERVAL)
  const doubled = Math.min(MAX_RENEWAL_INTERVAL, MIN_RENEWAL_INTERVAL * 2 ** ineffectiveRenewals)
  const least = state.lastRenewalHelped ? 0 : INEFFECTIVE_RENEWAL_INTERVAL
  return Math.max(at, lastReactiveRenewalAt + Math.max(least, doubled))
}

/** True if a rejected call may be replayed: once, or twice if a renewal helped within the last minute. */
export function mayReplay({ helpedAt }: RejectionState, replays: number, now: number): boolean {
  return replays < (now - (helpedAt.at(-1) ?? -Infinity) < MINUTE ? 2 : 1)
}

/** Records a response that does not depend on the token, such as a 503. Renewals do not change. */
export function dismiss(state: RejectionState): RejectionState {
  return state.consecutiveRejections === 0 ? state : { ...state, consecutiveRejections: 0 }
}

/** True if at least the last three first attempts, and all of the last 2 s, were rejected. For display only. */
export function isRejected(state: RejectionState, now: number): boolean {
  const { consecutiveRejections, consecutiveSince, hasResult, replacedAt } = state
  // A newer token that no call has used is shown like the previous token.
  const until = hasResult ? now : replacedAt
  const isLong = until - consecutiveSince >= DISPLAYED_AFTER
  return consecutiveRejections >= 3 && isLong && isCurrent(state, now)
}

/** False if rejections are too old to describe the current token. */
function isCurrent({ hasResult, rejectedAt, replacedAt }: RejectionState, now: number): boolean {
  return now < (hasResult ? rejectedAt + REJECTED_FOR : replacedAt + UNUSED_FOR)
}

/** True if another client logs in as this user: three renewals after rejections helped within a minute. For display only. */
export function isConflict(state: RejectionState, now: number): boolean {
  return now - (state.helpedAt.at(-3) ?? -Infinity) < MINUTE && !isUnsteady(state, now)
}

/** True if three calls within a minute were rejected, and accepted with the same token. For display only. */
export function isUnsteady({ unsteadyAt }: RejectionState, now: number): boolean {
  return now - (unsteadyAt.at(-3) ?? -Infinity) < MINUTE
}
