/** What is known of a request when an attempt to send it has failed before any answer came. */
export interface FailedAttempt {
  readonly method: string
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
  if (!attempt.written) return attempt.retries < MOST_CONNECTS
  return isSafe(attempt.method) && attempt.bodyKept && attempt.retries < 1
}

/** OPTIONS is safe too, but nobody needs it twice. */
function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
