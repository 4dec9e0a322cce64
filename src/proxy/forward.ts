import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../clock.ts'
import type { Config } from '../config/index.ts'
import type { EndedRequest, ReplayOutcome } from '../outcomes.ts'
import { REFUSALS, writeProblem } from '../http/index.ts'
import type { RejectedToken, Token, TokenSource } from '../token/index.ts'
import { classify, Exchange, type ExchangeHooks, type Upstream } from '../upstream/index.ts'
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
    requestHeaders: createRequestHeaders(config.isalesTokenHeaders, rules.pseudonym),
    judge: createJudge(config.isalesRejectedStatuses, inspector),
  }
  return (call) => void new Forwarding(shared, call).run()
}

interface Shared extends ForwardOptions {
  readonly requestHeaders: ReturnType<typeof createRequestHeaders>
  readonly inspector: Inspector
  readonly judge: ReturnType<typeof createJudge>
}

interface Relay {
  readonly do: 'relay'
  readonly head: RelayedHead
  /** iSales rejected the token, or so it looks. */
  readonly rejected: boolean
  /** Undefined: iSales did not reject the request, or no login could have helped. */
  readonly replay: ReplayOutcome | undefined
}

/** What the client gets. `nothing`: it is gone, or the listener has responded. */
type Ending = Relay | Fail | { readonly do: 'nothing' }

const NOTHING: Ending = { do: 'nothing' }

/** The request is sent, or sent again. */
interface Next {
  readonly do: 'send'
  /** Undefined: one is waited for. */
  readonly token: Token | undefined
}

const WITH_ANY_TOKEN: Next = { do: 'send', token: undefined }

/**
 * One request. What interrupts it (its client leaves, its deadline passes, its body is refused) ends whatever it waits
 * for, so `proxy` looks for an interruption after each wait.
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
  #rejections = 0
  #replays = 0
  /** What the exchange before was rejected with. */
  #rejected: RejectedToken | undefined
  /** The latest, and its token. */
  #exchange: Exchange | undefined
  #token: Token | undefined
  #upstreamMs: number | undefined
  #ending: Ending = NOTHING
  /** Why the last exchange got no response. */
  #failure: EndedRequest['failure']
  #replay: ReplayOutcome | undefined

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

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      const ending = await this.#proxy()
      this.#deadline?.cancel()
      this.#end(ending)
    } catch (error) {
      this.#shared.onError(error, this.#call.requestId)
      this.#fail({ do: 'fail', code: 'internal' })
      if (!this.#call.response.writableEnded) cut(this.#call.response)
    }
  }

  /** From the body to what the client gets. Each turn of the loop is one exchange. */
  async #proxy(): Promise<Ending> {
    const { tokens, clock, judge } = this.#shared
    const { response, validated, requestId } = this.#call
    if (validated.expectsContinue) response.writeContinue()
    if (!this.#body.kept) {
      await this.#until((done) => this.#body.read(done))
      const ended = this.#interruptedWhile('reading')
      if (ended !== undefined) return ended
    }
    this.#begun = this.#shared.begin(this.#call)
    if (!this.#begun) return { do: 'fail', code: 'overloaded', refusal: 'in-flight' }
    let next: Next = { do: 'send', token: tokens.current(this.#body.kept) }
    for (;;) {
      const token = next.token ?? (await this.#waitForToken())
      if ('do' in token) return token
      const sentAt = clock.now()
      const exchange = this.#send(token)
      const outcome = await exchange.outcome
      if (outcome.type === 'response') this.#upstreamMs = clock.now() - sentAt
      const judged =
        outcome.type === 'response'
          ? judge(exchange, relayedHead(outcome.head, requestId), validated)
          : outcome
      // Most responses are judged by their head, and nothing is awaited.
      const result = judged instanceof Promise ? await judged : judged
      const ending =
        this.#interruptedWhile(exchange.written ? 'sent' : 'connecting') ??
        (result.type === 'accepted'
          ? this.#accepted(token, sentAt, exchange, result.head)
          : await this.#notAccepted(token, exchange, result))
      if (ending.do !== 'send') return ending
      next = ending
    }
  }

  async #waitForToken(): Promise<Token | Ending> {
    const replayable = this.#body.kept
    const taken = await this.#shared.tokens.waitForToken({ ...this.#limits(), replayable })
    const ended = this.#interruptedWhile('waiting')
    if (ended !== undefined) return ended
    return 'unavailable' in taken ? withoutToken(this.#history, taken) : taken
  }

  #accepted(token: Token, sentAt: number, exchange: Exchange, head: RelayedHead): Relay {
    // A page, or an error, may come from a gateway that has not looked at the token.
    if (head.status < 300 && !isPage(head, exchange))
      this.#shared.tokens.accept(token, sentAt, this.#rejected)
    return { do: 'relay', head, rejected: false, replay: this.#replays > 0 ? 'healed' : undefined }
  }

  #notAccepted(
    token: Token,
    { written }: Exchange,
    result: Exclude<Judged, { type: 'accepted' }> | { readonly type: 'withheld' },
  ): Promise<Ending | Next> | Ending | Next {
    switch (result.type) {
      case 'rejected':
        return this.#afterRejection(token, result.head)
      case 'failed':
        return this.#afterFailure(written, result.error)
      case 'withheld':
        // The listener responds by itself when a body is garbage or stalls.
        return this.#call.response.headersSent ? NOTHING : WITH_ANY_TOKEN
    }
  }

  async #afterRejection(token: Token, head: RelayedHead): Promise<Ending | Next> {
    const replays = this.#replays
    const call = { rejected: this.#rejected, replays, replayable: this.#body.kept }
    this.#rejections += 1
    const verdict = await this.#shared.tokens.reject(token, {
      ...this.#limits(),
      ...call,
      status: head.status,
    })
    const ended = this.#interruptedWhile('waiting')
    const isLate = this.#interruption === 'deadline'
    if (ended !== undefined && !isLate) return ended
    if (verdict.type === 'no-token')
      return withoutToken(this.#history, { ...verdict, unavailable: 'no-token' })
    if (verdict.type === 'relay' || isLate)
      return { do: 'relay', head, rejected: true, replay: outcomeOfRejection(verdict, replays) }
    this.#rejected = verdict.rejected
    this.#replays += 1
    return { do: 'send', token: verdict.token }
  }

  async #afterFailure(written: boolean, error: unknown): Promise<Ending | Next> {
    const { failure, cause, code: detail, certificate } = classify(error)
    this.#failure = { cause, detail, certificate }
    this.#history[written ? 'lost' : 'unwritten'] += 1
    const bodyKept = this.#body.kept
    const decision = afterFailure(this.#history, { failure, written, bodyKept })
    if (decision.do === 'fail') return decision
    await this.#until((done) => this.#shared.clock.setTimer(done, decision.pause))
    return this.#interruptedWhile('connecting') ?? WITH_ANY_TOKEN
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

  #send(token: Token): Exchange {
    const { dispatch, requestHeaders, inspector } = this.#shared
    const { request, validated, requestId } = this.#call
    // The rest of a rejection is not worth the connection that this exchange may wait for.
    this.#exchange?.abort('sent again')
    this.#exchanges += 1
    this.#token = token
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
    this.#exchange = exchange
    this.#awaited = exchange
    dispatch(exchange)
    return exchange
  }

  /** While a request waited for a connection its client may have gone, or its token been replaced. */
  mayStart(): boolean {
    if (this.#interruption !== undefined || this.#call.response.headersSent) return false
    return this.#shared.tokens.current()?.generation === this.#token?.generation
  }

  #end(ending: Ending): void {
    switch (ending.do) {
      case 'relay':
        this.#replay = ending.replay
        this.#relay(ending)
        break
      case 'fail':
        if (this.#rejections > 0 && ending.refusal === undefined)
          this.#replay = ending.code === 'no-token' ? 'no-token' : 'failed'
        this.#fail(ending)
        break
      case 'nothing':
    }
  }

  #relay(ending: Relay): void {
    const { response } = this.#call
    if (response.headersSent || this.#exchange === undefined) return
    if (!ending.head.relayable) {
      this.#fail({ do: 'fail', code: 'upstream-broken' })
      return
    }
    this.#ending = ending
    relay(response, ending.head, this.#exchange, () => {
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
    this.#exchange?.abort(code)
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
    this.#exchange?.abort('the client is gone')
    const { response, validated, requestId } = this.#call
    const ending = this.#ending
    const end = {
      method: this.#history.method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: ending.do === 'fail' ? ending.code : undefined,
      failure: ending.do === 'fail' ? this.#failure : undefined,
      refusal: ending.do === 'fail' ? ending.refusal : undefined,
      rejected: ending.do === 'relay' && ending.rejected,
      page:
        ending.do === 'relay' &&
        this.#exchange !== undefined &&
        isPage(ending.head, this.#exchange),
      endedHere: response.headersSent && ending.do === 'nothing',
      durationMs: this.#shared.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#exchanges,
      replay: this.#replay,
      requestId,
    }
    this.#shared.onEnd(end, this.#begun)
  }
}
