import type { Config } from '../config/settings.ts'
import type { AuthFailure } from './protocol.ts'

/** Milliseconds, apart from the number of attempts. */
export type BackoffRules = Pick<
  Config,
  | 'loginBackoff'
  | 'loginBackoffMax'
  | 'loginRejectedBackoff'
  | 'loginRejectedBackoffMax'
  | 'loginRejectedAttempts'
  | 'loginRejectedPause'
>

const LONGEST_RETRY_AFTER = 300_000
/** `Retry-After: 0`, or a date that is past, would be a hot loop. */
const SHORTEST_RETRY_AFTER = 1000

/** Milliseconds after so many refusals of the same credentials: 5 s doubling to 5 min, then 15 min. */
export function delayAfterRefusal(refusals: number, rules: BackoffRules): number {
  return refusals >= rules.loginRejectedAttempts
    ? rules.loginRejectedPause
    : doubled(rules.loginRejectedBackoff, refusals - 1, rules.loginRejectedBackoffMax)
}

/**
 * Milliseconds after a failure that may pass. Full jitter: a random delay up to a cap that doubles. `Retry-After` is
 * obeyed instead, from 1 s to 5 min.
 *
 * @param failures failed token requests in a row before this one.
 * @param random in [0, 1).
 */
export function delayAfterFailure(
  { retryAfter }: AuthFailure,
  failures: number,
  rules: BackoffRules,
  random: number,
): number {
  return retryAfter === undefined
    ? random * doubled(rules.loginBackoff, failures, rules.loginBackoffMax)
    : Math.min(Math.max(retryAfter, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
}

function doubled(base: number, times: number, max: number): number {
  return Math.min(max, base * 2 ** times)
}
