import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { EndedRequest, ReplayOutcome } from '../outcomes.ts'
import { REFUSALS, writeProblem } from '../http/index.ts'
import type { RejectedToken, Token, TokenSource } from '../token/index.ts'
import {
  classify,
  Exchange,
  type ExchangeHooks,
  type ExchangeOutcome,
  type Upstream,
} from '../upstream/index.ts'
import { createRequestHeaders, relayedHead, type RelayedHead } from './headers.ts'
import { ReplayBuffer, type BodyHooks, type BodyRefusal } from './replay-buffer.ts'
import {
  createInspector,
  createJudge,
  cut,
  isPage,
  relay,
  type Inspector,
  type Judged,
} from './response.ts'
import {
  afterFailure,
  afterInterruption,
  outcomeOfRejection,
  withoutToken,
  type Fail,
  type History,
  type Interruption,
  type Stage,
} from './retry.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

export interface ForwardOptions {
  readonly config: Config
  readonly rules: Pick<RequestRules, 'pseudonym' | 'scheme'>
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'reject'>
  readonly dispatch: Upstream['dispatch']
  readonly clock: Clock
  /** The body of a call, or its first 64 KiB, is there: it is in flight from now on. False: too many are. */
  readonly begin: (call: Call) => boolean
  /** `begun`: the call was in flight. */
  readonly onEnd: (end: EndedRequest, begun: boolean) => void
  /** An exception of our own: the client got `internal`, or its response was cut. */
  readonly onError: (error: unknown, requestId: string) => void
}

export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly connection: { begin(): void }
  readonly validated: ValidRequest
  readonly requestId: string
}

/** Milliseconds that a request without a deadline waits for a token. */
const MAX_WAIT = 60_000
/** Milliseconds; some clients sleep so long inside the call. The status page has the true instant. */
const MAX_CLIENT_WAIT = 5000

/** Sends one request on. Whatever happens becomes a response or a closed connection. */
export type Forward = (call: Call) => void

export function createForward(options: ForwardOptions): Forward {
  const { config, rules } = options
  const inspector = createInspector(config, rules.scheme)
  const shared = {
    ...options,
    inspector,
    requestHeaders: createRequestHeaders(config.isalesTokenHeader.names, rules.pseudonym),
    judge: createJudge(config.isalesRejected.statuses, inspector),
  }
  return (call) => void new Forwarding(shared, call).run()
}

interface Shared extends ForwardOptions {
  readonly requestHeaders: ReturnType<typeof createRequestHeaders>
  readonly inspector: Inspector
  readonly judge: ReturnType<typeof createJudge>
}

/** One exchange, with which token, and when. */
interface Sent {
  readonly exchange: Exchange
  readonly token: Token
  readonly at: number
}

interface Relay {
  readonly do: 'relay'
  readonly head: RelayedHead
  readonly exchange: Exchange
  /** iSales rejected the token, or so it looks. */
  readonly rejected: boolean
  /** Judged before the client takes the body. */
  readonly page: boolean
}

/** What the client gets. `nothing`: it is gone, or the listener has responded. */
type Ending = Relay | Fail | { readonly do: 'nothing' }

/** What is done next. */
type Step = Ending | { readonly do: 'wait' } | { readonly do: 'send'; readonly token: Token }

/** What an exchange came to. */
type Result = Judged | Exclude<ExchangeOutcome, { readonly type: 'response' }>

const NOTHING: Ending = { do: 'nothing' }
const WAIT: Step = { do: 'wait' }

/**
 * One request. What interrupts it (its client leaves, its deadline passes, its body is refused) ends whatever it waits
 * for, so each step looks for an interruption after it has waited.
 */
class Forwarding implements ExchangeHooks, BodyHooks {
  readonly #shared: Shared
  readonly #call: Call
  readonly #body: ReplayBuffer
  readonly #history: History
  readonly #startedAt: number
  readonly #deadline: Timer | undefined
  #interruption: Interruption | undefined
  /** What the request waits for; a field, since a closure for each would outlive its request by many. */
  #awaited: { abort(reason: string): void } | undefined
  #begun = false
  #exchanges = 0
  /** The latest. */
  #sent: Sent | undefined
  #upstreamMs: number | undefined
  /** What the exchange before was rejected with. */
  #rejected: RejectedToken | undefined
  #replays = 0
  /** What has become of the request since it was rejected. Undefined: it was not, or no login could have helped. */
  #replay: ReplayOutcome | undefined
  /** Why the last exchange that failed got no response. */
  #failure: EndedRequest['failure']
  #ending: Ending = NOTHING

  constructor(shared: Shared, call: Call) {
    const { clock, config } = shared
    const { request, response, validated } = call
    this.#shared = shared
    this.#call = call
    this.#history = { method: request.method ?? '', unwritten: 0, lost: 0 }
    this.#body = new ReplayBuffer(request, validated.framing, config, this)
    this.#startedAt = clock.now()
    response.on('close', () => this.#closed())
    if (config.clientDeadline > 0)
      this.#deadline = clock.setTimer(() => this.#interrupt('deadline'), config.clientDeadline)
  }

  /** From the body to what the client gets. Each turn of the loop is one exchange. Never rejects. */
  async run(): Promise<void> {
    const { response, requestId } = this.#call
    try {
      await this.#readBody()
      let step = this.#begin()
      for (;;) {
        if (step.do === 'wait') step = await this.#waitForToken()
        if (step.do !== 'send') break
        const sent = this.#send(step.token)
        const result = this.#judge(sent, await sent.exchange.outcome)
        // Most responses are judged by their head: what is there is not awaited.
        const next = this.#after(sent, result instanceof Promise ? await result : result)
        step = next instanceof Promise ? await next : next
      }
      this.#deadline?.cancel()
      if (step.do === 'relay') this.#relay(step)
      else if (step.do === 'fail') this.#fail(step)
    } catch (error) {
      this.#shared.onError(error, requestId)
      this.#fail({ do: 'fail', code: 'internal' })
      if (!response.writableEnded) cut(response)
    }
  }

  #readBody(): Promise<void> | undefined {
    if (this.#call.validated.expectsContinue) this.#call.response.writeContinue()
    return this.#body.kept ? undefined : this.#until((done) => this.#body.read(done))
  }

  #begin(): Step {
    const ended = this.#interruptedWhile('reading')
    if (ended !== undefined) return ended
    this.#begun = this.#shared.begin(this.#call)
    if (!this.#begun) return { do: 'fail', code: 'overloaded', refusal: 'in-flight' }
    const token = this.#shared.tokens.current(this.#body.kept)
    return token === undefined ? WAIT : { do: 'send', token }
  }

  async #waitForToken(): Promise<Step> {
    const replayable = this.#body.kept
    const taken = await this.#shared.tokens.waitForToken({ ...this.#limits(), replayable })
    const ended = this.#interruptedWhile('waiting')
    if (ended !== undefined) return ended
    if ('unavailable' in taken) return withoutToken(this.#history, taken)
    return { do: 'send', token: taken }
  }

  #send(token: Token): Sent {
    const { clock, dispatch, requestHeaders, inspector } = this.#shared
    const { request, validated, requestId } = this.#call
    // The rest of a rejection is not worth the connection that this exchange may wait for.
    this.#sent?.exchange.abort('sent again')
    this.#exchanges += 1
    const { method } = this.#history
    const headers = requestHeaders({
      rawHeaders: request.rawHeaders,
      httpVersion: request.httpVersion,
      credential: token.headerValue.reveal(),
      requestId,
      contentLength: this.#body.streamLength,
      inspected: inspector.inspects(method, validated.path),
    })
    const outgoing = { method, path: validated.target, headers, body: this.#body.body }
    const exchange = new Exchange(outgoing, this)
    this.#awaited = exchange
    this.#sent = { exchange, token, at: clock.now() }
    dispatch(exchange)
    return this.#sent
  }

  /** While a request waited for a connection its client may have gone, or its token been replaced. */
  mayStart(): boolean {
    if (this.#interruption !== undefined || this.#call.response.headersSent) return false
    return this.#shared.tokens.current()?.generation === this.#sent?.token.generation
  }

  #judge({ exchange, at }: Sent, outcome: ExchangeOutcome): Result | Promise<Result> {
    if (outcome.type !== 'response') return outcome
    const { clock, judge } = this.#shared
    const { validated, requestId } = this.#call
    this.#upstreamMs = clock.now() - at
    return judge(exchange, relayedHead(outcome.head, requestId), validated)
  }

  #after(sent: Sent, result: Result): Step | Promise<Step> {
    const { exchange } = sent
    const ended = this.#interruptedWhile(exchange.written ? 'sent' : 'connecting')
    if (ended !== undefined) return ended
    switch (result.type) {
      case 'accepted':
        return this.#afterAcceptance(sent, result.head)
      case 'rejected':
        return this.#afterRejection(sent, result.head)
      case 'failed':
        return this.#afterFailure(exchange.written, result.error)
      case 'withheld':
        // The listener responds by itself when a body is garbage or stalls.
        return this.#call.response.headersSent ? NOTHING : WAIT
    }
  }

  #afterAcceptance({ exchange, token, at }: Sent, head: RelayedHead): Relay {
    const page = isPage(head, exchange)
    // A page, or an error, may come from a gateway that has not looked at the token.
    if (head.status < 300 && !page) this.#shared.tokens.accept(token, at, this.#rejected)
    if (this.#replays > 0) this.#replay = 'healed'
    return { do: 'relay', head, exchange, rejected: false, page }
  }

  async #afterRejection({ exchange, token }: Sent, head: RelayedHead): Promise<Step> {
    const replays = this.#replays
    const call = { rejected: this.#rejected, replays, replayable: this.#body.kept }
    const verdict = await this.#shared.tokens.reject(token, {
      ...this.#limits(),
      ...call,
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

  async #afterFailure(written: boolean, error: unknown): Promise<Step> {
    const { failure, cause, code: detail, certificate } = classify(error)
    this.#failure = { cause, detail, certificate }
    this.#history[written ? 'lost' : 'unwritten'] += 1
    const bodyKept = this.#body.kept
    const decision = afterFailure(this.#history, { failure, written, bodyKept })
    if (decision.do === 'fail') return decision
    await this.#until((done) => this.#shared.clock.setTimer(done, decision.pause))
    return this.#interruptedWhile('connecting') ?? WAIT
  }

  /** Resolves when the step is done, or the request is interrupted. */
  #until(begin: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { abort: () => resolve() }
      begin(resolve)
    })
  }

  /** How long the token source may take. */
  #limits(): { readonly deadline: number; readonly signal: AbortSignal } {
    const { clock, config } = this.#shared
    const { clientDeadline } = config
    const ends = clientDeadline > 0 ? this.#startedAt + clientDeadline : Infinity
    const wait = new AbortController()
    this.#awaited = wait
    // So that a token which comes late can still be sent.
    const longest = clientDeadline * 0.9 || MAX_WAIT
    return { deadline: Math.min(clock.now() + longest, ends), signal: wait.signal }
  }

  #relay(ending: Relay): void {
    const { head, exchange } = ending
    const { response } = this.#call
    if (response.headersSent) return
    if (!head.relayable) {
      this.#fail({ do: 'fail', code: 'upstream-broken' })
      return
    }
    this.#ending = ending
    relay(response, head, exchange, () => {
      if (response.destroyed) return
      if (this.#ending.do === 'relay') this.#ending = { do: 'fail', code: 'upstream-broken' }
      cut(response)
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
    this.#sent?.exchange.abort(code)
  }

  /** A response that was not relayed: the listener may have responded, too. */
  dropsBody(): boolean {
    return this.#call.response.headersSent && this.#ending.do !== 'relay'
  }

  onBodyRefused(refusal: BodyRefusal): void {
    if (this.#call.response.headersSent)
      this.#fail({ do: 'fail', code: REFUSALS[refusal], refusal })
    this.#interrupt(refusal)
  }

  #interrupt(interruption: Interruption): void {
    this.#interruption ??= interruption
    this.#awaited?.abort(interruption)
  }

  /** Undefined: nothing has interrupted the request. */
  #interruptedWhile(stage: Stage): Ending | undefined {
    if (this.#interruption === undefined) return undefined
    return afterInterruption(this.#history, this.#interruption, stage) ?? NOTHING
  }

  #closed(): void {
    this.#deadline?.cancel()
    this.#interrupt('client-gone')
    this.#sent?.exchange.abort('the client is gone')
    this.#report()
  }

  #report(): void {
    const { response, validated, requestId } = this.#call
    const ending = this.#ending
    const failed = ending.do === 'fail' ? ending : undefined
    const relayed = ending.do === 'relay' ? ending : undefined
    const end = {
      method: this.#history.method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: failed?.code,
      failure: failed && this.#failure,
      refusal: failed?.refusal,
      rejected: relayed?.rejected === true,
      page: relayed?.page === true,
      endedHere: response.headersSent && ending.do === 'nothing',
      durationMs: this.#shared.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#exchanges,
      replay: ending.do === 'nothing' ? undefined : this.#replay,
      requestId,
    }
    this.#shared.onEnd(end, this.#begun)
  }
}
