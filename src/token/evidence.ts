import { MINUTE } from '../clock.ts'

/**
 * What rejections and acceptances of business calls say about the present token. Instants are milliseconds on the
 * monotonic clock. A rejection may be about the token or about its call. Evidence decides: a call that was sent after
 * the rejection came, with the same token, and was accepted. Pace bounds what the doubt costs.
 *
 * @example one call is refused for what it is, others are accepted
 *   0.0 s  it is rejected: a login begins. The replay is rejected, too: `uncured` 1
 *   0.3 s  another call is accepted with the newer token: `uncured` 0
 *   5.0 s  it is rejected: the login waits for evidence until 5.5
 *   5.1 s  a call that was sent at 5.05 is accepted: no login. The refused one is sent once more, and relayed
 *  30.0 s  it is rejected twice with one token: a login begins against all evidence, the first since 0.0
 */
export const NO_EVIDENCE = {
  /** When the oldest rejection came that no acceptance has followed. Infinity: none is open. */
  openSince: Infinity,
  /** When the latest rejection came. */
  rejectedAt: -Infinity,
  /** A call with the present token was accepted or rejected. */
  judged: false,
  /** First attempts that were rejected since the last acceptance. */
  rejectedInRow: 0,
  /** iSales has accepted a call of this process. */
  everAccepted: false,
  /** Until then a rejection waits for evidence before it asks for a newer token. */
  doubtUntil: -Infinity,
  /** Evidence has prevailed for long: a newer token is wanted all the same. */
  overruled: false,
  /** When the request for the last token that rejections asked for began, scattered: two programs do not keep step. */
  boughtAt: -Infinity,
  /** Such tokens since a call was accepted with one. */
  uncured: 0,
  /** False: the present token is one of them, and has not cured a call yet. */
  cured: true,
  /** When the last three that cured did so. One of another replica stands in for the last: it is no conflict. */
  cures: [] as readonly number[],
}
export type Evidence = Readonly<typeof NO_EVIDENCE>

/** The first, or sent again: with the same token, a newer one, or one whose renewal may have ended the older one. */
export type AttemptKind = 'first' | 'same-token' | 'newer-token' | 'overtaken'
/** `replays`: how often the call was sent again. */
export type Rejection = Readonly<{ kind: AttemptKind; replays: number }>

/** With the jitter 2.2 s at most: a call that is rejected right after a renewal gets the next one within its 2.8 s. */
export const MIN_DISTANCE = 1800
const OVERTAKEN_DISTANCE = 400
/** While the latest has cured no call, though others may be accepted: 24 a minute. */
const UNCURED_DISTANCE = 2500
const MAX_DISTANCE = 10_000
/** While iSales has accepted no call at all: probably a setting is wrong, and no login cures that. */
const MAX_DISTANCE_UNPROVEN = 5 * MINUTE
const JITTER = 400
const DOUBT = 10 * MINUTE
/** A rejected call waits so long for evidence. Steady traffic gives it within some milliseconds. */
export const EVIDENCE_WAIT = 500
/** Evidence may be of calls that iSales accepts without looking at the token. Within 30 s, jitter and login included. */
const MAX_PREVAIL = 28_000

/** iSales rejected a call. Sent again with the same token, it is rejected for what it is. */
export function reject(before: Evidence, { kind, replays }: Rejection, now: number): Evidence {
  const isAgain = kind === 'same-token'
  const state = {
    ...before,
    judged: true,
    doubtUntil: kind !== 'first' || before.uncured > 0 ? now + DOUBT : before.doubtUntil,
    overruled: before.overruled || (isAgain && now - before.boughtAt >= MAX_PREVAIL),
  }
  if (isAgain || !mayReplay(state, replays, now)) return state
  const rejectedInRow = state.rejectedInRow + (kind === 'first' ? 1 : 0)
  return { ...state, openSince: Math.min(state.openSince, now), rejectedAt: now, rejectedInRow }
}

/** True when the last call that says something of the present token was accepted. */
export function isAccepted({ judged, everAccepted, rejectedInRow }: Evidence): boolean {
  return judged && everAccepted && rejectedInRow === 0
}

/** The evidence after iSales accepted a call with the present token; the same object where it says nothing new. */
export function accept(
  before: Evidence,
  { kind, sentAt }: { readonly kind: AttemptKind; readonly sentAt: number },
  { adopted }: { readonly adopted: boolean },
  now: number,
): Evidence {
  const { openSince, cures } = before
  const isAnswer = sentAt > openSince
  const isCure = !before.cured && kind === 'newer-token'
  if (isAccepted(before) && !isAnswer && !isCure) return before
  return {
    ...before,
    judged: true,
    everAccepted: true,
    rejectedInRow: 0,
    // Rejections that came after the call was sent are still open.
    openSince: isAnswer ? (sentAt > before.rejectedAt ? Infinity : sentAt) : openSince,
    doubtUntil: isAnswer ? now + DOUBT : before.doubtUntil,
    uncured: isCure || !before.judged ? 0 : before.uncured,
    cured: before.cured || isCure,
    cures: isCure ? [...(adopted ? cures.slice(0, -1) : cures.slice(-2)), now] : cures,
  }
}

/**
 * The evidence after a newer token came, ours or another replica's.
 *
 * @param requestedAt when the request that gave it began here; undefined: another replica gave it unasked.
 * @param random in [0, 1).
 */
export function replace(
  state: Evidence,
  requestedAt: number | undefined,
  random: number,
): Evidence {
  const { openSince, overruled } = state
  const fresh = { ...state, openSince: Infinity, overruled: false, judged: false, cured: true }
  // A rejection that came while a timer's request was in flight asked for nothing: that request ended the token.
  const isBought = requestedAt !== undefined && (overruled || openSince <= requestedAt)
  if (!isBought) return fresh
  const boughtAt = requestedAt + (random * 2 - 1) * JITTER
  return { ...fresh, boughtAt, uncured: state.uncured + 1, cured: false }
}

/** When rejections want a newer token. Infinity: they do not. */
export function renewalDueAt(state: Evidence): number {
  const { openSince, overruled, doubtUntil, boughtAt, uncured, cured } = state
  const at = overruled ? -Infinity : openSince + (openSince < doubtUntil ? EVIDENCE_WAIT : 0)
  const max = state.everAccepted ? MAX_DISTANCE : MAX_DISTANCE_UNPROVEN
  // Where renewals cure, a token that cures nothing was ended before its first call: the next one is asked for soon.
  const isOvertaken = uncured === 1 && mayReplay(state, 1, boughtAt)
  const paced = Math.max(cured ? 0 : UNCURED_DISTANCE, Math.min(max, MIN_DISTANCE * 2 ** uncured))
  return Math.max(at, boughtAt + (isOvertaken ? OVERTAKEN_DISTANCE : paced))
}

/** True when a rejected call may be sent again: once, and twice where a renewal cured within the last minute. */
export function mayReplay({ cures }: Evidence, replays: number, now: number): boolean {
  return replays < (now - (cures.at(-1) ?? -Infinity) < MINUTE ? 2 : 1)
}

/** For people: the last three judged calls or more were rejected. */
export function isRejected({ rejectedInRow }: Evidence): boolean {
  return rejectedInRow >= 3
}

/** For people: somebody else logs in as this user. Rejections asked for three tokens in a minute, and each cured. */
export function isConflict({ cures }: Evidence, now: number): boolean {
  return now - (cures.at(-3) ?? -Infinity) < MINUTE
}
