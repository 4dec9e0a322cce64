import type { Config } from '../config/settings.ts'
import { delayAfterRefusal, stateAfterRefusal, type BackoffRules } from './backoff.ts'
import type { BackoffState, TokenSnapshot } from './events.ts'
import type { AtHand, Before, Obtained } from './obtain.ts'
import type { FailureKind, Operation } from './protocol.ts'
import {
  NO_REJECTIONS,
  type RejectedCall,
  type RejectionRules,
  type Rejections,
} from './rejections.ts'
import { usable, type Token, type TokenRules } from './token.ts'

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules &
  BackoffRules &
  RejectionRules &
  Pick<Config, 'isalesRefreshPath' | 'tokenRenewAt' | 'tokenIdleAfter'>

/** All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock. */
export interface State {
  readonly token: Token | undefined
  /** The token request in flight. */
  readonly request: TokenRequest | undefined
  /** When the token is renewed if nothing else happens; before the first token, the start. */
  readonly renewAt: number
  /** The back-off: no token request begins before. */
  readonly notBefore: number
  readonly backoff: BackoffState
  readonly login: LoginNeed
  /** Failed token requests in a row. */
  readonly failures: Readonly<Record<FailureKind, number>>
  /** Logins in a row that refused the present credentials. */
  readonly refusals: number
  /** The refresh path gave 404 or 405; it is tried again then. */
  readonly refreshMissingUntil: number
  readonly rejections: Rejections
  /** When a business call last asked for the token. */
  readonly usedAt: number
  readonly lastSuccessAt: number | undefined
  readonly lastFailure: TokenSnapshot['lastFailure']
}

/**
 * Whether the next token request must be a login.
 *
 * - `none`: a refresh is tried first.
 * - `next`: the refresh token failed.
 * - `now`: whatever the token is like, since the secret changed.
 * - `asked`: the same, since an operator asked; no pause of another replica counts.
 */
export type LoginNeed = 'none' | 'next' | 'now' | 'asked'

export interface TokenRequest {
  readonly operation: Operation
  readonly startedAt: number
  /** The secret has changed since: its outcome says nothing about the new one. */
  readonly outdated: boolean
  /** The other replicas cannot be asked: one refusal guards the account. */
  readonly alone: boolean
}

/** Refusals of credentials before they came into force. */
export interface PastRefusals {
  readonly count: number
  /** Milliseconds since the last one. */
  readonly age: number
}

/** What happens to the token from outside. */
export type LifecycleEvent =
  /** A token is to be obtained, from iSales or from another replica. */
  | { readonly type: 'wanted'; readonly operation: Operation }
  /** The token request is sent to iSales. */
  | { readonly type: 'request-started'; readonly before?: Before | undefined }
  | Obtained
  | ({
      readonly type: 'rejected'
      readonly generation: number
      readonly status: number
    } & RejectedCall)
  | {
      readonly type: 'accepted'
      readonly generation: number
      readonly path: string
      readonly sentAt: number
    }
  | { readonly type: 'credentials-changed'; readonly refused: PastRefusals | undefined }
  | { readonly type: 'renew-asked' }
  | { readonly type: 'used' }

export const NO_FAILURES = { refused: 0, unclear: 0, unreached: 0, egress: 0 } as const

/** @param refused what a former process knew of the credentials. */
export function initialState(now: number, rules: Rules, refused?: PastRefusals): State {
  return {
    token: undefined,
    request: undefined,
    renewAt: now,
    login: 'none',
    failures: NO_FAILURES,
    refreshMissingUntil: -Infinity,
    rejections: NO_REJECTIONS,
    usedAt: now,
    lastSuccessAt: undefined,
    lastFailure: undefined,
    ...backoffOf(refused, 0, rules, now),
  }
}

/** The back-off of credentials that come into force. Those refused before are spared, for at least `shortest` ms. */
export function backoffOf(
  refused: PastRefusals | undefined,
  shortest: number,
  rules: Rules,
  now: number,
): Pick<State, 'refusals' | 'notBefore' | 'backoff'> {
  if (refused === undefined) return { refusals: 0, notBefore: now, backoff: 'none' }
  const { count, age } = refused
  const delay = Math.max(shortest, delayAfterRefusal(count, rules))
  return {
    refusals: count,
    notBefore: Math.max(now, now - age + delay),
    backoff: stateAfterRefusal(count, rules),
  }
}

/** Failed token requests in a row, of all kinds. */
export function failuresInRow({ failures }: State): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

/** True when a login is due now, whatever the token is like. */
export function isLoginDue({ login }: State): boolean {
  return login === 'now' || login === 'asked'
}

/** True when a rejection has asked for a newer token. */
export function isSuspect({ rejections }: State): boolean {
  return rejections.renewal !== undefined
}

/** When the next token request begins, unless it is in flight or the token is idle. */
export function dueAt(state: State): number {
  const { renewAt, notBefore } = state
  return isLoginDue(state) || isSuspect(state) ? notBefore : Math.max(notBefore, renewAt)
}

/** True when no business call has come for `TOKEN_IDLE_AFTER`: the next one renews the token, not the clock. */
export function isIdle(state: State, { tokenIdleAfter }: Rules, now: number): boolean {
  if (tokenIdleAfter === undefined || state.lastSuccessAt === undefined) return false
  return !isLoginDue(state) && now - state.usedAt >= tokenIdleAfter
}

/** The token to send, or undefined when none may be sent. */
export function sendable({ token, rejections }: State, now: number): Token | undefined {
  const isDead = rejections.renewal?.givenUp === true
  return token !== undefined && usable(token, now) && !isDead ? token : undefined
}

/** The token at hand, for whoever obtains the next one. */
export function atHand(state: State): AtHand | undefined {
  const { token } = state
  return token === undefined ? undefined : { token, rejected: isSuspect(state) }
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined ? 0 : token.usableUntil - now
}

/** True when a call that was rejected with this generation may succeed with a token that is there or was asked for. */
export function isCurable(state: State, generation: number, now: number): boolean {
  const { token } = state
  return token?.generation !== generation || !usable(token, now) || isSuspect(state)
}
