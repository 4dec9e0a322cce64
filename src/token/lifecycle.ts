import { delayAfterFailure, delayAfterRefusal, stateAfterRefusal } from './backoff.ts'
import type { TokenEvent } from './events.ts'
import type { Adopted, Before } from './obtain.ts'
import { isGrant, isMissing, type AuthFailure, type Grant, type Operation } from './protocol.ts'
import { accept, adopt, holdOff, reject, replace } from './rejections.ts'
import {
  backoffOf,
  dueAt,
  failuresInRow,
  isIdle,
  isLoginDue,
  isSuspect,
  NO_FAILURES,
  outageBudget,
  type LifecycleEvent,
  type Rules,
  type State,
  type TokenRequest,
} from './state.ts'
import { createToken, refreshable, sameCredential, usable, type Token } from './token.ts'

/** The next token request; `at` is Infinity while one is in flight or the token is idle. */
export interface NextRequest {
  readonly at: number
  /** What it is, were it made now. */
  readonly operation: Operation
}

export interface Transition {
  readonly state: State
  readonly events: readonly TokenEvent[]
}

/** What a step depends on beside the state; passed in, so that the rules are pure. */
export interface Circumstances {
  readonly rules: Rules
  readonly now: number
  /** In [0, 1). */
  readonly random: number
}

type Event<Type extends LifecycleEvent['type']> = Extract<LifecycleEvent, { type: Type }>

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
export function next(state: State, rules: Rules, now: number): NextRequest {
  const { token, request } = state
  const refresh =
    rules.isalesRefreshPath !== undefined &&
    state.login === 'none' &&
    now >= state.refreshMissingUntil &&
    token !== undefined &&
    refreshable(token, now)
  return {
    at: request !== undefined || isIdle(state, rules, now) ? Infinity : dueAt(state),
    operation: refresh ? 'refresh' : 'login',
  }
}

/** The one transition function of a token's life. */
export function step(state: State, event: LifecycleEvent, given: Circumstances): Transition {
  const { now: at, rules } = given
  switch (event.type) {
    case 'wanted':
      return wanted(state, event, at)
    case 'request-started':
      return started(state, event.before, at)
    case 'request-ended':
      return ended(state, event.outcome, given)
    case 'adopted':
      return adopted(state, event, given)
    case 'held':
      return held(state, event, given)
    case 'rejected':
      return rejected(state, event, given)
    case 'accepted':
      return silently(accepted(state, event, at))
    case 'credentials-changed': {
      const { request } = state
      const changed = {
        ...state,
        request: request && { ...request, outdated: true },
        login: stillDue(state),
        failures: NO_FAILURES,
        ...backoffOf(event.refused, rules.loginRejectedPause, rules, at),
      }
      return { state: changed, events: [{ type: 'credentials-changed', at }] }
    }
    case 'renew-asked':
      return silently({ ...state, login: 'asked', notBefore: at })
    case 'used':
      return silently({ ...state, usedAt: at })
  }
}

function silently(state: State): Transition {
  return { state, events: [] }
}

/** A login is due; what an operator asked for stays asked for. */
function stillDue({ login }: State): 'now' | 'asked' {
  return login === 'asked' ? 'asked' : 'now'
}

// A token request.

function wanted(state: State, { operation }: Event<'wanted'>, at: number): Transition {
  const { token, rejections } = state
  const request = { operation, startedAt: at, outdated: false, alone: false }
  // Only this request ignores the pauses of others.
  const login = state.login === 'asked' ? 'now' : state.login
  const status = rejections.renewal?.doubted
  if (token === undefined || status === undefined) return silently({ ...state, request, login })
  // No other call was accepted in time: a doubted rejection is reported now.
  const { generation } = token
  const renewal = { ...rejections.renewal, doubted: undefined }
  return {
    state: { ...state, request, login, rejections: { ...rejections, renewal } },
    events: [{ type: 'token-rejected', at, generation, status, verdict: 'replace' }],
  }
}

/** @param before what all replicas together have met; where that is more than our own, it counts. */
function started(state: State, before: Before | undefined, at: number): Transition {
  const { request, failures, refusals } = state
  if (request === undefined) return silently(state)
  const { kind = 'unreached', count = 0 } = before?.failures ?? {}
  return {
    state: {
      ...state,
      request: { ...request, startedAt: at, alone: before?.alone ?? false },
      failures: { ...failures, [kind]: Math.max(failures[kind], count) },
      refusals: Math.max(refusals, before?.refusals ?? 0),
    },
    events: [{ type: 'request-started', operation: request.operation, at }],
  }
}

function ended(before: State, outcome: Grant | AuthFailure, given: Circumstances): Transition {
  const { request, token: previous } = before
  if (request === undefined) return silently(before)
  const state = { ...before, request: undefined }
  if (!isGrant(outcome)) return failed(state, request, outcome, given)
  const { startedAt: sentAt, operation } = request
  const token = createToken(outcome, given.rules, { sentAt, operation, previous })
  // What a login gives is taken as it is: nothing else can be done.
  const curesNothing =
    operation === 'refresh' &&
    isSuspect(state) &&
    previous !== undefined &&
    sameCredential(token, previous)
  if (curesNothing) return failed(state, request, SAME_TOKEN_AGAIN, given)

  const { now } = given
  const dueAgain = request.outdated || (isLoginDue(state) && operation === 'refresh')
  return {
    state: {
      ...withToken(state, token, given),
      ...(request.outdated ? {} : { refusals: 0, notBefore: now, backoff: 'none' as const }),
      login: dueAgain ? stillDue(state) : 'none',
      rejections: replace(state.rejections, previous?.generation ?? 0, now),
    },
    events: [
      {
        type: 'granted',
        operation,
        at: now,
        durationMs: now - sentAt,
        session: token,
        failuresBefore: failuresInRow(state),
        sameToken: previous?.token.reveal() === outcome.token.reveal(),
        lifetimeAssumed: outcome.lifetime.assumed,
      },
    ],
  }
}

function withToken(state: State, token: Token, { rules, now, random }: Circumstances): State {
  const jitter = 1 + (random * 2 - 1) * JITTER
  // Not later than the token's last use, whatever the share and the jitter.
  const renewAfter = Math.min(
    token.lifetime * rules.tokenRenewAt * jitter,
    token.usableUntil - token.obtainedAt,
  )
  const renewAt = token.obtainedAt + Math.max(SHORTEST_RENEWAL, renewAfter)
  return { ...state, token, renewAt, failures: NO_FAILURES, lastSuccessAt: now }
}

function failed(
  before: State,
  request: TokenRequest,
  failure: AuthFailure,
  given: Circumstances,
): Transition {
  const { operation, startedAt } = request
  const { now } = given
  const state = {
    ...afterFailure(before, request, failure, given),
    lastFailure: { at: now, operation, failure },
  }
  return {
    state,
    events: [
      {
        type: 'failed',
        operation,
        at: now,
        durationMs: now - startedAt,
        failure,
        failuresInRow: failuresInRow(state),
        backoff: state.backoff,
        retryIn: Math.max(0, dueAt(state) - now),
        outageBudget: outageBudget(state, now),
      },
    ],
  }
}

function afterFailure(
  state: State,
  request: TokenRequest,
  failure: AuthFailure,
  given: Circumstances,
): State {
  // The secret changed meanwhile: this failure says nothing about the new one.
  if (request.outdated) return state
  if (request.operation === 'login') return backedOff(state, request, failure, given)
  const isAbsent = isMissing(failure)
  const spent: State = {
    ...state,
    login: isLoginDue(state) ? state.login : 'next',
    refreshMissingUntil: isAbsent ? given.now + REFRESH_MISSING_FOR : state.refreshMissingUntil,
  }
  // The login that follows tells more.
  return failure.kind === 'refused' || isAbsent ? spent : backedOff(spent, request, failure, given)
}

function backedOff(
  state: State,
  { alone }: TokenRequest,
  failure: AuthFailure,
  { rules, now, random }: Circumstances,
): State {
  const { kind } = failure
  const before = state.failures[kind]
  // Each replica that is alone may make one attempt.
  const fewest = alone ? rules.loginRejectedAttempts : 0
  const refusals = kind === 'refused' ? Math.max(state.refusals + 1, fewest) : state.refusals
  const spared = refusals === 0 ? 0 : delayAfterRefusal(refusals, rules)
  // An attempt that iSales may have counted does not come sooner than after a refusal. One that did not reach it may.
  const delay =
    kind === 'refused'
      ? spared
      : Math.max(delayAfterFailure(failure, before, rules, random), kind === 'unclear' ? spared : 0)
  return {
    ...state,
    refusals,
    failures: { ...state.failures, [kind]: before + 1 },
    backoff: refusals === 0 ? 'transient' : stateAfterRefusal(refusals, rules),
    // A hold-off that began while the token request was in flight is not cut short by its failure.
    notBefore: Math.max(state.notBefore, now + delay),
  }
}

// A token, or a pause, of another replica.

function adopted(state: State, adoption: Adopted, given: Circumstances): Transition {
  const { grant, sentAt, bought, ownSecret, loginDue } = adoption
  const { now, rules } = given
  const { token: previous } = state
  const token = createToken(grant, rules, { sentAt, operation: 'login', previous })
  const boughtAt = bought ? sentAt : undefined
  return {
    state: {
      ...withToken(state, token, given),
      request: undefined,
      refusals: ownSecret ? 0 : state.refusals,
      notBefore: now,
      backoff: 'none',
      login: loginDue ? stillDue(state) : 'none',
      rejections: adopt(state.rejections, previous?.generation ?? 0, boughtAt, now),
    },
    events: [{ type: 'adopted', at: now, session: token, failuresBefore: failuresInRow(state) }],
  }
}

function held(
  state: State,
  { because, ms, refusals }: Event<'held'>,
  { rules, now }: Circumstances,
): Transition {
  const waits = { ...state, request: undefined }
  // The secret changed meanwhile: what holds the former one says nothing about the new one.
  if (state.request?.outdated !== false) return silently(waits)
  const backoff = {
    busy: state.backoff,
    alone: state.backoff,
    held: 'transient',
    conflict: 'conflict',
    guarded: stateAfterRefusal(refusals, rules),
  } as const
  return {
    state: {
      ...waits,
      refusals,
      backoff: backoff[because],
      notBefore: Math.max(state.notBefore, now + ms),
      rejections: because === 'conflict' ? holdOff(state.rejections, now) : state.rejections,
    },
    events: [{ type: 'held', at: now, because, ms }],
  }
}

// Rejections and acceptance of business calls.

function rejected(state: State, event: Event<'rejected'>, given: Circumstances): Transition {
  const { token, backoff } = state
  const { now } = given
  const { generation, status } = event
  if (token?.generation !== generation || !usable(token, now)) return silently(state)
  const judged = reject(state.rejections, event, given)
  const { rejections, verdict } = judged
  const notBefore = Math.max(state.notBefore, judged.notBefore ?? now)
  const known = { ...state, rejections, notBefore }
  if (verdict === undefined) return silently(known)
  const reported = { type: 'token-rejected', at: now, generation, status, verdict } as const
  const isConflict = judged.notBefore !== undefined
  if (!isConflict) return { state: known, events: [reported] }
  return {
    // A back-off that protects the account or a struggling iSales keeps its name.
    state: { ...known, backoff: backoff === 'none' ? 'conflict' : backoff },
    events: [reported, { type: 'conflict', at: now, holdOff: notBefore - now }],
  }
}

function accepted(state: State, call: Event<'accepted'>, now: number): State {
  if (state.token?.generation !== call.generation) return state
  const rejections = accept(state.rejections, call, now)
  if (rejections === state.rejections) return state
  const known = { ...state, rejections }
  if (!isSuspect(state) || isSuspect(known)) return known
  // The token that a rejection asked for is not needed any more, and so is not the back-off of the attempts.
  switch (state.backoff) {
    case 'none':
    case 'conflict':
      return { ...known, backoff: 'none', notBefore: now }
    case 'transient':
      return now < state.renewAt ? { ...known, backoff: 'none' } : known
    case 'rejected':
    case 'guarded':
      return known
  }
}
