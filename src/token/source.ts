import type { Clock, Timer } from '../clock.ts'
import type { Ask, Credentials, TokenClient } from './client.ts'
import type { TokenEvent } from './events.ts'
import { EVIDENCE_WAIT, isAccepted, mayReplay, type AttemptKind } from './evidence.ts'
import {
  accepted,
  adopted,
  credentialsChanged,
  ended,
  initialState,
  isIdle,
  isInFlight,
  isSuspect,
  next,
  plan,
  rejected,
  renewAsked,
  sendable,
  started,
  used,
  type Rules,
  type Step,
} from './lifecycle.ts'
import { whyOf } from './logins.ts'
import type { Grant, Operation } from './protocol.ts'
import { snapshotOf } from './snapshot.ts'
import type { Token } from './token.ts'

export interface TokenSourceOptions {
  readonly rules: Rules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly client: TokenClient
  readonly credentials: Credentials
  readonly observe: (event: TokenEvent) => void
}

/** What a request waits for. */
export interface Wait {
  /** On the monotonic clock; past it the wait ends. */
  readonly deadline: number
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Why no token came; `retryAfter` in milliseconds.
 *
 * - `no-token`: none can come before the deadline, or the rejection turned out to be about the call.
 */
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
  readonly overtaken: boolean
}

/**
 * What becomes of a rejected call.
 *
 * - `replay`: send it again, with a newer token, or once with the same.
 * - `relay`: the client gets the response of iSales.
 * - `no-token`: a renewal that may cure it comes, and there is no time or no place to wait. iSales has not executed it.
 */
export type Verdict =
  | { readonly type: 'replay'; readonly token: Token; readonly rejected: RejectedToken }
  | { readonly type: 'relay'; readonly why: 'not-curable' | 'no-newer-token' }
  | { readonly type: 'no-token'; readonly retryAfter: number }

const SHUTTING_DOWN: Unavailable = { unavailable: 'shutting-down', retryAfter: 1000 }
const NOT_CURABLE: Verdict = { type: 'relay', why: 'not-curable' }
const NO_NEWER_TOKEN: Verdict = { type: 'relay', why: 'no-newer-token' }

export type TokenSource = ReturnType<typeof createTokenSource>

/** Keeps one token fresh: one token request in flight, one timer. `lifecycle.ts` decides. */
export function createTokenSource(options: TokenSourceOptions) {
  const { rules, clock, client, observe } = options
  /** Of the calls that wait: each is called after each change that may end a wait, and last when the process ends. */
  const waiters = new Set<(isLast: boolean) => void>()
  let { credentials } = options
  let state = initialState(clock.now())
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false
  let pending: Promise<void> = Promise.resolve()

  const apply = <Happening>(step: Step<Happening>, happening: Happening): void => {
    const given = { rules, now: clock.now(), random: options.random() }
    const transition = step(state, happening, given)
    state = transition.state
    if (transition.event !== undefined) observe(transition.event)
  }

  const dueAt = (): number => plan(state, rules, clock.now()).at

  const untilDue = (): number => Math.max(0, dueAt() - clock.now())

  const noToken = (): Unavailable =>
    running ? { unavailable: 'no-token', retryAfter: untilDue() } : SHUTTING_DOWN

  const present = (): Token | undefined => sendable(state, clock.now())

  const comesAfter = (deadline: number): boolean => !isInFlight(state) && dueAt() > deadline

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

  /** What has changed may end waits. A rejection ends none, so that many of them cost no look at each waiter. */
  const settle = (): void => {
    if (running) for (const check of waiters) check(false)
    proceed()
  }

  /** A business call needs the token: an idle one is renewed. */
  const use = (): void => {
    if (rules.tokenIdleAfter === undefined) return
    const idle = isIdle(state, rules, clock.now())
    apply(used, undefined)
    if (idle) proceed()
  }

  const request = async (operation: Operation): Promise<void> => {
    const { token, failuresInRow: failures } = state
    abort = new AbortController()
    const { signal } = abort
    const ask: Ask = {
      operation,
      credentials,
      signal,
      current: token,
      rejectedAt: isSuspect(state) ? state.evidence.openSince : undefined,
      why: whyOf(state),
      failures,
      onSent() {
        if (!signal.aborted) observe({ type: 'request-started', operation, at: clock.now() })
      },
    }
    apply(started, operation)
    const outcome = await client(ask)
    if (signal.aborted) return
    apply(ended, outcome)
    settle()
  }

  /** Waits until the outcome is known, the deadline passes, the client is gone, or the process ends. */
  const wait = <T, L>(
    outcome: () => T | undefined,
    last: () => L,
    { deadline, signal }: Pick<Wait, 'deadline' | 'signal'>,
  ): Promise<T | L> =>
    new Promise((resolve) => {
      const check = (isLast: boolean): void => {
        const known = outcome()
        if (known === undefined && !isLast) return
        waiters.delete(check)
        expiry.cancel()
        signal?.removeEventListener('abort', expire)
        resolve(known ?? last())
      }
      const expire = (): void => check(true)
      const expiry = clock.setTimer(expire, Math.max(0, deadline - clock.now()))
      signal?.addEventListener('abort', expire)
      waiters.add(check)
    })

  /** Waits for the outcome as long as a call waits for evidence. @returns undefined: there was none. */
  const waitForEvidence = <T>(
    outcome: () => T | undefined,
    { deadline, signal }: Pick<Wait, 'deadline' | 'signal'>,
  ): Promise<T | undefined> => {
    const patience = Math.min(deadline, clock.now() + EVIDENCE_WAIT)
    return wait(outcome, () => undefined, { deadline: patience, signal })
  }

  /** Undefined: a token, or a better one, may come before the deadline. */
  const tokenFor = ({ deadline }: Wait) =>
    present() ?? (comesAfter(deadline) ? noToken() : undefined)

  const judge = async (token: Token, call: RejectedCall): Promise<Verdict> => {
    const { generation } = token
    const { status, replays, deadline, signal } = call
    const kind = kindOf(generation, call.rejected)
    const overtaken = state.request !== undefined || state.token?.generation !== generation
    apply(rejected, { generation, status, kind, replays })
    // Not earlier: the rejection is open from the moment that it was applied.
    const cameAt = clock.now()
    proceed()
    const replay = (by: Token): Verdict => ({
      type: 'replay',
      token: by,
      rejected: { generation, overtaken },
    })

    /** A newer token, or evidence that the token works. */
    const found = (): Verdict | undefined => {
      const by = present()
      if (by !== undefined && by.generation > generation) return replay(by)
      if (!mayReplay(state.evidence, replays, cameAt)) return NOT_CURABLE
      if (by === undefined) return undefined
      // It was sent again with a token that works: it is refused for what it is.
      if (kind === 'same-token') return NOT_CURABLE
      if (state.evidence.openSince <= cameAt) return undefined
      return replays === 0 ? replay(by) : NOT_CURABLE
    }
    const renewed = (): Verdict | undefined =>
      found() ?? (comesAfter(deadline) ? NO_NEWER_TOKEN : undefined)
    /** The response of iSales, unless a renewal that may well cure it is in flight or comes in time. */
    const last = (): Verdict =>
      comesAfter(deadline) || state.evidence.uncured > 0
        ? NO_NEWER_TOKEN
        : { type: 'no-token', retryAfter: untilDue() }

    const verdict = found()
    if (verdict !== undefined) return verdict
    const isOver = (): boolean => !running || signal?.aborted === true
    if (isOver()) return last()
    const early = await waitForEvidence(found, call)
    if (early === undefined && isOver()) return last()
    return early ?? renewed() ?? wait(renewed, last, call)
  }

  /** Resolves with a token, or as soon as none can come before the deadline. */
  async function waitForToken(asked: Wait): Promise<Token | Unavailable> {
    use()
    const outcome = (): Token | Unavailable | undefined => tokenFor(asked)
    const known = outcome()
    if (known !== undefined) return known
    // The event of a signal that is aborted already never comes.
    if (!running || asked.signal?.aborted === true) return noToken()
    return wait(outcome, () => present() ?? noToken(), asked)
  }

  return {
    /** Begins the first login. */
    start(): void {
      running = true
      proceed()
    },

    /** Aborts the token request in flight and ends every wait. Resolves when its outcome is in the book. */
    stop(): Promise<void> {
      running = false
      timer?.cancel()
      abort?.abort()
      for (const check of waiters) check(true)
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
    accept({ generation, expiresAt }: Token, sentAt: number, before?: RejectedToken): void {
      const { evidence } = state
      // Nothing new, as with almost all calls.
      const isNews = before !== undefined || sentAt >= expiresAt
      if (!isNews && isAccepted(evidence) && !isSuspect(state)) return
      apply(accepted, { generation, kind: kindOf(generation, before), sentAt })
      if (state.evidence !== evidence) settle()
    },

    /**
     * iSales rejected a business call with this token. Resolves when it is known what becomes of the call: with the
     * evidence that the token works, with a newer token, or as soon as neither can come before the deadline.
     */
    async reject(token: Token, call: RejectedCall): Promise<Verdict> {
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
     * @param by whose change it was, for the event. Default: not known.
     * @returns false when they are the present ones: nothing is done.
     */
    changeCredentials(changed: Credentials, by?: string): boolean {
      const { user, password } = credentials
      if (changed.user === user && changed.password.reveal() === password.reveal()) return false
      credentials = changed
      apply(credentialsChanged, by)
      settle()
      return true
    },

    /** An operator asks for a login now. It ends a pause once a minute at most. */
    renew(): void {
      apply(renewAsked, undefined)
      settle()
    },

    /** Another replica has obtained a token. */
    adopt: (grant: Grant): void => {
      apply(adopted, grant)
      settle()
    },

    snapshot: () => snapshotOf(state, rules, clock.now(), waiters.size),
  }
}

function kindOf(generation: number, before: RejectedToken | undefined): AttemptKind {
  if (before === undefined) return 'first'
  if (before.generation === generation) return 'same-token'
  return before.overtaken ? 'overtaken' : 'newer-token'
}
