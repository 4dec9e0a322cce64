import type { Config } from '../config/settings.ts'
import type { Outcome } from './ask.ts'
import type { TokenSnapshot } from './events.ts'
import type { BackoffState } from './ask.ts'
import { NO_EVIDENCE, isConflict, isRejected, type AttemptKind, type Evidence } from './evidence.ts'
import type { Grant, Operation } from './protocol.ts'
import { usable, type Token, type TokenRules } from './token.ts'

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules &
  Pick<Config, 'isalesRefreshPath' | 'tokenRenewAt' | 'tokenIdleAfter'>

/** All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock. */
export interface State {
  readonly token: Token | undefined
  /** The token request in flight. */
  readonly request: TokenRequest | undefined
  /** When the token is renewed if nothing else happens; before the first token, the start. */
  readonly renewAt: number
  /** The back-off of a login, and that of a refresh. A login that spares the account does not keep a refresh waiting. */
  readonly loginNotBefore: number
  readonly refreshNotBefore: number
  /** Why the login waits. */
  readonly backoff: BackoffState
  readonly login: LoginNeed
  /** Failed token requests in a row. */
  readonly failuresInRow: number
  /** No newer token can be obtained now: the present one serves to its last second. */
  readonly deferred: boolean
  readonly evidence: Evidence
  /** Of the latest rejection. */
  readonly rejectedStatus: number | undefined
  /** When a business call last asked for the token. */
  readonly usedAt: number
  readonly lastSuccessAt: number | undefined
  readonly lastFailure: TokenSnapshot['lastFailure']
}

/**
 * Whether a login comes before a refresh.
 *
 * - `none`: no.
 * - `next`: yes, since the last refresh failed.
 * - `now`: yes, and whatever the token is like, since the secret changed.
 * - `asked`: the same, since an operator asked; no pause counts.
 */
export type LoginNeed = 'none' | 'next' | 'now' | 'asked'

export interface TokenRequest {
  readonly operation: Operation
  readonly startedAt: number
  /** An operator asked for it. */
  readonly asked: boolean
  /** The secret has changed since: its outcome says nothing about the new one. */
  readonly outdated: boolean
}

/** What happens to the token from outside. */
export type LifecycleEvent =
  | { readonly type: 'request-started'; readonly operation: Operation }
  /** It is sent to iSales. */
  | { readonly type: 'request-sent'; readonly operation: Operation }
  | { readonly type: 'request-ended'; readonly outcome: Outcome }
  /** Another replica has obtained a token. */
  | { readonly type: 'adopted'; readonly grant: Grant }
  | {
      readonly type: 'rejected'
      readonly generation: number
      readonly status: number
      readonly kind: AttemptKind
      /** How often the call was sent again. */
      readonly replays: number
    }
  | {
      readonly type: 'accepted'
      readonly generation: number
      readonly kind: AttemptKind
      readonly sentAt: number
    }
  | { readonly type: 'credentials-changed'; readonly by?: string | undefined }
  | { readonly type: 'renew-asked' }
  | { readonly type: 'used' }

/** The last second of a token's lifetime: a request may be in flight that long. */
const LAST_SECOND = 1000

export function initialState(now: number): State {
  return {
    token: undefined,
    request: undefined,
    renewAt: now,
    loginNotBefore: now,
    refreshNotBefore: now,
    backoff: 'none',
    login: 'none',
    failuresInRow: 0,
    deferred: false,
    evidence: NO_EVIDENCE,
    rejectedStatus: undefined,
    usedAt: now,
    lastSuccessAt: undefined,
    lastFailure: undefined,
  }
}

/** True when a login is due now, whatever the token is like. */
export function isLoginDue({ login }: State): boolean {
  return login === 'now' || login === 'asked'
}

/** True while nobody knows whether a rejection is about the token. */
export function isSuspect({ evidence }: State): boolean {
  return evidence.openSince < Infinity
}

/** True when no business call has come for `TOKEN_IDLE_AFTER`: the next one renews the token, not the clock. */
export function isIdle(state: State, { tokenIdleAfter }: Rules, now: number): boolean {
  if (tokenIdleAfter === undefined || state.lastSuccessAt === undefined) return false
  return !isLoginDue(state) && now - state.usedAt >= tokenIdleAfter
}

/** The token to send, or undefined when none may be sent. */
export function sendable({ token, deferred }: State, now: number): Token | undefined {
  if (token === undefined) return undefined
  return usable(token, now) || (deferred && now < token.expiresAt - LAST_SECOND) ? token : undefined
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.evidence)
    ? 0
    : Math.max(0, token.usableUntil - now)
}

/** What is shown of the token; `next` is when the next token request begins. */
export function snapshotOf(
  state: State,
  given: {
    readonly now: number
    readonly next: number
    readonly idle: boolean
    readonly waiters: number
  },
): TokenSnapshot {
  const { token, request, backoff, evidence, failuresInRow, lastSuccessAt, lastFailure } = state
  const { now, next, idle, waiters } = given
  // The token request that failed is not needed any more.
  const isOver = backoff === 'transient' && request === undefined && next > state.loginNotBefore
  return {
    now,
    token,
    usable: sendable(state, now) !== undefined,
    rejected: isRejected(evidence),
    conflict: isConflict(evidence, now),
    request: request?.operation,
    backoff: isOver ? 'none' : backoff,
    nextRequestAt: next === Infinity ? undefined : next,
    idle,
    lastSuccessAt,
    outageBudget: outageBudget(state, now),
    waiters,
    failuresInRow,
    lastFailure,
  }
}
