import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import type { EndedRequest, ReplayOutcome } from '../http/ended.ts'
import { REFUSALS, writeProblem, type ProblemCode } from '../http/problem.ts'
import type { Token } from '../token/token.ts'
import type { TokenSource } from '../token/source.ts'
import type { RequestSpan } from '../tracing/otlp.ts'
import { Attempt, type AttemptHooks, type ResponseHead } from '../upstream/attempt.ts'
import { classify } from '../upstream/errors.ts'
import type { Upstream } from '../upstream/pool.ts'
import {
  createRequestHeaders,
  isHtml,
  replacedBodyHeaders,
  responseHeaders,
  type OutgoingRequest,
} from './headers.ts'
import { createInspector, type Inspector } from './inspect.ts'
import { ReplayBuffer, type BodyRefusal } from './replay-buffer.ts'
import { cut, relay, relayInformational, type RelayedHead } from './response.ts'
import { decide, type History, type Interruption, type Obstacle, type Stage } from './retry.ts'
import type { RequestRules, ValidRequest } from './validate.ts'

export interface ForwardOptions {
  readonly config: Config
  readonly rules: Pick<RequestRules, 'pseudonym' | 'scheme'>
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'reject'>
  readonly dispatch: Upstream['dispatch']
  /** True for a text of a response that the client is not to see. */
  readonly carriesToken: (text: string, sent: Token) => boolean
  readonly clock: Clock
  readonly onEnd: (end: EndedRequest) => void
  readonly onReplay: (outcome: ReplayOutcome) => void
}

export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly validated: ValidRequest
  readonly requestId: string
  /** Undefined: it is not traced. */
  readonly span?: RequestSpan | undefined
}

/** Milliseconds; some clients sleep so long inside the call. The status page has the true instant. */
const LONGEST_RETRY_AFTER = 5000

/** Sends one request on. Whatever happens becomes a response or a closed connection; resolves when nothing is left to do. */
export type Forward = (call: Call) => Promise<void>

export function createForward(options: ForwardOptions): Forward {
  const { config, rules } = options
  const shared = {
    ...options,
    requestHeaders: createRequestHeaders(config.isalesTokenHeaders, rules.pseudonym),
    inspector: createInspector(config, rules.scheme),
  }
  return (call) => new Forwarding(shared, call).run()
}

interface Shared extends ForwardOptions {
  readonly requestHeaders: (request: OutgoingRequest) => string[]
  /** Undefined: responses are relayed without a look. */
  readonly inspector: Inspector | undefined
}

/** The token of the next attempt, or undefined when the client has a response. */
type Next = Token | undefined

/**
 * One request. `run` is the whole course; each step gives the token of the next attempt. What interrupts a request ends
 * whatever it waits for, so each step looks for an interruption first when its wait is over.
 */
class Forwarding implements AttemptHooks {
  readonly #shared: Shared
  readonly #call: Call
  readonly #body: ReplayBuffer
  readonly #startedAt: number
  #deadline: Timer | undefined
  #interruption: Interruption | undefined
  /** What the request waits for; a field, since a closure for each would outlive its request by many. */
  #awaited: { abort(reason: string): void } | undefined
  readonly #history: { -readonly [Key in keyof History]: History[Key] }
  /** Generation of the token that the latest attempt was rejected with. */
  #rejected: number | undefined
  #replays = 0
  #replayReported = false
  #attempts = 0
  /** The latest, with its token, the instant it was sent, and its response, which is not relayed yet. */
  #attempt: Attempt | undefined
  #token: Token | undefined
  #sentAt = 0
  #head: RelayedHead | undefined
  #upstreamMs: number | undefined
  #relays = false
  #code: ProblemCode | undefined
  #refusal: BodyRefusal | undefined

  constructor(shared: Shared, call: Call) {
    const { clock, config } = shared
    const { request, response, validated } = call
    this.#shared = shared
    this.#call = call
    this.#history = { method: request.method ?? '', unwritten: 0, lost: 0, rejected: false }
    this.#body = new ReplayBuffer(request, validated.framing, config, (refusal) =>
      this.#bodyRefused(refusal),
    )
    this.#startedAt = clock.now()
    if (config.clientDeadline > 0) {
      this.#deadline = clock.setTimer(() => this.#interrupt('deadline'), config.clientDeadline)
    }
    response.on('close', () => this.#closed())
  }

  async run(): Promise<void> {
    const { response, validated } = this.#call
    if (validated.expectsContinue) response.writeContinue()
    if (!this.#body.kept) {
      await this.#untilDone((done) => this.#body.read(done))
      if (this.#interruption !== undefined) {
        await this.#interruptedWhile('reading')
        return
      }
    }
    let token = this.#shared.tokens.current(this.#body.kept) ?? (await this.#waitForToken())
    while (token !== undefined) token = await this.#try(token)
  }

  /** Resolves when the step is done, or the request is interrupted. */
  #untilDone(begin: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { abort: () => resolve() }
      begin(resolve)
    })
  }

  /** What a wait for the token source is bounded by. */
  #patience(): { readonly deadline: number; readonly signal: AbortSignal } {
    const { clock, config } = this.#shared
    const { tokenWait, clientDeadline } = config
    const ends = clientDeadline > 0 ? this.#startedAt + clientDeadline : Infinity
    const wait = new AbortController()
    this.#awaited = wait
    return { deadline: Math.min(clock.now() + tokenWait, ends), signal: wait.signal }
  }

  async #waitForToken(): Promise<Next> {
    const { tokens } = this.#shared
    const taken = await tokens.waitForToken({ ...this.#patience(), replayable: this.#body.kept })
    if (this.#interruption !== undefined) return this.#interruptedWhile('waiting')
    if (!('unavailable' in taken)) return taken
    return this.#overcome({ type: 'no-token', code: taken.unavailable }, taken.retryAfter)
  }

  async #try(token: Token): Promise<Next> {
    const attempt = this.#send(token)
    const outcome = await attempt.outcome
    if (this.#interruption !== undefined)
      return this.#interruptedWhile(attempt.written ? 'sent' : 'connecting')
    switch (outcome.type) {
      case 'response':
        return this.#responded(token, attempt, outcome.head)
      case 'withheld':
        // The listener responds by itself when a body is garbage or stalls.
        return this.#call.response.headersSent ? undefined : this.#waitForToken()
      case 'failed':
        return this.#failed(attempt, outcome.error)
    }
  }

  #send(token: Token): Attempt {
    const { dispatch, requestHeaders, clock } = this.#shared
    const { request, validated, requestId, span } = this.#call
    // The rest of a rejection is not worth the connection that this attempt may wait for.
    this.#attempt?.abort('sent again')
    this.#head = undefined
    this.#attempts += 1
    this.#token = token
    this.#sentAt = clock.now()
    const headers = requestHeaders({
      rawHeaders: request.rawHeaders,
      httpVersion: request.httpVersion,
      credential: token.headerValue.reveal(),
      requestId,
      contentLength: this.#body.streamLength,
      maxForwards: validated.maxForwards,
      trace: span?.outgoing(),
    })
    const { method } = this.#history
    const outgoing = { method, path: validated.target, headers, body: this.#body.body }
    const attempt = new Attempt(outgoing, this)
    this.#attempt = attempt
    this.#awaited = attempt
    dispatch(attempt)
    return attempt
  }

  /** While a request waited for a connection its client may have gone, or its token been replaced. */
  mayStart(): boolean {
    if (this.#interruption !== undefined || this.#call.response.headersSent) return false
    return this.#shared.tokens.current()?.generation === this.#token?.generation
  }

  onInformational(head: ResponseHead): void {
    relayInformational(this.#call.response, this.#relayed(head))
  }

  #responded(token: Token, attempt: Attempt, received: ResponseHead): Promise<Next> | undefined {
    const { clock, config, inspector } = this.#shared
    const { status } = received
    this.#upstreamMs = clock.now() - this.#sentAt
    const head = this.#relayed(received)
    this.#head = head
    if (config.isalesRejectedStatuses.includes(status)) {
      return this.#judged(token, status)
    }
    if (inspector?.wants(this.#history.method, this.#call.validated.path, status) === true)
      return this.#inspected(token, attempt, head, inspector)
    return this.#notRejected(token, head)
  }

  async #inspected(token: Token, attempt: Attempt, head: RelayedHead, inspector: Inspector) {
    const kept = await attempt.keep()
    if (this.#interruption !== undefined) return this.#interruptedWhile('sent')
    if (kept === 'cut') return this.#failed(attempt, attempt.error)
    if (kept === 'part') return this.#notRejected(token, head)
    const verdict = inspector.inspect(this.#call.validated, head.headers, attempt.kept())
    if (verdict === 'rejected') return this.#judged(token, head.status)
    if (verdict !== 'relay') {
      attempt.replace(verdict)
      head.headers = replacedBodyHeaders(head.headers, verdict.length)
    }
    return this.#notRejected(token, head)
  }

  #notRejected(token: Token, { status, headers }: RelayedHead): undefined {
    this.#reportReplay('healed')
    // A page, or an error, may come from a gateway that has not looked at the token.
    if (status < 300 && !isHtml(headers))
      this.#shared.tokens.accept(token, this.#sentAt, this.#rejected)
    this.#relay()
  }

  /** iSales rejected the token, or the call. */
  async #judged(token: Token, status: number): Promise<Next> {
    const { tokens, onReplay } = this.#shared
    const verdict = await tokens.reject(token, {
      ...this.#patience(),
      status,
      rejected: this.#rejected,
      replays: this.#replays,
      replayable: this.#body.kept,
    })
    this.#rejected = token.generation
    this.#history.rejected = true
    if (this.#interruption !== undefined && this.#interruption !== 'deadline')
      return this.#interruptedWhile('waiting')
    switch (verdict.type) {
      case 'replay':
        if (this.#interruption !== undefined) return this.#interruptedWhile('waiting')
        this.#replays += 1
        this.#call.span?.replayed()
        return verdict.token
      case 'relay':
        if (verdict.why === 'body-not-kept') onReplay('not-kept')
        else if (verdict.why === 'no-newer-token' || this.#replays > 0)
          this.#reportReplay(this.#replays > 0 ? 'rejected' : 'no-token')
        return this.#relay()
      case 'no-token':
        this.#reportReplay('no-token')
        return this.#fail('no-token', verdict.retryAfter)
    }
  }

  #failed({ written }: Attempt, error: unknown): Promise<Next> {
    if (written) this.#history.lost += 1
    else this.#history.unwritten += 1
    const { failure } = classify(error)
    return this.#overcome({ type: 'failed', failure, written, bodyKept: this.#body.kept })
  }

  #interruptedWhile(stage: Stage): Promise<Next> {
    const by = this.#interruption ?? 'client-gone'
    return this.#overcome({ type: 'interrupted', by, stage })
  }

  /** Does what the retry policy says. */
  async #overcome(obstacle: Obstacle, retryAfter?: number): Promise<Next> {
    const { clock } = this.#shared
    const decision = decide(this.#history, obstacle)
    switch (decision.do) {
      case 'resend':
        await this.#untilDone((done) => clock.setTimer(done, decision.pause))
        if (this.#interruption !== undefined) return this.#interruptedWhile('connecting')
        return this.#waitForToken()
      case 'relay':
        this.#reportReplay('no-token')
        return this.#relay()
      case 'fail':
        this.#reportReplay('failed')
        return this.#fail(decision.code, retryAfter)
      case 'refuse':
        this.#refusal = decision.refusal
        return this.#fail(REFUSALS[decision.refusal].code)
      case 'nothing':
        return undefined
    }
  }

  #relay(): undefined {
    const { response } = this.#call
    this.#deadline?.cancel()
    if (response.headersSent) return
    // Without a head: a rejection whose response was given up for an attempt that then had no token.
    if (this.#attempt === undefined || this.#head?.relayable !== true)
      return this.#fail('upstream-broken')
    this.#relays = true
    relay(response, this.#head, this.#attempt, () => {
      if (response.destroyed) return
      this.#code ??= 'upstream-broken'
      cut(response)
    })
  }

  #fail(code: ProblemCode, retryAfter?: number): undefined {
    const { response, requestId } = this.#call
    this.#deadline?.cancel()
    if (!response.headersSent) {
      this.#code = code
      const wait = retryAfter === undefined ? undefined : Math.min(retryAfter, LONGEST_RETRY_AFTER)
      writeProblem(response, code, { requestId, retryAfter: wait, refusal: this.#refusal })
    }
    this.#attempt?.abort(code)
  }

  #bodyRefused(refusal: BodyRefusal): void {
    // A response that has begun can only be cut.
    if (this.#call.response.headersSent) {
      this.#refusal = refusal
      this.#code = REFUSALS[refusal].code
      this.#attempt?.abort(refusal)
    }
    this.#interrupt(refusal)
  }

  #interrupt(interruption: Interruption): void {
    this.#interruption ??= interruption
    this.#awaited?.abort(interruption)
  }

  #closed(): void {
    this.#deadline?.cancel()
    this.#interrupt('client-gone')
    this.#attempt?.abort('the client is gone')
    const { response, validated, requestId, span } = this.#call
    const end = {
      method: this.#history.method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: this.#code,
      refusal: this.#refusal,
      page: this.#relays && this.#head !== undefined && isHtml(this.#head.headers),
      byListener: response.headersSent && !this.#relays && this.#code === undefined,
      durationMs: this.#shared.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#attempts,
      requestId,
    }
    span?.ended(end)
    this.#shared.onEnd(end)
  }

  /** Once a request, whatever else happens to it. */
  #reportReplay(outcome: ReplayOutcome): void {
    if (!this.#history.rejected || this.#replayReported) return
    this.#replayReported = true
    this.#shared.onReplay(outcome)
  }

  #relayed({ status, reason, rawHeaders }: ResponseHead): RelayedHead {
    const sent = this.#token
    const carriesToken = (text: string): boolean =>
      sent !== undefined && this.#shared.carriesToken(text, sent)
    return {
      status,
      reason: carriesToken(reason) ? '' : reason,
      ...responseHeaders(status, rawHeaders, carriesToken, this.#call.requestId),
    }
  }
}
