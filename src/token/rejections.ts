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
  /** The token that was last replaced because of rejections, and the paths of the calls that are sent again. */
  readonly replaced:
    | { readonly at: number; readonly generation: number; readonly paths: ReadonlySet<string> }
    | undefined
  /** Paths whose rejections are about the call, and until when that is believed. */
  readonly forbidden: ReadonlyMap<string, number>
  /** When the latest call that iSales did not reject was sent. */
  readonly acceptedAt: number
  /** Tokens that were rejected before their end, within the last minute. */
  readonly early: readonly { readonly at: number; readonly generation: number }[]
  /** Somebody else is taken to log in as this user until a minute after the last hold-off has ended. */
  readonly conflictUntil: number
}

export type RejectionRules = Pick<Config, 'loginReplacePause'>

export const NO_REJECTIONS: Rejections = {
  suspects: new Map(),
  renewing: false,
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
 * - `replace`: a newer token is asked for now.
 * - `hold-off`: a newer token is asked for later, since somebody else seems to log in as this user.
 */
export type Verdict =
  | { readonly verdict: 'about-call' | 'brand-new' | 'known' | 'replace' }
  | { readonly verdict: 'hold-off'; readonly until: number }

/** @param random in [0, 1). */
export function reject(
  state: Rejections,
  { token, path }: { readonly token: Token; readonly path: string },
  rules: RejectionRules,
  { now, random }: { readonly now: number; readonly random: number },
): Verdict & { readonly rejections: Rejections } {
  if (isForbidden(state, path, rules, now)) return { verdict: 'about-call', rejections: state }
  const { replaced } = state
  const lately = replaced !== undefined && now - replaced.at < rules.loginReplacePause
  if (lately && token.accepted && replaced.paths.has(path)) {
    // The call was sent again with a token that works elsewhere.
    const early = state.early.filter(({ generation }) => generation !== replaced.generation)
    return {
      verdict: 'about-call',
      rejections: { ...state, early, forbidden: withForbidden(state, [path], now) },
    }
  }
  const suspects = withSuspect(state, path, now)
  if (state.renewing) return { verdict: 'known', rejections: { ...state, suspects } }
  const brandNew = lately && !token.accepted
  // In a conflict the other login may end a token before its first call: that, a login would cure.
  if (brandNew && now >= state.conflictUntil) {
    return { verdict: 'brand-new', rejections: { ...state, suspects } }
  }
  const recent = state.early.filter(({ at }) => now - at < CONFLICT_WINDOW)
  const early = [...recent, { at: now, generation: token.generation }]
  const renewing = { ...state, suspects, early, renewing: true }
  if (!brandNew && early.length < CONFLICT_REJECTIONS) {
    return { verdict: 'replace', rejections: renewing }
  }
  const until = now + HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
  return {
    verdict: 'hold-off',
    until,
    rejections: { ...renewing, conflictUntil: until + CONFLICT_WINDOW },
  }
}

/**
 * The state after a call was not rejected. Rejections that were reported before it was sent were about their calls:
 * the token works.
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
  const allowed = state.forbidden.has(path)
  if (cleared.length === 0 && !healed && !allowed && sentAt - state.acceptedAt < NOTED_AGAIN)
    return state
  const accepted = {
    ...state,
    // A path with an accepted call is not forbidden: what rejected its other calls was about the token.
    forbidden: new Map([...state.forbidden].filter(([other]) => other !== path)),
    acceptedAt: Math.max(state.acceptedAt, sentAt),
    replaced: healed ? { ...replaced, paths: without(replaced.paths, path) } : replaced,
  }
  if (cleared.length === 0) return accepted
  const paths = cleared.map(([suspect]) => suspect)
  const suspects = new Map([...state.suspects].filter(([suspect]) => !paths.includes(suspect)))
  const others = paths.filter((suspect) => suspect !== path)
  const forbidden = withForbidden(accepted, others, now)
  if (suspects.size > 0) return { ...accepted, suspects, forbidden }
  return {
    ...accepted,
    suspects,
    forbidden,
    renewing: false,
    early: state.early.filter(({ generation }) => generation !== token.generation),
    conflictUntil: state.renewing ? -Infinity : state.conflictUntil,
  }
}

/** The state after a newer token came. */
export function replace(state: Rejections, generation: number, now: number): Rejections {
  return {
    ...state,
    suspects: new Map(),
    renewing: false,
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
  const early = state.early.filter((one) => one.generation !== generation)
  const bought =
    boughtAt === undefined || state.renewing
      ? replaced
      : { at: boughtAt, generation, paths: new Set<string>() }
  return { ...next, early, replaced: bought }
}

/** True when rejections of this path are about the call. Only while the token works for other calls. */
export function isForbidden(
  { forbidden, acceptedAt }: Rejections,
  path: string,
  rules: RejectionRules,
  now: number,
): boolean {
  return now < (forbidden.get(path) ?? -Infinity) && now - acceptedAt < rules.loginReplacePause
}

function withSuspect({ suspects }: Rejections, path: string, now: number) {
  if (suspects.has(path) || suspects.size >= MOST_PATHS) return suspects
  return new Map(suspects).set(path, now)
}

/** The latest stand last; the oldest are dropped. */
function withForbidden({ forbidden }: Rejections, paths: readonly string[], now: number) {
  const others = [...forbidden].filter(([path, until]) => now < until && !paths.includes(path))
  const latest = paths.map((path): [string, number] => [path, now + FORBIDDEN_FOR])
  return new Map([...others, ...latest].slice(-MOST_PATHS))
}

function without(paths: ReadonlySet<string>, path: string): ReadonlySet<string> {
  return new Set([...paths].filter((other) => other !== path))
}
