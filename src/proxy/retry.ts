import type { ReplayOutcome } from '../request-summary.ts'
import { REFUSALS, type ProblemCode } from '../codes.ts'
import type { RejectionDecision } from '../token/index.ts'
import type { UpstreamFailure } from '../upstream/index.ts'
import type { BodyRefusal } from './body.ts'

// The whole retry policy. Before anything was written any request may be sent again. Afterwards iSales may have executed
// it, so that only GET and HEAD are sent again, once. A rejected request was not executed, and what becomes of it the
// token source decides. The client gets `sent: "no"` only when every exchange was rejected or never written.

/** What has happened to one request so far, the latest exchange included. */
export interface AttemptCounts {
  readonly method: string
  /** Exchanges that failed before anything was written. */
  unwritten: number
  /** Exchanges that were written, at least in part, and got no response. */
  lost: number
}

/** Where a request is when its deadline passes. A response that has begun has no deadline. */
export type RequestPhase = 'reading' | 'waiting' | 'connecting' | 'sent'

/** What ends a request before a response has begun. */
export type AbortReason = 'client-gone' | 'deadline' | BodyRefusal

/** The client gets an error of the proxy. */
export interface Fail {
  readonly do: 'fail'
  readonly code: ProblemCode
  /** Milliseconds. */
  readonly retryAfter?: number
  readonly refusal?: BodyRefusal
}

/** The client is gone, or the listener has responded. */
export const NO_RESPONSE = { do: 'nothing' } as const
export type NoResponse = typeof NO_RESPONSE

const MAX_CONNECTS = 3
const MAX_SENDS = 2
/** Milliseconds: a restarting iSales needs a moment. */
const PAUSE = 50

/** The client's error after a failure, if no exchange was written. */
const UNWRITTEN: Readonly<Record<UpstreamFailure, ProblemCode>> = {
  timeout: 'upstream-timeout',
  tls: 'upstream-tls',
  invalid: 'bad-request',
  closed: 'shutting-down',
  unreachable: 'upstream-unreachable',
  broken: 'upstream-unreachable',
}

/** An exchange got no response. */
export interface FailedExchange {
  readonly failure: UpstreamFailure
  readonly written: boolean
}

/**
 * @example
 * a POST, whose client waits for 2.8 s:
 * 0 ms    no connection comes, nothing is written: sent again in 50 ms
 * 50 ms   written; the connection breaks before a response: 502 `upstream-broken`, `sent: "unknown"`
 * a GET:
 * 50 ms   the same: sent again in 100 ms, since it may be executed twice
 * 150 ms  written, and broken again: 502, since it was written twice
 */
export function afterFailure(
  { method, unwritten, lost }: AttemptCounts,
  { failure, written }: FailedExchange,
): Fail | { readonly do: 'resend'; readonly pause: number } {
  const maySend = written
    ? // OPTIONS is safe, too (RFC 9110 section 9.2.1), but nobody needs it twice.
      (method === 'GET' || method === 'HEAD') && lost < MAX_SENDS
    : // A certificate or a header does not get better within the deadline.
      failure !== 'tls' && failure !== 'invalid' && unwritten < MAX_CONNECTS
  if (maySend) return { do: 'resend', pause: PAUSE * (unwritten + lost) }
  const code = lost > 0 && failure !== 'timeout' ? 'upstream-broken' : UNWRITTEN[failure]
  return { do: 'fail', code }
}

/** No token will come in time. */
export function withoutToken(
  { lost }: AttemptCounts,
  { unavailable, retryAfter }: { readonly unavailable: ProblemCode; readonly retryAfter: number },
): Fail {
  return { do: 'fail', code: lost > 0 ? 'upstream-broken' : unavailable, retryAfter }
}

export function afterInterruption(
  { unwritten, lost }: AttemptCounts,
  by: AbortReason,
  stage: RequestPhase,
): Fail | NoResponse {
  if (by === 'client-gone') return NO_RESPONSE
  if (by !== 'deadline') return { do: 'fail', code: REFUSALS[by][0], refusal: by }
  if (lost > 0 || stage === 'sent') return { do: 'fail', code: 'upstream-timeout' }
  if (stage === 'reading') return { do: 'fail', code: 'request-timeout' }
  if (stage === 'waiting') return { do: 'fail', code: 'no-token' }
  return { do: 'fail', code: unwritten > 0 ? 'upstream-unreachable' : 'out-of-time' }
}

/** What is reported of a rejected request whose response is relayed after all. Undefined: it was not to be replayed. */
export function outcomeOfRejection(
  verdict: RejectionDecision,
  replays: number,
): ReplayOutcome | undefined {
  if (replays > 0) return 'rejected'
  return verdict.type === 'relay' && verdict.why === 'not-curable' ? undefined : 'no-token'
}
