import { cause } from '../causes.ts'
import type { TokenSnapshot } from '../token/index.ts'
import { totalOf, type CallCounts } from './call-counts.ts'
import { failingOf } from './failing.ts'
import type { Monitor } from './monitor.ts'
import type { AdminSources } from './sources.ts'

/** Of a minute: a call that asks for what is not there is no state of the proxy. As in the alert. */
const MIN_DECLINED = 6

export type Facts = ReturnType<typeof factsOf>

/** What is so now: every judgement on token and calls, once and without words. Findings, JSON and metrics take it from here. */
export function factsOf(sources: AdminSources, monitor: Monitor) {
  const token = sources.token()
  const calls = monitor.calls.view()
  const { minute } = calls
  return {
    draining: sources.running.draining,
    places: sources.places,
    /** Milliseconds since 1970, of the instant `token.now`. */
    wallNow: sources.wallClock(),
    utcOffset: sources.utcOffset(),
    token,
    sharing: sources.sharing(),
    stateTrouble: monitor.trouble(),
    fileErrors: monitor.fileErrors(),
    isLifetimeDoubtful: monitor.isLifetimeDoubtful(),
    authenticated: isAuthenticated(token),
    missing: missingToken(token),
    login: failedLogin(token),
    calls,
    minute,
    total: totalOf(minute),
    paths: monitor.calls.paths(),
    failing: failingCalls(calls, token),
    refusals: refusalsIn(minute, token),
  }
}

/** There is a usable token that iSales is not known to reject. */
function isAuthenticated({ usable, rejected }: TokenSnapshot): boolean {
  return usable && !rejected
}

/** Which token is missing; undefined: none is needed now, or it is said why: logins fail, or others end our sessions. */
function missingToken({ usable, conflict, token, lastFailure, idle, backoff }: TokenSnapshot) {
  if (usable || conflict || backoff !== 'none' || idle) return undefined
  return token === undefined && lastFailure === undefined ? 'first' : 'next'
}

/** Why logins and refreshes fail; undefined: they do not, or others end our sessions. */
function failedLogin(token: TokenSnapshot) {
  const { conflict, backoff, lastFailure, nextRequestAt } = token
  if (conflict || backoff === 'none') return undefined
  const failure = lastFailure?.failure ?? { cause: cause('password') }
  const isPaused = backoff === 'rejected' || backoff === 'guarded'
  // Three logins may have ended without a verdict of iSales, too: then it is not known.
  const isRefused = isPaused && failure.cause.stage === 'login'
  return {
    failure,
    isRefused,
    /** False: after a restart the book alone knows of the attempts, or another replica. */
    isKnown: lastFailure !== undefined,
    state: isRefused ? 'refused' : isAuthenticated(token) ? 'degraded' : 'unauthenticated',
    /** On the monotonic clock; undefined: there is no pause that protects the account. */
    pausedUntil: backoff === 'guarded' ? nextRequestAt : undefined,
  } as const
}

/** The failed calls that are worth saying; undefined: there are none, or it is said elsewhere why there is no token. */
function failingCalls(
  calls: Parameters<typeof failingOf>[0],
  { usable, backoff, now }: TokenSnapshot,
) {
  const failing = failingOf(calls, now)
  const isOfLogin = failing?.main === 'no-token' && (!usable || backoff !== 'none')
  return isOfLogin ? undefined : failing
}

/** Calls of the last minute that were refused although the token is good, by who refuses them. */
function refusalsIn(minute: CallCounts, token: TokenSnapshot) {
  const { refused, pages, declined } = minute
  return {
    account: isAuthenticated(token) ? refused - pages : 0,
    gateway: pages,
    call: declined >= MIN_DECLINED && declined > totalOf(minute) / 2 ? declined : 0,
  }
}

/**
 * Why the pod gets no calls, for the body of `/readyz`; undefined: it is ready. Failing calls do not end readiness: a pod
 * that leaves its Service heals nothing.
 */
export function unreadiness(
  { listening, draining }: AdminSources['running'],
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
