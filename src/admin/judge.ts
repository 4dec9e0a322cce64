import { codeOfHandshake, type Headline } from '../causes.ts'
import { SECOND } from '../clock.ts'
import type { SettingProblem } from '../config/index.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { AuthFailure, TokenSnapshot } from '../token/index.ts'
import {
  explained,
  explainedStore,
  type Explained,
  type Fact,
  type Failure,
  type Places,
} from '../words/index.ts'
import { mostOf, sumOf, totalOf } from './call-counts.ts'
import { failingOf, type CallsView } from './failing.ts'

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
  'refresh', 'lifetime', 'state', 'files', 'store', 'recovering', 'healthy', 'mistakes',
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
  /** What is behind it; its section has the cure. Undefined: `code` says it all. */
  readonly why: Explained | undefined
}

/** What was seen, of all that is judged. Instants are on the monotonic clock. */
export interface Seen {
  readonly draining: boolean
  readonly places: Places
  /** Milliseconds since 1970, of the instant `token.now`. */
  readonly wallNow: number
  readonly token: TokenSnapshot
  /** Undefined: not configured. */
  readonly sharing: SharingSnapshot | undefined
  readonly calls: CallsView
  /** `POST /a (5), GET /b (1)`: those that iSales refused last. */
  readonly refusedPaths: string
  /** Refreshes that failed since one succeeded. */
  readonly refreshes: { readonly failed: number; readonly last: AuthFailure | undefined }
  readonly stateTrouble: Failure | undefined
  readonly fileErrors: readonly SettingProblem[]
  readonly isLifetimeDoubtful: boolean
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
  // One of them is always true.
  return said.filter(({ finding }) => !isWrong || finding !== 'healthy') as [Finding, ...Finding[]]
}

function say(
  finding: FindingName,
  state: State,
  code: Headline,
  more: { readonly facts?: readonly Fact[]; readonly why?: Explained | undefined } = {},
): Finding {
  return { finding, state, code, facts: more.facts ?? [], why: more.why }
}

/** From top to bottom, in the order among findings of one rank. */
function* judged(seen: Seen): Generator<Finding, void> {
  const { token, calls, places, sharing } = seen
  const { minute } = calls
  const total = totalOf(minute)
  const isGood = isAuthenticated(token)

  if (seen.draining) return yield say('draining', 'draining', 'draining')

  if (token.conflict) {
    const facts: readonly Fact[] = token.usable ? [servesFor(token)] : []
    yield say('conflict', 'conflict', 'IsalesProxySessionConflict', { facts })
  }

  const missing = missingToken(token)
  if (missing === 'first') yield say('waiting', 'starting', 'logging-in')
  else if (missing === 'next') yield say('waiting', 'unauthenticated', 'logging-in')

  const login = failedLogin(seen)
  if (login !== undefined) yield login

  // Without a newer token, failed logins say it.
  if (token.rejected && login === undefined) {
    const why = { code: 'token-rejected', facts: [] } as const
    yield say('rejected', 'failing', 'IsalesProxyCallsRefused', { why })
  }

  const failing = failingOf(calls, token.now)
  // It is said elsewhere why there is no token.
  const isOfLogin = failing?.main === 'no-token' && (!token.usable || token.backoff !== 'none')
  if (failing !== undefined && !isOfLogin && failing.kind !== 'recovering') {
    const { kind, main, failed, total: of, ms } = failing
    const [state, code] =
      kind === 'some'
        ? (['degraded', 'IsalesProxyErrorRatio'] as const)
        : (['failing', 'IsalesProxyCallsFailing'] as const)
    const within = { seconds: Math.round(ms / SECOND) }
    const facts: readonly Fact[] = [
      ['failedCalls', { part: failed, of }],
      ['within', within],
    ]
    yield say('calls', state, code, { facts, why: calls.whyOf(main) })
  }

  const blocked = blockedCalls(seen, total)
  if (blocked !== undefined) yield blocked

  for (const [code, count] of [
    ['call-forbidden', isGood ? minute.refused - minute.pages : 0],
    ['page-relayed', minute.pages],
    ['call-declined', isMost(minute.declined, total) ? minute.declined : 0],
  ] as const) {
    if (count === 0) continue
    const facts: Fact[] = [['refusedCalls', { part: count, of: total }]]
    if (seen.refusedPaths !== '' && code !== 'call-declined')
      facts.push(['paths', seen.refusedPaths])
    const why = { code, facts: [] }
    yield say('refusals', 'degraded', 'IsalesProxyCallsRefused', { facts, why })
  }

  if (minute.slow >= Math.max(MIN_SLOW, total * SLOW_SHARE))
    yield say('slow', 'degraded', 'IsalesProxyLatency', {
      facts: [['slowCalls', { part: minute.slow, of: total }]],
    })

  const { failed, last } = seen.refreshes
  if (failed >= MIN_REFRESHES && last !== undefined && login === undefined)
    yield say('refresh', 'degraded', 'IsalesProxyRefreshFailing', {
      facts: [['refreshesFailed', failed]],
      why: explained(last, places, 'refresh'),
    })

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

  if (sharing?.state === 'alone')
    yield say('store', 'degraded', 'IsalesProxySessionAlone', {
      why: explainedStore(sharing, places),
    })

  if (failing?.kind === 'recovering' && !isOfLogin)
    yield say('recovering', 'degraded', 'recovering', {
      facts: [
        ['calmFor', { seconds: Math.round(failing.ms / SECOND) }],
        ['succeededSince', calls.succeededSince],
        ['failedBefore', { part: failing.failed, of: failing.total }],
        ['formerCause', calls.whyOf(failing.main).code],
      ],
    })

  yield token.usable
    ? say('healthy', 'healthy', 'healthy', { facts: [['callsInMinute', total]] })
    : say('healthy', 'healthy', 'idle')

  // Anybody who reaches the listener sends what follows, so that it is no state of the proxy.
  const logins = minute.blocked['obs-login'] ?? 0
  if (blocked === undefined && logins >= MIN_MISTAKES) {
    const why = { code: 'obs-login', facts: [] } as const
    const facts: readonly Fact[] = [['turnedAway', logins]]
    yield say('clients', 'healthy', 'IsalesProxyClientLoginsRefused', { facts, why })
  }
  const mistake = mostOf(minute.mistakes)
  const mistakes = sumOf(minute.mistakes)
  if (blocked === undefined && mistake !== undefined && mistakes >= MIN_MISTAKES) {
    const why = { code: mistake, facts: [] }
    const facts: readonly Fact[] = [['refusedHere', mistakes]]
    yield say('mistakes', 'healthy', 'client-mistakes', { facts, why })
  }

  // A TCP probe or a port scan ends a handshake, too.
  const { timeout: _, closed: __, ...handshakes } = minute.handshakes
  const most = mostOf(handshakes)
  if (most !== undefined && (handshakes[most] ?? 0) >= MIN_MISTAKES) {
    const facts: readonly Fact[] = [['turnedAway', sumOf(handshakes)]]
    const why: Explained = { code: codeOfHandshake(most), facts: [] }
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
  return ['servesFor', { seconds: Math.round(outageBudget / SECOND) }]
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
    : { code: 'logins-paused', facts: [] }
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

/** What only CTI-OBS sends and the proxy refuses: none is forwarded, or more is refused than forwarded. */
function blockedCalls({ calls: { minute } }: Seen, forwarded: number): Finding | undefined {
  const refused = sumOf(minute.blocked)
  const code = mostOf(minute.blocked)
  if (code === undefined || refused <= forwarded) return undefined
  const why = { code, facts: [] }
  const facts: readonly Fact[] = [
    ['refusedHere', refused],
    ['forwarded', forwarded],
  ]
  if (forwarded > 0) return say('mistakes', 'degraded', 'IsalesProxyCallsRefused', { facts, why })
  // Now and then a ticket ends.
  if (refused < MIN_MISTAKES) return undefined
  return say('mistakes', 'failing', 'IsalesProxyCallsFailing', { facts, why })
}

function isMost(declined: number, total: number): boolean {
  return declined >= MIN_DECLINED && declined > total / 2
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
