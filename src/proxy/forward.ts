import { delay, type Clock, type Timer } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { NodeCall } from '../hono-adapter.ts'
import type { FailureDetails } from '../messages/index.ts'
import type { RequestSummary, ReplayOutcome } from '../request-summary.ts'
import { writeProblem } from '../problem.ts'
import type { CurrentToken, RejectedToken, TokenSource } from '../token/index.ts'
import { Exchange, type ExchangeStarter, type Upstream } from '../upstream/index.ts'
import { createBodies, type BodyOwner } from './body.ts'
import { createRequestHeaders, relayedHead, type RelayedHead } from './headers.ts'
import { createRelay, cut, type RelayObserver } from './relay.ts'
import { createInspector, looksLikePage } from './response.ts'
import { createSlots } from './slots.ts'
import {
  afterFailure,
  afterInterruption,
  NO_RESPONSE,
  withoutToken,
  type Fail,
  type AttemptCounts,
  type AbortReason,
  type NoResponse,
  type RequestPhase,
} from './retry.ts'
import type { RequestRules } from './validate.ts'

export interface ForwardOptions {
  readonly config: Config
  readonly rules: Pick<RequestRules, 'pseudonym' | 'scheme'>
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'dismiss' | 'reject'>
  readonly upstream: Pick<Upstream, 'dispatch' | 'classify' | 'mayRecover' | 'recentFailure'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Called for every request that the listener has not refused and reported itself. */
  readonly onEnd: (end: RequestSummary) => void
  /** Called with a defect of the proxy: the client got `internal`, or its response was cut. */
  readonly onError: (error: unknown, requestId: string) => void
}

/** Maximum `Retry-After` in milliseconds, because some clients sleep that long in the call. */
const MAX_CLIENT_WAIT = 5000

export function createForward(options: ForwardOptions) {
  const shared = createShared(options)
  return {
    /** Every failure becomes a response or a closed connection. */
    forward: (call: NodeCall): void => {
      const forwarding = new ForwardedCall(shared, call)
      // In the turn of the head's event, Node has not read the body of the same packet.
      if (call.validated.framing === 0) void forwarding.run()
      else process.nextTick(() => void forwarding.run())
    },
    /** Returns the number of business calls whose body has arrived and whose response has not ended. */
    inFlight: shared.slots.used,
  }
}

type Shared = ReturnType<typeof createShared>

function createShared(options: ForwardOptions) {
  const { config, rules, clock } = options
  const relays = createRelay(clock)
  return {
    ...options,
    slots: createSlots(config.maxInFlight, () => relays.evictSlowest(), clock),
    bodies: createBodies(config.maxBodySize),
    relays,
    inspector: createInspector(config, rules.scheme),
    requestHeaders: createRequestHeaders(config.isalesTokenHeader.names, rules.pseudonym),
  }
}

interface Relay {
  readonly do: 'relay'
  readonly head: RelayedHead
  readonly exchange: Exchange
  readonly rejected?: RequestSummary['rejected']
  /** Determined before relaying consumes the body. */
  readonly page: boolean
}

type CallResult = Relay | Fail | NoResponse
type Action = CallResult | { readonly do: 'send'; readonly token?: CurrentToken }

/** Sends with the current token, or waits for one. */
const SEND: Action = { do: 'send' }
const OVERLOADED: Fail = { do: 'fail', code: 'overloaded', refusal: 'in-flight' }
/** Part of the deadline in which a request may be sent. */
const SEND_WITHIN = 0.95

/**
 * A call. An interruption (the client leaves, the deadline passes, the body is refused) ends the current wait, so every
 * step checks for one after a wait. The state is in fields, because closures outlive their request.
 */
class ForwardedCall implements BodyOwner, ExchangeStarter, RelayObserver {
  held = 0
  result: string | undefined
  notJson = false
  isStarved = (): boolean => false
  readonly #shared: Shared
  readonly #call: NodeCall
  readonly #attempts: AttemptCounts
  readonly #startedAt: number
  /** End of the last wait for a token, or the start: iSales is not slow if a token is late. */
  #hasTokenAt: number
  readonly #deadline: Timer
  #interruption: AbortReason | undefined
  /** The current exchange or `#waits`: an interruption aborts it. */
  #awaited: { abort(reason: AbortReason): void } | undefined
  /** Controls every other wait. Created when it is first needed, because it costs a request 4 µs. */
  #waits: AbortController | undefined
  #isInFlight = false
  #exchange: Exchange | undefined
  #token: CurrentToken | undefined
  #exchanges = 0
  /** Time at which the latest exchange had a connection. */
  #sentAt = 0
  /** The token of the previous exchange, if iSales rejected it. */
  #rejected: RejectedToken | undefined
  #replays = 0
  // Reported values; `RequestSummary` explains them.
  #replay: ReplayOutcome | undefined
  #failure: FailureDetails | undefined
  #headMs: number | undefined
  #upstreamMs: number | undefined
  #ending: CallResult = NO_RESPONSE

  constructor(shared: Shared, call: NodeCall) {
    const { clock, config } = shared
    this.#shared = shared
    this.#call = call
    this.#attempts = { method: call.request.method ?? '', unwritten: 0, unanswered: 0 }
    this.#startedAt = this.#hasTokenAt = clock.now()
    this.#deadline = clock.setTimer(() => this.interrupt('deadline'), config.clientDeadline)
    call.response.on('close', () => this.#closed())
  }

  /** Each turn of the loop is one exchange. Never rejects. Available results are not awaited: 2 % of a call. */
  async run(): Promise<void> {
    const { bodies, clock, inspector, onError, tokens } = this.#shared
    const { request, response, validated, requestId } = this.#call
    try {
      // The listener has responded if the body, in the packet of the head, is malformed.
      if (validated.expectsContinue && !response.headersSent) response.writeContinue()
      const read = bodies.read(request, validated.framing, this)
      const body = read instanceof Promise ? await read : read
      const begun = this.#takeSlot()
      let step = begun instanceof Promise ? await begun : begun
      while (step.do === 'send') {
        const token = step.token ?? tokens.current() ?? (await this.#waitForToken())
        if ('do' in token) {
          step = token
          break
        }
        const exchange = this.#send(token, body)
        const outcome = await exchange.outcome
        if (typeof outcome === 'string') {
          step = await this.#afterFailure(exchange, outcome === 'withheld')
          continue
        }
        this.#upstreamMs = clock.now() - this.#sentAt
        this.#failure = undefined
        const head = relayedHead(outcome, requestId)
        const found = inspector.verdictOf(exchange, head, validated)
        const verdict = found instanceof Promise ? await found : found
        const ended = this.#interruptedWhile('sent')
        if (ended !== undefined) step = ended
        else if (verdict === 'cut') step = await this.#afterFailure(exchange)
        else if (verdict === 'rejected') step = await this.#afterRejection(exchange, token, head)
        else step = this.#afterAcceptance(exchange, token, head)
      }
      this.#deadline.cancel()
      if (step.do === 'relay') this.#relay(step)
      else if (step.do === 'fail') {
        // A body that arrived with its head is whole before Node sets `complete`, by which the connection is kept.
        if (!request.complete) await new Promise(setImmediate)
        this.#fail(step)
      }
    } catch (error) {
      onError(error, requestId)
      this.#fail({ do: 'fail', code: 'internal' })
      if (!response.writableEnded) cut(response)
    }
  }

  /** After a wait for a slot, iSales must still have a fifth of the deadline to respond. */
  #takeSlot(): Action | Promise<Action> {
    const { slots } = this.#shared
    const ended = this.#interruptedWhile('reading')
    if (ended !== undefined) return ended
    const start = (): Action => {
      this.#call.connection.bodyArrived()
      this.#isInFlight = true
      return SEND
    }
    if (slots.take()) return start()
    return slots.wait(this.#timeUntil(0.8), this.startWait(), start).then(() => {
      const sent = this.#isInFlight ? SEND : OVERLOADED
      return this.#interruptedWhile('connecting') ?? sent
    })
  }

  async #waitForToken(): Promise<CurrentToken | CallResult> {
    const taken = await this.#shared.tokens.waitForToken(this.#limits())
    this.#hasTokenAt = this.#shared.clock.now()
    const ended = this.#interruptedWhile('waiting')
    if (ended !== undefined) return ended
    return 'unavailable' in taken ? withoutToken(this.#attempts, taken) : taken
  }

  #send(token: CurrentToken, body: Buffer | null): Exchange {
    const { upstream, requestHeaders, inspector } = this.#shared
    const { request, validated, requestId } = this.#call
    // The rest of a rejection occupies a connection that the next exchange may need.
    this.#exchange?.abort('sent again')
    this.#exchanges += 1
    this.#upstreamMs = undefined
    const { method } = this.#attempts
    const { rawHeaders, httpVersion } = request
    const credential = token.headerValue.reveal()
    const inspected = inspector.needsInspection(method, validated.path)
    const headers = requestHeaders({ rawHeaders, httpVersion, credential, requestId, inspected })
    const exchange = new Exchange({ method, path: validated.target, headers, body }, this)
    this.#exchange = exchange
    this.#awaited = exchange
    this.#token = token
    upstream.dispatch(exchange)
    return exchange
  }

  /** While the call waited for a connection, its client may have left, or its token may have been replaced. */
  onConnection(): boolean {
    this.#sentAt = this.#shared.clock.now()
    if (this.#interruption !== undefined || this.#call.response.headersSent) return false
    if (this.#timeUntil(SEND_WITHIN) <= 0) return false
    return this.#shared.tokens.current()?.generation === this.#token?.generation
  }

  #afterAcceptance(exchange: Exchange, token: CurrentToken, head: RelayedHead): Relay {
    const page = looksLikePage(head, exchange)
    // A page or an error may come from a gateway that has not checked the token.
    const { tokens } = this.#shared
    if (head.status < 300 && !page) tokens.accept(token, this.#sentAt, this.#rejected)
    else tokens.dismiss(token, head.status)
    if (this.#replays > 0) this.#replay = 'recovered'
    return { do: 'relay', head, exchange, page }
  }

  async #afterRejection(
    exchange: Exchange,
    token: CurrentToken,
    head: RelayedHead,
  ): Promise<Action> {
    const replays = this.#replays
    const verdict = await this.#shared.tokens.reject(token, {
      ...this.#limits(),
      rejected: this.#rejected,
      replays,
      status: head.status,
    })
    this.#hasTokenAt = this.#shared.clock.now()
    const ended = this.#interruptedWhile('waiting')
    const isLate = this.#interruption === 'deadline'
    if (ended !== undefined && !isLate) return ended
    if (verdict.type === 'no-token') {
      this.#replay = 'no-token'
      return withoutToken(this.#attempts, { ...verdict, unavailable: 'no-token' })
    }
    if (verdict.type === 'relay' || isLate) {
      const why = verdict.type === 'relay' ? verdict.why : 'no-newer-token'
      const isUnrecoverable = why === 'unrecoverable'
      this.#replay = replays > 0 ? 'rejected' : isUnrecoverable ? undefined : 'no-token'
      const rejected = replays === 0 && why === 'no-newer-token' ? 'unreplaced' : 'rejected'
      return { do: 'relay', head, exchange, rejected, page: looksLikePage(head, exchange) }
    }
    this.#rejected = verdict.rejected
    this.#replays += 1
    // Until a response arrives.
    this.#replay = 'failed'
    return { do: 'send', token: verdict.token }
  }

  async #afterFailure({ written, error }: Exchange, withheld = false): Promise<Action> {
    const ended = this.#interruptedWhile(written ? 'sent' : 'connecting')
    if (ended !== undefined) return ended
    const left = this.#timeUntil(SEND_WITHIN)
    if (withheld) {
      // The listener itself responds to a malformed body.
      if (this.#call.response.headersSent) return NO_RESPONSE
      return left > 0 ? SEND : afterInterruption(this.#attempts, 'deadline', 'connecting')
    }
    const { upstream, random } = this.#shared
    this.#failure = upstream.classify(error)
    const { cause } = this.#failure
    this.#attempts[written ? 'unanswered' : 'unwritten'] += 1
    const mayRecover = upstream.mayRecover(cause)
    const decision = afterFailure(this.#attempts, { cause, written, mayRecover, left }, random())
    if (decision.do === 'fail') return decision
    await delay(this.#shared.clock, decision.pause, this.startWait())
    return this.#interruptedWhile('connecting') ?? SEND
  }

  /** Limits of a wait for a token. */
  #limits(): { readonly deadline: number; readonly signal: AbortSignal } {
    const deadline = this.#startedAt + SEND_WITHIN * this.#shared.config.clientDeadline
    return { deadline, signal: this.startWait() }
  }

  /** Returns the milliseconds until this part of the deadline has passed. */
  #timeUntil(part: number): number {
    const { clock, config } = this.#shared
    return this.#startedAt + part * config.clientDeadline - clock.now()
  }

  startWait(): AbortSignal {
    this.#waits ??= new AbortController()
    this.#awaited = this.#waits
    return this.#waits.signal
  }

  #relay(ending: Relay): void {
    const { head, exchange } = ending
    const { response } = this.#call
    if (response.headersSent) return
    if (!head.relayable) return this.#fail({ do: 'fail', code: 'upstream-broken' })
    this.#ending = ending
    this.#headMs = this.#shared.clock.now() - this.#hasTokenAt
    this.#shared.relays.relay(response, head, exchange, this)
  }

  onCut(): void {
    const { response } = this.#call
    if (response.destroyed) return
    if (this.#ending.do === 'relay') this.#ending = { do: 'fail', code: 'upstream-broken' }
    cut(response)
  }

  #fail(ending: Fail): void {
    const { response, requestId } = this.#call
    const { code, refusal, retryAfter } = ending
    if (!response.headersSent) {
      this.#ending = ending
      const wait = retryAfter === undefined ? undefined : Math.min(retryAfter, MAX_CLIENT_WAIT)
      writeProblem(response, code, { requestId, retryAfter: wait, refusal })
    } else if (this.#ending.do === 'relay') this.#ending = ending
    // Makes `relay` cut a response that has begun, unless all of it has arrived.
    this.#exchange?.abort(code)
  }

  interrupt(reason: AbortReason): void {
    this.#interruption ??= reason
    this.#awaited?.abort(reason)
  }

  #interruptedWhile(stage: RequestPhase): Fail | NoResponse | undefined {
    return this.#interruption && afterInterruption(this.#attempts, this.#interruption, stage)
  }

  #closed(): void {
    this.#deadline.cancel()
    this.interrupt('client-gone')
    this.#exchange?.abort('the client is gone')
    this.#shared.bodies.free(this)
    if (this.#isInFlight) this.#shared.slots.release()
    const { request, response, validated, requestId, connection } = this.#call
    // The listener has refused and reported a request that could not be read.
    if (connection.refusedResponse === response) return
    const { method } = this.#attempts
    const ending = this.#ending
    const failed = ending.do === 'fail' ? ending : undefined
    const relayed = ending.do === 'relay' ? ending : undefined
    // A call that got no connection in time did not fail to connect itself.
    const isLate = failed?.code === 'out-of-time'
    const failure = isLate ? this.#shared.upstream.recentFailure() : this.#failure
    // A failed response that has not ended was cut here.
    const hasLeft = !response.writableFinished && (failed === undefined || response.writableEnded)
    this.#shared.onEnd({
      method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: failed?.code,
      failure: failed && failure,
      refusal: failed?.refusal,
      client: failed?.refusal && request.socket.remoteAddress,
      left: hasLeft ? (request.complete ? 'response' : 'request') : undefined,
      isStarved: hasLeft && this.isStarved(),
      rejected: relayed?.rejected,
      page: relayed?.page === true,
      result: this.result,
      // A body with a content coding is not read.
      notJson: this.notJson && method === 'POST' && relayed?.head.isCoded === false,
      headMs: this.#headMs,
      durationMs: this.#shared.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#exchanges,
      replay: ending.do === 'nothing' ? undefined : this.#replay,
      requestId,
    })
  }
}
