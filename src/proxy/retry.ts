import type { UpstreamFailure } from '../upstream/pool.ts'
import type { ProblemCode } from '../http/problem.ts'

/** What is known of a request when an attempt to send it has failed before any answer came. */
export interface FailedAttempt {
  readonly method: string
  readonly failure: UpstreamFailure
  /** True when bytes of this attempt may have reached iSales. */
  readonly written: boolean
  /** Attempts before this one that failed with nothing written. */
  readonly unwritten: number
  /** Attempts before this one that failed with something written. */
  readonly lost: number
  /** True when the body, if any, can be sent again from its start. */
  readonly bodyKept: boolean
}

const MOST_CONNECTS = 2
const MOST_RESENDS = 1

/**
 * May this request be sent again? While nothing was written, any may, twice. Afterwards iSales may have executed
 * it: never again for a POST; GET and HEAD are safe (RFC 9110 section 9.2.1) and get one more.
 */
export function mayResend(attempt: FailedAttempt): boolean {
  const { method, failure, written, unwritten, lost, bodyKept } = attempt
  if (written) return isSafe(method) && bodyKept && lost < MOST_RESENDS
  // A certificate or a field does not get better within the deadline.
  return failure !== 'tls' && failure !== 'invalid' && unwritten < MOST_CONNECTS
}

/** OPTIONS is safe too, but nobody needs it twice. */
function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/**
 * What the client is told of an attempt that failed for good.
 *
 * @param written true when bytes of this or of an earlier attempt may have reached iSales.
 */
export function codeOfFailure(failure: UpstreamFailure, written: boolean): ProblemCode {
  if (failure === 'timeout') return 'upstream-timeout'
  if (written) return 'upstream-broken'
  switch (failure) {
    case 'tls':
      return 'upstream-tls'
    case 'invalid':
      return 'bad-request'
    case 'closed':
      return 'shutting-down'
    case 'unreachable':
    case 'broken':
      return 'upstream-unreachable'
  }
}
