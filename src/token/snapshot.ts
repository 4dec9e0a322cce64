import {
  loginState,
  next,
  usableFor,
  refreshableToken,
  sendable,
  type TokenState,
} from './lifecycle.ts'
import type { Rules } from './login-guard.ts'
import { isConflict, isRejected, isUnsteady } from './rejection-tracker.ts'
import { endingStatus } from './status-trial.ts'

/** Summarizes the token and its renewal for the status page and Prometheus. Instants are on the monotonic clock. */
export function takeSnapshot(state: TokenState, rules: Rules, now: number, waiters: number) {
  const { token, request, rejections, refresh } = state
  const nextRequestAt = request === undefined ? next(state, rules, now).at : Infinity
  const usable = sendable(state, now) !== undefined
  return {
    now,
    token,
    /** When the current token was adopted; undefined if this process obtained it. */
    adoptedAt: token?.adopted ? rejections.replacedAt : undefined,
    usable,
    /** At least the last three first attempts, and all of 2 s, were rejected. A token that has ended rejects no call. */
    rejected: usable && isRejected(rejections, now),
    /** Its first replacement after a rejection is under way. */
    replacing: request !== undefined && rejections.ineffectiveRenewals === 0,
    /** Another client logs in as this user. */
    conflict: isConflict(rejections, now),
    /** iSales accepts and rejects the same token. */
    unsteady: isUnsteady(rejections, now),
    /** Status with which iSales ends tokens, although it is not in `ISALES_REJECTED`. */
    endingStatus: endingStatus(state.trial, now),
    /** The token request in flight. */
    request: request?.operation,
    login: loginState(state, rules, now),
    /** Duration of the last login, granted or not. */
    loginMs: state.login.lastMs,
    /** Refreshes may replace logins. */
    refreshable: refreshableToken(state, rules, now) !== undefined,
    /** Failures of refreshes. */
    refresh,
    /** Undefined while a token request is in flight or none is planned. */
    nextRequestAt: nextRequestAt === Infinity ? undefined : nextRequestAt,
    usableFor: usableFor(state, now),
    waiters,
    /** The last failed login; if there is none, the last failed refresh. */
    lastFailure: state.login.last ?? refresh.last,
  }
}
export type TokenSnapshot = Readonly<ReturnType<typeof takeSnapshot>>
