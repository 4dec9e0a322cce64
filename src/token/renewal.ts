import type { Operation } from './protocol.ts'
import { answered } from './outcome.ts'
import { rejected } from './rejection.ts'
import { refreshable } from './token.ts'
import type { Moment, Renewal, RenewalEvent, RenewalRules } from './state.ts'

/** What to do now: begin an exchange, or wait until an instant (Infinity: until something happens). */
export type NextStep =
  | { readonly do: 'exchange'; readonly operation: Operation }
  | { readonly do: 'wait'; readonly until: number }

/** Refresh token first; login when there is none, it has ended, or it failed. */
export function next(state: Renewal, rules: RenewalRules, now: number): NextStep {
  if (state.exchange !== undefined) return { do: 'wait', until: Infinity }
  if (now < state.nextAt) return { do: 'wait', until: state.nextAt }
  const { session } = state
  const refresh =
    rules.refreshing &&
    !state.refreshSpent &&
    !state.refreshMissing &&
    session !== undefined &&
    refreshable(session, now)
  return { do: 'exchange', operation: refresh ? 'refresh' : 'login' }
}

/** The one transition function of the token's life. */
export function step(
  state: Renewal,
  event: RenewalEvent,
  rules: RenewalRules,
  moment: Moment,
): Renewal {
  switch (event.type) {
    case 'started':
      return {
        ...state,
        exchange: {
          operation: event.operation,
          startedAt: moment.now,
          credentials: state.credentials,
        },
      }
    case 'answered':
      return answered(state, event.outcome, rules, moment)
    case 'rejected':
      return rejected(state, event.generation, rules, moment)
    case 'accepted':
      return state.session?.generation === event.generation && !state.session.accepted
        ? { ...state, session: { ...state.session, accepted: true } }
        : state
    case 'credentials-changed':
      return {
        ...state,
        credentials: state.credentials + 1,
        refreshSpent: true,
        nextAt: moment.now,
        backoff: 'none',
        failures: 0,
        refusals: 0,
      }
  }
}
