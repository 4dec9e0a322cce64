import type { Config } from '../config/settings.ts'
import type { Token } from './token.ts'

/**
 * What is known of business calls that iSales rejected. A rejection makes the token suspect, not dead: iSales sends
 * 401 and 403 for calls that an account may not make, too. Instants are on the monotonic clock.
 */
export interface Rejections {
  /** The paths of calls that found the present token rejected, with the instant of the first report. */
  readonly suspects: ReadonlyMap<string, number>
  /** A newer token was asked for because of them. */
  readonly renewing: boolean
  /** The status of the doubted rejection that asked for it, until the renewal begins and the rejection is reported. */
  readonly doubted: number | undefined
  /** The token that was last replaced because of rejections, and the paths of the calls that are sent again. */
  readonly replaced:
    | { readonly at: number; readonly generation: number; readonly paths: ReadonlySet<string> }
    | undefined
  /** In a hold-off: since when. */
  readonly heldSince: number | undefined
  /** A call that was sent in the hold-off, on no forbidden path, was rejected, too: the token is not sent any more. */
  readonly givenUp: boolean
  /** Paths with rejections that are about the call. */
  readonly forbidden: ReadonlyMap<string, Forbidden>
  /** When the latest call that iSales accepted was sent. */
  readonly acceptedAt: number
  /** Tokens that were rejected before their end, within the last minute. */
  readonly early: readonly { readonly at: number; readonly generation: number }[]
  /** Somebody else is taken to log in as this user until a minute after the last hold-off has ended. */
  readonly conflictUntil: number
}

interface Forbidden {
  readonly until: number
  /** Others of its calls are accepted. */
  readonly mixed: boolean
}

export type RejectionRules = Pick<Config, 'loginReplacePause'>

const NOT_RENEWING = {
  renewing: false,
  doubted: undefined,
  heldSince: undefined,
  givenUp: false,
} as const

export const NO_REJECTIONS: Rejections = {
  suspects: new Map(),
  ...NOT_RENEWING,
  replaced: undefined,
  forbidden: new Map(),
  acceptedAt: -Infinity,
  early: [],
  conflictUntil: -Infinity,
}

/** Somebody else logs in as this user when so many tokens a minute are rejected before their end. */
const CONFLICT_REJECTIONS = 3
const CONFLICT_WINDOW = 60_000
const HOLD_OFF_MIN = 5000
const HOLD_OFF_MAX = 60_000
const FORBIDDEN_FOR = 600_000
/** How long a rejection on a mixed path waits for a call that shows that the token works. */
const DOUBT = 500
const MOST_PATHS = 1000
/** Acceptance is noted once a second; that is exact enough for a pause of 30 s. */
const NOTED_AGAIN = 1000

/**
 * What a rejection of the present token means.
 *
 * - `about-call`: a login would not cure it, since the token works for other calls.
 * - `brand-new`: the token has not worked yet, and was asked for by a rejection not long ago. A login would hardly
 *   cure it.
 * - `known`: the newer token was asked for already.
 * - `doubt`: a newer token is asked for in a moment, unless another call is accepted before.
 * - `replace`: a newer token is asked for now.
 * - `hold-off`: a newer token is asked for later, since somebody else seems to log in as this user.
 */
export type Verdict =
  | { readonly verdict: 'about-call' | 'brand-new' | 'known' | 'replace' }
  | { readonly verdict: 'doubt' | 'hold-off'; readonly until: number }

/** A business call that iSales rejected. */
export interface RejectedCall {
  /** Without a query. */
  readonly path: string
  readonly sentAt: number
  /** It was rejected with an older token before. */
  readonly again: boolean
}

/** @param random in [0, 1). */
export function reject(
  state: Rejections,
  { token, path, sentAt, again }: RejectedCall & { readonly token: Token },
  rules: RejectionRules,
  { now, random }: { readonly now: number; readonly random: number },
): Verdict & { readonly rejections: Rejections } {
  const suspects = withSuspect(state, path, now)
  if (state.renewing) {
    const inHoldOff = sentAt > (state.heldSince ?? Infinity)
    const givenUp = state.givenUp || (inHoldOff && !isForbidden(state, path, rules, now))
    return { verdict: 'known', rejections: { ...state, suspects, givenUp } }
  }
  if (isForbidden(state, path, rules, now)) return { verdict: 'about-call', rejections: state }
  const { replaced } = state
  const lately = replaced !== undefined && now - replaced.at < rules.loginReplacePause
  const unhealed = lately && replaced.paths.has(path)
  if (token.accepted && (again || unhealed)) {
    // The call was sent again with a token that works for others.
    const early = withoutEarly(state, replaced?.generation)
    const found = { until: now + FORBIDDEN_FOR, mixed: !unhealed }
    const forbidden = withForbidden(state.forbidden, [path], found)
    return { verdict: 'about-call', rejections: { ...state, early, forbidden } }
  }
  const brandNew = lately && !token.accepted
  // In a conflict the other login may end a token before its first call: that, a login would cure.
  if (brandNew && now >= state.conflictUntil) {
    return { verdict: 'brand-new', rejections: { ...state, suspects } }
  }
  const recent = state.early.filter(({ at }) => now - at < CONFLICT_WINDOW)
  const early = [...recent, { at: now, generation: token.generation }]
  const renewing = { ...state, suspects, early, renewing: true }
  if (!brandNew && early.length < CONFLICT_REJECTIONS) {
    return isMixed(state, path, now)
      ? { verdict: 'doubt', until: now + DOUBT, rejections: renewing }
      : { verdict: 'replace', rejections: renewing }
  }
  const until = now + HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
  return {
    verdict: 'hold-off',
    until,
    rejections: { ...renewing, heldSince: now, conflictUntil: until + CONFLICT_WINDOW },
  }
}

/** The state in the hold-off of another replica, which found that somebody else logs in as this user. */
export function holdOff(state: Rejections, now: number): Rejections {
  return state.renewing ? { ...state, heldSince: state.heldSince ?? now } : state
}

/**
 * The state after iSales accepted a call. Rejections that were reported before it was sent were about their calls: the
 * token works.
 *
 * @param sentAt when the call was sent.
 */
export function accept(
  state: Rejections,
  {
    token,
    path,
    sentAt,
  }: { readonly token: Token; readonly path: string; readonly sentAt: number },
  now: number,
): Rejections {
  const { replaced } = state
  const cleared = [...state.suspects].filter(([, reportedAt]) => reportedAt < sentAt)
  const healed = replaced?.paths.has(path) === true
  const wasForbidden = state.forbidden.get(path)?.mixed === false
  if (cleared.length === 0 && !healed && !wasForbidden && sentAt - state.acceptedAt < NOTED_AGAIN)
    return state
  const paths = cleared.map(([suspect]) => suspect)
  const until = now + FORBIDDEN_FOR
  const others = paths.filter((suspect) => suspect !== path)
  const refused = withForbidden(state.forbidden, others, { until, mixed: false })
  const mixed = wasForbidden || paths.includes(path) ? [path] : []
  const accepted = {
    ...state,
    forbidden: withForbidden(refused, mixed, { until, mixed: true }),
    acceptedAt: Math.max(state.acceptedAt, sentAt),
    replaced: healed ? { ...replaced, paths: without(replaced.paths, path) } : replaced,
  }
  if (cleared.length === 0) return accepted
  const suspects = new Map([...state.suspects].filter(([suspect]) => !paths.includes(suspect)))
  // A newer token did not help these calls: what rejected them with the older one was no early end of it.
  const early = paths.some((suspect) => replaced?.paths.has(suspect))
    ? withoutEarly(state, replaced?.generation)
    : state.early
  if (suspects.size > 0) return { ...accepted, suspects, early }
  return {
    ...accepted,
    suspects,
    ...NOT_RENEWING,
    early: withoutEarly({ early }, token.generation),
    conflictUntil: state.renewing ? -Infinity : state.conflictUntil,
  }
}

/** The state after a newer token came. */
export function replace(state: Rejections, generation: number, now: number): Rejections {
  return {
    ...state,
    suspects: new Map(),
    ...NOT_RENEWING,
    replaced: state.renewing
      ? { at: now, generation, paths: new Set(state.suspects.keys()) }
      : state.replaced,
  }
}

/**
 * The state after a token of another replica was taken.
 *
 * @param generation of the token before it.
 * @param boughtAt when it was requested, if a rejection asked for it.
 */
export function adopt(
  state: Rejections,
  generation: number,
  boughtAt: number | undefined,
  now: number,
): Rejections {
  const next = replace(state, generation, now)
  const { replaced } = next
  // Another replica logged in, not somebody else.
  const early = withoutEarly(state, generation)
  const bought =
    boughtAt === undefined || state.renewing
      ? replaced
      : { at: boughtAt, generation, paths: new Set<string>() }
  return { ...next, early, replaced: bought }
}

/** True when every rejection on this path is about the call. Only while the token works for other calls. */
function isForbidden(
  { forbidden, acceptedAt }: Rejections,
  path: string,
  rules: RejectionRules,
  now: number,
): boolean {
  const found = forbidden.get(path)
  const believed = found !== undefined && now < found.until && !found.mixed
  return believed && now - acceptedAt < rules.loginReplacePause
}

function isMixed({ forbidden }: Rejections, path: string, now: number): boolean {
  const found = forbidden.get(path)
  return found !== undefined && now < found.until && found.mixed
}

function withSuspect({ suspects }: Rejections, path: string, now: number) {
  if (suspects.has(path) || suspects.size >= MOST_PATHS) return suspects
  return new Map(suspects).set(path, now)
}

/** The latest stand last; the oldest are dropped. A mixed path stays mixed. */
function withForbidden(
  forbidden: Rejections['forbidden'],
  paths: readonly string[],
  { until, mixed }: Forbidden,
): Rejections['forbidden'] {
  if (paths.length === 0) return forbidden
  const others = [...forbidden].filter(([path]) => !paths.includes(path))
  const latest = paths.map((path): [string, Forbidden] => [
    path,
    { until, mixed: mixed || forbidden.get(path)?.mixed === true },
  ])
  return new Map([...others, ...latest].slice(-MOST_PATHS))
}

function withoutEarly({ early }: Pick<Rejections, 'early'>, generation: number | undefined) {
  return early.filter((one) => one.generation !== generation)
}

function without(paths: ReadonlySet<string>, path: string): ReadonlySet<string> {
  return new Set([...paths].filter((other) => other !== path))
}
