import type { Config } from '../config/settings.ts'
import { delayAfterRefusal, type BackoffRules } from './backoff.ts'
import type { BackoffState, TokenSnapshot } from './events.ts'
import type { Adopted, AtHand, Before, HeldBecause } from './obtain.ts'
import type { AuthFailure, FailureKind, Grant, Operation } from './protocol.ts'
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
  /** A login is due whatever the token is like: the secret changed, or an operator asked. */
  readonly loginDue: boolean
  /** Failed token requests in a row. */
  readonly failures: number
  readonly failuresByKind: Readonly<Record<FailureKind, number>>
  /** Logins in a row that refused the present credentials. */
  readonly refusals: number
  /** Counts up when the secret changes; a token request remembers which it used. */
  readonly credentials: number
  /** The refresh token is of no use: it failed once, or the credentials are newer than it. */
  readonly refreshSpent: boolean
  /** The refresh path gave 404 or 405; it is tried again then. */
  readonly refreshMissingUntil: number
  readonly rejections: Rejections
  /** The rejection that was last relayed and reported. */
  readonly relayed:
    | { readonly generation: number; readonly verdict: 'brand-new' | 'about-call' }
    | undefined
  /** When a business call last asked for the token. */
  readonly usedAt: number
  readonly lastSuccessAt: number | undefined
  readonly lastFailure: TokenSnapshot['lastFailure']
}

export interface TokenRequest {
  readonly operation: Operation
  readonly startedAt: number
  readonly credentials: number
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
  | {
      readonly type: 'request-started'
      readonly operation: Operation
      readonly before?: Before | undefined
    }
  | ({ readonly type: 'adopted' } & Adopted)
  | {
      readonly type: 'held'
      readonly because: HeldBecause
      readonly ms: number
      readonly refusals: number
    }
  | { readonly type: 'request-ended'; readonly outcome: Grant | AuthFailure }
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

/** The instant and the random number in [0, 1) of a step; passed in, so that the rules are pure. */
export interface Moment {
  readonly now: number
  readonly random: number
}

export const NO_FAILURES = { refused: 0, unclear: 0, unreached: 0, egress: 0 } as const

/** @param refused what a former process knew of the credentials. */
export function initialState(now: number, rules: Rules, refused?: PastRefusals): State {
  return {
    token: undefined,
    request: undefined,
    renewAt: now,
    loginDue: false,
    failures: 0,
    failuresByKind: NO_FAILURES,
    credentials: 1,
    refreshSpent: false,
    refreshMissingUntil: -Infinity,
    rejections: NO_REJECTIONS,
    relayed: undefined,
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
    backoff: count >= rules.loginRejectedAttempts ? 'guarded' : 'rejected',
  }
}

export function requestOf(
  state: State,
  { operation, before }: { readonly operation: Operation; readonly before?: Before | undefined },
  startedAt: number,
): TokenRequest {
  const { credentials } = state.request ?? state
  return { operation, startedAt, credentials, alone: before?.alone ?? false }
}

/** What all replicas together have met is the larger. */
export function countsOf(
  { failures, failuresByKind, refusals }: State,
  before: Before | undefined,
): Pick<State, 'failures' | 'failuresByKind' | 'refusals'> {
  const { kind = 'unreached', count = 0 } = before?.failures ?? {}
  return {
    failures: Math.max(failures, count),
    failuresByKind: { ...failuresByKind, [kind]: Math.max(failuresByKind[kind], count) },
    refusals: Math.max(refusals, before?.refusals ?? 0),
  }
}

/** When the next token request begins, unless it is in flight or the token is idle. */
export function dueAt({ loginDue, renewAt, notBefore, rejections }: State): number {
  const due = loginDue || rejections.renewing
  return due ? notBefore : Math.max(notBefore, renewAt)
}

/** True when no business call has come for `TOKEN_IDLE_AFTER`: the next one renews the token, not the clock. */
export function isIdle(state: State, { tokenIdleAfter }: Rules, now: number): boolean {
  if (tokenIdleAfter === undefined || state.lastSuccessAt === undefined) return false
  return !state.loginDue && now - state.usedAt >= tokenIdleAfter
}

/** The token to send, or undefined when none may be sent. */
export function sendable({ token, rejections }: State, now: number): Token | undefined {
  return token !== undefined && usable(token, now) && !rejections.givenUp ? token : undefined
}

/** The token at hand, for whoever obtains the next one. */
export function atHand({ token, rejections }: State): AtHand | undefined {
  return token === undefined ? undefined : { token, rejected: rejections.renewing }
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined ? 0 : token.usableUntil - now
}

/** True when a call that was rejected with this generation may succeed with a token that is there or was asked for. */
export function isCurable({ token, rejections }: State, generation: number, now: number): boolean {
  return token?.generation !== generation || !usable(token, now) || rejections.renewing
}
