import type { Config } from '../config/settings.ts'

/**
 * What is known of business calls that iSales rejected. A rejection makes the token suspect, not dead: iSales sends
 * 401 and 403 for calls that an account may not make, too. Instants are on the monotonic clock.
 */
export interface Rejections {
  /** The paths of calls that found the present token rejected, with the instant of the first report. */
  readonly suspects: ReadonlyMap<string, number>
  /** The newer token that was asked for because of them. */
  readonly renewal: Renewal | undefined
  /** iSales accepted a call with the present token. */
  readonly works: boolean
  /** What was last reported of rejections of the present token that are relayed. */
  readonly relayed: 'brand-new' | 'about-call' | undefined
  /** The token that was last replaced because of rejections, and the paths of the calls that are sent again. */
  readonly replaced:
    | { readonly at: number; readonly generation: number; readonly paths: ReadonlySet<string> }
    | undefined
  /** Paths with rejections that are about the call. */
  readonly forbidden: ReadonlyMap<string, Forbidden>
  /** When the latest call that iSales accepted was sent. */
  readonly acceptedAt: number
  /** Tokens that were rejected before their end, within the last minute. */
  readonly early: readonly { readonly at: number; readonly generation: number }[]
  /** Somebody else is taken to log in as this user until a minute after the last hold-off has ended. */
  readonly conflictUntil: number
}

interface Renewal {
  /** The status of the doubted rejection that asked for it, until the renewal begins and the rejection is reported. */
  readonly doubted?: number | undefined
  /** In a hold-off: since when. */
  readonly heldSince?: number
  /** A call that was sent in the hold-off, on no forbidden path, was rejected, too: the token is not sent any more. */
  readonly givenUp?: boolean
}

interface Forbidden {
  readonly until: number
  /** Others of its calls are accepted. */
  readonly mixed: boolean
}

export type RejectionRules = Pick<Config, 'loginReplacePause'>

export const NO_REJECTIONS: Rejections = {
  suspects: new Map(),
  renewal: undefined,
  works: false,
  relayed: undefined,
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
 * - `replace`: a newer token is asked for, now or after the hold-off.
 * - `brand-new`: the response is relayed. The token has not worked yet, and was asked for by a rejection not long
 *   ago: a login would hardly cure it.
 * - `about-call`: the response is relayed. A login would not cure it, since the token works for other calls.
 */
export type Verdict = 'replace' | 'brand-new' | 'about-call'

export interface Judgement {
  readonly rejections: Rejections
  /** Undefined: nothing new is to be reported. */
  readonly verdict?: Verdict
  /** The newer token is not asked for before. */
  readonly notBefore?: number
}

/** A business call that iSales rejected. */
export interface RejectedCall {
  /** Without a query. */
  readonly path: string
  readonly sentAt: number
  /** It was rejected with an older token before. */
  readonly again: boolean
}

/** @param given `random`: in [0, 1). */
export function reject(
  state: Rejections,
  call: RejectedCall & { readonly generation: number; readonly status: number },
  given: { readonly rules: RejectionRules; readonly now: number; readonly random: number },
): Judgement {
  const { rules, now, random } = given
  const { generation, status, path, sentAt, again } = call
  const { renewal, replaced } = state
  const found = state.forbidden.get(path)
  const known = found !== undefined && now < found.until ? found : undefined
  // Believed only while the token works for other calls.
  const forbidden = known?.mixed === false && now - state.acceptedAt < rules.loginReplacePause
  if (forbidden && renewal === undefined) return relay(state, 'about-call')
  const suspected = { ...state, suspects: withSuspect(state, path, now) }
  if (renewal !== undefined) {
    const isDead = sentAt > (renewal.heldSince ?? Infinity) && !forbidden
    return {
      rejections: isDead ? { ...suspected, renewal: { ...renewal, givenUp: true } } : suspected,
    }
  }
  const lately = replaced !== undefined && now - replaced.at < rules.loginReplacePause
  const unhealed = lately && replaced.paths.has(path)
  if (state.works && (again || unhealed)) {
    // The call was sent again with a token that works for others.
    const early = withoutEarly(state, replaced?.generation)
    const paths = withForbidden(state, new Map([[path, !unhealed]]), now)
    return relay({ ...state, early, forbidden: paths }, 'about-call')
  }
  const brandNew = lately && !state.works
  // In a conflict the other login may end a token before its first call: that, a login would cure.
  if (brandNew && now >= state.conflictUntil) return relay(suspected, 'brand-new')
  const recent = state.early.filter(({ at }) => now - at < CONFLICT_WINDOW)
  const early = [...recent, { at: now, generation }]
  const renewing = { ...suspected, early, renewal: {} }
  if (brandNew || early.length >= CONFLICT_REJECTIONS) {
    const notBefore = now + HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
    const conflictUntil = notBefore + CONFLICT_WINDOW
    return {
      verdict: 'replace',
      notBefore,
      rejections: { ...renewing, renewal: { heldSince: now }, conflictUntil },
    }
  }
  return known?.mixed === true
    ? { notBefore: now + DOUBT, rejections: { ...renewing, renewal: { doubted: status } } }
    : { verdict: 'replace', rejections: renewing }
}

/** Reported once for each token, but a rejection that is about its call must not hide a rejected token. */
function relay(state: Rejections, verdict: 'brand-new' | 'about-call'): Judgement {
  const { relayed } = state
  const isNews = relayed === undefined || (relayed === 'about-call' && verdict === 'brand-new')
  return isNews ? { verdict, rejections: { ...state, relayed: verdict } } : { rejections: state }
}

/** The state in the hold-off of another replica, which found that somebody else logs in as this user. */
export function holdOff(state: Rejections, now: number): Rejections {
  const { renewal } = state
  return renewal === undefined ? state : { ...state, renewal: { heldSince: now, ...renewal } }
}

/**
 * The state after iSales accepted a call with the present token. Rejections that were reported before it was sent were
 * about their calls: the token works.
 *
 * @param call `sentAt`: when it was sent.
 */
export function accept(
  state: Rejections,
  call: { readonly generation: number; readonly path: string; readonly sentAt: number },
  now: number,
): Rejections {
  const { path, sentAt } = call
  const { replaced } = state
  const healed = replaced?.paths.has(path) === true
  const wasForbidden = state.forbidden.get(path)?.mixed === false
  const isNews =
    !state.works ||
    state.suspects.size > 0 ||
    healed ||
    wasForbidden ||
    sentAt - state.acceptedAt >= NOTED_AGAIN
  if (!isNews) return state
  const cleared = [...state.suspects].flatMap(([suspect, at]) => (at < sentAt ? [suspect] : []))
  const found = new Map(cleared.map((suspect) => [suspect, suspect === path]))
  if (wasForbidden) found.set(path, true)
  const accepted = {
    ...state,
    works: true,
    acceptedAt: Math.max(state.acceptedAt, sentAt),
    forbidden: withForbidden(state, found, now),
    replaced: healed ? { ...replaced, paths: without(replaced.paths, path) } : replaced,
  }
  if (cleared.length === 0) return accepted
  const suspects = new Map([...state.suspects].filter(([suspect]) => !cleared.includes(suspect)))
  // A newer token did not help these calls: what rejected them with the older one was no early end of it.
  const early = cleared.some((suspect) => replaced?.paths.has(suspect))
    ? withoutEarly(state, replaced?.generation)
    : state.early
  if (suspects.size > 0) return { ...accepted, suspects, early }
  return {
    ...accepted,
    suspects,
    renewal: undefined,
    early: withoutEarly({ early }, call.generation),
    conflictUntil: -Infinity,
  }
}

/** The state after a newer token came. */
export function replace(state: Rejections, generation: number, now: number): Rejections {
  return {
    ...state,
    suspects: new Map(),
    renewal: undefined,
    works: false,
    relayed: undefined,
    replaced:
      state.renewal === undefined
        ? state.replaced
        : { at: now, generation, paths: new Set(state.suspects.keys()) },
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
  const bought =
    boughtAt === undefined || state.renewal !== undefined
      ? next.replaced
      : { at: boughtAt, generation, paths: new Set<string>() }
  // Another replica logged in, not somebody else.
  return { ...next, early: withoutEarly(state, generation), replaced: bought }
}

function withSuspect({ suspects }: Rejections, path: string, now: number) {
  if (suspects.has(path) || suspects.size >= MOST_PATHS) return suspects
  return new Map(suspects).set(path, now)
}

/**
 * The latest stand last; the oldest are dropped. A mixed path stays mixed.
 *
 * @param paths with whether they are mixed.
 */
function withForbidden(
  { forbidden }: Rejections,
  paths: ReadonlyMap<string, boolean>,
  now: number,
): Rejections['forbidden'] {
  if (paths.size === 0) return forbidden
  const all = new Map(forbidden)
  for (const [path, mixed] of paths) {
    all.delete(path)
    const wasMixed = forbidden.get(path)?.mixed === true
    all.set(path, { until: now + FORBIDDEN_FOR, mixed: mixed || wasMixed })
  }
  return new Map([...all].slice(-MOST_PATHS))
}

function withoutEarly({ early }: Pick<Rejections, 'early'>, generation: number | undefined) {
  return early.filter((one) => one.generation !== generation)
}

function without(paths: ReadonlySet<string>, path: string): ReadonlySet<string> {
  return new Set([...paths].filter((other) => other !== path))
}
