import { delayAfterFailure, delayAfterRefusal } from './backoff.ts'
import type { TokenEvent } from './events.ts'
import type { Adopted } from './obtain.ts'
import { isGrant, isMissing, type AuthFailure, type Grant, type Operation } from './protocol.ts'
import { accept, adopt, reject, replace, holdOff } from './rejections.ts'
import {
  backoffOf,
  countsOf,
  dueAt,
  isIdle,
  NO_FAILURES,
  outageBudget,
  requestOf,
  type LifecycleEvent,
  type Moment,
  type Rules,
  type State,
  type TokenRequest,
} from './state.ts'
import { createToken, refreshable, sameCredential, usable, type Token } from './token.ts'

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
const REFRESH_MISSING_FOR = 3_600_000

/** A refresh that gives the rejected token again cures nothing: it counts as refused, and a login follows. */
const SAME_TOKEN_AGAIN: AuthFailure = {
  kind: 'refused',
  reason: 'rejected',
  detail: 'the rejected token came back',
}

/** Refresh token first; login when there is none, it has expired, or it failed. */
export function next(state: State, rules: Rules, now: number): NextStep {
  if (state.request !== undefined) return { do: 'wait', until: Infinity }
  const due = dueAt(state)
  if (now < due) return { do: 'wait', until: due }
  if (isIdle(state, rules, now)) return { do: 'wait', until: Infinity }
  const { token } = state
  const refresh =
    rules.isalesRefreshPath !== undefined &&
    !state.refreshSpent &&
    now >= state.refreshMissingUntil &&
    token !== undefined &&
    refreshable(token, now)
  return { do: 'request', operation: refresh ? 'refresh' : 'login' }
}

/** The one transition function of a token's life. */
export function step(
  state: State,
  event: LifecycleEvent,
  rules: Rules,
  moment: Moment,
): Transition {
  const { now: at } = moment
  switch (event.type) {
    case 'wanted':
      return wanted(state, event, at)
    case 'request-started': {
      const { operation, before } = event
      const request = requestOf(state, event, at)
      return {
        state: { ...state, request, ...countsOf(state, before) },
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
      return { state: accepted(state, event, at), events: [] }
    case 'credentials-changed': {
      const changed = {
        ...state,
        credentials: state.credentials + 1,
        loginDue: true,
        refreshSpent: true,
        failures: 0,
        failuresByKind: NO_FAILURES,
        ...backoffOf(event.refused, rules.loginRejectedPause, rules, at),
      }
      return { state: changed, events: [{ type: 'credentials-changed', at }] }
    }
    case 'renew-asked':
      return {
        state: { ...state, loginDue: true, refreshSpent: true, notBefore: at },
        events: [],
      }
    case 'used':
      return { state: { ...state, usedAt: at }, events: [] }
  }
}

/** No other call was accepted in time: a doubted rejection is reported now. */
function wanted(
  state: State,
  event: Extract<LifecycleEvent, { type: 'wanted' }>,
  at: number,
): Transition {
  const { token, rejections } = state
  const { doubted: status } = rejections
  const wants = { ...state, request: requestOf(state, event, at) }
  if (token === undefined || status === undefined) return { state: wants, events: [] }
  const { generation } = token
  return {
    state: { ...wants, rejections: { ...rejections, doubted: undefined } },
    events: [{ type: 'token-rejected', at, generation, status, verdict: 'replace' }],
  }
}

// A token, or a pause, of another replica.

function adopted(
  state: State,
  { grant, sentAt, bought, ownSecret, loginDue }: Adopted,
  rules: Rules,
  { now, random }: Moment,
): Transition {
  const { token: previous } = state
  const token = createToken(grant, rules, { sentAt, operation: 'login', previous })
  return {
    state: {
      ...state,
      token,
      request: undefined,
      renewAt: sentAt + renewAfter(token, rules, random),
      notBefore: now,
      backoff: 'none',
      failures: 0,
      failuresByKind: NO_FAILURES,
      refusals: ownSecret ? 0 : state.refusals,
      loginDue,
      refreshSpent: loginDue,
      rejections: adopt(
        state.rejections,
        previous?.generation ?? 0,
        bought ? sentAt : undefined,
        now,
      ),
      lastSuccessAt: now,
    },
    events: [{ type: 'adopted', at: now, session: token, failuresBefore: state.failures }],
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
    conflict: 'conflict',
    guarded: refusals >= rules.loginRejectedAttempts ? 'guarded' : 'rejected',
  } as const
  const notBefore = Math.max(state.notBefore, now + ms)
  const rejections = because === 'conflict' ? holdOff(state.rejections, now) : state.rejections
  return {
    state: { ...waits, refusals, backoff: backoff[because], notBefore, rejections },
    events: [{ type: 'held', at: now, because, ms }],
  }
}

// The end of a token request.

/** The state without its token request, and that token request. */
interface Ended {
  readonly state: State
  readonly request: TokenRequest
}

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
  const { token: previous } = state
  const token = createToken(outcome, rules, { sentAt, operation, previous })
  // What a login gives is taken as it is: nothing else can be done.
  const curesNothing =
    operation === 'refresh' &&
    state.rejections.renewing &&
    previous !== undefined &&
    sameCredential(token, previous)
  return curesNothing
    ? failed({ state, request }, SAME_TOKEN_AGAIN, rules, moment)
    : granted({ state, request, token }, outcome, rules, moment)
}

function granted(
  { state, request, token }: Ended & { readonly token: Token },
  grant: Grant,
  rules: Rules,
  { now, random }: Moment,
): Transition {
  const previous = state.token
  const outdated = request.credentials !== state.credentials
  const loginDue = outdated || (state.loginDue && request.operation === 'refresh')
  return {
    state: {
      ...state,
      token,
      renewAt: token.obtainedAt + renewAfter(token, rules, random),
      ...(outdated ? {} : { refusals: 0, notBefore: now, backoff: 'none' as const }),
      failures: 0,
      failuresByKind: NO_FAILURES,
      loginDue,
      refreshSpent: loginDue,
      rejections: replace(state.rejections, previous?.generation ?? 0, now),
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
        retryIn: Math.max(0, dueAt(state) - now),
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
  if (request.operation === 'login') return backedOff({ state, request }, failure, rules, moment)
  const spent = {
    ...state,
    refreshSpent: true,
    refreshMissingUntil: isMissing(failure)
      ? moment.now + REFRESH_MISSING_FOR
      : state.refreshMissingUntil,
  }
  // The login that follows tells more.
  return failure.kind === 'refused' || isMissing(failure)
    ? spent
    : backedOff({ state: spent, request }, failure, rules, moment)
}

function backedOff(
  { state, request }: Ended,
  failure: AuthFailure,
  rules: Rules,
  { now, random }: Moment,
): State {
  const { kind } = failure
  const before = state.failuresByKind[kind]
  const counted = state.refusals + (kind === 'refused' ? 1 : 0)
  // Each replica that is alone may make one attempt.
  const guards = kind === 'refused' && request.alone
  const refusals = guards ? Math.max(counted, rules.loginRejectedAttempts) : counted
  const spared = refusals === 0 ? 0 : delayAfterRefusal(refusals, rules)
  // An attempt that iSales may have counted does not come sooner than after a refusal. One that did not reach it may.
  const delay =
    kind === 'refused'
      ? spared
      : Math.max(delayAfterFailure(failure, before, rules, random), kind === 'unclear' ? spared : 0)
  return {
    ...state,
    refusals,
    failures: state.failures + 1,
    failuresByKind: { ...state.failuresByKind, [kind]: before + 1 },
    backoff:
      refusals === 0
        ? 'transient'
        : refusals >= rules.loginRejectedAttempts
          ? 'guarded'
          : 'rejected',
    // A hold-off that began while the token request was in flight is not cut short by its failure.
    notBefore: Math.max(state.notBefore, now + delay),
  }
}

// Rejections and acceptance of business calls.

function rejected(
  state: State,
  event: Extract<LifecycleEvent, { type: 'rejected' }>,
  rules: Rules,
  moment: Moment,
): Transition {
  const { token, backoff } = state
  const { now } = moment
  const { generation, status } = event
  if (token?.generation !== generation || !usable(token, now)) return { state, events: [] }
  const outcome = reject(state.rejections, { ...event, token }, rules, moment)
  const { verdict, rejections } = outcome
  const noted: TokenEvent = {
    type: 'token-rejected',
    at: now,
    generation,
    status,
    verdict: verdict === 'about-call' || verdict === 'brand-new' ? verdict : 'replace',
  }
  switch (verdict) {
    case 'known':
      return { state: { ...state, rejections }, events: [] }
    case 'doubt': {
      const notBefore = Math.max(state.notBefore, outcome.until)
      const doubts = { ...rejections, doubted: status }
      return { state: { ...state, rejections: doubts, notBefore }, events: [] }
    }
    case 'about-call':
    case 'brand-new': {
      const { relayed } = state
      // Only the first of a generation counts, but one that is about its call must not hide a rejected token.
      const isNews =
        relayed?.generation !== generation ||
        (verdict === 'brand-new' && relayed.verdict === 'about-call')
      const known = { ...state, rejections }
      return isNews
        ? { state: { ...known, relayed: { generation, verdict } }, events: [noted] }
        : { state: known, events: [] }
    }
    case 'replace':
      return { state: { ...state, rejections }, events: [noted] }
    case 'hold-off': {
      const notBefore = Math.max(state.notBefore, outcome.until)
      const held = { ...state, rejections, notBefore }
      return {
        // A back-off that protects the account or a struggling iSales keeps its name.
        state: backoff === 'none' ? { ...held, backoff: 'conflict' } : held,
        events: [noted, { type: 'conflict', at: now, holdOff: notBefore - now }],
      }
    }
  }
}

function accepted(
  state: State,
  { generation, path, sentAt }: Extract<LifecycleEvent, { type: 'accepted' }>,
  now: number,
): State {
  const { token, backoff } = state
  if (token?.generation !== generation) return state
  const rejections = accept(state.rejections, { token, path, sentAt }, now)
  if (token.accepted && rejections === state.rejections) return state
  const known = { ...state, token: { ...token, accepted: true }, rejections }
  // The token that a rejection asked for is not needed any more, and so is not the back-off of the attempts.
  const needless = state.rejections.renewing && !rejections.renewing
  if ((backoff === 'conflict' || backoff === 'none') && needless)
    return { ...known, backoff: 'none', notBefore: now }
  const passed = backoff === 'transient' && needless && now < state.renewAt
  return passed ? { ...known, backoff: 'none' } : known
}
