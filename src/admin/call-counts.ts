import { cause, causeOfStatus, type CauseCode, type HandshakeFailure } from '../causes.ts'
import { SECOND } from '../clock.ts'
import type { ProblemCode } from '../http/index.ts'
import type { EndedRequest } from '../outcomes.ts'
import type { Failure } from '../words/index.ts'

/** How a call of CTI-OBS failed: an error of the proxy, a relayed 500, or another relayed 5xx. With its usual cause. */
const CAUSES = {
  'no-token': 'no-token',
  overloaded: 'overloaded',
  'out-of-time': 'no-connection',
  'upstream-unreachable': 'no-route',
  'upstream-tls': 'handshake',
  'upstream-broken': 'broken',
  'upstream-timeout': 'timeout',
  internal: 'internal',
  'isales-error': 'call-refused',
  'isales-unavailable': 'maintenance',
} as const satisfies Partial<Record<ProblemCode | 'isales-error' | 'isales-unavailable', CauseCode>>
export type CallFailure = keyof typeof CAUSES
export const CALL_FAILURES = Object.keys(CAUSES) as readonly CallFailure[]

export type EndedCall = Pick<EndedRequest, 'method' | 'target' | 'status' | 'requestId'> &
  Partial<
    Pick<EndedRequest, 'code' | 'failure' | 'durationMs' | 'upstreamMs' | 'page' | 'rejected'>
  >

/** Calls of some time. Those that the proxy refused, or whose client left, are in none of the first three. */
export interface CallCounts {
  succeeded: number
  /**
   * What was relayed is a rejection of the token (`ISALES_REJECTED`), a 401 or 403, or a web page
   * that is no 5xx.
   */
  refused: number
  failed: number
  readonly byFailure: Partial<Record<CallFailure, number>>
  /** Of the refused ones: what came was a web page, of something before iSales. */
  pages: number
  /** Of the succeeded ones: iSales responded with another 4xx, which is about the call and not about the token. */
  declined: number
  /** iSales took longer than `SLOW` to respond. */
  slow: number
  /** What the proxy did not forward, since CTI-OBS sent it wrong. */
  readonly mistakes: Partial<Record<ProblemCode, number>>
  /** Clients that could not log in to the proxy, or not connect by TLS: none of these is a call. */
  readonly turnedAway: Partial<Record<TurnedAway, number>>
}

/** A login of CTI-OBS that was refused, or why a TLS handshake failed. */
export type TurnedAway = 'login' | HandshakeFailure

/** Milliseconds. CTI-OBS gives up after 3 s. */
const SLOW = 2 * SECOND

export function noCalls(): CallCounts {
  return {
    succeeded: 0,
    refused: 0,
    failed: 0,
    byFailure: {},
    pages: 0,
    declined: 0,
    slow: 0,
    mistakes: {},
    turnedAway: {},
  }
}

export function totalOf({ succeeded, refused, failed }: CallCounts): number {
  return succeeded + refused + failed
}

export function add(sum: CallCounts, more: CallCounts): CallCounts {
  for (const key of ['succeeded', 'refused', 'failed', 'pages', 'declined', 'slow'] as const)
    sum[key] += more[key]
  addEach(sum.byFailure, more.byFailure)
  addEach(sum.mistakes, more.mistakes)
  addEach(sum.turnedAway, more.turnedAway)
  return sum
}

function addEach<Key extends string>(
  sum: Partial<Record<Key, number>>,
  more: Partial<Record<Key, number>>,
): void {
  for (const key of Object.keys(more) as Key[]) sum[key] = (sum[key] ?? 0) + (more[key] ?? 0)
}

/** Undefined: it says nothing of iSales, the proxy or CTI-OBS. */
export function outcomeOf({ status, code, rejected = false, page = false }: EndedCall) {
  if (code === 'shutting-down' || status === 0) return undefined
  const failure = CALL_FAILURES.find((each) => each === code)
  if (failure !== undefined) return failure
  if (code !== undefined) return 'mistake'
  if (rejected || status === 401 || status === 403 || (page && status < 500)) return 'refused'
  if (status < 500) return 'succeeded'
  return status === 500 ? 'isales-error' : 'isales-unavailable'
}

/** Why it failed. */
export function failureOf(outcome: CallFailure, call?: EndedCall): Failure {
  const why = { cause: cause(CAUSES[outcome]), call: true }
  if (outcome === 'isales-unavailable' && call !== undefined)
    return { ...why, cause: causeOfStatus(call), status: call.status }
  const isOfConnection = outcome.startsWith('upstream-') && outcome !== 'upstream-timeout'
  return isOfConnection ? { ...why, ...call?.failure } : why
}

/** Adds one call. */
export function count(
  counts: CallCounts,
  { status, page = false, upstreamMs = 0 }: EndedCall,
  outcome: CallFailure | 'succeeded' | 'refused',
): void {
  if (upstreamMs > SLOW) counts.slow += 1
  if (outcome === 'succeeded') {
    counts.succeeded += 1
    if (status >= 400) counts.declined += 1
  } else if (outcome === 'refused') {
    counts.refused += 1
    if (page) counts.pages += 1
  } else {
    counts.failed += 1
    counts.byFailure[outcome] = (counts.byFailure[outcome] ?? 0) + 1
  }
}
