import type { UpstreamController, UpstreamFailure, UpstreamHandler } from '../upstream/pool.ts'
import type { Token } from '../token/token.ts'
import { Abandoned } from './abandoned.ts'
import { cutAnswer, hasGivenUp, isInterim, relayInformational, writeProblem } from './response.ts'
import { Attempts, type Phase } from './attempts.ts'
import { keepWhileSmall, readWhole, type KeptBody } from './replay-buffer.ts'
import type { Call, ForwardOptions, ReplayOutcome } from './call.ts'
import type { Expiring } from './deadlines.ts'
import { answerOf, requestOf } from './exchange.ts'
import type { InspectedRequest } from './inspect.ts'
import type { ProblemCode } from '../http/problem.ts'
import { Relay } from './relay.ts'

/** Sends one request on, start to end. It never throws: whatever happens becomes an answer or a closed connection. */
export type Forward = (call: Call) => void

export function createForward(options: ForwardOptions): Forward {
  return (call) => {
    new Forwarding(options, call).begin()
  }
}

/** One request: undici's handler, the deadline's entry and the state between them in one object. */
class Forwarding implements UpstreamHandler, Expiring {
  deadline = 0
  earlier: Expiring | undefined
  later: Expiring | undefined
  readonly #options: ForwardOptions
  readonly #call: Call
  readonly #startedAt: number
  /** When it was there to its end; of a stream, when it began. */
  #wholeAt: number
  #phase: Phase = 'reading'
  /** Kept for a replay: a Buffer, null for no body, undefined for a stream that is not (yet) kept whole. */
  #body: Buffer | null | undefined
  #kept: KeptBody | undefined
  #session: Token | undefined
  readonly #attempts = new Attempts()
  /** The attempt whose answer counts; callbacks that carry another one are of an abandoned attempt. */
  #controller: UpstreamController | undefined
  #abandoned: Abandoned | undefined
  #waiting: AbortController | undefined
  #replay: 'none' | 'open' | 'told' = 'none'
  #relay: Relay | undefined
  #sentAt = 0
  #upstreamMs: number | undefined
  #code: ProblemCode | undefined

  constructor(options: ForwardOptions, call: Call) {
    this.#options = options
    this.#call = call
    this.#startedAt = options.clock.now()
    this.#wholeAt = this.#startedAt
  }

  begin(): void {
    const { request, response, admitted } = this.#call
    this.#options.deadlines.add(this, this.#startedAt)
    response.on('close', () => {
      this.#clientClosed()
    })
    if (admitted.expectsContinue) response.writeContinue()
    const { framing } = admitted
    if (framing === 0) this.#bodyRead(null)
    else if (framing === 'chunked' || framing > this.#options.replayBodySize) this.#send()
    else {
      readWhole(request, framing, (body) => {
        this.#wholeAt = this.#options.clock.now()
        this.#bodyRead(body)
      })
    }
  }

  #bodyRead(body: Buffer | null): void {
    this.#body = body
    if (this.#phase === 'reading') this.#send()
  }

  #send(): void {
    const session = this.#options.tokens.current()
    if (session === undefined) this.#waitForSession(0)
    else this.#dispatch(session)
  }

  #waitForSession(after: number): void {
    const { tokens, clock, tokenWait } = this.#options
    this.#phase = 'waiting'
    this.#waiting = new AbortController()
    const deadline = clock.now() + tokenWait
    const limit = this.deadline === 0 ? deadline : Math.min(deadline, this.deadline)
    void tokens
      .waitForToken({ after, deadline: limit, signal: this.#waiting.signal })
      .then((outcome) => {
        if (this.#phase !== 'waiting') return
        if (!('unavailable' in outcome)) this.#dispatch(outcome)
        else this.#fail(this.#attempts.codeOnceWritten(outcome.unavailable), outcome.retryAfter)
      })
  }

  #dispatch(session: Token): void {
    const { dispatch, clock, requestFields } = this.#options
    this.#session = session
    this.#phase = 'connecting'
    this.#controller = undefined
    // A rejection whose end has not come by now is not worth the connection that this attempt may wait for.
    this.#abandoned?.letGo()
    this.#sentAt = clock.now()
    dispatch(requestOf(this.#call, session, this.#body, requestFields), this)
  }

  // What undici tells of the attempt, in the order in which it happens.

  onRequestStart(controller: UpstreamController): void {
    // Nobody would read the answer to what is about to be executed; one who listens all the same is told.
    if (hasGivenUp(this.#call.client, this.#wholeAt))
      this.#fail(this.#attempts.codeOnceWritten('out-of-time'))
    // Thrown, not aborted: an abort would cost a connection on which nothing was written yet.
    if (this.#phase !== 'connecting') throw new Error('the request ended before it was sent')
    this.#checkSession()
    this.#phase = 'sent'
    this.#attempts.begun()
    this.#controller = controller
    if (this.#call.admitted.framing === 'chunked' && this.#body === undefined) this.#keepStream()
  }

  onResponseStart(controller: UpstreamController, status: number, reason: string): void {
    if (controller !== this.#controller) return
    const { clock, rejectedStatuses, inspector } = this.#options
    const head = { status, reason }
    const answer = answerOf(controller, head, this.#call.requestId, this.#session)
    if (status < 200) {
      if (isInterim(status)) relayInformational(this.#call, answer)
      else controller.abort(new Error('no final answer'))
      return
    }
    this.#upstreamMs = clock.now() - this.#sentAt
    if (rejectedStatuses.has(status) && this.#heals(status)) return
    const relay = new Relay(this.#call, answer)
    this.#relay = relay
    if (rejectedStatuses.has(status)) this.#startRelay(relay)
    else if (inspector?.wants(this.#inspected(), status) === true) relay.hold()
    else {
      this.#accept()
      this.#startRelay(relay)
    }
  }

  /** Without the query. */
  #path(): string {
    const { target } = this.#call.admitted
    const query = target.indexOf('?')
    return query === -1 ? target : target.slice(0, query)
  }

  #inspected(): InspectedRequest {
    const { request, admitted } = this.#call
    return { method: request.method, target: admitted.target }
  }

  onResponseData(controller: UpstreamController, chunk: Buffer): void {
    if (this.#abandoned?.is(controller) === true) this.#abandoned.received(chunk.length)
    const relay = this.#relay
    if (controller !== this.#controller || relay === undefined) return
    if (!relay.holding) relay.piece(controller, chunk)
    else if (!relay.holdPiece(chunk)) {
      this.#accept()
      if (this.#startRelay(relay)) relay.release(controller)
    }
  }

  onResponseEnd(controller: UpstreamController): void {
    if (controller !== this.#controller || this.#phase === 'ended') return
    if (this.#relay?.holding === true) this.#judgeHeld(this.#relay)
    else {
      this.#relay?.end()
      this.#end()
    }
  }

  onResponseError(controller: UpstreamController | undefined, error: unknown): void {
    if (controller !== this.#controller || this.#phase === 'ended') return
    if (this.#phase === 'answering') this.#fail('upstream-broken')
    else this.#attemptFailed(this.#options.classify(error).failure)
  }

  // Decisions about the attempt.

  /** While a request waited for a connection its token may have ended, or have been rejected or replaced. */
  #checkSession(): void {
    if (this.#options.tokens.current()?.generation === this.#session?.generation) return
    queueMicrotask(() => {
      if (this.#phase === 'connecting') this.#send()
    })
    throw new Error('the token ended before it was sent')
  }

  #attemptFailed(failure: UpstreamFailure): void {
    const method = this.#call.request.method ?? 'GET'
    const body = this.#keptBody()
    const attempt = { method, failure, bodyKept: body !== undefined }
    const next = this.#attempts.failed(this.#phase, attempt)
    if (typeof next === 'string') this.#fail(next)
    else this.#resend(body, next)
  }

  /** Once a request, whatever else happens to it. */
  #tellReplay(outcome: ReplayOutcome): void {
    if (this.#replay !== 'open') return
    this.#replay = 'told'
    this.#options.onReplay(outcome)
  }

  #accept(): void {
    this.#tellReplay('healed')
    if (this.#session !== undefined)
      this.#options.tokens.accept(this.#session, this.#path(), this.#sentAt)
  }

  /** The answer was a rejection. True: the request waits for a newer token. False: this answer is relayed. */
  #heals(status: number): boolean {
    const { tokens, onReplay } = this.#options
    const session = this.#session
    const renews =
      session !== undefined && tokens.reject(session, status, this.#path(), this.#sentAt) === 'wait'
    this.#tellReplay('rejected')
    if (!renews || this.#replay !== 'none') return false
    const kept = this.#keptBody()
    if (kept === undefined) {
      onReplay('not-kept')
      return false
    }
    this.#body = kept
    this.#replay = 'open'
    this.#attempts.rejected()
    this.#call.span?.replayed()
    if (this.#controller !== undefined) this.#abandoned = new Abandoned(this.#controller)
    this.#controller = undefined
    this.#waitForSession(session.generation)
    return true
  }

  /** The held answer is whole: what is found in it decides. */
  #judgeHeld(relay: Relay): void {
    const { inspector } = this.#options
    const verdict = inspector === undefined ? 'relay' : relay.inspect(inspector)
    if (verdict !== 'rejected') this.#accept()
    else if (this.#heals(relay.status)) return
    if (relay.relayable) {
      relay.finish(verdict)
      this.#end()
    } else this.#fail('upstream-broken')
  }

  #resend(body: Buffer | null | undefined, pause: number): void {
    this.#body = body
    this.#relay = undefined
    this.#phase = 'connecting'
    this.#controller = undefined
    this.#options.clock.setTimer(() => {
      if (this.#phase === 'connecting') this.#send()
    }, pause)
  }

  #keepStream(): void {
    const { replayBodySize, maxBodySize } = this.#options
    const limits = { keep: replayBodySize, most: maxBodySize }
    this.#kept = keepWhileSmall(this.#call.request, limits, () => {
      this.#fail('too-large')
    })
  }

  #keptBody(): Buffer | null | undefined {
    return this.#body === undefined ? this.#kept?.whole() : this.#body
  }

  // What the client gets.

  /** True when the body is to follow. */
  #startRelay(relay: Relay): boolean {
    if (!relay.relayable) {
      this.#fail('upstream-broken')
      return false
    }
    const whole = relay.start()
    this.#phase = 'answering'
    if (whole) this.#end()
    return !whole
  }

  #fail(code: ProblemCode, retryAfter?: number): void {
    if (this.#phase === 'ended') return
    this.#tellReplay(this.#phase === 'waiting' ? 'no-token' : 'failed')
    const begun = this.#phase === 'answering'
    // The listener answers by itself when a body is garbage or stalls; what it said stands.
    if (begun || !this.#call.response.headersSent) {
      this.#code = code
      if (begun) cutAnswer(this.#call)
      else writeProblem(this.#call, code, retryAfter)
    }
    this.#end()
    this.#abort(code)
  }

  // Ends.

  expire(): void {
    const code = this.#attempts.codeOfDeadline(this.#phase)
    if (code !== undefined) this.#fail(code)
  }

  #clientClosed(): void {
    if (this.#phase === 'ended') return
    this.#end()
    this.#abort('the client left')
  }

  #abort(reason: string): void {
    this.#waiting?.abort()
    this.#controller?.abort(new Error(reason))
  }

  #end(): void {
    if (this.#phase === 'ended') return
    const { request, response, admitted, requestId, span } = this.#call
    this.#phase = 'ended'
    this.#options.deadlines.remove(this)
    this.#abandoned?.letGo()
    const end = {
      method: request.method ?? '',
      target: admitted.target,
      status: response.headersSent ? response.statusCode : 0,
      code: this.#code,
      durationMs: this.#options.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      requestId,
    }
    span?.ended(end)
    this.#options.onEnd(end)
  }
}
