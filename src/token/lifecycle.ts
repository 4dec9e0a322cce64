import { HOUR, SECOND } from '../clock.ts'
import type { Config } from '../config/index.ts'
import {
  accept,
  isConflict,
  isRejected,
  NO_EVIDENCE,
  reject,
  renewalDueAt,
  replace,
  type AttemptKind,
  type Evidence,
  type Rejection,
} from './evidence.ts'
import {
  isMissing,
  isRefusal,
  type AuthFailure,
  type Credentials,
  type Grant,
  type Operation,
} from './protocol.ts'
import {
  createToken,
  NO_BACKOFF,
  refreshable,
  type Deferred,
  type Failed,
  type Outcome,
  type Token,
  type TokenEvent,
  type TokenRules,
} from './token.ts'

/** The share of its life after which a token is renewed. */
const RENEW_AT = 0.8

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules & Pick<Config, 'isalesRefreshPath' | 'tokenIdleAfter'>

/** A token request in flight. */
export interface TokenRequest {
  readonly operation: Operation
  readonly startedAt: number
  /** Those of the state when it began. When they change, its failure says nothing of the new ones. */
  readonly credentials: Credentials
}

/**
 * All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock.
 *
 * @example a refresh that fails, and a token that iSales ends early
 *   0.0 s  a login is `started`, and `ended` by a grant for 300 s: generation 1 is renewed at 240, and sent until 295
 * 240.0 s  a refresh is `started`, and `ended` without a connection: a login is due within 0.5 s, generation 1 serves
 * 240.5 s  a login is `started`, and `ended` by a grant: generation 2 is renewed at 480.5
 * 300.0 s  a call with generation 1 is `rejected`: nothing changes. One with generation 2 is: a login is due now
 */
export type State = Readonly<ReturnType<typeof initialState>>

export function initialState(credentials: Credentials, now: number) {
  return {
    credentials,
    /** Those that the latest login gave a token to. While they are others, a login is due whatever the token is like. */
    grantedTo: undefined as Credentials | undefined,
    token: undefined as Token | undefined,
    request: undefined as TokenRequest | undefined,
    /** When the token is renewed if nothing else happens; before the first token, the start. */
    renewAt: now,
    /** The back-off of a login, and that of a refresh. A login that spares the account does not keep a refresh waiting. */
    loginNotBefore: now,
    refreshNotBefore: now,
    /** Why the login waits. */
    backoff: NO_BACKOFF,
    /** An operator has ended the pause, and the login that follows has not ended. */
    forced: false,
    /** Failed token requests in a row. */
    failuresInRow: 0,
    evidence: NO_EVIDENCE as Evidence,
    /** The latest one of a token that was at hand. `said`: that a newer one is asked for. */
    rejection: undefined as
      | { readonly generation: number; readonly status: number; readonly said: boolean }
      | undefined,
    /** When a business call last asked for the token. */
    usedAt: now,
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

interface Transition {
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
const MIN_RENEWAL = 2 * SECOND
const JITTER = 0.05
const REFRESH_MISSING_FOR = HOUR
/** An operator who asks often ends one pause in so many milliseconds. */
const FORCED_APART = 3 * SECOND

// What is asked for next.

/** What comes next, and when: `at` is Infinity while a token request is in flight or the token is idle. */
export function next(state: State, rules: Rules, now: number) {
  const planned = plan(state, rules, now)
  const waits = state.request !== undefined || isIdle(state, rules, now)
  return waits ? { ...planned, at: Infinity } : planned
}

/**
 * Refresh token first; login when there is none, it has expired, it failed, it has to wait longer, or the token was
 * rejected: whatever ended it may have ended the session.
 */
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
  const prefersLogin = isDue || failuresInRow > 0 || isSuspect(state)
  return lead < 0 || (lead === 0 && !prefersLogin)
    ? { at: refreshAt, operation: 'refresh' as const }
    : { at: loginAt, operation: 'login' as const }
}

/** True when the present credentials have given no token yet. */
export function isLoginDue({ credentials, grantedTo }: State): boolean {
  return credentials !== grantedTo
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

/** The token to send, or undefined when none may be sent. */
export function sendable({ token }: State, now: number): Token | undefined {
  return token !== undefined && now < token.usableUntil ? token : undefined
}

/** How long requests would go on working if every login failed from now, milliseconds. */
function outageBudget(state: State, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.evidence) ? 0 : token.usableUntil - now
}

// What happens to the token.

/** A business call asks for it. */
export const used: Step<undefined> = (state, _, { now }) => ({ state: { ...state, usedAt: now } })

/** An operator asks, by SIGHUP: a pause of logins ends once. Where there is none, iSales is asked for nothing. */
export const renewAsked: Step<undefined> = (state, _, { now: at }) => {
  const { backoff, request, loginNotBefore, refreshNotBefore, lastFailure } = state
  const endsPause = backoff.state !== 'none' && request === undefined && loginNotBefore > at
  const event = { type: 'renew-asked', at, endsPause } as const
  if (!endsPause) return { state, event }
  const from = Math.max(at, (lastFailure?.at ?? -Infinity) + FORCED_APART)
  const ended = {
    forced: true,
    loginNotBefore: Math.min(loginNotBefore, from),
    refreshNotBefore: Math.min(refreshNotBefore, from),
  }
  return { state: { ...state, ...ended }, event }
}

export const credentialsChanged: Step<{ readonly credentials: Credentials }> = (
  state,
  { credentials },
  { now: at },
) => ({
  state: {
    ...state,
    credentials,
    failuresInRow: 0,
    loginNotBefore: at,
    backoff: NO_BACKOFF,
    forced: false,
  },
  event: { type: 'credentials-changed', at },
})

/** A business call was rejected. */
export const rejected: Step<
  Rejection & { readonly generation: number; readonly status: number }
> = (state, call, { now }) => {
  const { generation, status } = call
  if (state.token?.generation !== generation) return { state }
  const said = state.rejection?.generation === generation && state.rejection.said
  const evidence = reject(state.evidence, call, now)
  return { state: { ...state, rejection: { generation, status, said }, evidence } }
}

/** A business call was accepted. */
export const accepted: Step<{
  readonly generation: number
  readonly kind: AttemptKind
  readonly sentAt: number
}> = (state, call, { now }) => {
  const { token } = state
  if (token?.generation !== call.generation) return { state }
  const evidence = accept(state.evidence, call, token, now)
  const isOwnCure = !token.adopted && evidence.cures !== state.evidence.cures
  return {
    state: { ...state, evidence },
    ...(isOwnCure && isConflict(evidence, now) && { event: { type: 'conflict', at: now } }),
  }
}

/** A token request begins. */
export const started: Step<Operation> = (before, operation, { now: at }) => {
  const { rejection, credentials, evidence } = before
  const state = { ...before, request: { operation, startedAt: at, credentials } }
  if (rejection === undefined || rejection.said || renewalDueAt(evidence) > at) return { state }
  const { generation, status } = rejection
  return {
    state: { ...state, rejection: { ...rejection, said: true } },
    event: { type: 'token-rejected', at, generation, status },
  }
}

/** A token request ends. */
export const ended: Step<Outcome> = (state, outcome, given) => {
  const { request } = state
  if (request === undefined) return { state }
  if ('deferred' in outcome) return deferred(state, request, outcome, given.now)
  if ('failure' in outcome) return failed(state, request, outcome, given)
  return outcome.adopted === true
    ? adopted(state, outcome, given)
    : granted(state, request, outcome, given)
}

/** The token of another replica is used. It is as good as a login of ours where its credentials are the present ones. */
export const adopted: Step<Grant> = (before, grant, given) => {
  const { token: former, evidence, failuresInRow: failuresBefore, credentials } = before
  const state = grant.foreign === true ? before : { ...before, grantedTo: credentials }
  const found = createToken(grant, given.rules, former?.generation ?? 0)
  // The token at hand was obtained with credentials that are new here only: what is known of it stays.
  const isAtHand = found.headerValue.reveal() === former?.headerValue.reveal()
  const token = isAtHand ? former : found
  const after = withToken(state, token, given)
  return {
    state: isAtHand ? { ...after, evidence } : after,
    event: { type: 'adopted', at: given.now, token, failuresBefore },
  }
}

/** A token request of this process gives a token. */
function granted(
  before: State,
  { operation, credentials }: TokenRequest,
  grant: Grant,
  given: Circumstances,
): Transition {
  const { token: former, failuresInRow: failuresBefore } = before
  const { now: at } = given
  const token = createToken(grant, given.rules, former?.generation ?? 0)
  const grantedTo = operation === 'login' ? credentials : before.grantedTo
  const state = withToken({ ...before, grantedTo }, token, given)
  return {
    state,
    event: {
      type: 'granted',
      operation,
      at,
      durationMs: at - grant.sentAt,
      token,
      failuresBefore,
      loginDue: isLoginDue(state),
      sameToken: former?.token.reveal() === grant.token.reveal(),
      lifetimeDoubt: grant.lifetime.doubt,
    },
  }
}

function withToken(before: State, token: Token, { now, random }: Circumstances): State {
  // Not later than the token's last use, whatever the jitter.
  const renewAfter = token.lifetime * RENEW_AT * (1 + (random * 2 - 1) * JITTER)
  // A login that is still due keeps its pause.
  const isOver = !isLoginDue(before)
  return {
    ...before,
    token,
    request: undefined,
    renewAt: token.obtainedAt + Math.max(MIN_RENEWAL, renewAfter),
    ...(isOver && { loginNotBefore: now, backoff: NO_BACKOFF, forced: false, failuresInRow: 0 }),
    evidence: replace(before.evidence, before.request?.startedAt, random),
  }
}

function failed(
  before: State,
  { operation, startedAt, credentials }: TokenRequest,
  { failure, pause, counted, backoff }: Failed,
  { rules, now: at }: Circumstances,
): Transition {
  const isRefresh = operation === 'refresh'
  const over: State = {
    ...(isRefresh ? afterRefresh(before, failure, at) : { ...before, forced: false }),
    request: undefined,
    lastFailure: { at, operation, failure },
  }
  // What fails with the former credentials says nothing of the present ones.
  const isOutdated = credentials !== before.credentials
  // Why logins wait is not news of a refresh.
  const isKnown = isRefresh && before.backoff.state !== 'none'
  const state: State = {
    ...over,
    ...(!isOutdated && {
      ...pauses(over, at + pause, counted),
      failuresInRow: before.failuresInRow + 1,
      backoff: isKnown ? before.backoff : backoff,
    }),
  }
  return {
    state,
    event: {
      type: 'failed',
      operation,
      at,
      durationMs: at - startedAt,
      failure,
      failuresInRow: state.failuresInRow,
      backoff: state.backoff.state,
      retryIn: Math.max(0, plan(state, rules, at).at - at),
      outageBudget: outageBudget(state, at),
    },
  }
}

/** A login follows. A refresh token that iSales refused is of no use any more. */
function afterRefresh(before: State, failure: AuthFailure, now: number): State {
  const { token, refreshNotBefore } = before
  const pause = isMissing(failure) ? REFRESH_MISSING_FOR : 0
  return {
    ...before,
    token: token && isRefusal(failure) ? { ...token, refreshToken: undefined } : token,
    refreshNotBefore: Math.max(refreshNotBefore, now + pause),
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
  if (request.credentials !== before.credentials) return { state: over }
  const isSparing = because === 'guarded'
  return {
    state: {
      ...over,
      ...pauses(before, at + ms, isSparing),
      backoff,
      forced: before.forced && !isSparing,
    },
    event: { type: 'deferred', at, because, ms },
  }
}

// For people, and for Prometheus.

/** The token and its renewal now; read at each scrape and by the status page. Instants are on the monotonic clock. */
export function snapshotOf(state: State, rules: Rules, now: number, waiters: number) {
  const { token, request, evidence, backoff, failuresInRow, lastFailure } = state
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
    /** When the request for the token at hand was sent. */
    lastSuccessAt: token?.obtainedAt,
    /** How long requests would go on working if every login failed from now, milliseconds. */
    outageBudget: outageBudget(state, now),
    waiters,
    failuresInRow,
    lastFailure,
  }
}
export type TokenSnapshot = Readonly<ReturnType<typeof snapshotOf>>
