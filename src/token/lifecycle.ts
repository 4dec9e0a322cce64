import { cause } from '../codes.ts'
import { HOUR, SECOND } from '../clock.ts'
import { isFollowedByLogin } from './account.ts'
import { isMissing, type AuthFailure, type Credentials, type Operation } from './isales-client.ts'
import { guardState, loginFrom, NO_ATTEMPTS, type BackoffState, type Rules } from './login-guard.ts'
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
  type PlannedRequest,
  type Postponed,
  type Token,
  type TokenEvent,
  type TokenResult,
} from './token.ts'

/** The share of its life after which a token is renewed. */
const RENEW_AT = 0.8

/** Keeps the credentials that it uses: if they change, its failure does not concern the new ones. */
type InFlightTokenRequest = Readonly<{
  operation: Operation
  startedAt: number
  credentials: Credentials
}>

/**
 * State of the token and of its renewal. Instants are on the monotonic clock.
 *
 * @example a refresh that fails, and a token that iSales ends early
 *   0.0 s  a login starts, and ends with a grant for 300 s: generation 1 is renewed at 240, and sent until 295
 * 240.0 s  a refresh starts, and ends without a connection: a login is due within 0.5 s, and generation 1 is still sent
 * 240.5 s  a login starts, and ends with a grant: generation 2 is renewed at 480.5
 * 300.0 s  a call with generation 1 is rejected: nothing changes. A call with generation 2 is rejected: a login is due now
 */
export type TokenState = Readonly<ReturnType<typeof initialState>>

export function initialState(credentials: Credentials, now: number) {
  return {
    credentials,
    /** Credentials of the latest granted login. If the current ones differ, a login is due, even with a usable token. */
    grantedTo: undefined as Credentials | undefined,
    token: undefined as Token | undefined,
    request: undefined as InFlightTokenRequest | undefined,
    /** Planned renewal, or the start before the first token. */
    renewAt: now,
    /** Login-attempt record of the credentials, which decides the login pauses. */
    record: NO_ATTEMPTS,
    /** Back-off after failures that the record does not count. */
    notBefore: now,
    /** Back-off for refreshes only. */
    refreshNotBefore: now,
    /** Until then another process asks, or might ask, iSales. */
    busyUntil: now,
    /** The last token request failed or was too early, so that the next one waits. */
    isFailing: false,
    /** An operator ended the login pause, and the login that follows has not ended. */
    forced: false,
    /** Failed token requests in a row. */
    failuresInRow: 0,
    rejections: NO_REJECTIONS as RejectionState,
    /** Latest rejection of the current token. `said`: an event has reported the renewal that it triggered. */
    rejection: undefined as Readonly<{ status: number; said: boolean }> | undefined,
    /** When a business call last asked for the token. */
    usedAt: now,
    lastFailure: undefined as
      | Readonly<{ at: number; operation: Operation; failure: AuthFailure }>
      | undefined,
  }
}

/** `random` in [0, 1). */
export type Context = Readonly<{ rules: Rules; now: number; random: number }>

type Transition = Readonly<{ state: TokenState; event?: TokenEvent }>

/** Returns the next state, and the event that the input causes. */
export type Reducer<Input> = (state: TokenState, input: Input, context: Context) => Transition

/** Minimum interval between renewals of short-lived tokens. */
const MIN_RENEWAL = 2 * SECOND
const JITTER = 0.05
const REFRESH_MISSING_FOR = HOUR
/** Minimum time from a failure until an operator can end the pause. */
const FORCED_APART = 3 * SECOND

type Plan = PlannedRequest & { readonly at: number }

/** Returns the next token request; `at` is Infinity while one is in flight or the token is idle. */
export function next(state: TokenState, rules: Rules, now: number): Plan {
  const planned = plan(state, rules, now)
  const waits = state.request !== undefined || isIdle(state, rules, now)
  return waits ? { ...planned, at: Infinity } : planned
}

/**
 * Prefers a refresh. Plans a login if there is no refresh token, it expired, it failed, it has to wait longer, or iSales
 * rejected the token, because the session may have ended as well.
 */
export function plan(state: TokenState, rules: Rules, now: number): Plan {
  const { token, failuresInRow, busyUntil } = state
  const wanted = Math.min(state.renewAt, renewalDueAt(state.rejections))
  const canRefresh = rules.isalesRefreshPath !== undefined && token && refreshable(token, now)
  const from = Math.max(state.notBefore, state.refreshNotBefore, busyUntil)
  const refreshAt = canRefresh ? Math.max(wanted, from) : Infinity
  const isDue = isLoginDue(state)
  const loginAt = Math.max(isDue ? -Infinity : wanted, pausedUntil(state, rules), busyUntil)
  // Requests that are already due are equally early.
  const lead = Math.max(refreshAt, now) - Math.max(loginAt, now)
  const prefersLogin = isDue || failuresInRow > 0 || isSuspect(state)
  if (canRefresh && (lead < 0 || (lead === 0 && !prefersLogin)))
    return { at: refreshAt, operation: 'refresh', current: token }
  return { at: loginAt, operation: 'login', current: token }
}

/** Returns when the login pause ends. */
function pausedUntil({ notBefore, record, forced }: TokenState, rules: Rules): number {
  return Math.max(notBefore, loginFrom(record, rules, forced))
}

/** True if the current credentials have given no token yet. */
export function isLoginDue({ credentials, grantedTo }: TokenState): boolean {
  return credentials !== grantedTo
}

/** True if no business call was made for `TOKEN_IDLE_AFTER`: the next call triggers the renewal, not the clock. */
export function isIdle(state: TokenState, rules: Rules, now: number): boolean {
  return !isLoginDue(state) && now - state.usedAt >= (rules.tokenIdleAfter ?? Infinity)
}

// The current token.

/** True while it is undecided whether a rejection is about the token. */
export function isSuspect({ rejections }: Pick<TokenState, 'rejections'>): boolean {
  return rejections.unresolvedSince < Infinity
}

/** Returns the token to send; undefined if no token may be sent. */
export function sendable({ token }: TokenState, now: number): Token | undefined {
  return token !== undefined && now < token.usableUntil ? token : undefined
}

/** Returns how many milliseconds calls would continue to succeed if every login failed from now. */
function outageBudget(state: TokenState, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.rejections) ? 0 : token.usableUntil - now
}

/** Returns why the next token request waits. */
function toBackoff({ isFailing, record }: TokenState, rules: Rules): BackoffState {
  return isFailing ? guardState(record, rules) : 'none'
}

/** A business call asks for the token. */
export const onUsed: Reducer<undefined> = (state, _, { now: usedAt }) => ({
  state: { ...state, usedAt },
})

/** SIGHUP ends a login pause once. Without a pause, no request is sent. */
export const onRenewAsked: Reducer<undefined> = (state, _, { rules, now: at }) => {
  const { request, refreshNotBefore, lastFailure, isFailing } = state
  const until = pausedUntil(state, rules)
  const from = Math.max(at, (lastFailure?.at ?? -Infinity) + FORCED_APART)
  const endsPause = isFailing && request === undefined && until > at
  const event = { type: 'renew-asked', at, endsPause } as const
  if (!endsPause) return { state, event }
  // `pausedUntil` has what is left of a login pause, which keeps no refresh waiting.
  const notBefore = Math.min(until, from)
  const ended = { forced: true, notBefore, refreshNotBefore: Math.min(refreshNotBefore, from) }
  return { state: { ...state, ...ended }, event }
}

export const onCredentialsChanged: Reducer<Credentials> = (state, credentials, { now: at }) => ({
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

/** iSales rejected a business call. */
export const onRejected: Reducer<
  Rejection & { readonly generation: number; readonly status: number }
> = (state, call, { now }) => {
  const { generation, status } = call
  if (state.token?.generation !== generation) return { state }
  const said = state.rejection?.said === true
  const rejections = reject(state.rejections, call, now)
  // A replica that found another one asking while its token still worked polls once per second: too slow now that calls wait.
  const isNews = isSuspect({ rejections }) && !isSuspect(state)
  const busyUntil = isNews ? now : state.busyUntil
  return { state: { ...state, busyUntil, rejection: { status, said }, rejections } }
}

/** iSales accepted a business call. */
export const onAccepted: Reducer<{
  readonly generation: number
  readonly kind: AttemptKind
  readonly sentAt: number
}> = (state, call, { now }) => {
  const { token } = state
  if (token?.generation !== call.generation) return { state }
  const rejections = accept(state.rejections, call, token, now)
  const isEffective = rejections.helpedAt !== state.rejections.helpedAt
  const isNews = isEffective && !token.adopted && isConflict(rejections, now)
  return {
    state: { ...state, rejections },
    ...(isNews && { event: { type: 'conflict', at: now } }),
  }
}

/** A token request begins. */
export const onRequestStarted: Reducer<Operation> = (before, operation, { now: at }) => {
  const { rejection, credentials, rejections, token } = before
  const state = { ...before, request: { operation, startedAt: at, credentials } }
  if (!token || !rejection || rejection.said || renewalDueAt(rejections) > at) return { state }
  return {
    state: { ...state, rejection: { ...rejection, said: true } },
    event: { type: 'token-rejected', at, generation: token.generation, status: rejection.status },
  }
}

/** A token request ends. */
export const onRequestEnded: Reducer<TokenResult> = (before, result, context) => {
  const { request } = before
  if (request === undefined) return { state: before }
  // The result's record belongs to the previous credentials.
  const isOutdated = request.credentials !== before.credentials
  const { record = before.record } = isOutdated ? before : result
  const state = { ...before, record }
  if ('postponed' in result) return onPostponed(state, request, result, context)
  if ('failure' in result) return onFailed(state, request, result, context)
  return result.grant.adopted === true
    ? onAdopted(state, result, context)
    : onGranted(state, request, result, context)
}

/** Adopts another replica's token. With the current credentials it counts as a login of this process. */
export const onAdopted: Reducer<Granted> = (before, { grant, record = before.record }, context) => {
  const { token: previous, rejections, rejection, credentials } = before
  const isOurs = grant.otherCredentials !== true
  const state = isOurs ? { ...before, grantedTo: credentials, record } : before
  const found = createToken(grant, context.rules, previous?.generation ?? 0)
  // The adopted token is the one in use: another replica had the new credentials first. Keep its generation and rejections.
  const isInUse = found.headerValue.reveal() === previous?.headerValue.reveal()
  const token = isInUse ? previous : found
  const after = withToken(state, token, context)
  return {
    state: isInUse ? { ...after, rejections, rejection } : after,
    event: { type: 'adopted', at: context.now, token, failuresBefore: before.failuresInRow },
  }
}

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
  const renewAfter = token.lifetime * RENEW_AT * (1 + (random * 2 - 1) * JITTER)
  // A due login keeps its pause.
  const isOver = !isLoginDue(before)
  return {
    ...before,
    token,
    request: undefined,
    rejection: undefined,
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
  // The login that follows decides. After the published 500 the refresh is also repeated.
  const isFollowed = isRefresh && isFollowedByLogin(failure)
  const isRefused = isRefresh && failure.kind === 'refused'
  const refreshPause = isMissing(failure) ? REFRESH_MISSING_FOR : pause
  // A failure with the previous credentials does not concern the current ones.
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
      backoff: toBackoff(state, rules),
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

/** Summarizes the token and its renewal for the status page and Prometheus. Instants are on the monotonic clock. */
export function takeSnapshot(state: TokenState, rules: Rules, now: number, waiters: number) {
  const { token, request, rejections, record, failuresInRow, lastFailure } = state
  const { at } = next(state, rules, now)
  const backoff = toBackoff(state, rules)
  // The next token request is an ordinary renewal, which the failure does not delay.
  const isMoot = backoff === 'transient' && request === undefined && at > pausedUntil(state, rules)
  return {
    now,
    token,
    usable: sendable(state, now) !== undefined,
    /** At least the last three first attempts were rejected. */
    rejected: isRejected(rejections),
    /** Another client logs in as this user. */
    conflict: isConflict(rejections, now),
    /** The token request in flight. */
    request: request?.operation,
    backoff: isMoot ? 'none' : backoff,
    /** iSales has refused the credentials since the last grant. */
    refused: state.isFailing && record.refusals > 0,
    /** Cause of the last failed login that the record counts, also after a restart. Undefined after a grant. */
    lastCode: record.lastCode,
    passwordRejected: passwordRejected(state, now),
    /** Undefined while a token request is in flight or none is planned. */
    nextRequestAt: at === Infinity ? undefined : at,
    idle: isIdle(state, rules, now),
    /** When the request for the current token was sent. */
    lastSuccessAt: token?.obtainedAt,
    outageBudget: outageBudget(state, now),
    waiters,
    failuresInRow,
    lastFailure,
  }
}
export type TokenSnapshot = Readonly<ReturnType<typeof takeSnapshot>>

/** Returns the cause if iSales refused the last login while refreshes keep the token alive, and until when, if known. */
function passwordRejected(state: TokenState, now: number) {
  const { lastCode: code } = state.record
  const token = sendable(state, now)
  if (code === undefined || cause(code).stage !== 'login' || !token) return undefined
  return refreshable(token, now) ? { code, refreshEndsAt: token.refreshExpiresAt } : undefined
}
