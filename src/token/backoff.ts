import type { AuthFailure } from './protocol.ts'
import type { Moment, Renewal, RenewalRules } from './state.ts'

const LONGEST_RETRY_AFTER = 300_000
/** `Retry-After: 0`, or a date that is past, would be a hot loop. */
const SHORTEST_RETRY_AFTER = 1000

/** The credentials were refused: 5 s doubling to 5 min, and after a few times one attempt in 15 min. */
export function refused(state: Renewal, rules: RenewalRules, { now }: Moment): Renewal {
  const refusals = state.refusals + 1
  return {
    ...state,
    refusals,
    failures: state.failures + 1,
    backoff: refusals >= rules.rejectedAttempts ? 'guarded' : 'rejected',
    nextAt: now + refusalDelay(refusals, rules),
  }
}

/** Full jitter: a random delay up to a cap that doubles. `Retry-After` is obeyed instead, from 1 s up to 5 min. */
export function transient(
  state: Renewal,
  failure: AuthFailure,
  rules: RenewalRules,
  { now, random }: Moment,
): Renewal {
  const cap = doubled(rules.backoff, state.failures, rules.backoffMax)
  const asked = failure.retryAfter
  const delay =
    asked === undefined
      ? random * cap
      : Math.min(Math.max(asked, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
  // Credentials that were refused before are not tried sooner because an attempt went astray in between.
  const floor = state.refusals === 0 ? 0 : refusalDelay(state.refusals, rules)
  return {
    ...state,
    failures: state.failures + 1,
    backoff: state.refusals === 0 ? 'transient' : state.backoff,
    nextAt: now + Math.max(delay, floor),
  }
}

function refusalDelay(refusals: number, rules: RenewalRules): number {
  return refusals >= rules.rejectedAttempts
    ? rules.rejectedPause
    : doubled(rules.rejectedBackoff, refusals - 1, rules.rejectedBackoffMax)
}

function doubled(base: number, times: number, max: number): number {
  return Math.min(max, base * 2 ** times)
}
