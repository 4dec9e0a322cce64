import { delay, type Timer } from '../clock.ts'
import { isNewer, PROPAGATION_DELAY } from './account.ts'
import {
  CONFIRMATION_WAIT,
  isAccepted,
  mayReplay,
  renewalDueAt,
  type AttemptKind,
} from './rejection-tracker.ts'
import { isSameAs, type Credentials } from './isales-client.ts'
import {
  doubtedSince,
  initialState,
  isSuspect,
  next,
  onAccepted,
  onAdopted,
  onCredentialsChanged,
  onRejected,
  onRenewAsked,
  onRequestEnded,
  onRequestPending,
  onUnrelated,
  plan,
  sendable,
  type Reducer,
} from './lifecycle.ts'
import { createTokenRequests, type TokenRequestOptions } from './request-token.ts'
import { takeSnapshot } from './snapshot.ts'
import type { CurrentToken, PlannedRequest, TokenEvent, TokenRequest } from './token.ts'

interface TokenSourceOptions extends TokenRequestOptions {
  readonly credentials: Credentials
  readonly observe: (event: TokenEvent) => void
}

interface Wait {
  /** On the monotonic clock. */
  readonly deadline: number
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined
}

/** `no-token`: no token can arrive before the deadline. `retryAfter` in milliseconds. */
export interface Unavailable {
  readonly unavailable: 'no-token' | 'shutting-down'
  readonly retryAfter: number
}

interface RejectedCall extends Wait {
  /** HTTP status. */
  readonly status: number
  /** From the decision about the previous attempt; undefined after the first. */
  readonly rejected: RejectedToken | undefined
  /** How often the call was already replayed. */
  readonly replays: number
}

export interface RejectedToken {
  readonly generation: number
  /** A renewal of this process may have ended the token while the call was in flight. */
  readonly superseded: boolean
}

/**
 * - `replay`: send the call again, with a newer token, or once with the same.
 * - `relay`: the client gets iSales's response. `not-due`: the last renewal was too short ago.
 * - `no-token`: a renewal that may help is expected, but the call cannot wait for it. iSales has not executed the call.
 */
export type RejectionDecision =
  | { readonly type: 'replay'; readonly token: CurrentToken; readonly rejected: RejectedToken }
  | { readonly type: 'relay'; readonly why: 'unrecoverable' | 'no-newer-token' | 'not-due' }
  | { readonly type: 'no-token'; readonly retryAfter: number }

const SHUTTING_DOWN: Unavailable = { unavailable: 'shutting-down', retryAfter: 1000 }
const UNRECOVERABLE: RejectionDecision = { type: 'relay', why: 'unrecoverable' }
const NO_NEWER_TOKEN: RejectionDecision = { type: 'relay', why: 'no-newer-token' }
const NOT_DUE: RejectionDecision = { type: 'relay', why: 'not-due' }

export type TokenSource = ReturnType<typeof createTokenSource>

/** Keeps one token fresh, with one token request in flight and one timer. `lifecycle.ts` decides. */
export function createTokenSource(options: TokenSourceOptions) {
  const { rules, clock, register, observe } = options
  const requests = createTokenRequests(options)
  /** Wakes each waiting call once, after the next change that may end its wait. */
  const waiters = new Set<() => void>()
  let state = initialState(options.credentials, clock.now())
  let timer: Timer | undefined
  let abort: AbortController | undefined
  let running = false
  let pending: Promise<void> = Promise.resolve()
  let acceptedAt = -Infinity

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

  const usableToken = (): CurrentToken | undefined => sendable(state, clock.now())

  const comesAfter = (deadline: number): boolean =>
    state.request === undefined && dueAt() > deadline

  /** Starts the next token request if it is due, gives up a refresh for it, or sets the one timer for it. */
  const proceed = (): void => {
    timer?.cancel()
    if (!running) return
    const now = clock.now()
    const { at, ...planned } = next(state, rules, now)
    if (at > now) {
      if (at < Infinity) timer = clock.setTimer(proceed, at - now)
    } else if (state.request === undefined) {
      pending = request(planned)
      // Sets the timer that gives up a refresh.
      proceed()
    } else abort?.abort()
  }

  const wake = (): void => {
    for (const end of waiters) end()
  }

  /** Called after every change that may end a wait. A rejection ends none: a flood of them must not check every waiter. */
  const settle = (): void => {
    wake()
    proceed()
  }

  const request = async (planned: PlannedRequest): Promise<void> => {
    const { credentials, forced } = state
    const { operation } = planned
    abort = new AbortController()
    const { signal } = abort
    const asked: TokenRequest = {
      ...planned,
      credentials,
      signal,
      rejectedAt: doubtedSince(state),
      loginDue: state.loginDue,
      forced,
      onSending() {
        if (!signal.aborted) observe({ type: 'request-started', operation, at: clock.now() })
      },
    }
    apply(onRequestPending, operation)
    const result = await requests.requestToken(asked)
    if (!running) return
    apply(onRequestEnded, result)
    settle()
  }

  /** Resolves after the next change, at `until`, or when the client is gone. */
  const change = (until: number, { signal }: Wait): Promise<void> =>
    delay(clock, Math.max(0, until - clock.now()), signal, waiters)

  const isOver = ({ deadline, signal }: Wait): boolean =>
    !running || signal?.aborted === true || clock.now() >= deadline

  /** Resolves with a token, or as soon as no token can arrive before the deadline. */
  async function waitForToken(call: Wait): Promise<CurrentToken | Unavailable> {
    for (;;) {
      const token = usableToken()
      if (token !== undefined) return token
      if (isOver(call) || comesAfter(call.deadline)) return noToken()
      await change(call.deadline, call)
    }
  }

  const decide = async (
    { generation }: CurrentToken,
    call: RejectedCall,
  ): Promise<RejectionDecision> => {
    const { status, replays, deadline } = call
    const kind = attemptKind(generation, call.rejected)
    const superseded = state.request !== undefined || state.token?.generation !== generation
    apply(onRejected, { generation, status, kind, replays })
    // Read after `apply`, so that it is not before `unresolvedSince`.
    const rejectedAt = clock.now()
    proceed()
    const replay = (usable: CurrentToken): RejectionDecision => ({
      type: 'replay',
      token: usable,
      rejected: { generation, superseded },
    })
    /** Until then a confirmation, or another replica's token, may arrive even without a renewal. */
    const wait = register.shared ? PROPAGATION_DELAY : CONFIRMATION_WAIT
    const patience = Math.min(deadline, rejectedAt + wait)
    for (;;) {
      const usable = usableToken()
      if (usable !== undefined && usable.generation > generation) return replay(usable)
      if (!mayReplay(state.rejections, replays, rejectedAt)) return UNRECOVERABLE
      // The rejection is about the call: the replay had a token that works.
      if (usable !== undefined && kind === 'same-token') return UNRECOVERABLE
      const isConfirmed = usable !== undefined && state.rejections.unresolvedSince > rejectedAt
      if (isConfirmed) return replays === 0 ? replay(usable) : UNRECOVERABLE
      const isHopeless = comesAfter(deadline)
      const isPatient = clock.now() < patience
      const isDistant = usable !== undefined && renewalDueAt(state.rejections) > deadline
      if (isHopeless && !isPatient) return isDistant ? NOT_DUE : NO_NEWER_TOKEN
      // Relay iSales's response, unless a renewal that may help is in flight or due in time.
      if (isOver(call))
        return isHopeless || state.rejections.ineffectiveRenewals > 0
          ? NO_NEWER_TOKEN
          : { type: 'no-token', retryAfter: untilDue() }
      await change(isPatient ? patience : deadline, call)
    }
  }

  return {
    start(): void {
      running = true
      proceed()
    },

    /** Aborts the token request in flight, ends every wait, and resolves when the request's end is recorded. */
    stop(): Promise<void> {
      running = false
      timer?.cancel()
      abort?.abort()
      wake()
      return pending
    },

    /** Returns the token to send now; undefined if no token may be sent. */
    current: usableToken,

    waitForToken,

    /**
     * Records that iSales accepted this token for a business call: a success that is not a web page.
     *
     * @param sentAt when the call was sent, on the monotonic clock.
     * @param before the token that iSales rejected this call with earlier. Default: none.
     */
    accept({ generation }: CurrentToken, sentAt: number, before?: RejectedToken): void {
      const { rejections, trial } = state
      acceptedAt = sentAt
      // Fast path of almost all calls.
      const isSettled = trial.phase === 'none' && isAccepted(rejections) && !isSuspect(state)
      if (before === undefined && isSettled) return
      apply(onAccepted, { generation, kind: attemptKind(generation, before), sentAt })
      if (state.rejections !== rejections) settle()
    },

    /** Records a response to a call with this token that neither accepts nor rejects it. */
    dismiss({ generation }: CurrentToken, status: number): void {
      const { trial } = state
      apply(onUnrelated, { generation, status, acceptedAt })
      if (state.trial.dueAt !== trial.dueAt) proceed()
    },

    /**
     * Records that iSales rejected a business call with this token. Resolves when the token is confirmed, with a newer token,
     * or as soon as neither can happen before the deadline.
     */
    async reject(token: CurrentToken, call: RejectedCall): Promise<RejectionDecision> {
      const decision = await decide(token, call)
      if (decision === UNRECOVERABLE) {
        const { generation } = token
        const { status } = call
        observe({ type: 'rejection-relayed', at: clock.now(), generation, status })
      }
      return decision
    },

    /**
     * Logs in with changed credentials, after their pause; the current token is used until the login succeeds.
     *
     * @returns false if the credentials did not change.
     */
    changeCredentials(changed: Credentials): boolean {
      if (isSameAs(changed, state.credentials)) return false
      apply(onCredentialsChanged, changed)
      settle()
      return true
    },

    /** Ends a login pause once, for an operator. */
    renew(): void {
      apply(onRenewAsked, undefined)
      settle()
    },

    /** Learns from other processes: uses a newer token, and until when logins with these credentials are paused, and why. */
    poll: async (): Promise<void> => {
      if (!running) return
      const { credentials } = state
      const { token, ...found } = await requests.poll(credentials)
      // The result of a request in flight takes precedence.
      if (state.request !== undefined || credentials !== state.credentials) return
      if (isNewer(token, state.token, clock.now())) {
        apply(onAdopted, { ...found, token, adopted: true })
        settle()
      }
      if (found.record === undefined || state.request !== undefined) return
      state = { ...state, record: found.record }
      proceed()
    },

    snapshot: () => takeSnapshot(state, rules, clock.now(), waiters.size),
  }
}

function attemptKind(generation: number, before: RejectedToken | undefined): AttemptKind {
  if (before === undefined) return 'first'
  if (before.generation === generation) return 'same-token'
  return before.superseded ? 'superseded' : 'newer-token'
}
