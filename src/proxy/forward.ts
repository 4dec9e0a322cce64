import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import type { EndedRequest, ReplayOutcome } from '../http/ended.ts'
import { REFUSALS, writeProblem, type ProblemCode } from '../http/problem.ts'
import type { Token } from '../token/token.ts'
import type { TokenSource } from '../token/source.ts'
import type { RequestSpan } from '../tracing/otlp.ts'
import { Attempt, type AttemptHooks, type ResponseHead } from '../upstream/attempt.ts'
import type { Upstream, UpstreamFailure } from '../upstream/pool.ts'
import { isHtml, responseHeaders, type OutgoingRequest } from './headers.ts'
import { isRejection, type Inspector } from './inspect.ts'
import { ReplayBuffer, type BodyRefusal } from './replay-buffer.ts'
import {
  cut,
  relay,
  relayInformational,
  type PendingResponse,
  type RelayedHead,
} from './response.ts'
import { decide, type History, type Interruption, type Obstacle, type Stage } from './retry.ts'
import { pathOf, type ValidRequest } from './validate.ts'

export interface ForwardOptions {
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'reject'>
  readonly dispatch: Upstream['dispatch']
  readonly classify: (error: unknown) => { readonly failure: UpstreamFailure }
  readonly requestHeaders: (request: OutgoingRequest) => string[]
  /** True for a text of a response that the client is not to see. */
  readonly carriesToken: (text: string, sent: Token | undefined) => boolean
  /** Undefined: responses are relayed without a look. */
  readonly inspector: Inspector | undefined
  readonly clock: Clock
  readonly limits: Pick<
    Config,
    'clientDeadline' | 'replayBodySize' | 'maxBodySize' | 'tokenWait' | 'retryAfterMax'
  >
  readonly rejectedStatuses: ReadonlySet<number>
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

/** Sends one request on. Whatever happens becomes a response or a closed connection; resolves when nothing is left to do. */
export type Forward = (call: Call) => Promise<void>

export function createForward(options: ForwardOptions): Forward {
  return (call) => new Forwarding(options, call).run()
}

/** The token of the next attempt, or undefined when the client has a response. */
type Next = Token | undefined
type Step = Promise<Next> | undefined

/** One request. `run` is the whole course; each step gives the token of the next attempt. */
class Forwarding implements AttemptHooks {
  readonly #options: ForwardOptions
  readonly #call: Call
  readonly #body: ReplayBuffer
  readonly #path: string
  readonly #startedAt: number
  #interruption: Interruption | undefined
  #onInterruption: ((interruption: Interruption) => void) | undefined
  #timer: Timer | undefined
  /** Nothing may be sent any more. */
  #over = false
  readonly #history: { -readonly [Key in keyof History]: History[Key] }
  #attempt: Attempt | undefined
  #pending: PendingResponse | undefined
  #replay: 'none' | 'open' | 'reported' = 'none'
  /** Of the latest attempt. */
  #token: Token | undefined
  #sentAt = 0
  #attempts = 0
  #upstreamMs: number | undefined
  #relays = false
  #code: ProblemCode | undefined
  #refusal: BodyRefusal | undefined

  constructor(options: ForwardOptions, call: Call) {
    const { clock } = options
    const { clientDeadline, replayBodySize: keep, maxBodySize: most } = options.limits
    const { request, response, validated } = call
    this.#options = options
    this.#call = call
    this.#history = { method: request.method ?? '', unwritten: 0, lost: 0, rejected: false }
    this.#body = new ReplayBuffer(request, validated.framing, { keep, most }, (refusal) =>
      this.#bodyRefused(refusal),
    )
    this.#path = pathOf(validated.target)
    this.#startedAt = clock.now()
    if (clientDeadline > 0) {
      this.#timer = clock.setTimer(() => this.#interrupt('deadline'), clientDeadline)
    }
    response.on('close', () => this.#closed())
  }

  async run(): Promise<void> {
    const { response, validated } = this.#call
    if (validated.expectsContinue) response.writeContinue()
    if (!this.#body.kept) {
      const interruption = await this.#orInterrupted(this.#body.read())
      if (typeof interruption === 'string') {
        await this.#interruptedWhile('reading', interruption)
        return
      }
    }
    let token = this.#options.tokens.current(this.#body.kept) ?? (await this.#waitForToken(0))
    while (token !== undefined) token = await this.#try(token)
  }

  /** @param after only a token of a later generation will do. */
  async #waitForToken(after: number): Promise<Next> {
    const { tokens, clock } = this.#options
    const { tokenWait, clientDeadline } = this.#options.limits
    const ends = clientDeadline > 0 ? this.#startedAt + clientDeadline : Infinity
    const deadline = Math.min(clock.now() + tokenWait, ends)
    const replayable = this.#body.kept
    const wait = new AbortController()
    const taken = await this.#orInterrupted(
      tokens.waitForToken({ after, deadline, replayable, signal: wait.signal }),
    )
    if (typeof taken === 'string') {
      wait.abort()
      return this.#interruptedWhile('waiting', taken)
    }
    if (!('unavailable' in taken)) return taken
    return this.#overcome({ type: 'no-token', code: taken.unavailable }, taken.retryAfter)
  }

  async #try(token: Token): Promise<Next> {
    const attempt = this.#send(token)
    const outcome = await this.#orInterrupted(attempt.outcome)
    if (typeof outcome === 'string')
      return this.#interruptedWhile(attempt.written ? 'sent' : 'connecting', outcome)
    switch (outcome.type) {
      case 'response':
        return this.#responded(token, attempt, outcome.head)
      case 'withheld':
        // The listener responds by itself when a body is garbage or stalls.
        return this.#call.response.headersSent ? undefined : this.#waitForToken(0)
      case 'failed':
        return this.#failed(attempt, outcome.error)
    }
  }

  #send(token: Token): Attempt {
    const { dispatch, requestHeaders, clock } = this.#options
    const { request, validated, requestId, span } = this.#call
    // The rest of a rejection is not worth the connection that this attempt may wait for.
    this.#pending?.attempt.abort('sent again with a newer token')
    this.#pending = undefined
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
    dispatch(attempt)
    return attempt
  }

  /** While a request waited for a connection its client may have gone, or its token been replaced. */
  mayStart(): boolean {
    if (this.#over || this.#call.response.headersSent) return false
    return this.#options.tokens.current()?.generation === this.#token?.generation
  }

  onInformational(head: ResponseHead): void {
    relayInformational(this.#call.response, this.#relayed(head))
  }

  #responded(token: Token, attempt: Attempt, head: ResponseHead): Step {
    const { clock, rejectedStatuses, inspector } = this.#options
    this.#upstreamMs = clock.now() - this.#sentAt
    this.#pending = { attempt, head: this.#relayed(head) }
    if (rejectedStatuses.has(head.status)) {
      if (!isHtml(this.#pending.head.headers)) return this.#rejected(token, head.status)
      // A page is a gateway's, and says nothing about the token: iSales sends JSON or nothing.
      this.#reportReplay('rejected')
      return this.#relay()
    }
    if (inspector?.wants(this.#history.method, this.#call.validated.target, head.status) === true)
      return this.#inspected(token, this.#pending, inspector)
    return this.#notRejected(token, this.#pending.head)
  }

  async #inspected(token: Token, pending: PendingResponse, inspector: Inspector): Promise<Next> {
    const kept = await this.#orInterrupted(pending.attempt.keep())
    if (kept === 'cut') return this.#failed(pending.attempt, pending.attempt.error)
    if (kept !== 'whole' && kept !== 'part') return this.#interruptedWhile('sent', kept)
    if (kept === 'whole' && isRejection(inspector, pending, this.#call.validated))
      return this.#rejected(token, pending.head.status)
    return this.#notRejected(token, pending.head)
  }

  #notRejected(token: Token, { status, headers }: RelayedHead): undefined {
    this.#reportReplay('healed')
    // A page, or an error, may come from a gateway that has not looked at the token.
    if (status < 300 && !isHtml(headers))
      this.#options.tokens.accept(token, this.#path, this.#sentAt)
    this.#relay()
  }

  #rejected(token: Token, status: number): Promise<Next> {
    const { rejected: again } = this.#history
    const call = { path: this.#path, sentAt: this.#sentAt, again }
    const verdict = this.#options.tokens.reject(token, status, call)
    this.#reportReplay('rejected')
    const bodyKept = this.#body.kept
    return this.#overcome({ type: 'rejected', renewing: verdict === 'wait', bodyKept })
  }

  async #failed(attempt: Attempt, error: unknown): Promise<Next> {
    const { written } = attempt
    if (written) this.#history.lost += 1
    else this.#history.unwritten += 1
    const { failure } = this.#options.classify(error)
    return this.#overcome({ type: 'failed', failure, written, bodyKept: this.#body.kept })
  }

  #interruptedWhile(stage: Stage, by: Interruption): Promise<Next> {
    return this.#overcome({ type: 'interrupted', by, stage })
  }

  /** Does what the retry policy says. */
  async #overcome(obstacle: Obstacle, retryAfter?: number): Promise<Next> {
    const decision = decide(this.#history, obstacle)
    switch (decision.do) {
      case 'resend': {
        const pause = new Promise<void>((resolve) => {
          this.#options.clock.setTimer(resolve, decision.pause)
        })
        const interruption = await this.#orInterrupted(pause)
        if (typeof interruption === 'string')
          return this.#interruptedWhile('connecting', interruption)
        return this.#waitForToken(0)
      }
      case 'wait-for-newer-token':
        this.#history.rejected = true
        this.#replay = 'open'
        this.#call.span?.replayed()
        return this.#waitForToken(this.#token?.generation ?? 0)
      case 'relay':
        if (decision.why === 'body-not-kept') this.#options.onReplay('not-kept')
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
    this.#stop()
    if (this.#pending === undefined || response.headersSent) return
    if (!this.#pending.head.relayable) return this.#fail('upstream-broken')
    this.#relays = true
    relay(response, this.#pending, () => {
      if (response.destroyed) return
      this.#code ??= 'upstream-broken'
      cut(response)
    })
  }

  #fail(code: ProblemCode, retryAfter?: number): undefined {
    const { response, requestId } = this.#call
    this.#stop()
    if (!response.headersSent) {
      this.#code = code
      const most = this.#options.limits.retryAfterMax
      const wait = retryAfter === undefined ? undefined : Math.min(retryAfter, most)
      writeProblem(response, code, { requestId, retryAfter: wait, refusal: this.#refusal })
    }
    this.#abort(code)
  }

  #bodyRefused(refusal: BodyRefusal): void {
    this.#interrupt(refusal)
    // A response that has begun can only be cut.
    if (!this.#call.response.headersSent) return
    this.#refusal = refusal
    this.#code = REFUSALS[refusal].code
    this.#abort(refusal)
  }

  #closed(): void {
    this.#stop()
    this.#interrupt('client-gone')
    this.#abort('the client is gone')
    const { response, validated, requestId, span } = this.#call
    const end = {
      method: this.#history.method,
      target: validated.target,
      status: response.headersSent ? response.statusCode : 0,
      code: this.#code,
      refusal: this.#refusal,
      byListener: response.headersSent && !this.#relays && this.#code === undefined,
      durationMs: this.#options.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      attempts: this.#attempts,
      requestId,
    }
    span?.ended(end)
    this.#options.onEnd(end)
  }

  #stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  #abort(reason: string): void {
    this.#attempt?.abort(reason)
    this.#pending?.attempt.abort(reason)
  }

  /** Once a request, whatever else happens to it. */
  #reportReplay(outcome: ReplayOutcome): void {
    if (this.#replay !== 'open') return
    this.#replay = 'reported'
    this.#options.onReplay(outcome)
  }

  #relayed({ status, reason, rawHeaders }: ResponseHead): RelayedHead {
    const carriesToken = (text: string): boolean => this.#options.carriesToken(text, this.#token)
    return {
      status,
      reason: carriesToken(reason) ? '' : reason,
      ...responseHeaders(status, rawHeaders, carriesToken, this.#call.requestId),
    }
  }

  #interrupt(interruption: Interruption): void {
    this.#interruption ??= interruption
    this.#onInterruption?.(interruption)
  }

  #orInterrupted<T>(step: Promise<T>): Promise<T | Interruption> {
    if (this.#interruption !== undefined) return Promise.resolve(this.#interruption)
    return new Promise((resolve) => {
      this.#onInterruption = resolve
      void step.then(resolve)
    })
  }
}
