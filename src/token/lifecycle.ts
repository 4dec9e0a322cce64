import type { Config } from '../config/index.ts'
import type { BackoffState, Deferred, DeferredReason, Failed, Outcome } from './client.ts'
import type { AskedEnd, TokenEvent } from './events.ts'
import {
  accept,
  beginRenewal,
  isConflict,
  isRejected,
  NO_EVIDENCE,
  reject,
  renewalDueAt,
  replace,
  type AttemptKind,
  type Rejection,
} from './evidence.ts'
import {
  afterAdoption,
  answersAsk,
  ASKED_APART,
  askedFrom,
  FIRST_LOGIN,
  isAsked,
  isLoginDue,
  type Logins,
  type TokenRequest,
} from './logins.ts'
import { isMissing, isRefusal, type AuthFailure, type Grant, type Operation } from './protocol.ts'
import {
  createToken,
  LAST_SECOND,
  lives,
  refreshable,
  usableUntil,
  type Token,
  type TokenRules,
} from './token.ts'
import { cause } from '../causes.ts'

/** The share of its life after which a token is renewed. */
const RENEW_AT = 0.8

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules & Pick<Config, 'isalesRefreshPath' | 'tokenIdleAfter'>

/**
 * All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock.
 *
 * @example a refresh that fails, and a token that iSales ends early
 *   0.0 s  a login is `started`, and `ended` by a grant for 300 s: generation 1 is renewed at 240, and sent until 295
 * 240.0 s  a refresh is `started`, and `ended` without a connection: a login is due within 0.5 s, generation 1 serves
 * 240.5 s  a login is `started`, and `ended` by a grant: generation 2 is renewed at 480.5
 * 300.0 s  a call with generation 1 is `rejected`: nothing changes. One with generation 2 is: a renewal is due now
 * 300.1 s  a refresh is `started`, and `ended` by the same token: it cures nothing, and a login is due now
 */
export type State = Readonly<ReturnType<typeof initialState>>

export function initialState(now: number) {
  return {
    token: undefined as Token | undefined,
    /** The token request in flight. */
    request: undefined as TokenRequest | undefined,
    /** When the token is renewed if nothing else happens; before the first token, the start. */
    renewAt: now,
    /** The back-off of a login, and that of a refresh. A login that spares the account does not keep a refresh waiting. */
    loginNotBefore: now,
    refreshNotBefore: now,
    /** Why the login waits. */
    backoff: 'none' as BackoffState,
    ...(FIRST_LOGIN as Logins),
    /** Failed token requests in a row. */
    failuresInRow: 0,
    /** Why iSales was not asked when a token was due: until it is, the present one serves to its last second. */
    deferred: undefined as DeferredReason | undefined,
    evidence: NO_EVIDENCE as Readonly<typeof NO_EVIDENCE>,
    /** The latest one of a token that was at hand. */
    rejection: undefined as { readonly generation: number; readonly status: number } | undefined,
    /** When a business call last asked for the token. */
    usedAt: now,
    /** A token that iSales gave for over 24 h was accepted after it would have ended, had that been milliseconds. */
    trusted: false,
    lastSuccessAt: undefined as number | undefined,
    lastFailure: undefined as
      | { readonly at: number; readonly operation: Operation; readonly failure: AuthFailure }
      | undefined,
  }
}

/** What a step depends on beside the state; passed in, so that the rules are pure. */
export interface Circumstances {
  readonly rules: Rules
  readonly now: number
  /** In [0, 1). */
  readonly random: number
}

export interface Transition {
  readonly state: State
  readonly event?: TokenEvent
}

/** What follows when something happens to the token. Each is a function below. */
export type Step<Happening> = (
  state: State,
  happening: Happening,
  given: Circumstances,
) => Transition

/** A token request cannot be made more often than this for tokens that live shortly. */
const MIN_RENEWAL = 2000
const JITTER = 0.05
const REFRESH_MISSING_FOR = 3_600_000
/** Whatever ended the token ended its refresh token, too, and may do so again. */
const REFRESH_ENDED_FOR = 60_000

/** A refresh that gives the rejected token again cures nothing: it counts as refused, and a login follows. */
const SAME_TOKEN_AGAIN: Failed = {
  failure: {
    kind: 'refused',
    cause: cause('same-token'),
    reason: 'rejected',
    detail: '',
  },
  pause: 0,
  counted: false,
  backoff: 'none',
}

// What is asked for next.

/** What comes next, and when: `at` is Infinity while a token request is in flight or the token is idle. */
export function next(state: State, rules: Rules, now: number) {
  const planned = plan(state, rules, now)
  const waits = state.request !== undefined || isIdle(state, rules, now)
  return waits ? { ...planned, at: Infinity } : planned
}

/** Refresh token first; login when there is none, it has expired, it failed, or it has to wait longer. */
export function plan(state: State, rules: Rules, now: number) {
  const { token, failuresInRow } = state
  const wanted = Math.min(state.renewAt, renewalDueAt(state.evidence))
  const canRefresh =
    rules.isalesRefreshPath !== undefined && token !== undefined && refreshable(token, now)
  const refreshAt = canRefresh ? Math.max(wanted, state.refreshNotBefore) : Infinity
  const isDue = isLoginDue(state)
  const loginAt = Math.max(isDue ? -Infinity : wanted, state.loginNotBefore)
  // What could begin now is equally early.
  const lead = Math.max(refreshAt, now) - Math.max(loginAt, now)
  return lead < 0 || (lead === 0 && !isDue && failuresInRow === 0)
    ? { at: refreshAt, operation: 'refresh' as const }
    : { at: loginAt, operation: 'login' as const }
}

/** True when no business call has come for `TOKEN_IDLE_AFTER`: the next one renews the token, not the clock. */
export function isIdle(state: State, { tokenIdleAfter = Infinity }: Rules, now: number): boolean {
  return !isLoginDue(state) && now - state.usedAt >= tokenIdleAfter
}

// What is known of the token.

/** True while nobody knows whether a rejection is about the token. */
export function isSuspect({ evidence }: State): boolean {
  return evidence.openSince < Infinity
}

/** True while a token request is in flight, of this process or of another replica. */
export function isInFlight({ request, deferred }: State): boolean {
  return request !== undefined || deferred === 'busy'
}

/** The token to send, or undefined when none may be sent. */
export function sendable({ token, deferred }: State, now: number): Token | undefined {
  if (token === undefined) return undefined
  const { obtainedAt, expiresAt } = token
  const given = usableUntil(obtainedAt, token.lifetimeGiven)
  const end = deferred !== undefined ? Math.max(given, expiresAt - LAST_SECOND) : given
  return now < end ? token : undefined
}

/** How long requests would go on working if every login failed from now, milliseconds. */
export function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.evidence)
    ? 0
    : Math.max(0, token.usableUntil - now)
}

// What happens to the token.

/** A business call asks for it. */
export const used: Step<undefined> = (state, _, { now }) => ({ state: { ...state, usedAt: now } })

/** An operator asks for a login now. One in flight with the present secret is it. */
export const renewAsked: Step<undefined> = (state, _, { now: at }) => {
  const { request, needed, backoff } = state
  const number = needed + 1
  const isInFlight = request?.operation === 'login' && request.number === needed
  const loginNotBefore = askedFrom(state, state.loginNotBefore, at)
  const retryIn = loginNotBefore - at
  const isTooSoon = !isInFlight && retryIn > ASKED_APART
  const end: AskedEnd | undefined = isTooSoon
    ? { outcome: 'deferred', reason: 'asked-before', retryIn }
    : undefined
  return {
    state: {
      ...state,
      request: isInFlight ? { ...request, number } : request,
      needed: number,
      asked: { number, guarded: backoff === 'guarded', end },
      loginNotBefore,
    },
    event: { type: 'renew-asked', at, asked: end },
  }
}

/** @param by whose change it was, where that is known. */
export const credentialsChanged: Step<string | undefined> = (state, by, { now: at }) => ({
  state: {
    ...state,
    needed: state.needed + 1,
    failuresInRow: 0,
    loginNotBefore: at,
    backoff: 'none',
  },
  event: { type: 'credentials-changed', at, by },
})

/** A business call was rejected. */
export const rejected: Step<
  Rejection & { readonly generation: number; readonly status: number }
> = (state, call, { now }) => {
  const { generation, status } = call
  if (state.token?.generation !== generation) return { state }
  const evidence = reject(state.evidence, call, now)
  return { state: { ...state, rejection: { generation, status }, evidence } }
}

/** A business call was accepted. */
export const accepted: Step<{
  readonly generation: number
  readonly kind: AttemptKind
  readonly sentAt: number
}> = (state, call, { now }) => {
  const { token: sent } = state
  if (sent?.generation !== call.generation) return { state }
  const isOutlived = call.sentAt >= sent.expiresAt
  const token = isOutlived ? { ...sent, ...lives(sent.obtainedAt, sent.lifetimeGiven) } : sent
  const before = isOutlived ? { ...state, token, trusted: true } : state
  const evidence = accept(state.evidence, call, token, now)
  const isOwnCure = !token.adopted && evidence.cures !== state.evidence.cures
  return {
    state: { ...before, evidence },
    ...(isOwnCure && isConflict(evidence, now) && { event: { type: 'conflict', at: now } }),
  }
}

/** A token request begins. */
export const started: Step<Operation> = (state, operation, { now: at, random }) => {
  const { rejection, needed: number } = state
  const asked = operation === 'login' && isAsked(state)
  const evidence = beginRenewal(state.evidence, at, random)
  const isNews = evidence !== state.evidence && rejection !== undefined
  return {
    state: {
      ...state,
      request: { operation, startedAt: at, number, asked },
      askedAt: asked ? at : state.askedAt,
      evidence,
    },
    ...(isNews && { event: { type: 'token-rejected', at, ...rejection } }),
  }
}

/** A token request ends. */
export const ended: Step<Outcome> = (state, outcome, given) => {
  const { request, token: former } = state
  if (request === undefined) return { state }
  if ('deferred' in outcome) return deferred(state, request, outcome, given.now)
  if ('failure' in outcome) return failed(state, request, outcome, given)
  const isRefresh = request.operation === 'refresh'
  // What a login gives is taken as it is: nothing else can be done.
  if (isRefresh && isSuspect(state) && isSameToken(newer(state, outcome, given), former))
    return failed(state, request, SAME_TOKEN_AGAIN, given)
  return outcome.adopted === true
    ? adopted(state, outcome, given)
    : granted(state, request, outcome, given)
}

/** The token of another replica is used. */
export const adopted: Step<Grant> = (state, grant, given) => {
  const { token: former, evidence, failuresInRow: failuresBefore } = state
  const found = newer(state, grant, given)
  // The token at hand was obtained with credentials that are new here only: what is known of it stays.
  const atHand = isSameToken(found, former) ? former : undefined
  const token = atHand ?? found
  const next = withToken({ ...state, ...afterAdoption(state, grant) }, token, given)
  return {
    state: atHand ? { ...next, evidence: { ...evidence, asking: false } } : next,
    event: { type: 'adopted', at: given.now, token, failuresBefore },
  }
}

/** A token request of this process gives a token. */
function granted(
  before: State,
  request: TokenRequest,
  grant: Grant,
  given: Circumstances,
): Transition {
  const { operation, number } = request
  const { token: former, failuresInRow: failuresBefore } = before
  const { now: at } = given
  const token = newer(before, grant, given)
  const logins = operation === 'login' ? { granted: number, tried: number } : {}
  const state = withToken({ ...before, ...logins }, token, given)
  const end = answersAsk(before, request) ? ({ outcome: 'granted' } as const) : undefined
  return {
    state: withEnd(state, end),
    event: {
      type: 'granted',
      operation,
      at,
      durationMs: at - grant.sentAt,
      token,
      failuresBefore,
      loginDue: isLoginDue(state),
      asked: end,
      sameToken: former?.token.reveal() === grant.token.reveal(),
      lifetimeDoubt: grant.lifetime.doubt,
    },
  }
}

function newer({ token, trusted }: State, grant: Grant, { rules }: Circumstances): Token {
  return createToken(grant, rules, token?.generation ?? 0, trusted)
}

function isSameToken({ headerValue }: Token, other: Token | undefined): boolean {
  return headerValue.reveal() === other?.headerValue.reveal()
}

function withToken(before: State, token: Token, given: Circumstances): State {
  const { now } = given
  return {
    ...before,
    token,
    request: undefined,
    renewAt: renewAt(token, given),
    // A login that is still due keeps its pause.
    ...(!isLoginDue(before) && { loginNotBefore: now, backoff: 'none', failuresInRow: 0 }),
    deferred: undefined,
    evidence: replace(before.evidence),
    lastSuccessAt: now,
  }
}

function withEnd(state: State, end: AskedEnd | undefined): State {
  return end === undefined ? state : { ...state, asked: { ...state.asked, end } }
}

function renewAt(token: Token, { random }: Circumstances): number {
  const jitter = 1 + (random * 2 - 1) * JITTER
  return token.obtainedAt + Math.max(MIN_RENEWAL, token.lifetime * RENEW_AT * jitter)
}

function failed(
  before: State,
  request: TokenRequest,
  { failure, pause, counted, backoff }: Failed,
  { rules, now: at }: Circumstances,
): Transition {
  const { operation, startedAt, number } = request
  const isRefresh = operation === 'refresh'
  const over: State = {
    ...(isRefresh ? afterRefresh(before, failure, at) : { ...before, tried: number }),
    request: undefined,
    lastFailure: { at, operation, failure },
  }
  // Another login is needed since: this failure says nothing about it.
  const isOutdated = number < before.needed
  const state: State = isOutdated
    ? over
    : {
        ...over,
        ...pauses(over, at + pause, counted),
        failuresInRow: before.failuresInRow + 1,
        deferred: undefined,
        backoff,
      }
  const retryIn = Math.max(0, plan(state, rules, at).at - at)
  const outcome = failure.kind === 'refused' ? 'refused' : 'failed'
  const end = answersAsk(before, request)
    ? ({ outcome, reason: failure.reason, retryIn } as const)
    : undefined
  return {
    state: withEnd(state, end),
    event: {
      type: 'failed',
      operation,
      at,
      durationMs: at - startedAt,
      failure,
      asked: end,
      failuresInRow: state.failuresInRow,
      backoff: state.backoff,
      retryIn,
      outageBudget: outageBudget(state, at),
    },
  }
}

/** A login follows. A refresh token that iSales refused is of no use any more. */
function afterRefresh(before: State, failure: AuthFailure, now: number): State {
  const { token } = before
  const hasEnded = isRefusal(failure) && isSuspect(before)
  const pause = isMissing(failure) ? REFRESH_MISSING_FOR : hasEnded ? REFRESH_ENDED_FOR : 0
  return {
    ...before,
    token: token && isRefusal(failure) ? { ...token, refreshToken: undefined } : token,
    refreshNotBefore: Math.max(before.refreshNotBefore, now + pause),
    evidence: isRefusal(failure) ? { ...before.evidence, sessionEnded: true } : before.evidence,
  }
}

/** @param sparing the wait spares the account: a refresh does not wait for it. */
function pauses(
  { loginNotBefore, refreshNotBefore }: State,
  until: number,
  sparing: boolean,
): Pick<State, 'loginNotBefore' | 'refreshNotBefore'> {
  return {
    loginNotBefore: Math.max(loginNotBefore, until),
    refreshNotBefore: sparing ? refreshNotBefore : Math.max(refreshNotBefore, until),
  }
}

function deferred(
  before: State,
  request: TokenRequest,
  { deferred: because, ms, backoff = before.backoff }: Deferred,
  at: number,
): Transition {
  const over = { ...before, request: undefined }
  // Another login is needed since: what defers this one says nothing about it.
  if (request.number < before.needed) return { state: over }
  const paused = pauses(before, at + ms, because === 'guarded')
  // An operator asked while it was in flight: only what is asked for later ignores the pauses.
  const isAnswer = answersAsk(before, request)
  const isJoined = isAnswer && !request.asked
  const isEnd = isAnswer && request.asked && because !== 'busy'
  const end = isEnd ? ({ outcome: 'deferred', reason: because, retryIn: ms } as const) : undefined
  const { loginNotBefore } = isJoined ? before : paused
  const state = { ...over, ...paused, loginNotBefore, deferred: because, backoff }
  return {
    state: withEnd(state, end),
    event: { type: 'deferred', at, because, ms, asked: end },
  }
}
