import { cause } from '../causes.ts'
import { MINUTE } from '../clock.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import { explain, type Failure, type Places, type Words } from '../words/index.ts'
import {
  mainFailure,
  mostFail,
  RECENT,
  totalOf,
  type CallCounts,
  type Calls,
  type CallsView,
  type PathCounts,
} from './calls.ts'
import { createSpeaker, minuteOfDay, number, type Speaker, type ValuesOf } from './speaker.ts'

/**
 * What CTI-OBS gets, in one word; docs/metrics.md explains each. With the tone of the status page: `bad` means that
 * somebody has to act, `quiet` that there is nothing to judge yet.
 */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  refused: 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type Health = keyof typeof STATES

/** What is judged. */
export interface StateInput {
  readonly draining: boolean
  readonly token: TokenSnapshot
  readonly sharing: SharingSnapshot | undefined
  readonly calls: Pick<Calls, 'view' | 'paths'>
  /** Why the book of logins is not in `STATE_DIR`; undefined: it is. */
  readonly stateTrouble: Failure | undefined
  /** iSales gave the present token a lifetime of more than a day. */
  readonly isLifetimeDoubtful: boolean
  readonly places: Places
  /** Milliseconds since 1970. */
  readonly wallNow: number
  /** Minutes east of UTC. */
  readonly utcOffset: number
}

/** Milliseconds. */
const OUTAGE = 3000
const CALM = 5000
/** Calls that succeeded since the last failure, before anybody speaks of recovery. */
const SUCCESSES = 3
/** Of a minute: now and then a client errs, or a ticket ends. */
const MIN_MISTAKES = 3
/** As in the alert: a call that asks for what is not there is no state of the proxy. */
const MIN_DECLINED = 6
/** A slow call of so many in a minute. */
const SLOW_SHARE = 0.05
const MIN_SLOW = 2

type Facts = ReturnType<typeof factsOf>
type FindingWords = Words['findings']
export type FindingName = keyof FindingWords

/** One thing to be said, and when. The words of `reason` and `remedy` demand the values. */
interface FindingKind<Name extends FindingName> {
  readonly state: Health | ((facts: Facts) => Health)
  /** False or undefined: it is not said. */
  readonly when: (
    facts: Facts,
    speaker: Speaker,
  ) =>
    | (ValuesOf<FindingWords[Name]['reason']> & ValuesOf<FindingWords[Name]['remedy']>)
    | false
    | undefined
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string | ((facts: Facts) => string | undefined)
}

const SAID = {}
const LOGIN_ALERTS: Partial<Readonly<Record<Health, string>>> = {
  refused: 'IsalesProxyLoginRefused',
  degraded: 'IsalesProxyAuthenticationFailing',
  unauthenticated: 'IsalesProxyNotAuthenticated',
}
/** The state while logins fail. */
const loginState = ({ token, login }: Facts): Health =>
  login?.isRefused === true
    ? 'refused'
    : token.usable && !token.rejected
      ? 'degraded'
      : 'unauthenticated'

/** What stands first among findings that end as many calls. */
const FINDINGS: { readonly [Name in FindingName]: FindingKind<Name> } = {
  draining: { state: 'draining', when: ({ draining }) => draining && SAID },
  conflict: {
    state: 'conflict',
    when: ({ token, service }) => token.conflict && { service },
    runbook: 'IsalesProxySessionConflict',
  },
  waiting: {
    state: ({ noToken }) => (noToken === 'first' ? 'starting' : 'unauthenticated'),
    when: ({ noToken }) => noToken !== undefined && SAID,
  },
  login: {
    state: loginState,
    when: ({ login }) => login?.code !== 'not-yet-valid' && login,
    runbook: (facts) => LOGIN_ALERTS[loginState(facts)],
  },
  clock: {
    state: loginState,
    when: ({ login }) => login?.code === 'not-yet-valid' && login,
    runbook: 'IsalesProxyClockWrong',
  },
  rejected: {
    state: 'failing',
    // The last calls were rejected, and no newer token cured that. Without one, failed logins say it.
    when: ({ token, login }) => token.rejected && login === undefined && SAID,
    runbook: 'IsalesProxyCallsRefused',
  },
  calls: {
    state: ({ failing }) => (failing?.kind === 'some' ? 'degraded' : 'failing'),
    when: ({ failing }) => failing?.kind !== 'recovering' && failing,
    runbook: 'IsalesProxyCallsFailing',
  },
  forbidden: {
    state: 'degraded',
    when: ({ refused, pages, total, refusedPaths: paths, token }) =>
      refused > pages &&
      token.usable &&
      !token.rejected && { refused: refused - pages, total, paths },
    runbook: 'IsalesProxyCallsRefused',
  },
  page: {
    state: 'degraded',
    when: ({ pages, refusedPaths: paths }) => pages > 0 && { pages, paths },
    runbook: 'IsalesProxyCallsRefused',
  },
  declined: {
    state: 'degraded',
    when: ({ declined, total }) =>
      declined >= MIN_DECLINED && declined > total / 2 && { declined, total },
    runbook: 'IsalesProxyCallsRefused',
  },
  slow: {
    state: 'degraded',
    when: ({ slow, total }) => slow >= Math.max(MIN_SLOW, total * SLOW_SHARE) && { slow, total },
    runbook: 'IsalesProxyLatency',
  },
  lifetime: {
    state: 'degraded',
    when: ({ isLifetimeDoubtful }) => isLifetimeDoubtful && SAID,
    runbook: 'IsalesProxyLifetimeDoubtful',
  },
  state: {
    state: 'degraded',
    when: ({ stateTrouble: why, places }, { words }) => why && explain(words, places, why),
    runbook: 'IsalesProxyStateUnusable',
  },
  store: {
    state: 'degraded',
    when: ({ store }) => store,
    runbook: 'IsalesProxySessionAlone',
  },
  recovering: {
    state: 'degraded',
    when: ({ failing }) => failing?.kind === 'recovering' && failing,
  },
  healthy: { state: 'healthy', when: ({ good }) => ({ good }) },
  // Anybody who reaches the listener makes such mistakes, so they are no state of the proxy.
  mistakes: { state: 'healthy', when: ({ mistakes }) => mistakes },
}

export const FINDING_NAMES = Object.keys(FINDINGS) as readonly FindingName[]
/** What ends all calls stands before what ends some, and that before what is no state. */
const RANKS: Readonly<Record<(typeof STATES)[Health], number>> = {
  bad: 0,
  quiet: 0,
  warning: 1,
  good: 2,
}

export type Finding = NonNullable<ReturnType<typeof sayIf>>

/** The first gives the state. */
export type Findings = ReturnType<typeof judge>

/** All that is to be said, the most important first: it gives the state. */
export function judge(input: StateInput, speaker = createSpeaker('en')) {
  const facts = factsOf(input, speaker)
  const names = input.draining ? (['draining'] as const) : FINDING_NAMES
  const said = names
    .flatMap((name) => sayIf(name, facts, speaker) ?? [])
    .sort((one, other) => RANKS[STATES[one.state]] - RANKS[STATES[other.state]])
  const isWrong = said[0]?.state !== 'healthy'
  // One of them is always true.
  return said.filter(({ finding }) => !isWrong || finding !== 'healthy') as [Finding, ...Finding[]]
}

function sayIf<Name extends FindingName>(name: Name, facts: Facts, speaker: Speaker) {
  const { words, fill, language } = speaker
  const { state, when, runbook }: FindingKind<Name> = FINDINGS[name]
  const values = when(facts, speaker)
  if (values === false || values === undefined) return undefined
  const { title, reason, remedy } = words.findings[name]
  const section = typeof runbook === 'function' ? runbook(facts) : runbook
  const page = `/docs/operations${language === 'zh' ? '.zh-CN' : ''}.md`
  const sentence = (text: string): string => words.sentences(text)
  return {
    finding: name,
    state: typeof state === 'function' ? state(facts) : state,
    title,
    reason: sentence(fill(reason, values)),
    /** What to do; empty when there is nothing to do. */
    remedy: sentence(fill(remedy, values)),
    /** What to do in detail, on the admin port. */
    runbook: section === undefined ? null : `${page}#${section.toLowerCase()}`,
  }
}

/** What the findings ask of the input, with what they say in one language. */
function factsOf(input: StateInput, speaker: Speaker) {
  const { token, sharing, places } = input
  const { usable, conflict } = token
  const { words } = speaker
  const view = input.calls.view()
  const [what = '', todo = ''] =
    sharing?.reason === undefined ? [] : words.stores[sharing.reason](places.hosts.store)
  return {
    ...input,
    ...view.minute,
    total: totalOf(view.minute),
    service: words.parts[usable ? 'tokenServes' : 'noService'],
    login: conflict ? undefined : loginOf(input, speaker),
    good: words.parts[!usable ? 'idle' : totalOf(view.minute) > 0 ? 'everyCall' : 'noCall'],
    noToken: usable || conflict ? undefined : noTokenYet(token),
    failing: failingOf(view, input, speaker),
    refusedPaths: refusedPaths(input.calls.paths(), words),
    mistakes: mistakesIn(view.minute, words),
    store: sharing?.state === 'alone' && { what, todo },
  }
}

/** Why logins and refreshes fail; undefined: they do not. */
function loginOf(
  { token, places, wallNow, utcOffset }: StateInput,
  { words, duration, fill }: Speaker,
) {
  const { usable, rejected, backoff, lastFailure, nextRequestAt, now, outageBudget } = token
  if (backoff === 'none') return undefined
  const isGuarded = backoff === 'guarded'
  const isRefused = isRefusedBy(token)
  // After a restart the book alone knows of the attempts, or another replica.
  const failure = lastFailure?.failure ?? { cause: cause('password') }
  const { what, todo } = explain(words, places, failure)
  const until =
    nextRequestAt === undefined ? 0 : Math.ceil((wallNow + nextRequestAt - now) / MINUTE) * MINUTE
  const { parts } = words
  return {
    code: failure.cause.code,
    isRefused,
    what: lastFailure === undefined ? parts.failedBefore : what,
    todo: lastFailure === undefined && !isRefused ? parts.formerLog : todo,
    restart: isRefused ? parts.restart : '',
    pause: isGuarded && until > 0 ? parts.pause({ until: minuteOfDay(until, utcOffset) }) : '',
    service: !usable
      ? parts.noService
      : rejected
        ? parts.tokenRejected
        : fill(parts.tokenEnds, { time: duration(Math.round(outageBudget / 1000)) }),
  }
}

/** iSales refuses the credentials. Three logins may have ended without its verdict, too: then it is not known. */
function isRefusedBy({ backoff, lastFailure }: TokenSnapshot): boolean {
  const isPaused = backoff === 'refused' || backoff === 'guarded'
  return isPaused && (lastFailure?.failure.cause.stage ?? 'login') === 'login'
}

/** Which token is missing; undefined: none is needed now, or logins fail. */
function noTokenYet({ token, lastFailure, idle, backoff }: TokenSnapshot) {
  if (backoff !== 'none' || idle) return undefined
  return token === undefined && lastFailure === undefined ? 'first' : 'next'
}

/** The counts of failed calls that are worth saying, and since when; undefined: none failed in the last minute. */
export function worstOf(
  { minute, recent, outage, succeededSince, lastFailedAt }: CallsView,
  now: number,
) {
  if (minute.failed === 0 || lastFailedAt === undefined) return undefined
  if (outage.failed > 1 && now - outage.since >= OUTAGE && lastFailedAt > now - MINUTE)
    return { kind: 'outage', counts: outage, ms: now - outage.since } as const
  const calm = now - lastFailedAt
  if (calm >= CALM && succeededSince >= SUCCESSES)
    return { kind: 'recovering', counts: minute, ms: calm } as const
  const most = mostFail({ minute, recent })
  if (most === undefined) return { kind: 'some', counts: minute, ms: MINUTE } as const
  return { kind: 'most', counts: most, ms: most === recent ? RECENT : MINUTE } as const
}

/** Calls that the network, iSales or the proxy let fail. */
function failingOf(
  calls: CallsView,
  { token, places }: StateInput,
  { words, duration, fill }: Speaker,
) {
  const worst = worstOf(calls, token.now)
  if (worst === undefined) return undefined
  const { kind, counts, ms } = worst
  const main = mainFailure(counts.byFailure)
  // Why there is no token is said elsewhere.
  if (main === 'no-token' && (!token.usable || token.backoff !== 'none')) return undefined
  const { what, todo } = explain(words, places, calls.latestOf(main))
  const { parts } = words
  const { failed } = counts
  const time = duration(Math.round(ms / 1000))
  const period = parts[ms === RECENT ? 'twentySeconds' : 'minute']
  const counted =
    kind === 'outage'
      ? fill(parts.allFailed, { failed, time })
      : fill(parts.failedOf, { failed, total: totalOf(counts), period })
  return { kind, failed, succeeded: calls.succeededSince, time, counted, what, todo }
}

/** `POST /a (5), GET /b (1)`: the three most frequent. */
function refusedPaths(paths: readonly PathCounts[], { coded, comma }: Words): string {
  const refused = paths.filter((each) => each.refused > 0)
  const shown = refused.map(({ method, path, refused: count }) =>
    coded(`${method} ${path}`, number(count)),
  )
  return [...shown.slice(0, 3), ...(refused.length > 3 ? ['…'] : [])].join(comma)
}

/** What the proxy refused to forward. */
function mistakesIn({ mistakes }: CallCounts, { coded, comma }: Words) {
  const counts = Object.entries(mistakes)
  const count = counts.reduce((sum, [, each]) => sum + each, 0)
  const codes = counts.map(([code, each]) => coded(code, number(each))).join(comma)
  return count >= MIN_MISTAKES && { count, codes }
}

/**
 * Why the pod gets no calls, for the body of `/readyz`; undefined: it is ready. Failing calls do not end readiness: a pod
 * that leaves its Service heals nothing.
 */
export function unreadiness(
  { listening, draining }: { readonly listening: boolean; readonly draining: boolean },
  { usable, rejected, idle, backoff, lastFailure }: TokenSnapshot,
): Readonly<Record<string, string>> | undefined {
  if (draining) return { reason: 'draining' }
  if (!listening) return { reason: 'starting' }
  if (usable) return undefined
  if (rejected) return { reason: 'token-rejected', backoff }
  // The next call logs in first, as the last login did.
  if (idle && backoff === 'none') return undefined
  if (lastFailure === undefined) return { reason: 'no-token' }
  return { reason: 'no-token', backoff, lastFailure: lastFailure.failure.reason }
}
