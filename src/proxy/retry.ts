import { toConnectFailure, type Cause } from '../causes.ts'
import { REFUSALS, type ProblemCode } from '../codes.ts'
import type { BodyRefusal } from './body.ts'

// The complete retry policy. A request of which nothing was written may be sent again until an outage lasts. Once written,
// iSales may have executed it, so only GET and HEAD are sent again, once. The token source decides on the replay of a
// rejected request. The client gets `sent: "no"` only if every exchange was rejected or never written.

/** Failed exchanges of a request: nothing of them was written, or at least a part. */
export interface AttemptCounts {
  readonly method: string
  unwritten: number
  unanswered: number
}

/** Phase of a request when its deadline passes. A response that has begun has no deadline. */
export type RequestPhase = 'reading' | 'waiting' | 'connecting' | 'sent'

/** Reason to end a request whose response has not begun. */
export type AbortReason = 'client-gone' | 'deadline' | BodyRefusal

export interface Fail {
  readonly do: 'fail'
  readonly code: ProblemCode
  /** Milliseconds. */
  readonly retryAfter?: number
  readonly refusal?: BodyRefusal | 'in-flight'
}

/** The client is gone, or the listener has responded. */
export const NO_RESPONSE = { do: 'nothing' } as const
export type NoResponse = typeof NO_RESPONSE
const MAX_SENDS = 2
/** Milliseconds after each failure, jittered by a quarter. A restarting iSales needs a moment. */
const PAUSES = [50, 50, 100, 200, 400] as const

/** Returns the client's error if no exchange was written. */
function unwrittenProblem(cause: Cause): ProblemCode {
  if (cause.code === 'timeout') return 'upstream-timeout'
  if (cause.code === 'invalid') return 'bad-request'
  if (cause.code === 'closed') return 'shutting-down'
  // An open connection without TLS was reset; the next one may live.
  if (cause.code === 'tls-expected') return 'upstream-unreachable'
  return toConnectFailure(cause) === 'tls' ? 'upstream-tls' : 'upstream-unreachable'
}

interface FailedExchange {
  readonly cause: Cause
  readonly written: boolean
  /** False if the outage lasts, or only a changed setting would help. */
  readonly mayRecover: boolean
  /** Milliseconds in which the call may still be sent. */
  readonly left: number
}

/**
 * @example
 * a POST:
 * 0 ms    the connection fails before anything is written: sent again after 50 ms
 * 50 ms   written; the connection breaks before a response: 502 `upstream-broken`, `sent: "unknown"`
 * a GET:
 * 50 ms   the same: sent again after 50 ms, because a GET may be executed twice
 * 100 ms  written and broken again: 502, because it was written twice
 * @param jitter in [0, 1).
 */
export function afterFailure(
  { method, unwritten, unanswered }: AttemptCounts,
  { cause, written, mayRecover, left }: FailedExchange,
  jitter: number,
): Fail | { readonly do: 'resend'; readonly pause: number } {
  const problem = unwrittenProblem(cause)
  const isTransient = problem === 'upstream-unreachable' || problem === 'upstream-timeout'
  const maySend = written
    ? // OPTIONS is also safe (RFC 9110 section 9.2.1), but no client needs it twice.
      (method === 'GET' || method === 'HEAD') && unanswered < MAX_SENDS
    : // A certificate or a header does not change within the deadline.
      mayRecover && isTransient
  const pause = (PAUSES[unwritten + unanswered - 1] ?? 400) * (0.75 + jitter / 2)
  if (maySend && pause < left) return { do: 'resend', pause }
  const isBroken = unanswered > 0 && problem !== 'upstream-timeout'
  return { do: 'fail', code: isBroken ? 'upstream-broken' : problem }
}

export function withoutToken(
  { unanswered }: AttemptCounts,
  { unavailable, retryAfter }: { readonly unavailable: ProblemCode; readonly retryAfter: number },
): Fail {
  return { do: 'fail', code: unanswered > 0 ? 'upstream-broken' : unavailable, retryAfter }
}

export function afterInterruption(
  { unwritten, unanswered }: AttemptCounts,
  by: AbortReason,
  stage: RequestPhase,
): Fail | NoResponse {
  if (by === 'client-gone') return NO_RESPONSE
  if (by !== 'deadline') return { do: 'fail', code: REFUSALS[by].problem, refusal: by }
  if (unanswered > 0 || stage === 'sent') return { do: 'fail', code: 'upstream-timeout' }
  if (stage === 'reading') return { do: 'fail', code: 'request-timeout' }
  if (stage === 'waiting') return { do: 'fail', code: 'no-token' }
  return { do: 'fail', code: unwritten > 0 ? 'upstream-unreachable' : 'out-of-time' }
}
