import type { Secret } from '../config/secret.ts'
import type { AuthFailure, Grant, Operation } from './protocol.ts'
import { isGrant } from './protocol.ts'
import type { Clock, Timer } from '../clock.ts'
import type { TokenEvent, TokenSnapshot } from './events.ts'
import { REJECTED_TOKEN_CAME_BACK } from './outcome.ts'
import { judgeRejection } from './rejection.ts'
import { next, step } from './renewal.ts'
import type { Token } from './token.ts'
import {
  firstRenewal,
  outageBudget,
  sendable,
  type RenewalEvent,
  type RenewalRules,
} from './state.ts'
import { createWaiters, type Unavailable, type Wish } from './waiters.ts'

/** What a refresh needs. */
export interface RefreshTokens {
  readonly token: Secret
  readonly refreshToken: Secret
}

export interface TokenSourceOptions {
  readonly rules: RenewalRules
  /** Most requests that may wait for a token at once. */
  readonly waiters: number
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** One login with the credentials as they are now. Never rejects. */
  readonly login: (signal: AbortSignal) => Promise<Grant | AuthFailure>
  /** One refresh. Never rejects. */
  readonly refresh: (tokens: RefreshTokens, signal: AbortSignal) => Promise<Grant | AuthFailure>
  readonly observe: (event: TokenEvent) => void
}

/** Keeps one token fresh: single flight, one timer, and the only place where the token's state changes. */
export interface TokenSource {
  /** Begins the first login. */
  start(): void
  /** Aborts the exchange under way and ends every wait. */
  stop(): void
  /** The session to send now; undefined when none may be sent. */
  current(): Token | undefined
  /** Waits for a session later than `wish.after`; answers at once when none can come before the deadline. */
  newer(wish: Wish): Promise<Token | Unavailable>
  /** A business call with it was answered with anything but a rejection. */
  accept(session: Token): void
  /**
   * A business call found it rejected. True: a newer session is there or will come, wait for it with `newer`.
   * False: a login would not cure this; relay the answer.
   */
  reject(session: Token, status: number): boolean
  /** The secret files changed: log in anew, and forget what the old credentials had met. */
  credentialsChanged(): void
  readonly snapshot: () => TokenSnapshot
}

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { rules, clock, observe } = options
  const waiters = createWaiters({ clock, limit: options.waiters })
  let state = firstRenewal(clock.now())
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false
  let relayed = 0
  let lastFailure: TokenSnapshot['lastFailure']

  const apply = (event: RenewalEvent): void => {
    state = step(state, event, rules, { now: clock.now(), random: options.random() })
  }

  /** Does what the rules say is next, and sets the one timer for what comes after. */
  const proceed = (): void => {
    timer?.cancel()
    timer = undefined
    if (!running) return
    const action = next(state, rules, clock.now())
    if (action.do === 'exchange') void exchange(action.operation)
    else if (action.until < Infinity) {
      timer = clock.setTimer(proceed, action.until - clock.now())
      if (sendable(state, clock.now()) === undefined) {
        waiters.failBefore(action.until, { unavailable: 'no-token', retryAfter: retryAfter() })
      }
    }
  }

  const exchange = async (operation: Operation): Promise<void> => {
    const startedAt = clock.now()
    apply({ type: 'started', operation })
    observe({ type: 'exchange-started', operation, at: startedAt })
    abort = new AbortController()
    const { signal } = abort
    const { token, refreshToken } = (operation === 'refresh' ? state.session : undefined) ?? {}
    const outcome =
      token === undefined || refreshToken === undefined
        ? await options.login(signal)
        : await options.refresh({ token, refreshToken }, signal)
    if (signal.aborted) return
    conclude(operation, outcome, startedAt)
    proceed()
  }

  const conclude = (
    operation: Operation,
    outcome: Grant | AuthFailure,
    startedAt: number,
  ): void => {
    const before = state
    apply({ type: 'answered', outcome })
    const at = clock.now()
    const durationMs = at - startedAt
    const { session } = state
    if (!isGrant(outcome) || session === undefined || session === before.session) {
      const failure = isGrant(outcome) ? REJECTED_TOKEN_CAME_BACK : outcome
      lastFailure = { at, operation, failure }
      observe({
        type: 'failed',
        operation,
        at,
        durationMs,
        failure,
        failuresInRow: state.failures,
        backoff: state.backoff,
        retryIn: Math.max(0, state.nextAt - at),
        outageBudget: outageBudget(state, at),
      })
      return
    }
    observe({
      type: 'granted',
      operation,
      at,
      durationMs,
      session,
      failuresBefore: before.failures,
      sameToken: before.session?.token.reveal() === outcome.token.reveal(),
      lifetimeAssumed: outcome.lifetime.assumed,
    })
    if (sendable(state, at) !== undefined) waiters.release(session)
  }

  const retryAfter = (): number => Math.max(0, state.nextAt - clock.now())

  return {
    start() {
      running = true
      proceed()
    },

    stop() {
      running = false
      timer?.cancel()
      abort?.abort()
      waiters.failBefore(Infinity, { unavailable: 'shutting-down', retryAfter: 1000 })
    },

    current: () => sendable(state, clock.now()),

    newer(wish) {
      const now = clock.now()
      const session = sendable(state, now)
      if (session !== undefined && session.generation > wish.after) return Promise.resolve(session)
      if (!running) {
        return Promise.resolve({ unavailable: 'shutting-down', retryAfter: 1000 })
      }
      const hopeless = state.exchange === undefined && state.nextAt > wish.deadline
      if (hopeless) return Promise.resolve({ unavailable: 'no-token', retryAfter: retryAfter() })
      return waiters.wait(wish, retryAfter)
    },

    accept(session) {
      if (!session.accepted) apply({ type: 'accepted', generation: session.generation })
    },

    reject({ generation }, status) {
      const at = clock.now()
      const verdict = judgeRejection(state, generation, rules, at)
      if (verdict === 'stale' || verdict === 'known') return true
      const replacing = verdict !== 'relay'
      if (replacing || relayed !== generation) {
        observe({ type: 'token-rejected', at, generation, status, replacing })
      }
      if (!replacing) {
        relayed = generation
        return false
      }
      apply({ type: 'rejected', generation })
      if (verdict === 'hold') observe({ type: 'conflict', at, holdOff: state.nextAt - at })
      proceed()
      return true
    },

    credentialsChanged() {
      apply({ type: 'credentials-changed' })
      observe({ type: 'credentials-changed', at: clock.now() })
      proceed()
    },

    snapshot() {
      const now = clock.now()
      return {
        now,
        session: state.session,
        usable: sendable(state, now) !== undefined,
        exchange: state.exchange?.operation,
        backoff: state.backoff,
        nextExchangeAt: state.exchange === undefined ? state.nextAt : undefined,
        lastSuccessAt: state.lastSuccessAt,
        outageBudget: outageBudget(state, now),
        waiters: waiters.count(),
        failuresInRow: state.failures,
        lastFailure,
      }
    },
  }
}
