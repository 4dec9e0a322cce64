import type { ProblemCode } from '../http/problem.ts'
import type { TokenSnapshot } from '../token/events.ts'

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

/** How a call of CTI-OBS failed: an error of the proxy, a relayed 401 or 403, a relayed 5xx. */
export const CALL_FAILURES = [
  'no-token',
  'overloaded',
  'out-of-time',
  'upstream-unreachable',
  'upstream-tls',
  'upstream-broken',
  'upstream-timeout',
  'rejected',
  'isales-error',
] as const satisfies readonly (ProblemCode | 'rejected' | 'isales-error')[]
export type CallFailure = (typeof CALL_FAILURES)[number]

/** Calls of some time. What the client did wrong, or gave up, is not among them. */
export interface CallCounts {
  readonly total: number
  readonly failed: number
  readonly byFailure: Readonly<Partial<Record<CallFailure, number>>>
}

/** The token, and whether iSales is known to reject it: then it is neither usable nor worth a budget. */
export type JudgedToken = TokenSnapshot & { readonly rejected: boolean }

export interface StateInput {
  readonly draining: boolean
  readonly token: JudgedToken
  /** Of the last minute. */
  readonly calls: CallCounts
  /** Of the last 20 s. */
  readonly recentCalls: CallCounts
}

export interface Verdict {
  readonly state: State
  readonly title: string
  readonly reason: string
  /** What to do; empty when there is nothing to do. */
  readonly remedy: string
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string
}

const NO_SERVICE = 'Calls get 503 until a login succeeds.'
const TOKEN_SERVES = 'The current token is still used.'

export function judgeState({ draining, token, calls, recentCalls }: StateInput): Verdict {
  const { backoff, usable, exchange } = token
  if (draining) {
    const reason = 'Calls in flight are finished; new connections are refused.'
    return { state: 'draining', title: 'Shutting down', reason, remedy: '' }
  }
  const service = usable ? TOKEN_SERVES : NO_SERVICE
  if (backoff === 'rejected' || backoff === 'guarded') {
    return {
      state: 'refused',
      title: 'Credentials refused',
      reason: `iSales refuses the user or password. ${service}`,
      remedy: 'Correct the user or password: the changed secret is tried within seconds.',
      runbook: 'IsalesProxyAccountRejected',
    }
  }
  if (backoff === 'conflict') {
    return {
      state: 'conflict',
      title: 'Somebody else uses this login',
      reason: `iSales rejects our tokens early, again and again. ${service}`,
      remedy: 'Give each instance a user of its own, or run only one.',
      runbook: 'IsalesProxySessionConflict',
    }
  }
  if (!usable && !token.rejected && token.idle && backoff === 'none') {
    const reason = 'No call came for TOKEN_IDLE_AFTER, and the next one logs in first.'
    return { state: 'healthy', title: 'Idle', reason, remedy: '' }
  }
  if (!usable) return withoutToken(token)
  if (calls.failed > 0) return failingCalls(calls, recentCalls)
  if (backoff === 'transient') {
    return {
      state: 'degraded',
      title: 'Renewal is failing',
      reason: `Calls succeed. ${TOKEN_SERVES}`,
      remedy: 'Restore the connection to iSales; the renewal is retried until it succeeds.',
      runbook: 'IsalesProxyAuthenticationFailing',
    }
  }
  const reason =
    calls.total === 0
      ? `The token is valid${exchange === undefined ? '' : ' and being renewed'}. There was no call in the last minute.`
      : 'Every call of the last minute reached iSales with a valid token.'
  return { state: 'healthy', title: 'Healthy', reason, remedy: '' }
}

function withoutToken({ rejected, exchange, backoff, session, lastFailure }: JudgedToken): Verdict {
  if (rejected && exchange === undefined) {
    return {
      state: 'unauthenticated',
      title: 'The token is rejected',
      reason: 'Logins succeed, but iSales rejects calls with a brand-new token.',
      remedy: FAILURES.rejected.remedy,
      runbook: 'IsalesProxyCallsRefused',
    }
  }
  if (session === undefined && lastFailure === undefined) {
    const reason = 'The first login is in progress.'
    return { state: 'starting', title: 'Starting', reason, remedy: '' }
  }
  const titled = { state: 'unauthenticated', title: 'Not authenticated' } as const
  if (backoff === 'none') return { ...titled, reason: 'Calls wait for a new token.', remedy: '' }
  return {
    ...titled,
    reason: `Logins fail. ${NO_SERVICE}`,
    remedy: 'Restore the connection to iSales; the login is retried until it succeeds.',
    runbook: 'IsalesProxyNotAuthenticated',
  }
}

function failingCalls(calls: CallCounts, recentCalls: CallCounts): Verdict {
  const { failing, recently, counts } = judgeCalls(calls, recentCalls)
  const { words, remedy } = FAILURES[mainFailure(counts.byFailure)]
  const time = recently ? '20 seconds' : 'minute'
  return {
    state: failing ? 'failing' : 'degraded',
    title: failing ? 'Calls fail' : 'Some calls fail',
    reason: `${counts.failed} of ${counts.total} calls failed in the last ${time}: ${words}.`,
    remedy,
    runbook: 'IsalesProxyCallsFailing',
  }
}

/**
 * Why the pod gets no calls, for the body of `/readyz`; undefined: it is ready. Failing calls do not end readiness: a pod
 * that leaves its Service heals nothing.
 */
export function unreadiness(
  { listening, draining }: { readonly listening: boolean; readonly draining: boolean },
  { usable, rejected, idle, backoff, lastFailure }: JudgedToken,
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

/** A single failed call is no outage. */
const FEWEST_RECENT = 2

/**
 * Whether most calls fail, and the counts that say so. Those of the last 20 s say it earlier than those of the minute:
 * calls that fail slowly are few.
 */
export function judgeCalls(minute: CallCounts, recent: CallCounts) {
  const most = ({ failed, total }: CallCounts): boolean => failed > total / 2
  const recently = !most(minute) && recent.failed >= FEWEST_RECENT && most(recent)
  return { failing: recently || most(minute), recently, counts: recently ? recent : minute }
}

/** The most frequent failure. */
export function mainFailure(byFailure: CallCounts['byFailure']): CallFailure {
  let main: CallFailure = 'isales-error'
  for (const failure of CALL_FAILURES) {
    if ((byFailure[failure] ?? 0) > (byFailure[main] ?? 0)) main = failure
  }
  return main
}

const NETWORK =
  'Check the network to ISALES_URL (DNS, firewall, HTTPS_PROXY), then ask the operator of iSales.'

const FAILURES: Readonly<Record<CallFailure, { readonly words: string; readonly remedy: string }>> =
  {
    'no-token': { words: 'no token came in time', remedy: 'Find out why logins fail.' },
    overloaded: {
      words: 'too many were in flight or waiting',
      remedy: 'Look for a slow iSales before raising MAX_IN_FLIGHT or TOKEN_WAITERS.',
    },
    'out-of-time': {
      words: 'no connection to iSales was free in time',
      remedy: 'Look for a slow iSales before raising ISALES_MAX_CONNECTIONS.',
    },
    'upstream-unreachable': { words: 'iSales cannot be reached', remedy: NETWORK },
    'upstream-tls': {
      words: 'there is no trusted TLS connection to iSales',
      remedy: 'Check the certificate of iSales, ISALES_CA_FILE and ISALES_CLIENT_CERT_FILE.',
    },
    'upstream-broken': { words: 'responses of iSales are cut off or malformed', remedy: NETWORK },
    'upstream-timeout': {
      words: 'iSales does not respond in time',
      remedy:
        'Ask the operator of iSales. CTI-OBS and CLIENT_DEADLINE may be given more time together.',
    },
    rejected: {
      words: 'iSales rejects the token',
      remedy:
        'Check that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales, and that the account may make these calls.',
    },
    'isales-error': {
      words: 'iSales responds 5xx',
      remedy:
        'A 500 is a business failure: check the parameters that CTI-OBS sends, then ask the operator of iSales.',
    },
  }
