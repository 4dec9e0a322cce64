/**
 * What rejections and acceptances of business calls say about the present token. Instants are milliseconds on the
 * monotonic clock.
 *
 * A rejection may be about the token or about its call: iSales sends 401 and 403 for calls that an account may not make,
 * too. Evidence decides: a call that was sent after the rejection came, with the same token, and was accepted. Pace
 * bounds what the doubt costs: renewals that rejections ask for begin some seconds apart, and further when they cure
 * nothing.
 */
export interface Evidence {
  /** When the oldest rejection came that no acceptance has answered. Undefined: none is open. */
  readonly openSince: number | undefined
  /** When the latest rejection came. */
  readonly rejectedAt: number
  /** When the last accepted call was sent, of those that answered a rejection. */
  readonly answeredAt: number
  /** A rejected call was accepted with the same token: nodes of iSales disagree, and a newer token may serve at all. */
  readonly unsteady: boolean
  /** Rejections asked for the present token. */
  readonly asked: boolean
  /** This process obtained it, for a rejection that nothing had answered. */
  readonly replacesEnded: boolean
  /** What calls with the present token show. */
  readonly cure: Cure | undefined
  /** Renewals in a row that cured nothing, before the present token. */
  readonly uncured: number
  /** When a call showed that a renewal had cured, before the present token. */
  readonly curedAt: number
  /** The renewal that rejections asked for last. Undefined: there was none. */
  readonly renewal: Renewal | undefined
  /** Until then a rejection waits for evidence before it asks for a renewal. */
  readonly doubtUntil: number
  /** iSales has accepted a call with these credentials. */
  readonly everAccepted: boolean
  /** First attempts that were rejected since the last acceptance. */
  readonly rejectedInRow: number
  /** When such a token was shown to cure, within the last minute. */
  readonly cures: readonly number[]
}

/** The first judged call with the present token says it; a call that is sent again overrides it. */
interface Cure {
  readonly cured: boolean
  readonly byReplay: boolean
  readonly at: number
}

interface Renewal {
  readonly startedAt: number
  /** Its share of the distance to the next one: two programs do not keep step. */
  readonly jitter: number
  /** False while it has given no token: the attempts of one renewal are paced by back-off alone. */
  readonly granted: boolean
}

/**
 * What an attempt of a business call is.
 *
 * - `first`: it was not rejected before.
 * - `same-token`: it was rejected with this token.
 * - `newer-token`: it was rejected with an older one.
 */
export type AttemptKind = 'first' | 'same-token' | 'newer-token'

export const NO_EVIDENCE: Evidence = {
  openSince: undefined,
  rejectedAt: -Infinity,
  answeredAt: -Infinity,
  unsteady: false,
  asked: false,
  replacesEnded: false,
  cure: undefined,
  uncured: 0,
  curedAt: -Infinity,
  renewal: undefined,
  doubtUntil: -Infinity,
  everAccepted: false,
  rejectedInRow: 0,
  cures: [],
}

const MINUTE = 60_000
const MIN_DISTANCE = 2000
const OVERTAKEN_DISTANCE = 400
const MAX_DISTANCE = 10_000
/** While iSales has accepted no call at all: probably a setting is wrong, and no login cures that. */
const MAX_DISTANCE_UNPROVEN = 5 * MINUTE
const JITTER = 0.3
const DOUBT = 10 * MINUTE
/** A call waits so long for evidence. Steady traffic gives it within some milliseconds. */
export const EVIDENCE_WAIT = 500
/** A token that is unsteady in its first seconds may not have reached each node of iSales yet. */
const SETTLING = 5000
const REJECTED_IN_ROW = 3
const CONFLICT_CURES = 3

/**
 * The evidence after iSales rejected a call with the present token. A call that was sent again with the same token was
 * rejected for what it is. One that was sent again with a newer token asks for another only if renewals cure.
 */
export function reject(
  before: Evidence,
  call: { readonly kind: AttemptKind; readonly replays: number },
  now: number,
): Evidence {
  const { kind, replays } = call
  if (kind === 'same-token') return { ...before, doubtUntil: now + DOUBT }
  const state = judge(before, { cured: false, byReplay: kind === 'newer-token', at: now })
  if (kind === 'newer-token' && !mayReplayAgain(state, replays, now)) return state
  return {
    ...state,
    openSince: state.openSince ?? now,
    rejectedAt: now,
    rejectedInRow: state.rejectedInRow + (kind === 'first' ? 1 : 0),
  }
}

/** The evidence after iSales accepted a call with the present token; the same object where it says nothing new. */
export function accept(
  before: Evidence,
  call: { readonly kind: AttemptKind; readonly sentAt: number; readonly tokenAge: number },
  now: number,
): Evidence {
  const { kind, sentAt, tokenAge } = call
  const judged = judge(before, { cured: true, byReplay: kind === 'newer-token', at: now })
  const state =
    judged.everAccepted && judged.rejectedInRow === 0
      ? judged
      : { ...judged, everAccepted: true, rejectedInRow: 0 }
  const unsteady = state.unsteady || (kind === 'same-token' && tokenAge >= SETTLING)
  const { openSince, rejectedAt } = state
  if (openSince === undefined || sentAt <= openSince) {
    return unsteady === state.unsteady ? state : { ...state, unsteady }
  }
  return {
    ...state,
    unsteady,
    // Those that came after the call was sent are still open.
    openSince: sentAt > rejectedAt ? undefined : sentAt,
    answeredAt: sentAt,
    doubtUntil: now + DOUBT,
  }
}

/** The evidence after a token request began. */
export function beginRenewal(state: Evidence, now: number, random: number): Evidence {
  if (renewalDueAt(state) === Infinity || state.renewal?.granted === false) return state
  const jitter = 1 + (random * 2 - 1) * JITTER
  return { ...state, renewal: { startedAt: now, jitter, granted: false } }
}

/** The evidence after a newer token came, ours or another replica's. */
export function replace(state: Evidence, token: { readonly adopted: boolean }): Evidence {
  const { renewal } = state
  // A rejection that came while a timer's request was in flight asked for nothing: that request ended the token.
  const asked = renewal?.granted === false
  return {
    ...state,
    openSince: undefined,
    answeredAt: -Infinity,
    unsteady: false,
    asked,
    replacesEnded: asked && state.openSince !== undefined && !token.adopted,
    cure: undefined,
    // Nobody judged the present token: a renewal that is asked for now shows that it cured nothing.
    uncured: uncuredInRow(state) + (asked && state.asked && state.cure === undefined ? 1 : 0),
    curedAt: lastCuredAt(state),
    renewal: renewal && { ...renewal, granted: true },
  }
}

/** When rejections want a newer token. Infinity: they do not. */
export function renewalDueAt(state: Evidence): number {
  const { openSince, unsteady, renewal, doubtUntil } = state
  if (openSince === undefined && !unsteady) return Infinity
  const inDoubt = openSince !== undefined && openSince < doubtUntil
  const evidence = openSince === undefined ? -Infinity : openSince + (inDoubt ? EVIDENCE_WAIT : 0)
  if (renewal?.granted !== true) return evidence
  return Math.max(evidence, renewal.startedAt + distance(state, renewal) * renewal.jitter)
}

/** True when a call that was sent again once and rejected may be sent again once more: renewals cure. */
export function mayReplayAgain(state: Evidence, replays: number, now: number): boolean {
  return replays === 1 && now - lastCuredAt(state) < MINUTE
}

/** True when an acceptance would say nothing new. */
export function isSettled({
  openSince,
  everAccepted,
  rejectedInRow,
  asked,
  cure,
}: Evidence): boolean {
  return (
    openSince === undefined && everAccepted && rejectedInRow === 0 && !(asked && cure === undefined)
  )
}

/** True when the last renewal that rejections asked for, as far as it was judged, cured nothing. */
export function isUncured(state: Evidence): boolean {
  return uncuredInRow(state) > 0
}

/** For people: the last three judged calls or more were rejected. */
export function isRejected({ rejectedInRow }: Evidence): boolean {
  return rejectedInRow >= REJECTED_IN_ROW
}

/** For people: somebody else logs in as this user. Rejections asked for three tokens in a minute, and each cured. */
export function isConflict({ cures }: Evidence, now: number): boolean {
  return cures.filter((at) => now - at < MINUTE).length >= CONFLICT_CURES
}

function judge(state: Evidence, verdict: Cure): Evidence {
  const { cure } = state
  if (!state.asked) return state
  const overrides = verdict.byReplay && (cure?.byReplay !== true || (verdict.cured && !cure.cured))
  if (cure !== undefined && !overrides) return state
  const judged = { ...state, cure: verdict }
  if (!verdict.cured) return { ...judged, doubtUntil: verdict.at + DOUBT }
  if (!state.replacesEnded || cure?.cured === true) return judged
  const cures = state.cures.filter((at) => verdict.at - at < MINUTE)
  return { ...judged, cures: [...cures, verdict.at] }
}

function uncuredInRow({ cure, uncured }: Evidence): number {
  if (cure === undefined) return uncured
  return cure.cured ? 0 : uncured + 1
}

function lastCuredAt({ cure, curedAt }: Evidence): number {
  return cure?.cured === true ? cure.at : curedAt
}

/** Where renewals cure, a token that cures nothing was ended before its first call: the next one is asked for soon. */
function distance(state: Evidence, { startedAt }: Renewal): number {
  const uncured = uncuredInRow(state)
  if (uncured === 1 && startedAt - state.curedAt < MINUTE) return OVERTAKEN_DISTANCE
  const max = state.everAccepted ? MAX_DISTANCE : MAX_DISTANCE_UNPROVEN
  return Math.min(max, MIN_DISTANCE * 2 ** uncured)
}
