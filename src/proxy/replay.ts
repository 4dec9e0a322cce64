import type { UpstreamFailure } from '../net/upstream.ts'
import type { ProblemCode } from './problem.ts'

/** What is known of a request when an attempt to send it has failed before any answer came. */
export interface FailedAttempt {
  readonly method: string
  readonly failure: UpstreamFailure
  /** True when bytes may have reached iSales. */
  readonly written: boolean
  /** Attempts that failed so before this one. */
  readonly retries: number
  /** True when the body, if any, can be sent again from its start. */
  readonly bodyKept: boolean
}

const MOST_CONNECTS = 2

/**
 * May this request be sent again? While nothing was written, any may, twice. Afterwards iSales may have executed
 * it: never again for a POST; GET and HEAD are safe (RFC 9110 section 9.2.1) and get one more.
 */
export function mayResend(attempt: FailedAttempt): boolean {
  // A certificate or a field does not get better within the deadline.
  if (attempt.failure === 'tls' || attempt.failure === 'invalid') return false
  if (!attempt.written) return attempt.retries < MOST_CONNECTS
  return isSafe(attempt.method) && attempt.bodyKept && attempt.retries < 1
}

/** OPTIONS is safe too, but nobody needs it twice. */
function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** What the client is told of an attempt that failed for good. */
export function codeOfFailure(failure: UpstreamFailure, written: boolean): ProblemCode {
  switch (failure) {
    case 'timeout':
      return 'upstream-timeout'
    case 'tls':
      return 'upstream-tls'
    case 'invalid':
      return 'bad-request'
    case 'closed':
      return written ? 'upstream-broken' : 'shutting-down'
    case 'unreachable':
    case 'broken':
      return written ? 'upstream-broken' : 'upstream-unreachable'
  }
}
