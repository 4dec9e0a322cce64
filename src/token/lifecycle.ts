import { cause } from '../codes.ts'
import { HOUR, SECOND } from '../clock.ts'
import type { Config } from '../config/index.ts'
import { isFollowedByLogin } from './account.ts'
import { isMissing, type AuthFailure, type Credentials, type Operation } from './isales-client.ts'
import {
  guardState,
  loginFrom,
  NO_ATTEMPTS,
  NO_BACKOFF,
  type Backoff,
  type GuardRules,
} from './login-guard.ts'
import {
  accept,
  isConflict,
  isRejected,
  NO_REJECTIONS,
  reject,
  renewalDueAt,
  replace,
  type AttemptKind,
  type Rejection,
  type RejectionState,
} from './rejection-tracker.ts'
import {
  createToken,
  refreshable,
  type FailedTokenRequest,
  type Granted,
  type Postponed,
  type Token,
  type TokenEvent,
  type TokenResult,
  type TokenRules,
} from './token.ts'

/** The share of its life after which a token is renewed. */
const RENEW_AT = 0.8

/** The settings that decide when a token is renewed. Milliseconds. */
export type Rules = TokenRules & GuardRules & Pick<Config, 'isalesRefreshPath' | 'tokenIdleAfter'>

/** With the credentials when it began: if they change, its failure says nothing of the new ones. */
type InFlightTokenRequest = Readonly<{
  operation: Operation
  startedAt: number
  credentials: Credentials
}>

/**
 * All that is known of the token and of the attempts to renew it. Instants are on the monotonic clock.
 *
 * @example a refresh that fails, and a token that iSales ends early
 *   0.0 s  a login starts, and ends with a grant for 300 s: generation 1 is renewed at 240, and sent until 295
 * 240.0 s  a refresh starts, and ends without a connection: a login is due within 0.5 s, and generation 1 is still sent
 * 240.5 s  a login starts, and ends with a grant: generation 2 is renewed at 480.5
 * 300.0 s  a call with generation 1 is rejected: nothing changes. A call with generation 2 is: a login is due now
 */
export type TokenState = Readonly<ReturnType<typeof initialState>>

export function initialState(credentials: Credentials, now: number) {
  return {
    credentials,
    /** The credentials that the latest login gave a token to. If they differ, a login is due, whatever the token is like. */
    grantedTo: undefined as Credentials | undefined,
    token: undefined as Token | undefined,
    request: undefined as InFlightTokenRequest | undefined,
    /** When the token is renewed if nothing else happens; before the first token, the start. */
    renewAt: now,
    /** What is known of logins with the credentials: the pauses of logins. */
    record: NO_ATTEMPTS,
    /** The back-off of a token request after failures that the record does not count. */
    notBefore: now,
    /** The back-off of a refresh alone. */
    refreshNotBefore: now,
    /** Until then another process asks iSales, or may. */
    busyUntil: now,
    /** The last token request that the back-off is about failed, or was too early. */
    isFailing: false,
    /** An operator has ended the pause, and the login that follows has not ended. */
    forced: false,
    /** Failed token requests in a row. */
    failuresInRow: 0,
    rejections: NO_REJECTIONS as RejectionState,
    /** The latest rejection of a token in use. `said`: an event reports that a newer token is asked for. */
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

/** What a reducer depends on besides the state; passed in, so that the rules are pure. `random` in [0, 1). */
export type Context = Readonly<{ rules: Rules; now: number; random: number }>

type Transition = Readonly<{ state: TokenState; event?: TokenEvent }>

/** What follows when something happens to the token. */
export type Reducer<Input> = (state: TokenState, input: Input, context: Context) => Transition

/** A token request cannot be made more often than this for tokens that live shortly. */
const MIN_RENEWAL = 2 * SECOND
const JITTER = 0.05
const REFRESH_MISSING_FOR = HOUR
/** An operator who asks often ends one pause in so many milliseconds. */
const FORCED_APART = 3 * SECOND

// What is asked for next.

/** What is next, and when: `at` is Infinity while a token request is in flight or the token is idle. */
export function next(state: TokenState, rules: Rules, now: number) {
  const planned = plan(state, rules, now)
  const waits = state.request !== undefined || isIdle(state, rules, now)
  return waits ? { ...planned, at: Infinity } : planned
}

/**
 * Refresh token first; login if there is none, it has expired, it failed, it has to wait longer, or the token was rejected:
 * whatever ended it may have ended the session.
 */
export function plan(state: TokenState, rules: Rules, now: number) {
  const { token, failuresInRow, busyUntil } = state
  const wanted = Math.min(state.renewAt, renewalDueAt(state.rejections))
  const canRefresh = rules.isalesRefreshPath !== undefined && token && refreshable(token, now)
  const from = Math.max(state.notBefore, state.refreshNotBefore, busyUntil)
  const refreshAt = canRefresh === true ? Math.max(wanted, from) : Infinity
  const isDue = isLoginDue(state)
  const loginAt = Math.max(isDue ? -Infinity : wanted, pausedUntil(state, rules), busyUntil)
  // What could begin now is equally early.
  const lead = Math.max(refreshAt, now) - Math.max(loginAt, now)
  const prefersLogin = isDue || failuresInRow > 0 || isSuspect(state)
  return lead < 0 || (lead === 0 && !prefersLogin)
    ? { at: refreshAt, operation: 'refresh' as const }
    : { at: loginAt, operation: 'login' as const }
}

/** When the pause of logins ends. */
function pausedUntil({ notBefore, record, forced }: TokenState, rules: Rules): number {
  return Math.max(notBefore, loginFrom(record, rules, forced))
}

/** True if the current credentials have given no token yet. */
export function isLoginDue({ credentials, grantedTo }: TokenState): boolean {
  return credentials !== grantedTo
}

/** True if no business call has been made for `TOKEN_IDLE_AFTER`: the next one renews the token, not the clock. */
export function isIdle(state: TokenState, rules: Rules, now: number): boolean {
  return !isLoginDue(state) && now - state.usedAt >= (rules.tokenIdleAfter ?? Infinity)
}

// What is known of the token.

/** True while nobody knows whether a rejection is about the token. */
export function isSuspect({ rejections }: Pick<TokenState, 'rejections'>): boolean {
  return rejections.unresolvedSince < Infinity
}

/** The token to send, or undefined if none may be sent. */
export function sendable({ token }: TokenState, now: number): Token | undefined {
  return token !== undefined && now < token.usableUntil ? token : undefined
}

/** How long requests would go on working if every login failed from now, milliseconds. */
function outageBudget(state: TokenState, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.rejections) ? 0 : token.usableUntil - now
}

/** Why the next token request waits. */
function toBackoff({ isFailing, record }: TokenState, rules: Rules): Backoff {
  if (!isFailing) return NO_BACKOFF
  return record.attempts > 0 ? guardState(record, rules) : { state: 'transient', refused: false }
}

// What happens to the token.

/** A business call asks for it. */
export const onUsed: Reducer<undefined> = (state, _, { now: usedAt }) => ({
  state: { ...state, usedAt },
})

/** An operator asks, by SIGHUP: a pause of logins ends once. If there is none, iSales is asked for nothing. */
export const onRenewAsked: Reducer<undefined> = (state, _, { rules, now: at }) => {
  const { request, record, refreshNotBefore, lastFailure, isFailing } = state
  const until = pausedUntil(state, rules)
  const from = Math.max(at, (lastFailure?.at ?? -Infinity) + FORCED_APART)
  const endsPause = isFailing && request === undefined && until > at
  const event = { type: 'renew-asked', at, endsPause } as const
  if (!endsPause) return { state, event }
  const notBefore = Math.min(until, Math.max(from, loginFrom(record, rules, true)))
  const ended = { forced: true, notBefore, refreshNotBefore: Math.min(refreshNotBefore, from) }
  return { state: { ...state, ...ended }, event }
}

export const onCredentialsChanged: Reducer<{ readonly credentials: Credentials }> = (
  state,
  { credentials },
  { now: at },
) => ({
  state: {
    ...state,
    credentials,
    record: NO_ATTEMPTS,
    failuresInRow: 0,
    notBefore: at,
    busyUntil: at,
    isFailing: false,
    forced: false,
  },
  event: { type: 'credentials-changed', at },
})

/** A business call was rejected. */
export const onRejected: Reducer<
  Rejection & { readonly generation: number; readonly status: number }
> = (state, call, { now }) => {
  const { generation, status } = call
  if (state.token?.generation !== generation) return { state }
  const said = state.rejection?.generation === generation && state.rejection.said
  const rejections = reject(state.rejections, call, now)
  // While the token worked, a replica that found another one asking looked away for longer than calls wait.
  const isNews = isSuspect({ rejections }) && !isSuspect(state)
  const busyUntil = isNews ? now : state.busyUntil
  return { state: { ...state, busyUntil, rejection: { generation, status, said }, rejections } }
}

/** A business call was accepted. */
export const onAccepted: Reducer<{
  readonly generation: number
  readonly kind: AttemptKind
  readonly sentAt: number
}> = (state, call, { now }) => {
  const { token } = state
  if (token?.generation !== call.generation) return { state }
  const rejections = accept(state.rejections, call, token, now)
  const isEffective = rejections.effectiveRenewals !== state.rejections.effectiveRenewals
  const isNews = isEffective && !token.adopted && isConflict(rejections, now)
  return {
    state: { ...state, rejections },
    ...(isNews && { event: { type: 'conflict', at: now } }),
  }
}

/** A token request begins. */
export const onRequestStarted: Reducer<Operation> = (before, operation, { now: at }) => {
  const { rejection, credentials, rejections } = before
  const state = { ...before, request: { operation, startedAt: at, credentials } }
  if (rejection === undefined || rejection.said || renewalDueAt(rejections) > at) return { state }
  const { generation, status } = rejection
  return {
    state: { ...state, rejection: { ...rejection, said: true } },
    event: { type: 'token-rejected', at, generation, status },
  }
}

/** A token request ends. */
export const onRequestEnded: Reducer<TokenResult> = (before, result, context) => {
  const { request } = before
  if (request === undefined) return { state: before }
  // The record is of other credentials than the current ones.
  const isOutdated = request.credentials !== before.credentials
  const { record = before.record } = isOutdated ? before : result
  const state = { ...before, record }
  if ('postponed' in result) return onPostponed(state, request, result, context)
  if ('failure' in result) return onFailed(state, request, result, context)
  return result.grant.adopted === true
    ? onAdopted(state, result, context)
    : onGranted(state, request, result, context)
}

/** The token of another replica is used. It is as good as our own login if its credentials are the current ones. */
export const onAdopted: Reducer<Granted> = (before, { grant, record = before.record }, context) => {
  const { token: previous, rejections, failuresInRow: failuresBefore, credentials } = before
  const isOurs = grant.otherCredentials !== true
  const state = isOurs ? { ...before, grantedTo: credentials, record } : before
  const found = createToken(grant, context.rules, previous?.generation ?? 0)
  // The token in use was obtained with credentials that are new here only: what is known of it stays.
  const isInUse = found.headerValue.reveal() === previous?.headerValue.reveal()
  const token = isInUse ? previous : found
  const after = withToken(state, token, context)
  return {
    state: isInUse ? { ...after, rejections } : after,
    event: { type: 'adopted', at: context.now, token, failuresBefore },
  }
}

/** A token request of this process gives a token. */
function onGranted(
  before: TokenState,
  { operation, credentials }: InFlightTokenRequest,
  { grant }: Granted,
  context: Context,
): Transition {
  const { token: previous, failuresInRow: failuresBefore } = before
  const { now: at } = context
  const token = createToken(grant, context.rules, previous?.generation ?? 0)
  const grantedTo = operation === 'login' ? credentials : before.grantedTo
  const state = withToken({ ...before, grantedTo }, token, context)
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
      sameToken: previous?.token.reveal() === grant.token.reveal(),
      lifetimeDoubt: grant.lifetime.doubt,
    },
  }
}

function withToken(before: TokenState, token: Token, { now, random }: Context): TokenState {
  // Not later than the token's last use, whatever the jitter.
  const renewAfter = token.lifetime * RENEW_AT * (1 + (random * 2 - 1) * JITTER)
  // A login that is still due keeps its pause.
  const isOver = !isLoginDue(before)
  return {
    ...before,
    token,
    request: undefined,
    renewAt: token.obtainedAt + Math.max(MIN_RENEWAL, renewAfter),
    ...(isOver && { notBefore: now, isFailing: false, forced: false, failuresInRow: 0 }),
    rejections: replace(before.rejections, before.request?.startedAt, random),
  }
}

function onFailed(
  before: TokenState,
  { operation, startedAt, credentials }: InFlightTokenRequest,
  { failure, pause }: FailedTokenRequest,
  { rules, now: at }: Context,
): Transition {
  const { token, notBefore, refreshNotBefore } = before
  const isRefresh = operation === 'refresh'
  // A login follows, which tells more. After the published 500 the refresh is also tried again.
  const isFollowed = isRefresh && isFollowedByLogin(failure)
  const isRefused = isRefresh && failure.kind === 'refused'
  const refreshPause = isMissing(failure) ? REFRESH_MISSING_FOR : pause
  // A failure with the previous credentials says nothing of the current ones.
  const isOutdated = credentials !== before.credentials
  const state: TokenState = {
    ...before,
    request: undefined,
    forced: isRefresh && before.forced,
    lastFailure: { at, operation, failure },
    token: token && isRefused ? { ...token, refreshToken: undefined } : token,
    refreshNotBefore: isFollowed ? Math.max(refreshNotBefore, at + refreshPause) : refreshNotBefore,
    ...(!isOutdated && {
      notBefore: isFollowed ? notBefore : Math.max(notBefore, at + pause),
      failuresInRow: before.failuresInRow + 1,
      isFailing: before.isFailing || !isFollowed,
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
      backoff: toBackoff(state, rules).state,
      retryIn: Math.max(0, plan(state, rules, at).at - at),
      outageBudget: outageBudget(state, at),
    },
  }
}

function onPostponed(
  before: TokenState,
  { credentials }: InFlightTokenRequest,
  { postponed: because, ms }: Postponed,
  { now: at }: Context,
): Transition {
  const over = { ...before, request: undefined }
  if (credentials !== before.credentials) return { state: over }
  const guarded = { isFailing: true, forced: false }
  return {
    state: { ...over, ...(because === 'guarded' ? guarded : { busyUntil: at + ms }) },
    event: { type: 'deferred', at, because, ms },
  }
}

// For people, and for Prometheus.

/** The token and its renewal now; read at each scrape and by the status page. Instants are on the monotonic clock. */
export function takeSnapshot(state: TokenState, rules: Rules, now: number, waiters: number) {
  const { token, request, rejections, record, failuresInRow, lastFailure } = state
  const { at } = next(state, rules, now)
  const backoff = toBackoff(state, rules)
  // The token request that failed is not needed any more.
  const isOver =
    backoff.state === 'transient' && request === undefined && at > pausedUntil(state, rules)
  return {
    now,
    token,
    usable: sendable(state, now) !== undefined,
    /** The last three judged calls or more were rejected. */
    rejected: isRejected(rejections),
    /** Somebody else logs in as this user. */
    conflict: isConflict(rejections, now),
    /** The token request in flight. */
    request: request?.operation,
    backoff: isOver ? 'none' : backoff.state,
    /** iSales has refused the credentials since the last grant. False in a guard: nobody knows how its logins ended. */
    refused: backoff.refused,
    /** The cause of the last failed login that the record counts: known after a restart, too. Undefined after a grant. */
    lastCode: record.lastCode,
    passwordRejected: passwordRejected(state, now),
    /** When the next token request begins; undefined while one is in flight or none is planned. */
    nextRequestAt: at === Infinity ? undefined : at,
    /** No business call has been made for `TOKEN_IDLE_AFTER`: the token is renewed by the next one. */
    idle: isIdle(state, rules, now),
    /** When the request for the token in use was sent. */
    lastSuccessAt: token?.obtainedAt,
    /** How long requests would go on working if every login failed from now, milliseconds. */
    outageBudget: outageBudget(state, now),
    waiters,
    failuresInRow,
    lastFailure,
  }
}
export type TokenSnapshot = Readonly<ReturnType<typeof takeSnapshot>>

/**
 * iSales rejected the last login, and refreshes keep the token alive: until when, as far as it is known. Undefined: it did
 * not, or they do not.
 */
function passwordRejected(state: TokenState, now: number) {
  const { lastCode: code } = state.record
  const token = sendable(state, now)
  if (code === undefined || cause(code).stage !== 'login') return undefined
  return token && refreshable(token, now)
    ? { code, refreshEndsAt: token.refreshExpiresAt }
    : undefined
}
