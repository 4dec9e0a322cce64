import type { Deferred, Failed } from './ask.ts'
import type { TokenEvent } from './events.ts'
import { accept, beginRenewal, isConflict, reject, renewalDueAt, replace } from './evidence.ts'
import { isMissing, isRefusal, type AuthFailure, type Grant, type Operation } from './protocol.ts'
import {
  isIdle,
  isLoginDue,
  isSuspect,
  outageBudget,
  type LifecycleEvent,
  type Rules,
  type State,
  type TokenRequest,
} from './state.ts'
import { createToken, refreshable, sameCredential, type Token } from './token.ts'

/** The next token request. */
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
const MIN_RENEWAL = 1000
const JITTER = 0.05
const REFRESH_MISSING_FOR = 3_600_000

/** A refresh that gives the rejected token again cures nothing: it counts as refused, and a login follows. */
const SAME_TOKEN_AGAIN = {
  failure: { kind: 'refused', reason: 'rejected', detail: 'the rejected token came back' },
  pause: 0,
  counted: false,
  backoff: 'none',
} as const

/** What comes next, and when: `at` is Infinity while a token request is in flight or the token is idle. */
export function next(state: State, rules: Rules, now: number): NextRequest {
  const planned = plan(state, rules, now)
  const waits = state.request !== undefined || isIdle(state, rules, now)
  return waits ? { ...planned, at: Infinity } : planned
}

/**
 * Refresh token first; login when there is none, it has expired, it failed, or it has to wait longer. In a conflict login
 * first: another login ended the refresh token together with the token.
 */
export function plan(state: State, rules: Rules, now: number): NextRequest {
  const { token, evidence } = state
  const wanted = Math.min(state.renewAt, renewalDueAt(evidence))
  const canRefresh =
    rules.isalesRefreshPath !== undefined && token !== undefined && refreshable(token, now)
  const isTaken = isSuspect(state) && isConflict(evidence, now)
  const refreshAt = canRefresh ? Math.max(wanted, state.refreshNotBefore) : Infinity
  const loginAt = Math.max(isLoginDue(state) ? -Infinity : wanted, state.loginNotBefore)
  // What could begin now is equally early.
  const lead = Math.max(refreshAt, now) - Math.max(loginAt, now)
  return lead < 0 || (lead === 0 && state.login === 'none' && !isTaken)
    ? { at: refreshAt, operation: 'refresh' }
    : { at: loginAt, operation: 'login' }
}

/** The one transition function of a token's life. */
export function step(state: State, event: LifecycleEvent, given: Circumstances): Transition {
  const { now: at } = given
  switch (event.type) {
    case 'request-started':
      return started(state, event, given)
    case 'request-sent':
      return { state, events: [{ type: 'request-started', operation: event.operation, at }] }
    case 'request-ended':
      return ended(state, event, given)
    case 'adopted':
      return taken(state, event.grant, 'login', given)
    case 'rejected':
      return rejected(state, event, at)
    case 'accepted':
      return accepted(state, event, at)
    case 'credentials-changed': {
      const { request } = state
      const changed = {
        ...state,
        request: request && { ...request, outdated: true },
        login: stillDue(state),
        failuresInRow: 0,
        loginNotBefore: at,
        backoff: 'none',
      } as const
      return { state: changed, events: [{ type: 'credentials-changed', at, by: event.by }] }
    }
    case 'renew-asked':
      return silently({ ...state, login: 'asked', loginNotBefore: at })
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

function started(state: State, event: Event<'request-started'>, given: Circumstances): Transition {
  const { now: at, random } = given
  const { token, rejectedStatus: status } = state
  const { operation } = event
  const asked = state.login === 'asked'
  const evidence = beginRenewal(state.evidence, at, random)
  const isRejection = evidence !== state.evidence && token !== undefined && status !== undefined
  return {
    state: {
      ...state,
      request: { operation, startedAt: at, asked, outdated: false },
      // Only this request ignores the pauses.
      login: asked ? 'now' : state.login,
      evidence,
    },
    events: isRejection
      ? [{ type: 'token-rejected', at, generation: token.generation, status }]
      : [],
  }
}

function ended(
  before: State,
  { outcome }: Event<'request-ended'>,
  given: Circumstances,
): Transition {
  const { request, token } = before
  if (request === undefined) return silently(before)
  if ('deferred' in outcome) return deferred(before, request, outcome, given.now)
  if ('failure' in outcome) return failed(before, request, outcome, given)
  // What a login gives is taken as it is: nothing else can be done.
  const curesNothing =
    request.operation === 'refresh' &&
    isSuspect(before) &&
    token !== undefined &&
    sameCredential(
      createToken(outcome, given.rules, { operation: 'refresh', previous: token }),
      token,
    )
  return curesNothing
    ? failed(before, request, SAME_TOKEN_AGAIN, given)
    : taken(before, outcome, request.operation, given)
}

/** The state with a newer token, ours or another replica's. */
function taken(state: State, grant: Grant, operation: Operation, given: Circumstances): Transition {
  const { rules, now } = given
  const { request, token: previous, failuresInRow: failuresBefore } = state
  const token = createToken(grant, rules, { operation, previous })
  const { adopted } = token
  const dueAgain =
    request?.outdated === true ||
    grant.loginDue === true ||
    (isLoginDue(state) && operation === 'refresh')
  const next: State = {
    ...state,
    token,
    request: undefined,
    renewAt: renewAt(token, given),
    ...(dueAgain
      ? { login: stillDue(state) }
      : { login: 'none', loginNotBefore: now, backoff: 'none', failuresInRow: 0 }),
    deferred: false,
    evidence: replace(state.evidence),
    lastSuccessAt: now,
  }
  if (adopted) return { state: next, events: [{ type: 'adopted', at: now, token, failuresBefore }] }
  return {
    state: next,
    events: [
      {
        type: 'granted',
        operation,
        at: now,
        durationMs: now - grant.sentAt,
        token,
        failuresBefore,
        loginDue: dueAgain,
        asked: request?.asked === true,
        sameToken: previous?.token.reveal() === grant.token.reveal(),
        lifetimeDoubt: grant.lifetime.doubt,
      },
    ],
  }
}

/** Not later than the token's last use, whatever the share and the jitter. */
function renewAt(token: Token, { rules, random }: Circumstances): number {
  const jitter = 1 + (random * 2 - 1) * JITTER
  const renewAfter = Math.min(
    token.lifetime * rules.tokenRenewAt * jitter,
    token.usableUntil - token.obtainedAt,
  )
  return token.obtainedAt + Math.max(MIN_RENEWAL, renewAfter)
}

function failed(
  before: State,
  { operation, startedAt, asked, outdated }: TokenRequest,
  outcome: Omit<Failed, 'entry'>,
  { rules, now }: Circumstances,
): Transition {
  const { failure, pause, counted, backoff } = outcome
  const after = operation === 'refresh' ? afterRefresh(before, failure, now) : before
  const followed = {
    ...after,
    ...pauses(after, { now, ms: pause, counted }),
    failuresInRow: before.failuresInRow + 1,
    backoff,
  }
  const state: State = {
    // The secret changed meanwhile: this failure says nothing about the new one.
    ...(outdated ? before : followed),
    request: undefined,
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
        asked,
        failuresInRow: state.failuresInRow,
        backoff: state.backoff,
        retryIn: Math.max(0, plan(state, rules, now).at - now),
        outageBudget: outageBudget(state, now),
      },
    ],
  }
}

/** A login follows. A refresh token that iSales refused is of no use any more. */
function afterRefresh(before: State, failure: AuthFailure, now: number): State {
  const { token } = before
  return {
    ...before,
    token: token && isRefusal(failure) ? { ...token, refreshToken: undefined } : token,
    login: isLoginDue(before) ? before.login : 'next',
    refreshNotBefore: isMissing(failure) ? now + REFRESH_MISSING_FOR : before.refreshNotBefore,
  }
}

/** @param counted what waits spares the account: a refresh does not wait for it. */
function pauses(
  { login, loginNotBefore, refreshNotBefore }: State,
  { now, ms, counted }: { readonly now: number; readonly ms: number; readonly counted: boolean },
): Pick<State, 'loginNotBefore' | 'refreshNotBefore'> {
  const until = now + ms
  return {
    // An operator asked again while it was in flight.
    loginNotBefore: login === 'asked' ? now : Math.max(loginNotBefore, until),
    refreshNotBefore: counted ? refreshNotBefore : Math.max(refreshNotBefore, until),
  }
}

function deferred(
  before: State,
  { asked, outdated }: TokenRequest,
  { deferred: because, ms, backoff }: Deferred,
  now: number,
): Transition {
  const waits = { ...before, request: undefined }
  // The secret changed meanwhile: what holds the former one says nothing about the new one.
  if (outdated) return silently(waits)
  return {
    state: {
      ...waits,
      ...pauses(before, { now, ms, counted: because === 'guarded' }),
      deferred: true,
      // What an operator asked for is asked for until iSales was asked.
      login: asked ? 'asked' : before.login,
      backoff: backoff ?? before.backoff,
    },
    events: [{ type: 'held', at: now, because, ms, asked }],
  }
}

// Rejections and acceptance of business calls.

function rejected(state: State, event: Event<'rejected'>, at: number): Transition {
  const { generation, status } = event
  if (state.token?.generation !== generation) return silently(state)
  return silently({
    ...state,
    rejectedStatus: status,
    evidence: reject(state.evidence, event, at),
  })
}

function accepted(state: State, event: Event<'accepted'>, now: number): Transition {
  const { token } = state
  const { generation, kind, sentAt } = event
  if (token?.generation !== generation) return silently(state)
  const evidence = accept(state.evidence, { kind, sentAt }, token, now)
  if (evidence === state.evidence) return silently(state)
  const isNews = evidence.cures !== state.evidence.cures && isConflict(evidence, now)
  return { state: { ...state, evidence }, events: isNews ? [{ type: 'conflict', at: now }] : [] }
}
