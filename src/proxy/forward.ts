import { delay, type Clock, type Timer } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { NodeCall } from '../hono-adapter.ts'
import type { RequestSummary, ReplayOutcome } from '../request-summary.ts'
import { writeProblem } from '../problem.ts'
import type { RejectedToken, Token, TokenSource } from '../token/index.ts'
import { Exchange, type ResponseHead, type Upstream } from '../upstream/index.ts'
import { createBodies, type BodyOwner, type BodyRefusal } from './body.ts'
import { createRequestHeaders, relayedHead, type RelayedHead } from './headers.ts'
import { createRelay, cut } from './relay.ts'
import { createInspector, isPage, type ResponseVerdict } from './response.ts'
import {
  afterFailure,
  afterInterruption,
  NO_RESPONSE,
  outcomeOfRejection,
  withoutToken,
  type Fail,
  type AttemptCounts,
  type AbortReason,
  type NoResponse,
  type RequestPhase,
} from './retry.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

export interface ForwardOptions {
  readonly config: Config
  readonly rules: Pick<RequestRules, 'pseudonym' | 'scheme'>
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'reject'>
  readonly upstream: Pick<Upstream, 'dispatch' | 'classify'>
  readonly clock: Clock
  /** The body of a call is there: it is in flight from now on. False: too many are. */
  readonly begin: (call: Call) => boolean
  /** `end` undefined: the listener has reported it. `begun`: the call was in flight. */
  readonly onEnd: (end: RequestSummary | undefined, begun: boolean) => void
  /** An exception of our own: the client got `internal`, or its response was cut. */
  readonly onError: (error: unknown, requestId: string) => void
}

/** A request of the port for clients. */
export interface Call extends NodeCall {
  readonly validated: ValidRequest
}

/** Milliseconds; some clients sleep so long inside the call. The status page has the true instant. */
const MAX_CLIENT_WAIT = 5000

/** Makes the function that sends one request on. Whatever happens becomes a response or a closed connection. */
export function createForward(options: ForwardOptions): (call: Call) => void {
  const shared = sharedOf(options)
  return (call) => {
    const forwarding = new ForwardedCall(shared, call)
    // In the turn of its head Node has not read the body of the same packet.
    if (call.validated.framing === 0) void forwarding.run()
    else process.nextTick(() => void forwarding.run())
  }
}

/** What all calls have in common. */
function sharedOf(options: ForwardOptions) {
  const { config, rules } = options
  return {
    ...options,
    bodies: createBodies(config.maxBodySize),
    relays: createRelay(options.clock),
    inspector: createInspector(config, rules.scheme),
    requestHeaders: createRequestHeaders(config.isalesTokenHeader.names, rules.pseudonym),
  }
}

interface Relay {
  readonly do: 'relay'
  readonly head: RelayedHead
  readonly exchange: Exchange
  /** iSales rejected the token, or so it looks. */
  readonly rejected: boolean
  /** Looked at before the client takes the body. */
  readonly page: boolean
}

/** What the client gets. */
type CallResult = Relay | Fail | NoResponse

/** What is done next. */
type Action = CallResult | { readonly do: 'send'; readonly token?: Token }

/** With the token that is there, or comes. */
const SEND: Action = { do: 'send' }

/**
 * One request. What interrupts it (its client leaves, its deadline passes, its body is refused) ends whatever it waits
 * for, so each step looks for an interruption after it has waited. Fields, since closures of a request outlive it.
 */
class ForwardedCall implements BodyOwner {
  held = 0
  readonly #shared: ReturnType<typeof sharedOf>
  readonly #call: Call
  readonly #history: AttemptCounts
  readonly #startedAt: number
  readonly #deadline: Timer
  #interruption: AbortReason | undefined
  /** What an interruption ends: the exchange, or what waits for something else. */
  #awaited: { abort(reason: AbortReason): void } | undefined
  /** Of what waits for something else. Made where it is first needed: it costs a request 4 µs. */
  #waits: AbortController | undefined
  #begun = false
  /** The latest, and with which token. */
  #exchange: Exchange | undefined
  #token: Token | undefined
  #exchanges = 0
  /** When the latest exchange had a connection. */
  #sentAt = 0
  #upstreamMs: number | undefined
  /** What the exchange before was rejected with. */
  #rejected: RejectedToken | undefined
  #replays = 0
  /** What has become of the request since it was rejected. Undefined: it was not, or no login could have helped. */
  #replay: ReplayOutcome | undefined
  /** Why the last exchange that failed got no response. */
  #failure: RequestSummary['failure']
  /** Milliseconds from the head of the request to the head of the relayed response. */
  #headMs: number | undefined
  /** Of the relayed response, if it is not 0. */
  #result: string | undefined
  #ending: CallResult = NO_RESPONSE

  constructor(shared: ReturnType<typeof sharedOf>, call: Call) {
    const { clock, config } = shared
    this.#shared = shared
    this.#call = call
    this.#history = { method: call.request.method ?? '', unwritten: 0, lost: 0 }
    this.#startedAt = clock.now()
    this.#deadline = clock.setTimer(() => this.#interrupt('deadline'), config.clientDeadline)
    call.response.on('close', () => this.#closed())
  }

  /**
   * From the body to what the client gets. Each turn of the loop is one exchange. Never rejects. What is there is not
   * awaited: that would cost 2 % of a call.
   */
  async run(): Promise<void> {
    const { request, response, validated, requestId } = this.#call
    try {
      if (validated.expectsContinue) response.writeContinue()
      const coming = this.#shared.bodies.read(request, validated.framing, this)
      const body = coming instanceof Promise ? await coming : coming
      const begun = this.#begin()
      let step = begun instanceof Promise ? await begun : begun
      while (step.do === 'send') {
        const token = step.token ?? this.#shared.tokens.current() ?? (await this.#waitForToken())
        if ('do' in token) step = token
        else {
          const exchange = this.#send(token, body)
          const outcome = await exchange.outcome
          const next =
            outcome.type === 'response'
              ? this.#afterResponse(exchange, token, outcome.head)
              : this.#afterFailure(exchange, outcome.type === 'withheld')
          step = next instanceof Promise ? await next : next
        }
      }
      this.#deadline.cancel()
      if (step.do === 'relay') this.#relay(step)
      else if (step.do === 'fail') this.#fail(step)
    } catch (error) {
      this.#shared.onError(error, requestId)
      this.#fail({ do: 'fail', code: 'internal' })
      if (!response.writableEnded) cut(response)
    }
  }

  /** Takes a place of those in flight. When there is none, a client that does not read its response makes way. */
  #begin(stage: RequestPhase = 'reading'): Action | Promise<Action> {
    const ended = this.#interruptedWhile(stage)
    if (ended !== undefined) return ended
    this.#begun = this.#shared.begin(this.#call)
    if (this.#begun) return SEND
    const pause = this.#shared.relays.makeWay()
    if (pause === undefined) return { do: 'fail', code: 'overloaded', refusal: 'in-flight' }
    return delay(this.#shared.clock, pause, this.wait()).then(() => this.#begin('connecting'))
  }

  async #waitForToken(): Promise<Token | CallResult> {
    const taken = await this.#shared.tokens.waitForToken(this.#limits())
    const ended = this.#interruptedWhile('waiting')
    if (ended !== undefined) return ended
    return 'unavailable' in taken ? withoutToken(this.#history, taken) : taken
  }

  #send(token: Token, body: Buffer | null): Exchange {
    const { upstream, requestHeaders, inspector } = this.#shared
    const { request, validated, requestId } = this.#call
    // The rest of a rejection is not worth the connection that this exchange may wait for.
    this.#exchange?.abort('sent again')
    this.#exchanges += 1
    const { method } = this.#history
    const headers = requestHeaders({
      rawHeaders: request.rawHeaders,
      httpVersion: request.httpVersion,
      credential: token.headerValue.reveal(),
      requestId,
      inspected: inspector.inspects(method, validated.path),
    })
    const exchange = new Exchange({ method, path: validated.target, headers, body }, () =>
      this.#mayStart(),
    )
    this.#exchange = exchange
    this.#awaited = exchange
    this.#token = token
    upstream.dispatch(exchange)
    return exchange
  }

  /** While a request waited for a connection its client may have gone, or its token been replaced. */
  #mayStart(): boolean {
    this.#sentAt = this.#shared.clock.now()
    if (this.#interruption !== undefined || this.#call.response.headersSent) return false
    return this.#shared.tokens.current()?.generation === this.#token?.generation
  }

  #afterResponse(
    exchange: Exchange,
    token: Token,
    received: ResponseHead,
  ): Action | Promise<Action> {
    const { clock, inspector } = this.#shared
    const { validated, requestId } = this.#call
    this.#upstreamMs = clock.now() - this.#sentAt
    const head = relayedHead(received, requestId)
    const verdict = inspector.verdictOf(exchange, head, validated)
    const after = (found: ResponseVerdict): Action | Promise<Action> => {
      if (found === 'cut') return this.#afterFailure(exchange)
      const ended = this.#interruptedWhile('sent')
      if (ended !== undefined) return ended
      return found === 'accepted'
        ? this.#afterAcceptance(exchange, token, head)
        : this.#afterRejection(exchange, token, head)
    }
    return verdict instanceof Promise ? verdict.then(after) : after(verdict)
  }

  #afterAcceptance(exchange: Exchange, token: Token, head: RelayedHead): Relay {
    const page = isPage(head, exchange)
    // A page, or an error, may come from a gateway that has not looked at the token.
    if (head.status < 300 && !page) this.#shared.tokens.accept(token, this.#sentAt, this.#rejected)
    if (this.#replays > 0) this.#replay = 'healed'
    return { do: 'relay', head, exchange, rejected: false, page }
  }

  async #afterRejection(exchange: Exchange, token: Token, head: RelayedHead): Promise<Action> {
    const replays = this.#replays
    const verdict = await this.#shared.tokens.reject(token, {
      ...this.#limits(),
      rejected: this.#rejected,
      replays,
      status: head.status,
    })
    const ended = this.#interruptedWhile('waiting')
    const isLate = this.#interruption === 'deadline'
    if (ended !== undefined && !isLate) return ended
    if (verdict.type === 'no-token') {
      this.#replay = 'no-token'
      return withoutToken(this.#history, { ...verdict, unavailable: 'no-token' })
    }
    if (verdict.type === 'relay' || isLate) {
      this.#replay = outcomeOfRejection(verdict, replays)
      return { do: 'relay', head, exchange, rejected: true, page: isPage(head, exchange) }
    }
    this.#rejected = verdict.rejected
    this.#replays += 1
    // Until a response comes.
    this.#replay = 'failed'
    return { do: 'send', token: verdict.token }
  }

  /** @param withheld nothing was written, because `mayStart` said no. */
  async #afterFailure({ written, error }: Exchange, withheld = false): Promise<Action> {
    const ended = this.#interruptedWhile(written ? 'sent' : 'connecting')
    if (ended !== undefined) return ended
    // The listener responds by itself when what it reads is garbage.
    if (withheld) return this.#call.response.headersSent ? NO_RESPONSE : SEND
    const { failure, cause, code: detail, certificate } = this.#shared.upstream.classify(error)
    this.#failure = { cause, detail, certificate }
    this.#history[written ? 'lost' : 'unwritten'] += 1
    const decision = afterFailure(this.#history, { failure, written })
    if (decision.do === 'fail') return decision
    await delay(this.#shared.clock, decision.pause, this.wait())
    return this.#interruptedWhile('connecting') ?? SEND
  }

  /** How long the token source may take. A token that comes still has a twentieth of the deadline to be sent with. */
  #limits(): { readonly deadline: number; readonly signal: AbortSignal } {
    const deadline = this.#startedAt + 0.95 * this.#shared.config.clientDeadline
    return { deadline, signal: this.wait() }
  }

  wait(): AbortSignal {
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
    this.#headMs = this.#shared.clock.now() - this.#startedAt
    this.#shared.relays.relay(response, head, exchange, {
      onResult: (result) => (this.#result = result),
      onCut: () => {
        if (response.destroyed) return
        this.#ending = { do: 'fail', code: 'upstream-broken' }
        cut(response)
      },
    })
  }

  #fail(ending: Fail): void {
    const { response, requestId } = this.#call
    const { code, refusal, retryAfter } = ending
    if (!response.headersSent) {
      this.#ending = ending
      const wait = retryAfter === undefined ? undefined : Math.min(retryAfter, MAX_CLIENT_WAIT)
      writeProblem(response, code, { requestId, retryAfter: wait, refusal })
    } else if (this.#ending.do === 'relay') this.#ending = ending
    // A response that has begun can only be cut: `relay` does, unless all of it is there.
    this.#exchange?.abort(code)
  }

  /** The body is too long, or must make way. */
  refuse(refusal: BodyRefusal): void {
    this.#interrupt(refusal)
  }

  #interrupt(interruption: AbortReason): void {
    this.#interruption ??= interruption
    this.#awaited?.abort(interruption)
  }

  /** Undefined: nothing has interrupted the request. */
  #interruptedWhile(stage: RequestPhase): Fail | NoResponse | undefined {
    return this.#interruption && afterInterruption(this.#history, this.#interruption, stage)
  }

  #closed(): void {
    this.#deadline.cancel()
    this.#interrupt('client-gone')
    this.#exchange?.abort('the client is gone')
    this.#shared.bodies.free(this)
    const { request, response, validated, requestId, connection } = this.#call
    const ending = this.#ending
    const isFailed = ending.do === 'fail'
    const isRelayed = ending.do === 'relay'
    // A failed response that has not ended was cut here.
    const hasLeft = !response.writableFinished && !(isFailed && !response.writableEnded)
    const end = {
      method: this.#history.method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: isFailed ? ending.code : undefined,
      failure: isFailed ? this.#failure : undefined,
      refusal: isFailed ? ending.refusal : undefined,
      client: isFailed && ending.refusal ? request.socket.remoteAddress : undefined,
      left: hasLeft ? (request.complete ? 'response' : 'request') : undefined,
      rejected: isRelayed && ending.rejected,
      page: isRelayed && ending.page,
      result: this.#result,
      headMs: this.#headMs,
      durationMs: this.#shared.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#exchanges,
      replay: ending.do === 'nothing' ? undefined : this.#replay,
      requestId,
    } as const
    // What could not be read was refused and reported by the listener.
    this.#shared.onEnd(connection.refused ? undefined : end, this.#begun)
  }
}
