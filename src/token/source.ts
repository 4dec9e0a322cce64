import type { Clock, Timer } from '../clock.ts'
import type { Credentials, IsalesClient, RefreshTokens } from './client.ts'
import type { Operation } from './protocol.ts'
import type { TokenEvent, TokenSnapshot } from './events.ts'
import {
  obtainDirectly,
  type Adopted,
  type Ask,
  type AtHand,
  type Obtain,
  type Obtained,
} from './obtain.ts'
import {
  atHand,
  initialState,
  isReplaced,
  next,
  outageBudget,
  sendable,
  step,
  type LifecycleEvent,
  type Rules,
} from './lifecycle.ts'
import type { Token } from './token.ts'

export interface TokenSourceOptions {
  readonly rules: Rules
  /** Most requests that may wait for a token. */
  readonly waiters: number
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Neither login nor refresh rejects. */
  readonly login: IsalesClient['login']
  readonly refresh: IsalesClient['refresh']
  /** Those in force now. */
  readonly credentials: () => Credentials
  /** Default: iSales is asked. */
  readonly obtain?: Obtain | undefined
  readonly observe: (event: TokenEvent) => void
}

/** Keeps one token fresh: one token request in flight, one timer. `lifecycle.ts` decides. */
export interface TokenSource {
  /** Begins the first login. */
  start(): void
  /** Aborts the token request in flight and ends every wait. */
  stop(): void
  /** The token to send now; undefined when none may be sent. */
  current(): Token | undefined
  /** Resolves with a token of a later generation, or as soon as none can come before the deadline. */
  waitForToken(wait: Wait): Promise<Token | Unavailable>
  /**
   * A business call with this token was not rejected.
   *
   * @param path of the call, without a query.
   * @param sentAt when it was sent, on the monotonic clock.
   */
  accept(token: Token, path: string, sentAt: number): void
  /**
   * iSales rejected a business call with this token.
   *
   * @returns `wait`: a newer token is there or may come, see `waitForToken`; when that gives none, relay the
   *   response of iSales. `relay`: relay it now, since a login would not cure it.
   */
  reject(token: Token, status: number, path: string, sentAt: number): 'wait' | 'relay'
  /** The secret changed: log in anew, and forget what the former credentials met. */
  credentialsChanged(): void
  /** The token that this process has; undefined before the first. */
  readonly atHand: () => AtHand | undefined
  /** Another replica has obtained a token. Not called while `obtain` runs. */
  readonly adopt: (adopted: Adopted) => void
  readonly snapshot: () => TokenSnapshot
}

/** What a request waits for. */
export interface Wait {
  /** Only a token of a later generation will do; 0: any. */
  readonly after: number
  /** On the monotonic clock; past it the wait ends with `no-token`. */
  readonly deadline: number
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/** Why no token came; `retryAfter` in milliseconds. */
export interface Unavailable {
  readonly unavailable: 'no-token' | 'overloaded' | 'shutting-down'
  readonly retryAfter: number
}

interface Waiter extends Wait {
  readonly settle: (outcome: Token | Unavailable) => void
}

const SHUTTING_DOWN: Unavailable = { unavailable: 'shutting-down', retryAfter: 1000 }
const OVERLOADED: Unavailable = { unavailable: 'overloaded', retryAfter: 1000 }

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { rules, clock, observe, obtain = obtainDirectly } = options
  const waiters = new Set<Waiter>()
  let state = initialState(clock.now())
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false

  const apply = (event: LifecycleEvent): void => {
    const transition = step(state, event, rules, { now: clock.now(), random: options.random() })
    state = transition.state
    for (const one of transition.events) observe(one)
  }

  const noToken = (): Unavailable => ({
    unavailable: 'no-token',
    retryAfter: Math.max(0, state.nextAt - clock.now()),
  })

  /** Does what is next, and sets the one timer for what comes after. */
  const proceed = (): void => {
    timer?.cancel()
    timer = undefined
    if (!running) return
    const now = clock.now()
    settleWaiters(now)
    const action = next(state, rules, now)
    if (action.do === 'request') void request(action.operation)
    else if (action.until < Infinity) timer = clock.setTimer(proceed, action.until - now)
  }

  /** Gives the token to all whom it suits, and ends each wait that no token request can meet. */
  const settleWaiters = (now: number): void => {
    const token = sendable(state, now)
    const until = state.request === undefined ? state.nextAt : now
    for (const waiter of waiters) {
      if (token !== undefined && token.generation > waiter.after) waiter.settle(token)
      else if (waiter.deadline < until) waiter.settle(noToken())
    }
  }

  const request = async (operation: Operation): Promise<void> => {
    apply({ type: 'wanted', operation })
    abort = new AbortController()
    const { signal } = abort
    const tokens = operation === 'refresh' ? refreshTokens(state.token) : undefined
    const credentials = options.credentials()
    const ask: Ask = (before) => {
      if (!signal.aborted) apply({ type: 'request-started', operation, before })
      return tokens === undefined
        ? options.login(credentials, signal)
        : options.refresh(tokens, signal)
    }
    const { password } = credentials
    const wanted = { operation, password, atHand: atHand(state), refusals: state.refusals }
    const obtained = await obtain(wanted, ask, signal)
    if (signal.aborted) return
    conclude(obtained)
    proceed()
  }

  const conclude = (obtained: Obtained): void => {
    switch (obtained.by) {
      case 'us':
        apply({ type: 'request-ended', outcome: obtained.outcome })
        obtained.settle?.(Math.max(0, state.nextAt - clock.now()))
        break
      case 'another':
        apply({ type: 'adopted', ...obtained.adopted })
        break
      case 'nobody':
        apply({ ...obtained, type: 'held' })
        break
    }
  }

  const wait = (asked: Wait): Promise<Token | Unavailable> =>
    new Promise((resolve) => {
      const settle = (outcome: Token | Unavailable): void => {
        waiters.delete(waiter)
        expiry.cancel()
        asked.signal?.removeEventListener('abort', expire)
        resolve(outcome)
      }
      const expire = (): void => settle(noToken())
      const waiter: Waiter = { ...asked, settle }
      const expiry = clock.setTimer(expire, Math.max(0, asked.deadline - clock.now()))
      asked.signal?.addEventListener('abort', expire)
      waiters.add(waiter)
    })

  return {
    start() {
      running = true
      proceed()
    },

    stop() {
      running = false
      timer?.cancel()
      abort?.abort()
      for (const waiter of waiters) waiter.settle(SHUTTING_DOWN)
    },

    current: () => sendable(state, clock.now()),

    async waitForToken(asked) {
      const token = sendable(state, clock.now())
      if (token !== undefined && token.generation > asked.after) return token
      if (!running) return SHUTTING_DOWN
      const late = state.request === undefined && state.nextAt > asked.deadline
      // The event of a signal that is aborted already never comes.
      if (late || asked.signal?.aborted === true) return noToken()
      return waiters.size < options.waiters ? wait(asked) : OVERLOADED
    },

    accept({ generation, accepted }) {
      if (!accepted) apply({ type: 'accepted', generation })
    },

    reject({ generation }, status) {
      const before = state
      apply({ type: 'rejected', generation, status })
      if (state !== before) proceed()
      return isReplaced(state, generation, clock.now()) ? 'wait' : 'relay'
    },

    credentialsChanged() {
      apply({ type: 'credentials-changed' })
      proceed()
    },

    atHand: () => atHand(state),

    adopt(adopted) {
      apply({ type: 'adopted', ...adopted })
      proceed()
    },

    snapshot() {
      const now = clock.now()
      return {
        now,
        session: state.token,
        usable: sendable(state, now) !== undefined,
        exchange: state.request?.operation,
        backoff: state.backoff,
        nextExchangeAt: state.request === undefined ? state.nextAt : undefined,
        lastSuccessAt: state.lastSuccessAt,
        outageBudget: outageBudget(state, now),
        waiters: waiters.size,
        failuresInRow: state.failures,
        lastFailure: state.lastFailure,
      }
    },
  }
}

function refreshTokens(token: Token | undefined): RefreshTokens | undefined {
  if (token?.refreshToken === undefined) return undefined
  return { token: token.token, refreshToken: token.refreshToken }
}
