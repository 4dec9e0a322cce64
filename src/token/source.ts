import type { Clock, Timer } from '../clock.ts'
import type { Credentials, IsalesClient } from './client.ts'
import type { TokenEvent, TokenSnapshot } from './events.ts'
import { next, step } from './lifecycle.ts'
import { obtainDirectly, type Adopted, type Ask, type AtHand, type Obtain } from './obtain.ts'
import { isGrant, type Operation } from './protocol.ts'
import type { RefusalBook } from './refusals.ts'
import type { RejectedCall } from './rejections.ts'
import {
  atHand,
  dueAt,
  failuresInRow,
  initialState,
  isCurable,
  isIdle,
  isSuspect,
  outageBudget,
  sendable,
  type LifecycleEvent,
  type Rules,
} from './state.ts'
import type { Token } from './token.ts'

export interface TokenSourceOptions {
  readonly rules: Rules
  /** Most requests that may wait for a token. */
  readonly waiters: number
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly client: IsalesClient
  readonly credentials: Credentials
  readonly refusals: RefusalBook
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
  /**
   * The token to send now; undefined when none may be sent.
   *
   * @param replayable false: the call cannot be sent again, so it is not sent with a suspect token. Default true.
   */
  current(replayable?: boolean): Token | undefined
  /** Resolves with a token of a later generation, or as soon as none can come before the deadline. */
  waitForToken(wait: Wait): Promise<Token | Unavailable>
  /**
   * iSales accepted this token for a business call: a success, and no page.
   *
   * @param path of the call, without a query.
   * @param sentAt when it was sent, on the monotonic clock.
   */
  accept(token: Token, path: string, sentAt: number): void
  /**
   * iSales rejected a business call with this token. Others may go on with it until a newer one comes.
   *
   * @returns `wait`: a newer token is there or may come, see `waitForToken`; when that gives none, relay the
   *   response of iSales. `relay`: relay it now, since a login would not cure it.
   */
  reject(token: Token, status: number, call: RejectedCall): 'wait' | 'relay'
  /**
   * The secret was read again. Changed credentials are logged in with; the present token serves until that has
   * succeeded. Those that were refused before wait for their back-off.
   *
   * @returns false when they are the present ones: nothing is done.
   */
  changeCredentials(credentials: Credentials): boolean
  /** An operator asks for a login now, whatever the back-off is. */
  renew(): void
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
  /** False: the call cannot be sent again, so a suspect token will do only when no newer one comes. Default true. */
  readonly replayable?: boolean | undefined
  /** On the monotonic clock; past it the wait ends with `no-token`. */
  readonly deadline: number
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Why no token came; `retryAfter` in milliseconds.
 *
 * - `no-token`: none can come before the deadline, or the rejection turned out to be about the call.
 * - `overloaded`: too many requests wait.
 */
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
  const { rules, clock, client, refusals, observe, obtain = obtainDirectly } = options
  const waiters = new Set<Waiter>()
  let { credentials } = options
  let state = initialState(clock.now(), rules, refusals.find(credentials))
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false

  const apply = (event: LifecycleEvent): void => {
    const given = { rules, now: clock.now(), random: options.random() }
    const transition = step(state, event, given)
    state = transition.state
    for (const one of transition.events) observe(one)
  }

  const untilDue = (): number => Math.max(0, dueAt(state) - clock.now())

  const noToken = (): Unavailable => ({ unavailable: 'no-token', retryAfter: untilDue() })

  /** Does what is next, and sets the one timer for what comes after. */
  const proceed = (): void => {
    timer?.cancel()
    timer = undefined
    if (!running) return
    for (const waiter of waiters) {
      const outcome = outcomeOf(waiter)
      if (outcome !== undefined) waiter.settle(outcome)
    }
    const now = clock.now()
    const { at, operation } = next(state, rules, now)
    if (at <= now) void request(operation)
    else if (at < Infinity) timer = clock.setTimer(proceed, at - now)
  }

  /** Undefined: a token may come in time. */
  const outcomeOf = ({ after, deadline, replayable }: Wait): Token | Unavailable | undefined => {
    const token = sendable(state, clock.now())
    const suspect = isSuspect(state)
    const hopeless = state.request === undefined && dueAt(state) > deadline
    if (token !== undefined && token.generation > after) {
      return replayable === false && suspect && !hopeless ? undefined : token
    }
    // The token was rejected, and then works: the rejection was about the call.
    return hopeless || (token !== undefined && !suspect) ? noToken() : undefined
  }

  /** A business call needs the token: an idle one is renewed. */
  const use = (): void => {
    if (rules.tokenIdleAfter === undefined) return
    const idle = isIdle(state, rules, clock.now())
    apply({ type: 'used' })
    if (idle) proceed()
  }

  const request = async (operation: Operation): Promise<void> => {
    const used = credentials
    const { token, refusals: refused, login } = state
    const wanted = {
      operation,
      password: used.password,
      atHand: atHand(state),
      refusals: refused,
      forced: login === 'asked',
    }
    apply({ type: 'wanted', operation })
    abort = new AbortController()
    const { signal } = abort
    const ask: Ask = async (before) => {
      if (!signal.aborted) apply({ type: 'request-started', before })
      if (operation === 'refresh' && token?.refreshToken !== undefined) {
        return client.refresh({ token: token.token, refreshToken: token.refreshToken }, signal)
      }
      const outcome = await client.login(used, signal)
      // What iSales counted is counted here, even when nobody waits for the token any more.
      if (isGrant(outcome)) refusals.remove(used)
      else if (outcome.kind === 'refused') refusals.add(used)
      return outcome
    }
    const obtained = await obtain(wanted, ask, signal)
    if (signal.aborted) return
    if (obtained.type === 'adopted' && obtained.ownSecret) refusals.remove(used)
    apply(obtained)
    if (obtained.type === 'request-ended') obtained.settle?.(untilDue())
    proceed()
  }

  const wait = (asked: Wait): Promise<Token | Unavailable> =>
    new Promise((resolve) => {
      const settle = (outcome: Token | Unavailable): void => {
        waiters.delete(waiter)
        expiry.cancel()
        asked.signal?.removeEventListener('abort', expire)
        resolve(outcome)
      }
      /** At the deadline even a suspect token will do. */
      const expire = (): void => {
        const token = sendable(state, clock.now())
        settle(token !== undefined && token.generation > asked.after ? token : noToken())
      }
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

    current(replayable = true) {
      use()
      return replayable || !isSuspect(state) ? sendable(state, clock.now()) : undefined
    },

    async waitForToken(asked) {
      use()
      const outcome = outcomeOf(asked)
      if (outcome !== undefined && !('unavailable' in outcome)) return outcome
      if (!running) return SHUTTING_DOWN
      if (outcome !== undefined) return outcome
      // The event of a signal that is aborted already never comes.
      if (asked.signal?.aborted === true) return noToken()
      return waiters.size < options.waiters ? wait(asked) : OVERLOADED
    },

    accept({ generation }, path, sentAt) {
      const wasSuspect = isSuspect(state)
      apply({ type: 'accepted', generation, path, sentAt })
      if (wasSuspect && !isSuspect(state)) proceed()
    },

    reject({ generation }, status, call) {
      const before = state
      apply({ ...call, type: 'rejected', generation, status })
      if (state !== before) proceed()
      return isCurable(state, generation, clock.now()) ? 'wait' : 'relay'
    },

    changeCredentials(changed) {
      const { user, password } = credentials
      if (changed.user === user && changed.password.reveal() === password.reveal()) return false
      credentials = changed
      apply({ type: 'credentials-changed', refused: refusals.find(changed) })
      proceed()
      return true
    },

    renew() {
      apply({ type: 'renew-asked' })
      proceed()
    },

    atHand: () => atHand(state),

    adopt(adopted) {
      if (adopted.ownSecret) refusals.remove(credentials)
      apply({ ...adopted, type: 'adopted' })
      proceed()
    },

    snapshot() {
      const now = clock.now()
      const { at } = next(state, rules, now)
      return {
        now,
        session: state.token,
        usable: sendable(state, now) !== undefined,
        exchange: state.request?.operation,
        backoff: state.backoff,
        nextExchangeAt: at === Infinity ? undefined : at,
        idle: isIdle(state, rules, now),
        lastSuccessAt: state.lastSuccessAt,
        outageBudget: outageBudget(state, now),
        waiters: waiters.size,
        failuresInRow: failuresInRow(state),
        lastFailure: state.lastFailure,
      }
    },
  }
}
