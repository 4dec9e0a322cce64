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

const MINUTE = 60_000
/** After `LOGIN_REJECTED_PAUSE` the same credentials were refused again: nobody has corrected them yet. */
const LONG_PAUSE = 240 * MINUTE
/** iSales may have counted the attempt as a wrong password. */
const LONGEST_UNCLEAR = 5 * MINUTE
const LONGEST_RETRY_AFTER = 5 * MINUTE
/** `Retry-After: 0`, or a date that is past, would be a hot loop. */
const SHORTEST_RETRY_AFTER = 1000
const EGRESS = 30_000
const LONGEST_EGRESS = 5 * MINUTE

/**
 * Milliseconds after so many refusals of the same credentials: 5 s, 10 s, from the third 15 min, then each 4 h. So
 * few attempts do not lock an account.
 */
export function delayAfterRefusal(refusals: number, rules: BackoffRules): number {
  const { loginRejectedAttempts: attempts, loginRejectedPause: pause } = rules
  if (refusals > attempts) return Math.max(pause, LONG_PAUSE)
  if (refusals === attempts) return pause
  return doubled(rules.loginRejectedBackoff, refusals - 1, rules.loginRejectedBackoffMax)
}

/** `guarded`: the account is spared, as long as nobody corrects the credentials. */
export function stateAfterRefusal(refusals: number, rules: BackoffRules): 'rejected' | 'guarded' {
  return refusals >= rules.loginRejectedAttempts ? 'guarded' : 'rejected'
}

/**
 * Milliseconds after a failure that is no refusal. Each cap doubles from `LOGIN_BACKOFF`.
 *
 * - `unreached`: full jitter up to `LOGIN_BACKOFF_MAX` (30 s).
 * - `unclear`: jitter in the upper half, up to 5 min: at most 15 attempts in 15 min.
 * - `egress`: 30 s doubling to 5 min, without jitter: at most 6 attempts in 15 min.
 *
 * `Retry-After` is obeyed from 1 s to 5 min, but never brings an attempt closer than the cap.
 *
 * @param before failures of this kind in a row before this one.
 * @param random in [0, 1).
 */
export function delayAfterFailure(
  { kind, retryAfter }: AuthFailure,
  before: number,
  rules: BackoffRules,
  random: number,
): number {
  const { loginBackoff, loginBackoffMax } = rules
  if (kind === 'egress') return doubled(EGRESS, before, LONGEST_EGRESS)
  const unclear = kind === 'unclear'
  const longest = unclear ? Math.max(loginBackoffMax, LONGEST_UNCLEAR) : loginBackoffMax
  const cap = doubled(loginBackoff, before, longest)
  if (retryAfter !== undefined) {
    return Math.max(cap, Math.min(Math.max(retryAfter, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER))
  }
  return unclear ? cap / 2 + (random * cap) / 2 : random * cap
}

function doubled(base: number, times: number, max: number): number {
  return Math.min(max, base * 2 ** times)
}
