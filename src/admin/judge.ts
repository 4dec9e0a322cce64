import { codeOfHandshake, type Code, type Headline } from '../causes.ts'
import { MINUTE, SECOND } from '../clock.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import {
  explained,
  explainedStore,
  type Explained,
  type Fact,
  type Places,
} from '../words/index.ts'
import { failingOf, totalOf, type Counts } from './calls.ts'
import type { FailedCall, Remembered } from './record.ts'

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
export type State = keyof typeof STATES

/** Label values of `finding`. */
// oxfmt-ignore
export const FINDING_NAMES = [
  'draining', 'conflict', 'waiting', 'login', 'clock', 'rejected', 'calls', 'refusals', 'slow',
  'refresh', 'lifetime', 'state', 'files', 'store', 'healthy', 'mistakes',
  'clients',
] as const
export type FindingName = (typeof FINDING_NAMES)[number]

/** One thing to be said. */
export interface Finding {
  readonly finding: FindingName
  readonly state: State
  /** The section that is its headline; that of an alert has its name. */
  readonly code: Headline
  readonly facts: readonly Fact[]
  /** The cause; its section has the cure. Undefined: `code` says it all. */
  readonly why: Explained | undefined
}

/** All that is judged: what is remembered, and what is now. Instants are on the monotonic clock. */
export interface Seen extends Remembered {
  readonly draining: boolean
  readonly places: Places
  /** Milliseconds since 1970, of the instant `token.now`. */
  readonly wallNow: number
  readonly token: TokenSnapshot
  /** Undefined: not configured. */
  readonly sharing: SharingSnapshot | undefined
}

/** What ends all calls stands before what ends some, and that before what is no state. */
const RANKS = { bad: 0, quiet: 0, warning: 1, good: 2 } as const

/** Of a minute: now and then a client errs, or a ticket ends. */
const MIN_MISTAKES = 3
/** Of a minute: a call that asks for what is not there is no state of the proxy. As in the alert. */
const MIN_DECLINED = 6
/** A slow call of so many in a minute. */
const SLOW_SHARE = 0.05
const MIN_SLOW = 2
/** Two may fail while iSales is away. */
const MIN_REFRESHES = 3

/** All that is to be said, the most important first: it gives the state. */
export function findingsOf(seen: Seen): readonly [Finding, ...Finding[]] {
  const rankOf = ({ state }: Finding): number => RANKS[STATES[state]]
  const said = [...judged(seen)].sort((one, other) => rankOf(one) - rankOf(other))
  const isWrong = said[0]?.state !== 'healthy'
  // `judged` always yields `draining`, `healthy` or `idle`.
  return said.filter(({ finding }) => !isWrong || finding !== 'healthy') as [Finding, ...Finding[]]
}

function say(
  finding: FindingName,
  state: State,
  code: Headline,
  { facts = [], why }: Partial<Pick<Finding, 'facts' | 'why'>> = {},
): Finding {
  return { finding, state, code, facts, why }
}

function plainly(code: Code): Explained {
  return { code, facts: [] }
}

/** From top to bottom, in the order among findings of one rank. */
function* judged(seen: Seen): Generator<Finding, void> {
  const { token, calls, places, sharing, refreshes } = seen
  const { minute } = calls
  const total = totalOf(minute)
  const isGood = isAuthenticated(token)

  if (seen.draining) return yield say('draining', 'draining', 'draining')

  if (token.conflict) {
    const facts = token.usable ? [servesFor(token)] : []
    yield say('conflict', 'conflict', 'IsalesProxySessionConflict', { facts })
  }

  const missing = missingToken(token)
  if (missing === 'first') yield say('waiting', 'starting', 'logging-in')
  else if (missing === 'next') yield say('waiting', 'unauthenticated', 'logging-in')

  const login = failedLogin(seen)
  if (login !== undefined) yield login

  // Without a newer token, failed logins say it.
  if (token.rejected && login === undefined)
    yield say('rejected', 'failing', 'IsalesProxyCallsRefused', { why: plainly('token-rejected') })

  const failing = failingOf(calls, token.now)
  // It is said elsewhere why there is no token.
  const isOfLogin = failing?.main === 'no-token' && (!token.usable || token.backoff !== 'none')
  if (failing !== undefined && !isOfLogin) {
    const facts: readonly Fact[] = [
      ['failedCalls', { part: failing.failed, of: failing.total }],
      ['within', roundSeconds(failing.ms)],
    ]
    // What is over needs no cure.
    const why = failing.kind === 'over' ? undefined : calls.whyOf(failing.main)
    yield failing.kind === 'some' || failing.kind === 'over'
      ? say('calls', 'degraded', 'IsalesProxyErrorRatio', { facts, why })
      : say('calls', 'failing', 'IsalesProxyCallsFailing', { facts, why })
  }

  const blocked = blockedCalls(seen, total)
  if (blocked !== undefined) yield blocked

  const refusals = (code: Code, count: number, paths = ''): Finding => {
    const facts: Fact[] = [['refusedCalls', { part: count, of: total }]]
    if (paths !== '') facts.push(['paths', paths])
    return say('refusals', 'degraded', 'IsalesProxyCallsRefused', { facts, why: plainly(code) })
  }
  const forbidden = minute.refused - minute.pages
  if (isGood && forbidden > 0) yield refusals('call-forbidden', forbidden, refusedPaths(seen))
  if (minute.pages > 0) yield refusals('page-relayed', minute.pages, refusedPaths(seen))
  if (minute.declined >= MIN_DECLINED && minute.declined > total / 2)
    yield refusals('call-declined', minute.declined)

  if (minute.slow >= Math.max(MIN_SLOW, total * SLOW_SHARE)) {
    const facts: readonly Fact[] = [['slowCalls', { part: minute.slow, of: total }]]
    yield say('slow', 'degraded', 'IsalesProxyLatency', { facts })
  }

  if (refreshes.failed >= MIN_REFRESHES && refreshes.last !== undefined && login === undefined) {
    const why = explained(refreshes.last, places, 'refresh')
    const facts: readonly Fact[] = [['refreshesFailed', refreshes.failed]]
    yield say('refresh', 'degraded', 'IsalesProxyRefreshFailing', { facts, why })
  }

  if (seen.isLifetimeDoubtful) yield say('lifetime', 'degraded', 'IsalesProxyLifetimeDoubtful')

  if (seen.stateTrouble !== undefined) {
    const why = explained(seen.stateTrouble, places, 'login')
    yield say('state', 'degraded', 'IsalesProxyStateUnusable', { why })
  }

  for (const why of seen.fileErrors)
    yield say('files', 'degraded', 'IsalesProxyReloadFailed', {
      facts: [['setting', why.setting]],
      why,
    })

  if (sharing?.state === 'alone') {
    const why = explainedStore(sharing, places)
    yield say('store', 'degraded', 'IsalesProxySessionAlone', { why })
  }

  yield token.usable
    ? say('healthy', 'healthy', 'healthy', { facts: [['callsInMinute', total]] })
    : say('healthy', 'healthy', 'idle')

  // Anybody who reaches the listener sends what follows, so that it is no state of the proxy.
  const logins = minute.blocked['obs-login'] ?? 0
  if (blocked === undefined && logins >= MIN_MISTAKES) {
    const facts: readonly Fact[] = [['turnedAway', logins]]
    const why = plainly('obs-login')
    yield say('clients', 'healthy', 'IsalesProxyClientLoginsRefused', { facts, why })
  }
  const mistake = mostOf(minute.mistakes)
  const mistakes = sumOf(minute.mistakes)
  if (blocked === undefined && mistake !== undefined && mistakes >= MIN_MISTAKES) {
    const facts: readonly Fact[] = [['refusedHere', mistakes]]
    yield say('mistakes', 'healthy', 'client-mistakes', { facts, why: plainly(mistake) })
  }

  // A TCP probe or a port scan ends a handshake, too.
  const { timeout: _, closed: __, ...handshakes } = minute.handshakes
  const most = mostOf(handshakes)
  if (most !== undefined && (handshakes[most] ?? 0) >= MIN_MISTAKES) {
    const facts: readonly Fact[] = [['turnedAway', sumOf(handshakes)]]
    const why = plainly(codeOfHandshake(most))
    yield say('clients', 'healthy', 'IsalesProxyClientHandshakesRefused', { facts, why })
  }
}

/** There is a usable token that iSales is not known to reject. */
export function isAuthenticated({ usable, rejected }: TokenSnapshot): boolean {
  return usable && !rejected
}

/** Which token is missing; undefined: none is needed now, or it is said why: logins fail, or others end our sessions. */
function missingToken({ usable, conflict, token, lastFailure, idle, backoff }: TokenSnapshot) {
  if (usable || conflict || backoff !== 'none' || idle) return undefined
  return token === undefined && lastFailure === undefined ? 'first' : 'next'
}

function servesFor({ outageBudget }: TokenSnapshot): Fact {
  return ['servesFor', roundSeconds(outageBudget)]
}

function roundSeconds(ms: number) {
  return { seconds: Math.round(ms / SECOND) }
}

/** Why logins and refreshes fail; undefined: they do not, or others end our sessions. */
function failedLogin({ token, places, wallNow }: Seen): Finding | undefined {
  const { conflict, backoff, refused, lastFailure, nextRequestAt, now, failuresInRow, usable } =
    token
  if (conflict || backoff === 'none') return undefined
  const isPaused = backoff === 'rejected' || backoff === 'guarded'
  // After a restart the book alone knows of the attempts, or another replica.
  const isKnown = lastFailure !== undefined
  const why: Explained = isKnown
    ? explained(lastFailure.failure, places, lastFailure.operation)
    : plainly('logins-paused')
  // Three logins may have ended without a verdict of iSales, too: then it is not known.
  const isRefused = isPaused && (isKnown ? lastFailure.failure.cause.stage === 'login' : refused)

  const facts: Fact[] = []
  if (isKnown) facts.push(['operation', lastFailure.operation])
  if (failuresInRow > 0) facts.push(['failedInRow', failuresInRow])
  if (nextRequestAt !== undefined) {
    const at = new Date(Math.round(wallNow + nextRequestAt - now)).toISOString()
    facts.push([backoff === 'guarded' ? 'pausedUntil' : 'nextAttempt', { at }])
  }
  if (isAuthenticated(token)) facts.push(servesFor(token))
  else if (usable) facts.push(['rejectedToo', true])

  if (why.code === 'not-yet-valid') {
    const state = isAuthenticated(token) ? 'degraded' : 'unauthenticated'
    return say('clock', state, 'IsalesProxyClockWrong', { facts, why })
  }
  if (isRefused) return say('login', 'refused', 'IsalesProxyAccountRejected', { facts, why })
  return isAuthenticated(token)
    ? say('login', 'degraded', 'IsalesProxyAuthenticationFailing', { facts, why })
    : say('login', 'unauthenticated', 'IsalesProxyNotAuthenticated', { facts, why })
}

/** `POST /a, GET /b`: those that iSales refused in the last minute. */
function refusedPaths({ failedCalls, token: { now } }: Seen): string {
  const isRefused = ({ at, code, status }: FailedCall): boolean =>
    now - at < MINUTE && code === undefined && status < 500
  const paths = failedCalls.filter(isRefused).map(({ method, path }) => `${method} ${path}`)
  return [...paths.slice(0, 3), ...(paths.length > 3 ? ['…'] : [])].join(', ')
}

/** What only CTI-OBS sends and the proxy refuses: none is forwarded, or more is refused than forwarded. */
function blockedCalls({ calls: { minute } }: Seen, forwarded: number): Finding | undefined {
  const refused = sumOf(minute.blocked)
  const code = mostOf(minute.blocked)
  if (code === undefined || refused <= forwarded) return undefined
  const why = plainly(code)
  const facts: readonly Fact[] = [
    ['refusedHere', refused],
    ['forwarded', forwarded],
  ]
  if (forwarded > 0) return say('mistakes', 'degraded', 'IsalesProxyCallsRefused', { facts, why })
  // Now and then a ticket ends.
  if (refused < MIN_MISTAKES) return undefined
  return say('mistakes', 'failing', 'IsalesProxyCallsFailing', { facts, why })
}

function sumOf(counts: Counts<string>): number {
  return Object.values(counts).reduce<number>((sum, count = 0) => sum + count, 0)
}

/** The most frequent; undefined: there are none. */
function mostOf<Key extends string>(counts: Counts<Key>): Key | undefined {
  const entries = Object.entries(counts) as [Key, number][]
  return entries.sort(([, one], [, other]) => other - one)[0]?.[0]
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
