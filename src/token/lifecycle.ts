// oxlint-disable max-lines -- one state machine
import type { Config } from '../config/settings.ts'
import type { Adopted, AtHand, Before, HeldBecause } from './obtain.ts'
import { delayAfterFailure, delayAfterRefusal, type BackoffRules } from './backoff.ts'
import type { BackoffState, TokenEvent, TokenSnapshot } from './events.ts'
import { isGrant, isRefusal, type AuthFailure, type Grant, type Operation } from './protocol.ts'
import {
  createToken,
  refreshable,
  sameCredential,
  usable,
  type Token,
  type TokenRules,
} from './token.ts'

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules &
  BackoffRules &
  Pick<Config, 'isalesRefreshPath' | 'tokenRenewAt' | 'loginReplacePause'>

/** All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock. */
export interface State {
  readonly token: Token | undefined
  /** The token request in flight. */
  readonly request: TokenRequest | undefined
  /** When the next token request may begin. */
  readonly nextAt: number
  readonly backoff: BackoffState
  /** Failed token requests in a row. */
  readonly failures: number
  /** Logins in a row that refused the present credentials. */
  readonly refusals: number
  /** Counts up when the secret changes; a token request remembers which it used. */
  readonly credentials: number
  /** The refresh token is of no use: it failed once, or the credentials are newer than it. */
  readonly refreshSpent: boolean
  /** The refresh path gave 404 or 405: not tried again by this process. */
  readonly refreshMissing: boolean
  /** The generation that a business call found rejected and that is not sent any more. */
  readonly rejectedGeneration: number
  /** The generation whose rejection is known but whose replacement waits; it is still sent. */
  readonly heldGeneration: number
  /** The generation whose rejection was last relayed. */
  readonly relayedGeneration: number
  /** When the last token came that a rejection had asked for. */
  readonly replacedAt: number
  /** Somebody else is taken to log in as this user until a minute after the last hold-off has ended. */
  readonly conflictUntil: number
  /** When tokens were rejected before their end, within the last minute. */
  readonly earlyRejections: readonly number[]
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
  | { readonly type: 'rejected'; readonly generation: number; readonly status: number }
  | { readonly type: 'accepted'; readonly generation: number }
  | { readonly type: 'credentials-changed' }

/** The instant and the random number in [0, 1) of a step; passed in, so that the rules are pure. */
export interface Moment {
  readonly now: number
  readonly random: number
}

/** What to do now: begin a token request, or wait until an instant (Infinity: until something happens). */
export type NextStep =
  | { readonly do: 'request'; readonly operation: Operation }
  | { readonly do: 'wait'; readonly until: number }

export interface Transition {
  readonly state: State
  readonly events: readonly TokenEvent[]
}

/** A token request cannot be made more often than this for tokens that live shortly. */
const SHORTEST_RENEWAL = 1000
const JITTER = 0.05
/** Somebody else logs in as this user when so many tokens a minute are rejected before their end. */
const CONFLICT_REJECTIONS = 3
const CONFLICT_WINDOW = 60_000
const HOLD_OFF_MIN = 5000
const HOLD_OFF_MAX = 60_000

/** A refresh that gives the rejected token again cures nothing: it counts as refused, and a login follows. */
const SAME_TOKEN_AGAIN: AuthFailure = { reason: 'rejected', detail: 'the rejected token came back' }

export function initialState(now: number): State {
  return {
    token: undefined,
    request: undefined,
    nextAt: now,
    backoff: 'none',
    failures: 0,
    refusals: 0,
    credentials: 1,
    refreshSpent: false,
    refreshMissing: false,
    rejectedGeneration: 0,
    heldGeneration: 0,
    relayedGeneration: 0,
    replacedAt: -Infinity,
    conflictUntil: -Infinity,
    earlyRejections: [],
    lastSuccessAt: undefined,
    lastFailure: undefined,
  }
}

/** Refresh token first; login when there is none, it has expired, or it failed. */
export function next(state: State, rules: Rules, now: number): NextStep {
  if (state.request !== undefined) return { do: 'wait', until: Infinity }
  if (now < state.nextAt) return { do: 'wait', until: state.nextAt }
  const { token } = state
  const refresh =
    rules.isalesRefreshPath !== undefined &&
    !state.refreshSpent &&
    !state.refreshMissing &&
    token !== undefined &&
    refreshable(token, now)
  return { do: 'request', operation: refresh ? 'refresh' : 'login' }
}

/** The token to send, or undefined when none may be sent. */
export function sendable({ token, rejectedGeneration }: State, now: number): Token | undefined {
  if (token === undefined || !usable(token, now)) return undefined
  return token.generation === rejectedGeneration ? undefined : token
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined ? 0 : token.usableUntil - now
}

/** True when a token newer than this generation is there, or is being fetched because this one was rejected. */
export function isReplaced(state: State, generation: number, now: number): boolean {
  const { token } = state
  if (token?.generation !== generation || !usable(token, now)) return true
  return isRejected(state, token)
}

/** The one transition function of a token's life. */
export function step(
  state: State,
  event: LifecycleEvent,
  rules: Rules,
  moment: Moment,
): Transition {
  const at = moment.now
  switch (event.type) {
    case 'wanted':
      return { state: { ...state, request: requestOf(state, event, at) }, events: [] }
    case 'request-started': {
      const { operation, before } = event
      const request = requestOf(state, event, at)
      const failures = Math.max(state.failures, before?.failures ?? 0)
      const refusals = Math.max(state.refusals, before?.refusals ?? 0)
      return {
        state: { ...state, request, failures, refusals },
        events: [{ type: 'request-started', operation, at }],
      }
    }
    case 'adopted':
      return adopted(state, event, rules, moment)
    case 'held':
      return held(state, event, rules, at)
    case 'request-ended':
      return ended(state, event.outcome, rules, moment)
    case 'rejected':
      return rejected(state, event, rules, moment)
    case 'accepted':
      return state.token?.generation === event.generation && !state.token.accepted
        ? { state: { ...state, token: { ...state.token, accepted: true } }, events: [] }
        : { state, events: [] }
    case 'credentials-changed': {
      const { credentials } = state
      return {
        state: {
          ...state,
          credentials: credentials + 1,
          refreshSpent: true,
          nextAt: at,
          backoff: 'none',
          failures: 0,
          refusals: 0,
        },
        events: [{ type: 'credentials-changed', at }],
      }
    }
  }
}

function requestOf(
  state: State,
  { operation, before }: { readonly operation: Operation; readonly before?: Before | undefined },
  startedAt: number,
): TokenRequest {
  const { credentials } = state.request ?? state
  return { operation, startedAt, credentials, alone: before?.alone ?? false }
}

// A token, or a pause, of another replica.

/** The token at hand, for whoever obtains the next one. */
export function atHand(state: State): AtHand | undefined {
  const { token } = state
  return token === undefined ? undefined : { token, rejected: isRejected(state, token) }
}

function adopted(
  before: State,
  { grant, sentAt, bought, loginDue }: Adopted,
  rules: Rules,
  { now, random }: Moment,
): Transition {
  const { token: previous } = before
  const token = createToken(grant, rules, { sentAt, operation: 'login', previous })
  const explained = previous !== undefined && isRejected(before, previous)
  return {
    state: {
      ...before,
      token,
      request: undefined,
      refreshSpent: loginDue,
      nextAt: loginDue ? now : Math.max(now, sentAt + renewAfter(token, rules, random)),
      backoff: 'none',
      failures: 0,
      rejectedGeneration: 0,
      heldGeneration: 0,
      replacedAt: bought ? sentAt : before.replacedAt,
      // It was rejected because another replica had renewed it: nobody else logs in as this user.
      earlyRejections: explained ? before.earlyRejections.slice(0, -1) : before.earlyRejections,
      lastSuccessAt: now,
    },
    events: [{ type: 'adopted', at: now, session: token }],
  }
}

function held(
  state: State,
  { because, ms, refusals }: Extract<LifecycleEvent, { type: 'held' }>,
  rules: Rules,
  now: number,
): Transition {
  const waits = { ...state, request: undefined }
  // The secret changed meanwhile: what holds the former one says nothing about the new one.
  if (state.request?.credentials !== state.credentials) return { state: waits, events: [] }
  const backoff = {
    busy: state.backoff,
    alone: state.backoff,
    held: 'transient',
    guarded: refusals >= rules.loginRejectedAttempts ? 'guarded' : 'rejected',
  } as const
  return {
    state: { ...waits, refusals, backoff: backoff[because], nextAt: now + ms },
    events: [{ type: 'held', at: now, because, ms }],
  }
}

// The end of a token request.

function ended(
  before: State,
  outcome: Grant | AuthFailure,
  rules: Rules,
  moment: Moment,
): Transition {
  const { request } = before
  if (request === undefined) return { state: before, events: [] }
  const state = { ...before, request: undefined }
  if (!isGrant(outcome)) return failed({ state, request }, outcome, rules, moment)
  const { startedAt: sentAt, operation } = request
  const token = createToken(outcome, rules, { sentAt, operation, previous: state.token })
  return curesNothing(state, token, operation)
    ? failed({ state, request }, SAME_TOKEN_AGAIN, rules, moment)
    : granted({ state, request, token }, outcome, rules, moment)
}

/** A refresh may give the rejected token again; what a login gives is taken as it is. */
function curesNothing(state: State, token: Token, operation: Operation): boolean {
  const { token: previous } = state
  return (
    operation === 'refresh' &&
    previous !== undefined &&
    isRejected(state, previous) &&
    sameCredential(token, previous)
  )
}

/** The state without its token request, and that token request. */
interface Ended {
  readonly state: State
  readonly request: TokenRequest
}

function granted(
  { state, request, token }: Ended & { readonly token: Token },
  grant: Grant,
  rules: Rules,
  { now, random }: Moment,
): Transition {
  const previous = state.token
  const replaces = previous !== undefined && isRejected(state, previous)
  const outdated = request.credentials !== state.credentials
  return {
    state: {
      ...state,
      token,
      refreshSpent: outdated,
      nextAt: outdated ? now : token.obtainedAt + renewAfter(token, rules, random),
      backoff: 'none',
      failures: 0,
      refusals: 0,
      rejectedGeneration: 0,
      heldGeneration: 0,
      replacedAt: replaces ? now : state.replacedAt,
      lastSuccessAt: now,
    },
    events: [
      {
        type: 'granted',
        operation: request.operation,
        at: now,
        durationMs: now - request.startedAt,
        session: token,
        failuresBefore: state.failures,
        sameToken: previous?.token.reveal() === grant.token.reveal(),
        lifetimeAssumed: grant.lifetime.assumed,
      },
    ],
  }
}

/** Not later than the token's last use, whatever the share and the jitter. */
function renewAfter(token: Token, rules: Rules, random: number): number {
  const jitter = 1 + (random * 2 - 1) * JITTER
  const due = Math.min(
    token.lifetime * rules.tokenRenewAt * jitter,
    token.usableUntil - token.obtainedAt,
  )
  return Math.max(SHORTEST_RENEWAL, due)
}

function failed(
  { state: before, request }: Ended,
  failure: AuthFailure,
  rules: Rules,
  moment: Moment,
): Transition {
  const { operation } = request
  const { now } = moment
  const state = {
    ...afterFailure({ state: before, request }, failure, rules, moment),
    lastFailure: { at: now, operation, failure },
  }
  return {
    state,
    events: [
      {
        type: 'failed',
        operation,
        at: now,
        durationMs: now - request.startedAt,
        failure,
        failuresInRow: state.failures,
        backoff: state.backoff,
        retryIn: Math.max(0, state.nextAt - now),
        outageBudget: outageBudget(state, now),
      },
    ],
  }
}

function afterFailure(
  { state, request }: Ended,
  failure: AuthFailure,
  rules: Rules,
  moment: Moment,
): State {
  // The secret changed meanwhile: this failure says nothing about the new one.
  if (request.credentials !== state.credentials) return state
  const after =
    request.operation === 'refresh'
      ? refreshFailed(state, failure, rules, moment)
      : isRefusal(failure)
        ? refused(state, request, rules, moment)
        : transient(state, failure, rules, moment)
  // A hold-off that began while the token request was in flight is not cut short by its failure.
  return { ...after, nextAt: Math.max(after.nextAt, state.nextAt) }
}

function refreshFailed(state: State, failure: AuthFailure, rules: Rules, moment: Moment): State {
  const spent = {
    ...state,
    refreshSpent: true,
    refreshMissing: state.refreshMissing || failure.status === 404 || failure.status === 405,
  }
  return isRefusal(failure)
    ? { ...spent, nextAt: moment.now }
    : transient(spent, failure, rules, moment)
}

function refused(state: State, { alone }: TokenRequest, rules: Rules, { now }: Moment): State {
  const counted = state.refusals + 1
  const refusals = alone ? Math.max(counted, rules.loginRejectedAttempts) : counted
  return {
    ...state,
    refusals,
    failures: state.failures + 1,
    backoff: refusals >= rules.loginRejectedAttempts ? 'guarded' : 'rejected',
    nextAt: now + delayAfterRefusal(refusals, rules),
  }
}

function transient(
  state: State,
  failure: AuthFailure,
  rules: Rules,
  { now, random }: Moment,
): State {
  const { failures, refusals } = state
  const delay = delayAfterFailure(failure, failures, rules, random)
  // Credentials that were refused before are not tried sooner because of another failure in between.
  const floor = refusals === 0 ? 0 : delayAfterRefusal(refusals, rules)
  return {
    ...state,
    failures: failures + 1,
    backoff: refusals === 0 ? 'transient' : state.backoff,
    nextAt: now + Math.max(delay, floor),
  }
}

// A rejection by a business call.

function rejected(
  state: State,
  { generation, status }: { readonly generation: number; readonly status: number },
  rules: Rules,
  { now, random }: Moment,
): Transition {
  if (isReplaced(state, generation, now)) return { state, events: [] }
  const noted = (replacing: boolean): TokenEvent => ({
    type: 'token-rejected',
    at: now,
    generation,
    status,
    replacing,
  })
  const recent = state.earlyRejections.filter((at) => now - at < CONFLICT_WINDOW)
  const brandNew = isBrandNew(state, rules, now)
  // In a conflict the other login may end a token before its first call: that, a login would cure.
  if (brandNew && now >= state.conflictUntil) {
    return {
      state: { ...state, relayedGeneration: generation },
      events: state.relayedGeneration === generation ? [] : [noted(false)],
    }
  }
  const known = { ...state, earlyRejections: [...recent, now] }
  // A back-off that protects the account or a struggling iSales is not cut short by a business call.
  const free = state.backoff === 'none' || state.backoff === 'conflict'
  if (!brandNew && recent.length + 1 < CONFLICT_REJECTIONS) {
    return {
      state: { ...known, rejectedGeneration: generation, nextAt: free ? now : state.nextAt },
      events: [noted(true)],
    }
  }
  const heldUntil = now + HOLD_OFF_MIN + random * (HOLD_OFF_MAX - HOLD_OFF_MIN)
  const nextAt = free ? heldUntil : Math.max(state.nextAt, heldUntil)
  return {
    state: {
      ...known,
      heldGeneration: generation,
      nextAt,
      conflictUntil: heldUntil + CONFLICT_WINDOW,
      backoff: free ? 'conflict' : state.backoff,
    },
    events: [noted(true), { type: 'conflict', at: now, holdOff: nextAt - now }],
  }
}

/** No business call has accepted it yet, and a rejection has asked for a token not long ago. */
function isBrandNew({ token, replacedAt }: State, rules: Rules, now: number): boolean {
  return token?.accepted !== true && now - replacedAt < rules.loginReplacePause
}

/** True when a business call has found this token rejected. */
function isRejected(state: State, { generation }: Token): boolean {
  return generation === state.rejectedGeneration || generation === state.heldGeneration
}
