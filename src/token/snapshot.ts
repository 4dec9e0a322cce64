import { isConflict, isRejected } from './evidence.ts'
import { isIdle, next, outageBudget, sendable, type Rules, type State } from './lifecycle.ts'

/** The token and its renewal now; read at each scrape and by the status page. Instants are on the monotonic clock. */
export function snapshotOf(state: State, rules: Rules, now: number, waiters: number) {
  const { token, request, evidence, backoff, failuresInRow, lastSuccessAt, lastFailure } = state
  const { at } = next(state, rules, now)
  // The token request that failed is not needed any more.
  const isOver = backoff.state === 'transient' && request === undefined && at > state.loginNotBefore
  return {
    now,
    token,
    usable: sendable(state, now) !== undefined,
    /** The last three judged calls or more were rejected. */
    rejected: isRejected(evidence),
    /** Somebody else logs in as this user. */
    conflict: isConflict(evidence, now),
    /** The token request in flight. */
    request: request?.operation,
    backoff: isOver ? 'none' : backoff.state,
    /** iSales has refused the credentials since the last grant. False in a guard: nobody knows how its logins ended. */
    refused: backoff.refused,
    /** When the next token request begins; undefined while one is in flight or none is planned. */
    nextRequestAt: at === Infinity ? undefined : at,
    /** No business call has come for `TOKEN_IDLE_AFTER`: the token is renewed by the next one. */
    idle: isIdle(state, rules, now),
    lastSuccessAt,
    /** How long requests would go on working if every login failed from now, milliseconds. */
    outageBudget: outageBudget(state, now),
    waiters,
    failuresInRow,
    lastFailure,
  }
}
export type TokenSnapshot = Readonly<ReturnType<typeof snapshotOf>>
