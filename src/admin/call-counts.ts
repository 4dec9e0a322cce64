import {
  causeOfStatus,
  codeOfRefusal,
  type Code,
  type HandshakeFailure,
  type ProblemCode,
} from '../causes.ts'
import { SECOND } from '../clock.ts'
import type { EndedRequest } from '../outcomes.ts'
import { explained, type Explained, type Places } from '../words/index.ts'

/** How a call of CTI-OBS failed: an error of the proxy, a relayed 500, or another relayed 5xx. */
// oxfmt-ignore
export const CALL_FAILURES = [
  'no-token', 'overloaded', 'out-of-time', 'upstream-unreachable', 'upstream-tls',
  'upstream-broken', 'upstream-timeout', 'internal', 'isales-error', 'isales-unavailable',
] as const satisfies readonly (ProblemCode | 'isales-error' | 'isales-unavailable')[]
export type CallFailure = (typeof CALL_FAILURES)[number]

export type EndedCall = Pick<EndedRequest, 'method' | 'target' | 'status' | 'requestId'> &
  Partial<Pick<EndedRequest, 'code' | 'failure' | 'refusal' | 'upstreamMs' | 'page' | 'rejected'>>

/** Calls of some time. Those that the proxy refused, or whose client left, are in none of the first three. */
export interface CallCounts {
  succeeded: number
  /** What was relayed is a rejection of the token, a 401 or 403, or a web page that is no 5xx. */
  refused: number
  failed: number
  readonly byFailure: Counts<CallFailure>
  /** Of the refused ones: what came was a web page, of something before iSales. */
  pages: number
  /** Of the succeeded ones: iSales responded with another 4xx, which is about the call and not about the token. */
  declined: number
  /** iSales took longer than `SLOW` to respond. */
  slow: number
  /** What the proxy did not forward, by what explains it. */
  readonly mistakes: Counts<Code>
  /** Of these, what only CTI-OBS sends: a POST refused by its path or for its ticket, or a login of CTI-OBS. */
  readonly blocked: Counts<Code>
  /** TLS handshakes of clients that failed. */
  readonly handshakes: Counts<HandshakeFailure>
}

type Counts<Key extends string> = Partial<Record<Key, number>>

/** Milliseconds. CTI-OBS gives up after 3 s. */
const SLOW = 2 * SECOND

/** A scanner or a load balancer is refused for these, too, but sends no POST. */
// oxfmt-ignore
const BLOCKING: ReadonlySet<string> = new Set([
  'double-slash', 'ambiguous-path', 'other-path', 'auth-path', 'ticket',
])

export function noCalls(): CallCounts {
  const none = { succeeded: 0, refused: 0, failed: 0, pages: 0, declined: 0, slow: 0 }
  return { ...none, byFailure: {}, mistakes: {}, blocked: {}, handshakes: {} }
}

export function totalOf({ succeeded, refused, failed }: CallCounts): number {
  return succeeded + refused + failed
}

export function add(sum: CallCounts, more: CallCounts): CallCounts {
  for (const key of ['succeeded', 'refused', 'failed', 'pages', 'declined', 'slow'] as const)
    sum[key] += more[key]
  for (const key of ['byFailure', 'mistakes', 'blocked', 'handshakes'] as const)
    for (const [each, count = 0] of Object.entries(more[key])) countOne(sum[key], each, count)
  return sum
}

export function countOne(counts: Counts<string>, key: string, times = 1): void {
  counts[key] = (counts[key] ?? 0) + times
}

export function sumOf(counts: Counts<string>): number {
  return Object.values(counts).reduce<number>((sum, count = 0) => sum + count, 0)
}

/** The most frequent; undefined: there are none. */
export function mostOf<Key extends string>(counts: Counts<Key>): Key | undefined {
  const entries = Object.entries(counts) as [Key, number][]
  return entries.sort(([, one], [, other]) => other - one)[0]?.[0]
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
export function whyOf(outcome: CallFailure, call: EndedCall, places: Places): Explained {
  const { status, failure } = call
  if (outcome === 'isales-error') return { code: 'call-refused', facts: [] }
  if (outcome === 'isales-unavailable')
    return explained({ cause: causeOfStatus(call), status }, places, 'call')
  // `upstream-timeout` is its own cause.
  return failure === undefined || outcome === 'upstream-timeout'
    ? { code: outcome, facts: [] }
    : explained(failure, places, 'call')
}

/** Adds one call. */
export function count(
  counts: CallCounts,
  { method, status, code, refusal, page = false, upstreamMs = 0 }: EndedCall,
  outcome: CallFailure | 'succeeded' | 'refused' | 'mistake',
): void {
  if (upstreamMs > SLOW) counts.slow += 1
  if (outcome === 'succeeded') {
    counts.succeeded += 1
    if (status >= 400) counts.declined += 1
  } else if (outcome === 'refused') {
    counts.refused += 1
    if (page) counts.pages += 1
  } else if (outcome === 'mistake') {
    const why = refusal === undefined ? (code ?? 'bad-request') : codeOfRefusal(refusal)
    countOne(counts.mistakes, why)
    if (method === 'POST' && BLOCKING.has(refusal ?? '')) countOne(counts.blocked, why)
  } else {
    counts.failed += 1
    countOne(counts.byFailure, outcome)
  }
}
