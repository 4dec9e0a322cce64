import type { Clock, Timer } from '../clock.ts'
import { CONFIRMATION_WAIT, isAccepted, mayReplay, type AttemptKind } from './rejection-tracker.ts'
import type { Credentials, Operation } from './isales-client.ts'
import {
  initialState,
  isIdle,
  isLoginDue,
  isSuspect,
  next,
  onAccepted,
  onAdopted,
  onCredentialsChanged,
  onRejected,
  onRenewAsked,
  onRequestEnded,
  onRequestStarted,
  onUsed,
  plan,
  sendable,
  takeSnapshot,
  type Reducer,
  type Rules,
} from './lifecycle.ts'
import type { Granted, Token, TokenEvent, TokenRequest, TokenResult } from './token.ts'

export interface TokenSourceOptions {
  readonly rules: Rules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly requestToken: (request: TokenRequest) => Promise<TokenResult>
  readonly credentials: Credentials
  readonly observe: (event: TokenEvent) => void
  /** Milliseconds until this process learns of the token of another replica. 0: there is none. */
  readonly propagationDelay: number
}

/** What a request waits for. */
export interface Wait {
  /** On the monotonic clock; past it the wait ends. */
  readonly deadline: number
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/** Why no token came; `retryAfter` in milliseconds. `no-token`: none can come before the deadline. */
export interface Unavailable {
  readonly unavailable: 'no-token' | 'shutting-down'
  readonly retryAfter: number
}

/** A business call that iSales rejected. */
export interface RejectedCall extends Wait {
  /** Of the response. */
  readonly status: number
  /** Of the exchange before, as its verdict gave it. Undefined: this was the first. */
  readonly rejected: RejectedToken | undefined
  /** How often it was sent again. */
  readonly replays: number
}

/** The token that a call was rejected with. */
export interface RejectedToken {
  readonly generation: number
  /** Our own renewal may have ended it while the call was in flight. */
  readonly superseded: boolean
}

/**
 * What becomes of a rejected call.
 *
 * - `replay`: send it again, with a newer token, or once with the same.
 * - `relay`: the client gets the response of iSales.
 * - `no-token`: a renewal that may cure it comes, and there is no time or no place to wait. iSales has not executed it.
 */
export type RejectionDecision =
  | { readonly type: 'replay'; readonly token: Token; readonly rejected: RejectedToken }
  | { readonly type: 'relay'; readonly why: 'not-curable' | 'no-newer-token' }
  | { readonly type: 'no-token'; readonly retryAfter: number }

const SHUTTING_DOWN: Unavailable = { unavailable: 'shutting-down', retryAfter: 1000 }
const NOT_CURABLE: RejectionDecision = { type: 'relay', why: 'not-curable' }
const NO_NEWER_TOKEN: RejectionDecision = { type: 'relay', why: 'no-newer-token' }

export type TokenSource = ReturnType<typeof createTokenSource>

/** Keeps one token fresh: one token request in flight, one timer. `lifecycle.ts` decides. */
export function createTokenSource(options: TokenSourceOptions) {
  const { rules, clock, requestToken, observe, propagationDelay } = options
  /** Of the calls that wait: each is called once, after the next change that may end its wait. */
  const waiters = new Set<() => void>()
  let state = initialState(options.credentials, clock.now())
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false
  let pending: Promise<void> = Promise.resolve()

  const apply = <Input>(reducer: Reducer<Input>, input: Input): void => {
    const context = { rules, now: clock.now(), random: options.random() }
    const transition = reducer(state, input, context)
    state = transition.state
    if (transition.event !== undefined) observe(transition.event)
  }

  const dueAt = (): number => plan(state, rules, clock.now()).at

  const untilDue = (): number => Math.max(0, dueAt() - clock.now())

  const noToken = (): Unavailable =>
    running ? { unavailable: 'no-token', retryAfter: untilDue() } : SHUTTING_DOWN

  const present = (): Token | undefined => sendable(state, clock.now())

  const comesAfter = (deadline: number): boolean =>
    state.request === undefined && dueAt() > deadline

  /** Does what is next, and sets the one timer for what comes after. */
  const proceed = (): void => {
    timer?.cancel()
    timer = undefined
    if (!running) return
    const now = clock.now()
    const { at, operation } = next(state, rules, now)
    if (at <= now) pending = request(operation)
    else if (at < Infinity) timer = clock.setTimer(proceed, at - now)
  }

  const wake = (): void => {
    for (const look of waiters) look()
  }

  /** What has changed may end waits. A rejection ends none, so that many of them cost no look at each waiter. */
  const settle = (): void => {
    wake()
    proceed()
  }

  /** A business call needs the token: an idle one is renewed. */
  const use = (): void => {
    if (rules.tokenIdleAfter === undefined) return
    const idle = isIdle(state, rules, clock.now())
    apply(onUsed, undefined)
    if (idle) proceed()
  }

  const request = async (operation: Operation): Promise<void> => {
    const { token, credentials, forced, failuresInRow: failures } = state
    abort = new AbortController()
    const { signal } = abort
    const asked: TokenRequest = {
      operation,
      credentials,
      signal,
      current: token,
      rejectedAt: isSuspect(state) ? state.rejections.unresolvedSince : undefined,
      loginDue: isLoginDue(state),
      forced,
      failures,
      onSent() {
        if (!signal.aborted) observe({ type: 'request-started', operation, at: clock.now() })
      },
    }
    apply(onRequestStarted, operation)
    const result = await requestToken(asked)
    if (signal.aborted) return
    apply(onRequestEnded, result)
    settle()
  }

  /** Resolves after the next change, at that instant, or when the client is gone. */
  const change = (until: number, { signal }: Wait): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        waiters.delete(look)
        timer.cancel()
        signal?.removeEventListener('abort', look)
        resolve()
      }
      const timer = clock.setTimer(look, Math.max(0, until - clock.now()))
      signal?.addEventListener('abort', look)
      waiters.add(look)
    })

  const isOver = ({ deadline, signal }: Wait): boolean =>
    !running || signal?.aborted === true || clock.now() >= deadline

  /** Resolves with a token, or as soon as none can come before the deadline. */
  async function waitForToken(call: Wait): Promise<Token | Unavailable> {
    use()
    for (;;) {
      const token = present()
      if (token !== undefined) return token
      if (isOver(call) || comesAfter(call.deadline)) return noToken()
      await change(call.deadline, call)
    }
  }

  const judge = async (token: Token, call: RejectedCall): Promise<RejectionDecision> => {
    const { generation } = token
    const { status, replays, deadline } = call
    const kind = attemptKind(generation, call.rejected)
    const superseded = state.request !== undefined || state.token?.generation !== generation
    apply(onRejected, { generation, status, kind, replays })
    // Not earlier: the rejection is open from the moment that it was applied.
    const cameAt = clock.now()
    proceed()
    const replay = (by: Token): RejectionDecision => ({
      type: 'replay',
      token: by,
      rejected: { generation, superseded },
    })
    /** Until then evidence may come, or the token of another replica, although no renewal does. */
    const patience = Math.min(deadline, cameAt + Math.max(CONFIRMATION_WAIT, propagationDelay))
    for (;;) {
      const by = present()
      if (by !== undefined && by.generation > generation) return replay(by)
      if (!mayReplay(state.rejections, replays, cameAt)) return NOT_CURABLE
      // It was sent again with a token that works: it is refused for what it is.
      if (by !== undefined && kind === 'same-token') return NOT_CURABLE
      const isProven = by !== undefined && state.rejections.unresolvedSince > cameAt
      if (isProven) return replays === 0 ? replay(by) : NOT_CURABLE
      const isHopeless = comesAfter(deadline)
      const isPatient = clock.now() < patience
      if (isHopeless && !isPatient) return NO_NEWER_TOKEN
      // The response of iSales, unless a renewal that may well cure it is in flight or comes in time.
      if (isOver(call))
        return isHopeless || state.rejections.ineffectiveRenewals > 0
          ? NO_NEWER_TOKEN
          : { type: 'no-token', retryAfter: untilDue() }
      await change(isPatient ? patience : deadline, call)
    }
  }

  return {
    /** Begins the first login. */
    start(): void {
      running = true
      proceed()
    },

    /** Aborts the token request in flight and ends every wait. Resolves when its end is recorded. */
    stop(): Promise<void> {
      running = false
      timer?.cancel()
      abort?.abort()
      wake()
      return pending
    },

    /** The token to send now; undefined when none may be sent. */
    current(): Token | undefined {
      use()
      return present()
    },

    waitForToken,

    /**
     * iSales accepted this token for a business call: a success, and no page.
     *
     * @param sentAt when the call was sent, on the monotonic clock.
     * @param before what an earlier exchange of the call was rejected with. Default: none was.
     */
    accept({ generation }: Token, sentAt: number, before?: RejectedToken): void {
      const { rejections } = state
      // Nothing new, as with almost all calls.
      if (before === undefined && isAccepted(rejections) && !isSuspect(state)) return
      apply(onAccepted, { generation, kind: attemptKind(generation, before), sentAt })
      if (state.rejections !== rejections) settle()
    },

    /**
     * iSales rejected a business call with this token. Resolves when it is known what becomes of the call: with the
     * evidence that the token works, with a newer token, or as soon as neither can come before the deadline.
     */
    async reject(token: Token, call: RejectedCall): Promise<RejectionDecision> {
      const verdict = await judge(token, call)
      if (verdict.type === 'relay') {
        const { generation } = token
        const { status } = call
        observe({ type: 'rejection-relayed', at: clock.now(), generation, status })
      }
      return verdict
    },

    /**
     * The secret was read again. Changed credentials are logged in with; the present token serves until that has
     * succeeded. Those that were tried before wait for their back-off.
     *
     * @returns false when they are the present ones: nothing is done.
     */
    changeCredentials(changed: Credentials): boolean {
      const { user, password } = state.credentials
      if (changed.user === user && changed.password.reveal() === password.reveal()) return false
      apply(onCredentialsChanged, { credentials: changed })
      settle()
      return true
    },

    /** An operator asks: a pause of logins ends once. */
    renew(): void {
      apply(onRenewAsked, undefined)
      settle()
    },

    /** Another replica has obtained a token. */
    adopt: (granted: Granted): void => {
      apply(onAdopted, granted)
      settle()
    },

    snapshot: () => takeSnapshot(state, rules, clock.now(), waiters.size),
  }
}

function attemptKind(generation: number, before: RejectedToken | undefined): AttemptKind {
  if (before === undefined) return 'first'
  if (before.generation === generation) return 'same-token'
  return before.superseded ? 'superseded' : 'newer-token'
}
