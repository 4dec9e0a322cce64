import { cause } from '../causes.ts'
import { HOUR, SECOND } from '../clock.ts'
import type { FailureDetails } from '../messages/index.ts'
import { refreshPatience } from './account.ts'
import { isMissing, type AuthFailure, type Credentials, type Operation } from './isales-client.ts'
import {
  backoffAfter,
  loginFrom,
  NO_ATTEMPTS,
  PAUSED_FROM,
  type BackoffState,
  type Rules,
} from './login-guard.ts'
import {
  accept,
  dismiss,
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
import { decline, failedTrial, NO_TRIAL, renewed, succeed, type Declined } from './status-trial.ts'
import {
  createToken,
  refreshable,
  type CurrentToken,
  type FailedTokenRequest,
  type Granted,
  type PlannedRequest,
  type Postponed,
  type TokenEvent,
  type TokenResult,
} from './token.ts'

/** The share of its life after which a token is renewed. */
const RENEW_AT = 0.8

/** Keeps the credentials that it uses: if they change, its failure does not concern the new ones. */
type PendingTokenRequest = Readonly<{
  operation: Operation
  startedAt: number
  credentials: Credentials
}>

/** Failures of one operation, which only its own results change. */
export type Track = Readonly<{
  /** In a row. */
  failures: number
  /** Back-off after failures that the login-attempt record does not count. */
  notBefore: number
  /** The last failure, also after a success. */
  last: Readonly<{ at: number; failure: AuthFailure }> | undefined
  /** Duration of the last request. */
  lastMs?: number | undefined
}>
const NO_FAILURES: Track = { failures: 0, notBefore: -Infinity, last: undefined }

/**
 * State of the token and of its renewal. Instants are on the monotonic clock.
 *
 * @example a refresh that fails, and a token that iSales ends early
 *   0.0 s  a login starts, and ends with a grant for 300 s: generation 1 is renewed at 240, and sent until 295
 * 240.0 s  a refresh starts, and hangs. At 241.0 a call is rejected: the refresh is given up, and a login is due
 * 241.0 s  a login starts, and ends with a grant: generation 2 is renewed at 481.0
 * 300.0 s  a call with generation 1 is rejected: nothing changes. A call with generation 2 is rejected: a login is due now
 */
export type TokenState = Readonly<ReturnType<typeof initialState>>

export function initialState(credentials: Credentials, now: number) {
  return {
    credentials,
    /** The current credentials have given no token yet: a login is due, even with a usable token. */
    loginDue: true,
    token: undefined as CurrentToken | undefined,
    request: undefined as PendingTokenRequest | undefined,
    /** Planned renewal, or the start before the first token. */
    renewAt: now,
    /** Login-attempt record of the credentials, which decides the login pauses. */
    record: NO_ATTEMPTS,
    login: NO_FAILURES,
    refresh: NO_FAILURES,
    /** Until then another process asks, or might ask, iSales. */
    busyUntil: now,
    /** An operator ended the login pause, and the login that follows has not ended. */
    forced: false,
    rejections: NO_REJECTIONS as RejectionState,
    trial: NO_TRIAL,
    /** Latest rejection of the current token. `reported`: an event has reported the renewal that it triggered. */
    rejection: undefined as Readonly<{ status: number; reported: boolean }> | undefined,
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

/**
 * Returns the next token request; `at` is Infinity while a login is in flight. A refresh in flight is given up for a login if
 * calls need one, and the refresh has had its time.
 */
export function next(state: TokenState, rules: Rules, now: number): Plan {
  const { request, token, rejections } = state
  const planned = plan(state, rules, now)
  if (request?.operation === 'refresh') {
    const needed = Math.min(token?.usableUntil ?? Infinity, renewalDueAt(rejections))
    const from = request.startedAt + refreshPatience(rules)
    const at = Math.max(needed, from, pausedUntil(state, rules))
    return { at, operation: 'login', current: token }
  }
  return request === undefined ? planned : { ...planned, at: Infinity }
}

/** Returns the earlier of the next refresh and the next login. Of two that are due, prefers a refresh if it may help. */
export function plan(state: TokenState, rules: Rules, now: number): Plan {
  const { token, busyUntil, refresh } = state
  const wanted = wantedAt(state)
  const current = refreshableToken(state, rules, now)
  const refreshAt = current ? Math.max(wanted, refresh.notBefore, busyUntil) : Infinity
  const from = Math.max(pausedUntil(state, rules), busyUntil)
  const loginAt = Math.max(state.loginDue ? -Infinity : wanted, from)
  // Requests that are already due are equally early.
  const lead = Math.max(refreshAt, now) - Math.max(loginAt, now)
  if (current && (lead < 0 || (lead === 0 && !prefersLogin(state))))
    return { at: refreshAt, operation: 'refresh', current }
  return { at: loginAt, operation: 'login', current: token }
}

/** Returns the token if a refresh may be tried. */
export function refreshableToken({ token }: TokenState, rules: Rules, now: number) {
  const mayTry = rules.isalesRefreshPath !== undefined && token && refreshable(token, now)
  return mayTry ? token : undefined
}

function wantedAt(state: TokenState): number {
  return Math.min(state.renewAt, renewalDueAt(state.rejections), trialAt(state))
}

/** Tried only while logins succeed. */
function trialAt({ trial, loginDue, record, login }: TokenState): number {
  return loginDue || record.attempts > 0 || login.failures > 0 ? Infinity : trial.dueAt
}

/** A cause of rejections may have ended the session as well. */
function prefersLogin(state: TokenState): boolean {
  return state.loginDue || hasFailed(state.refresh, state) || doubtedSince(state) !== undefined
}

/** True if the last request of the track failed, and no token was requested after it. */
function hasFailed({ failures, last }: Track, { token }: TokenState): boolean {
  return failures > 0 && last !== undefined && last.at > (token?.sentAt ?? -Infinity)
}

/** Returns when the login pause ends. */
function pausedUntil({ login, record, forced }: TokenState, rules: Rules): number {
  return Math.max(login.notBefore, loginFrom(record, rules, forced))
}

/** True while it is undecided whether a rejection is about the token. */
export function isSuspect({ rejections }: Pick<TokenState, 'rejections'>): boolean {
  return rejections.unresolvedSince < Infinity
}

/** Returns since when the token may have ended; undefined if nothing says so. */
export function doubtedSince(state: TokenState): number | undefined {
  if (isSuspect(state)) return state.rejections.unresolvedSince
  return trialAt(state) < Infinity ? state.trial.since : undefined
}

/** Returns the token to send; undefined if no token may be sent. */
export function sendable({ token }: TokenState, now: number): CurrentToken | undefined {
  return token !== undefined && now < token.usableUntil ? token : undefined
}

/** Returns how many milliseconds calls would continue to succeed if every login failed from now. */
export function usableFor(state: TokenState, now: number): number {
  const token = sendable(state, now)
  return token === undefined || isRejected(state.rejections, now) ? 0 : token.usableUntil - now
}

export interface LoginState {
  readonly kind: BackoffState
  /** Only a login helps, or no refresh has helped. */
  readonly needed: boolean
  /** iSales rejected the credentials. */
  readonly rejected: boolean
  /** End of the pause. */
  readonly until: number
  /** An operator can end the pause: a login follows. */
  readonly renewable: boolean
  /** Failed logins of this process in a row. */
  readonly failures: number
  /** Undefined if unknown. */
  readonly failure?: FailureDetails | undefined
}

/**
 * Returns how logins are. `kind` is `none` if they do not fail, or if none is needed and iSales has not rejected the last one.
 * The failure is the record's, which all processes share, unless an uncounted failure of this process prolongs the pause.
 */
export function loginState(state: TokenState, rules: Rules, now: number): LoginState {
  const { login, record, loginDue } = state
  const { lastCode, attempts, rejections } = record
  const until = pausedUntil(state, rules)
  const isBetter = prefersLogin(state) || refreshableToken(state, rules, now) === undefined
  const needed = loginDue || (isBetter && wantedAt(state) <= now)
  const recorded = lastCode && { cause: cause(lastCode) }
  const isRejected = attempts > 0 && (rejections > 0 || recorded?.cause.stage === 'login')
  const hasOwn = login.failures > 0 && (loginDue || hasFailed(login, state))
  if (!isRejected && !(needed && (attempts > 0 || hasOwn)))
    return { kind: 'none', needed, rejected: false, until, renewable: false, failures: 0 }
  const own = hasOwn ? login.last?.failure : undefined
  const isCounted = attempts > 0 && login.notBefore <= loginFrom(record, rules)
  const isOwn = own !== undefined && (!isCounted || own.cause.code === lastCode)
  const failure = isOwn ? own : recorded
  const isPaused = rejections >= rules.loginRejectedAttempts || attempts >= PAUSED_FROM
  return {
    kind: isPaused ? 'login-pause' : rejections > 0 ? 'rejected' : 'transient',
    needed,
    rejected: failure === undefined ? isRejected : failure.cause.stage === 'login',
    until,
    renewable: needed && until > now && loginFrom(record, rules, true) <= now,
    failures: hasOwn ? login.failures : 0,
    failure,
  }
}

/** SIGHUP ends a login pause once. Without a pause, no request is sent. */
export const onRenewAsked: Reducer<undefined> = (state, _, { rules, now: at }) => {
  const { request, login, refresh } = state
  const { kind, needed, until, renewable } = loginState(state, rules, at)
  const failedAt = Math.max(...[login, refresh].map(({ last }) => last?.at ?? -Infinity))
  const from = Math.max(at, failedAt + FORCED_APART)
  const isPaused = kind !== 'none' && needed && until > at && request === undefined
  const event = { type: 'renew-asked', at, endsPause: isPaused && renewable } as const
  if (!isPaused) return { state, event }
  // `pausedUntil` has what is left of a login pause, which keeps no refresh waiting.
  const ended = {
    forced: true,
    login: { ...login, notBefore: Math.min(until, from) },
    refresh: { ...refresh, notBefore: Math.min(refresh.notBefore, from) },
  }
  return { state: { ...state, ...ended }, event }
}

export const onCredentialsChanged: Reducer<Credentials> = (state, credentials, { now: at }) => ({
  state: {
    ...state,
    credentials,
    loginDue: true,
    record: NO_ATTEMPTS,
    login: NO_FAILURES,
    busyUntil: at,
    forced: false,
  },
})

export const onRejected: Reducer<
  Rejection & { readonly generation: number; readonly status: number }
> = (state, call, { now }) => {
  const { generation, status } = call
  if (state.token?.generation !== generation) return { state }
  const reported = state.rejection?.reported === true
  const rejections = reject(state.rejections, call, now)
  // A replica that found another one asking while its token still worked polls once per second: too slow now that calls wait.
  const isNews = isSuspect({ rejections }) && !isSuspect(state)
  const busyUntil = isNews ? now : state.busyUntil
  return { state: { ...state, busyUntil, rejection: { status, reported }, rejections } }
}

export const onAccepted: Reducer<
  Readonly<{ generation: number; kind: AttemptKind; sentAt: number }>
> = (state, call, { now }) => {
  const { token } = state
  if (token?.generation !== call.generation) return { state }
  const rejections = accept(state.rejections, call, token, now)
  const trial = state.trial.phase === 'none' ? state.trial : succeed(state.trial, call.sentAt, now)
  const isEffective = rejections.helpedAt !== state.rejections.helpedAt
  const isNews = isEffective && !token.adopted && isConflict(rejections, now)
  return {
    state: { ...state, rejections, trial },
    ...(isNews && { event: { type: 'conflict', at: now } }),
  }
}

/** iSales, or a gateway, answered a call without a decision on the token. */
export const onUnrelated: Reducer<Declined & { readonly generation: number }> = (
  state,
  { generation, ...declined },
  { now },
) => {
  if (state.token?.generation !== generation) return { state }
  const trial = decline(state.trial, declined, now)
  return { state: { ...state, trial, rejections: dismiss(state.rejections) } }
}

export const onRequestPending: Reducer<Operation> = (before, operation, { now: at }) => {
  const { rejection, credentials, rejections, token } = before
  const state = { ...before, request: { operation, startedAt: at, credentials } }
  if (!token || !rejection || rejection.reported || renewalDueAt(rejections) > at) return { state }
  return {
    state: { ...state, rejection: { ...rejection, reported: true } },
    event: { type: 'token-rejected', at, generation: token.generation, status: rejection.status },
  }
}

export const onRequestEnded: Reducer<TokenResult> = (before, result, context) => {
  const { request } = before
  if (request === undefined) return { state: before }
  // The result's record belongs to the previous credentials.
  const isOutdated = request.credentials !== before.credentials
  const { record = before.record } = isOutdated ? before : result
  const state = { ...before, record }
  if ('postponed' in result) return onPostponed(state, request, result, context)
  if ('failure' in result) return onFailed(state, request, result, context)
  // The result's name is also the previous credentials'.
  const adopted = isOutdated ? { ...result, name: '' } : result
  return result.adopted
    ? onAdopted(state, adopted, context)
    : onGranted(state, request, result, context)
}

/** Adopts another replica's token. With the current credentials it counts as a login of this process. */
export const onAdopted: Reducer<Granted> = (before, granted, context) => {
  const { token: previous, rejections, rejection, trial } = before
  const { token: shared, name, record = before.record } = granted
  const login = succeeded(before.login, before.login.lastMs)
  const state = shared.of === name ? { ...before, loginDue: false, record, login } : before
  const found = createToken(shared, context.rules, previous?.generation ?? 0, true)
  // The adopted token is the one in use: another replica had the new credentials first. Keep its generation and rejections.
  const isInUse = found.headerValue.reveal() === previous?.headerValue.reveal()
  const token = isInUse ? { ...previous, of: shared.of } : found
  const after = withToken(state, token, context)
  return {
    state: isInUse ? { ...after, rejections, rejection, trial } : after,
    event: { type: 'adopted', at: context.now, token },
  }
}

function onGranted(
  before: TokenState,
  { operation, credentials }: PendingTokenRequest,
  { token: grant, durationMs = 0 }: Granted,
  context: Context,
): Transition {
  const { token: previous } = before
  const { now: at } = context
  const token = createToken(grant, context.rules, previous?.generation ?? 0)
  const track = before[operation]
  // A login with the previous credentials does not concern the current ones.
  const isOurs = operation === 'login' && credentials === before.credentials
  const loginDue = before.loginDue && !isOurs
  const ended = { ...before, loginDue, [operation]: succeeded(track, durationMs) }
  const state = withToken(ended, token, context)
  return {
    state,
    event: {
      type: 'granted',
      operation,
      at,
      durationMs,
      token,
      failuresBefore: track.failures,
      sameToken: previous?.token.reveal() === grant.token.reveal(),
    },
  }
}

function succeeded({ last }: Track, lastMs: number | undefined): Track {
  return { ...NO_FAILURES, last, lastMs }
}

function withToken(before: TokenState, token: CurrentToken, { now, random }: Context): TokenState {
  const renewAfter = token.lifetime.ms * RENEW_AT * (1 + (random * 2 - 1) * JITTER)
  return {
    ...before,
    token,
    request: undefined,
    rejection: undefined,
    renewAt: token.sentAt + Math.max(MIN_RENEWAL, renewAfter),
    forced: before.forced && before.loginDue,
    rejections: replace(before.rejections, before.request?.startedAt, random, now),
    trial: renewed(before.trial, before.request?.startedAt, now),
  }
}

function onFailed(
  before: TokenState,
  { operation, credentials }: PendingTokenRequest,
  { failure, counted, durationMs }: FailedTokenRequest,
  { rules, now: at, random }: Context,
): Transition {
  const { token } = before
  const { failures, notBefore } = before[operation]
  const isRefresh = operation === 'refresh'
  const backoff = counted ? 0 : backoffAfter(failure, operation, failures, random)
  const pause = isRefresh && isMissing(failure) ? REFRESH_MISSING_FOR : backoff
  const failed = {
    failures: failures + 1,
    notBefore: Math.max(notBefore, at + pause),
    last: { at, failure },
    lastMs: durationMs,
  }
  // A failed login with the previous credentials does not concern the current ones.
  const isOutdated = !isRefresh && credentials !== before.credentials
  const isRejected = isRefresh && failure.kind === 'rejected'
  const state: TokenState = {
    ...before,
    request: undefined,
    trial: failedTrial(before.trial, at),
    forced: isRefresh && before.forced,
    token: token && isRejected ? { ...token, refreshToken: undefined } : token,
    ...(!isOutdated && { [operation]: failed }),
  }
  return {
    state,
    event: {
      type: 'failed',
      operation,
      at,
      durationMs,
      failure,
      failuresInRow: failed.failures,
      backoff: loginState(state, rules, at).kind,
      retryIn: Math.max(0, plan(state, rules, at).at - at),
      usableFor: usableFor(state, at),
    },
  }
}

function onPostponed(
  before: TokenState,
  { credentials }: PendingTokenRequest,
  { postponed: because, ms }: Postponed,
  { now: at }: Context,
): Transition {
  const over = { ...before, request: undefined }
  if (credentials !== before.credentials) return { state: over }
  const change = because === 'login-pause' ? { forced: false } : { busyUntil: at + ms }
  return {
    state: { ...over, ...change },
    event: { type: 'deferred', at, because, ms },
  }
}
