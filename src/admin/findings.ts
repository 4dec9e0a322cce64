import { MINUTE } from '../clock.ts'
import { explain, explainSetting, type Words } from '../words/index.ts'
import type { PathCounts } from './calls.ts'
import { RECENT } from './failing.ts'
import type { Facts } from './facts.ts'
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

/** What ends all calls stands before what ends some, and that before what is no state. */
const RANKS: Readonly<Record<(typeof STATES)[Health], number>> = {
  bad: 0,
  quiet: 0,
  warning: 1,
  good: 2,
}

/** Of a minute: now and then a client errs, or a ticket ends. */
const MIN_MISTAKES = 3
/** A slow call of so many in a minute. */
const SLOW_SHARE = 0.05
const MIN_SLOW = 2

type FindingWords = Words['findings']
export type FindingName = keyof FindingWords

/** One thing to be said, and when. */
interface FindingKind<Name extends FindingName> {
  /** The values that the words of `reason` and `remedy` demand. False or undefined: it is not said. */
  readonly when: (
    facts: Facts,
    speaker: Speaker,
  ) =>
    | (ValuesOf<FindingWords[Name]['reason']> & ValuesOf<FindingWords[Name]['remedy']>)
    | false
    | undefined
  readonly state: Health | ((facts: Facts) => Health | undefined)
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string | ((facts: Facts) => string | undefined)
}

const SAID = {}
const LOGIN_ALERTS = {
  refused: 'IsalesProxyAccountRejected',
  degraded: 'IsalesProxyAuthenticationFailing',
  unauthenticated: 'IsalesProxyNotAuthenticated',
} as const

/** The order among findings of one rank. */
const FINDINGS: { readonly [Name in FindingName]: FindingKind<Name> } = {
  draining: {
    when: ({ draining }) => draining && SAID,
    state: 'draining',
  },
  conflict: {
    when: ({ token }, { words: { parts } }) =>
      token.conflict && { service: token.usable ? parts.tokenServes : parts.noService },
    state: 'conflict',
    runbook: 'IsalesProxySessionConflict',
  },
  waiting: {
    when: ({ missing }) => missing !== undefined && SAID,
    state: ({ missing }) => (missing === 'first' ? 'starting' : 'unauthenticated'),
  },
  login: {
    when: (facts, speaker) => !isClockWrong(facts) && loginValues(facts, speaker),
    state: ({ login }) => login?.state,
    runbook: ({ login }) => login && LOGIN_ALERTS[login.state],
  },
  clock: {
    when: (facts, speaker) => isClockWrong(facts) && loginValues(facts, speaker),
    state: ({ login }) => login?.state,
    runbook: 'IsalesProxyClockWrong',
  },
  rejected: {
    // Without a newer token, failed logins say it.
    when: ({ token, login }) => token.rejected && login === undefined && SAID,
    state: 'failing',
    runbook: 'IsalesProxyCallsRefused',
  },
  calls: {
    when: (facts, speaker) => facts.failing?.kind !== 'recovering' && failingValues(facts, speaker),
    state: ({ failing }) => (failing?.kind === 'some' ? 'degraded' : 'failing'),
    runbook: 'IsalesProxyCallsFailing',
  },
  refusals: {
    when: refusalValues,
    state: 'degraded',
    runbook: 'IsalesProxyCallsRefused',
  },
  slow: {
    when: ({ minute: { slow }, total }) =>
      slow >= Math.max(MIN_SLOW, total * SLOW_SHARE) && { slow, total },
    state: 'degraded',
    runbook: 'IsalesProxyLatency',
  },
  lifetime: {
    when: ({ isLifetimeDoubtful }) => isLifetimeDoubtful && SAID,
    state: 'degraded',
    runbook: 'IsalesProxyLifetimeDoubtful',
  },
  state: {
    when: ({ stateTrouble: why, places }, { words }) => why && explain(words, places, why),
    state: 'degraded',
    runbook: 'IsalesProxyStateUnusable',
  },
  files: {
    when: fileValues,
    state: 'degraded',
    runbook: 'IsalesProxyReloadFailed',
  },
  store: {
    when: storeValues,
    state: 'degraded',
    runbook: 'IsalesProxySessionAlone',
  },
  recovering: {
    when: (facts, speaker) => facts.failing?.kind === 'recovering' && failingValues(facts, speaker),
    state: 'degraded',
  },
  healthy: {
    when: ({ token: { usable }, total }, { words: { parts } }) => {
      return { good: parts[usable ? (total > 0 ? 'everyCall' : 'noCall') : 'idle'] }
    },
    state: 'healthy',
  },
  // Anybody who reaches the listener makes such mistakes, so they are no state of the proxy.
  mistakes: {
    when: mistakeValues,
    state: 'healthy',
  },
  clients: {
    when: turnedAwayValues,
    state: 'healthy',
    runbook: ({ minute }) =>
      mostTurnedAway(minute)?.why === 'login'
        ? 'IsalesProxyClientLoginsRefused'
        : 'IsalesProxyClientHandshakesRefused',
  },
}

export const FINDING_NAMES = Object.keys(FINDINGS) as readonly FindingName[]

export type Finding = NonNullable<ReturnType<typeof sayIf>>

/** All that is to be said, the most important first: it gives the state. */
export function judge(facts: Facts, speaker = createSpeaker('en')) {
  const names = facts.draining ? (['draining'] as const) : FINDING_NAMES
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
    state: (typeof state === 'function' ? state(facts) : state) ?? 'degraded',
    title,
    reason: sentence(fill(reason, values)),
    /** What to do; empty when there is nothing to do. */
    remedy: sentence(fill(remedy, values)),
    /** What to do in detail, on the admin port. */
    runbook: section === undefined ? null : `${page}#${section.toLowerCase()}`,
  }
}

function isClockWrong({ login }: Facts): boolean {
  return login?.failure.cause.code === 'not-yet-valid'
}

function loginValues(
  { login, places, token, authenticated, wallNow, utcOffset }: Facts,
  { words, duration, fill }: Speaker,
) {
  if (login === undefined) return undefined
  const { failure, isKnown, isRefused, pausedUntil } = login
  const { parts } = words
  const { what, todo } = explain(words, places, failure)
  /** In whole minutes. */
  const date = (instant: number): number =>
    Math.ceil((wallNow + instant - token.now) / MINUTE) * MINUTE
  return {
    what: isKnown ? what : parts.failedBefore,
    todo: isKnown || isRefused ? todo : parts.formerLog,
    /** Of a pause without a verdict of iSales nobody knows when its cause is over. */
    last: isRefused ? parts.restart : pausedUntil === undefined ? '' : parts.renew,
    pause:
      pausedUntil === undefined
        ? ''
        : parts.pause({ until: minuteOfDay(date(pausedUntil), utcOffset) }),
    service: authenticated
      ? fill(parts.tokenEnds, { time: duration(Math.round(token.outageBudget / 1000)) })
      : token.usable
        ? parts.tokenRejected
        : parts.noService,
  }
}

function failingValues({ failing, calls, places }: Facts, { words, duration, fill }: Speaker) {
  if (failing === undefined) return undefined
  const { parts } = words
  const { kind, failed, total, ms } = failing
  const { what, todo } = explain(words, places, calls.causeOf(failing.main))
  const time = duration(Math.round(ms / 1000))
  const period = parts[ms === RECENT ? 'twentySeconds' : 'minute']
  const counted =
    kind === 'outage'
      ? fill(parts.allFailed, { failed, time })
      : fill(parts.failedOf, { failed, total, period })
  return { failed, succeeded: calls.succeededSince, time, counted, what, todo }
}

/** Whoever refuses calls, each has a sentence and a remedy of its own. */
function refusalValues({ refusals, total, paths }: Facts, { words }: Speaker) {
  const said = (['account', 'gateway', 'call'] as const)
    .filter((by) => refusals[by] > 0)
    .map((by) =>
      words.refusals[by]({
        count: number(refusals[by]),
        total: number(total),
        paths: refusedPaths(paths, words),
      }),
    )
  return (
    said.length > 0 && {
      what: words.sentences(...said.map(([what]) => what)),
      todo: words.sentences(...said.map(([, todo]) => todo)),
    }
  )
}

/** `POST /a (5), GET /b (1)`: the three most frequent. */
function refusedPaths(paths: readonly PathCounts[], { coded, comma }: Words): string {
  const refused = paths.filter((each) => each.refused > 0)
  const shown = refused.map(({ method, path, refused: count }) =>
    coded(`${method} ${path}`, number(count)),
  )
  return [...shown.slice(0, 3), ...(refused.length > 3 ? ['…'] : [])].join(comma)
}

/** Each file is named, and what several need is said once. */
function fileValues({ fileErrors }: Facts, { words }: Speaker) {
  if (fileErrors.length === 0) return undefined
  const said = fileErrors.map((one) => [one.setting, ...explainSetting(words, one)] as const)
  return {
    what: words.sentences(...said.map(([setting, what]) => `${setting} ${what}`)),
    todo: words.sentences(...new Set(said.map(([, , todo]) => todo))),
  }
}

function storeValues({ sharing, places }: Facts, { words }: Speaker) {
  if (sharing?.state !== 'alone') return undefined
  const [what, todo] = sharing.reason
    ? words.stores[sharing.reason](places.hosts.store, sharing.code)
    : ['', '']
  return { what, todo }
}

/** What turns most clients away. A TCP probe or a port scan ends a handshake, too. */
function mostTurnedAway({ turnedAway }: Facts['minute']) {
  const { timeout: _, closed: __, ...counted } = turnedAway
  const [most] = (Object.keys(counted) as (keyof typeof counted)[])
    .map((why) => ({ why, count: counted[why] ?? 0 }))
    .sort((one, other) => other.count - one.count)
  return most !== undefined && most.count >= MIN_MISTAKES ? most : undefined
}

function turnedAwayValues({ minute }: Facts, { words: { handshakes, parts } }: Speaker) {
  const { why, count } = mostTurnedAway(minute) ?? {}
  if (why === undefined || count === undefined) return undefined
  return why === 'login'
    ? { count, what: parts.obsLogin, todo: parts.sameCredentials }
    : { count, what: handshakes[why], todo: parts.sameAuthorities }
}

/** What the proxy refused to forward. */
function mistakeValues({ minute }: Facts, { words: { coded, comma } }: Speaker) {
  const counts = Object.entries(minute.mistakes)
  const count = counts.reduce((sum, [, each]) => sum + each, 0)
  const codes = counts.map(([code, each]) => coded(code, number(each))).join(comma)
  return count >= MIN_MISTAKES && { count, codes }
}
