import type { UpstreamController, UpstreamFailure, UpstreamHandler } from '../net/upstream.ts'
import type { Session } from '../session/session.ts'
import { relayHead, relayInformational, writeProblem, type UpstreamAnswer } from './answer.ts'
import { keepWhileSmall, readWhole, type KeptBody } from './body.ts'
import type { Call, ForwardOptions } from './call.ts'
import type { Expiring } from './deadlines.ts'
import type { ProblemCode } from './problem.ts'
import { mayResend } from './replay.ts'

/** Sends one request on, start to end. It never throws: whatever happens becomes an answer or a closed connection. */
export type Forward = (call: Call) => void

export function createForward(options: ForwardOptions): Forward {
  return (call) => {
    new Forwarding(options, call).begin()
  }
}

/** Milliseconds before a connection is tried again, times the number of tries: a restarting iSales needs a moment. */
const RECONNECT_PAUSE = 50

/** What stage a request is at; it decides what a deadline or a lost client means. */
type Phase = 'reading' | 'waiting' | 'connecting' | 'sent' | 'answering' | 'ended'

/** One request: undici's handler, the deadline's entry and the state between them in one object. */
class Forwarding implements UpstreamHandler, Expiring {
  deadline = 0
  earlier: Expiring | undefined
  later: Expiring | undefined
  readonly #options: ForwardOptions
  readonly #call: Call
  readonly #startedAt: number
  #phase: Phase = 'reading'
  /** Kept for a replay: a Buffer, null for no body, undefined for a stream that is not (yet) kept whole. */
  #body: Buffer | null | undefined
  #kept: KeptBody | undefined
  #session: Session | undefined
  /** The attempt whose answer counts; callbacks that carry another one are of an abandoned attempt. */
  #controller: UpstreamController | undefined
  #abandoned: UpstreamController | undefined
  #waiting: AbortController | undefined
  #retries = 0
  #replayed = false
  #remaining = -1
  #sentAt = 0
  #upstreamMs: number | undefined
  #code: ProblemCode | undefined

  constructor(options: ForwardOptions, call: Call) {
    this.#options = options
    this.#call = call
    this.#startedAt = options.clock.now()
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
    void tokens.newer({ after, deadline: limit, signal: this.#waiting.signal }).then((outcome) => {
      if (this.#phase !== 'waiting') return
      if ('unavailable' in outcome) this.#fail(outcome.unavailable, outcome.retryAfter)
      else this.#dispatch(outcome)
    })
  }

  #dispatch(session: Session): void {
    const { request, admitted, requestId } = this.#call
    const { framing } = admitted
    this.#session = session
    this.#phase = 'connecting'
    this.#controller = undefined
    this.#sentAt = this.#options.clock.now()
    const streamed = this.#body === undefined
    const headers = this.#options.requestFields({
      rawHeaders: request.rawHeaders,
      credential: session.credential.reveal(),
      requestId,
      contentLength: streamed && framing !== 'chunked' ? String(framing) : undefined,
      maxForwards: admitted.maxForwards,
    })
    const method = request.method ?? 'GET'
    this.#options.dispatch(
      {
        method,
        path: admitted.target,
        headers,
        body: streamed ? request : (this.#body ?? null),
        // undici closes the connection after a HEAD unless told otherwise.
        ...(method === 'HEAD' ? { reset: false } : {}),
      },
      this,
    )
  }

  // What undici tells of the attempt, in the order in which it happens.

  onRequestStart(controller: UpstreamController): void {
    if (this.#phase !== 'connecting') {
      controller.abort(new Error('the request ended before it was sent'))
      return
    }
    this.#phase = 'sent'
    this.#controller = controller
    if (this.#body === undefined && this.#kept === undefined) this.#keepStream()
  }

  onResponseStart(controller: UpstreamController, status: number, reason: string): void {
    if (controller !== this.#controller) return
    if (status < 200) {
      relayInformational(this.#call, this.#answerOf(controller, status, reason))
      return
    }
    this.#upstreamMs = this.#options.clock.now() - this.#sentAt
    if (this.#judge(status)) this.#relayHead(controller, status, reason)
  }

  onResponseData(controller: UpstreamController, chunk: Buffer): void {
    if (controller !== this.#controller) return
    const { response } = this.#call
    if (chunk.length === this.#remaining) {
      response.end(chunk)
      return
    }
    this.#remaining = -1
    if (response.write(chunk)) return
    controller.pause()
    response.once('drain', () => {
      controller.resume()
    })
  }

  onResponseEnd(controller: UpstreamController): void {
    if (controller === this.#abandoned) this.#abandoned = undefined
    if (controller !== this.#controller) return
    const { response } = this.#call
    if (!response.writableEnded) response.end()
    this.#end()
  }

  onResponseError(controller: UpstreamController | undefined, error: unknown): void {
    if (controller !== this.#controller || this.#phase === 'ended') return
    if (this.#phase === 'answering') {
      // A cut answer must never look complete.
      this.#code = 'upstream-broken'
      this.#call.response.destroy()
      this.#end()
      return
    }
    const written = this.#phase === 'sent'
    const bodyKept = this.#keptBody() !== undefined
    const method = this.#call.request.method ?? 'GET'
    if (mayResend({ method, written, retries: this.#retries, bodyKept })) this.#resend()
    else this.#fail(codeOfFailure(this.#options.classify(error).failure, written))
  }

  // Decisions about the attempt.

  /** True: relay this answer. False: it was a rejection, and the request waits for a newer token. */
  #judge(status: number): boolean {
    const { tokens, rejectedStatuses, onReplay } = this.#options
    const session = this.#session
    if (session === undefined) return true
    const rejected = rejectedStatuses.has(status)
    if (this.#replayed) onReplay(rejected ? 'rejected' : 'healed')
    if (!rejected) {
      tokens.accept(session)
      return true
    }
    if (!tokens.reject(session, status) || this.#replayed) return true
    const kept = this.#keptBody()
    if (kept === undefined) {
      onReplay('not-kept')
      return true
    }
    this.#body = kept
    this.#replayed = true
    this.#abandoned = this.#controller
    this.#controller = undefined
    this.#waitForSession(session.generation)
    return false
  }

  #resend(): void {
    this.#retries += 1
    this.#phase = 'connecting'
    this.#controller = undefined
    this.#options.clock.setTimer(() => {
      if (this.#phase === 'connecting') this.#send()
    }, RECONNECT_PAUSE * this.#retries)
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

  #relayHead(controller: UpstreamController, status: number, reason: string): void {
    this.#phase = 'answering'
    this.#options.deadlines.remove(this)
    this.#remaining = relayHead(this.#call, this.#answerOf(controller, status, reason))
  }

  #answerOf(controller: UpstreamController, status: number, reason: string): UpstreamAnswer {
    return { status, reason, raw: controller.rawHeaders, secrets: this.#secrets() }
  }

  #fail(code: ProblemCode, retryAfter?: number): void {
    if (this.#phase === 'answering' || this.#phase === 'ended') return
    if (this.#replayed) this.#options.onReplay(this.#phase === 'waiting' ? 'no-token' : 'failed')
    this.#code = code
    writeProblem(this.#call, code, retryAfter)
    this.#end()
    this.#abort(code)
  }

  #secrets(): readonly string[] {
    const session = this.#session
    if (session === undefined) return []
    const { token, refreshToken } = session
    return refreshToken === undefined ? [token.reveal()] : [token.reveal(), refreshToken.reveal()]
  }

  // Ends.

  expire(): void {
    switch (this.#phase) {
      case 'reading':
        this.#fail('request-timeout')
        break
      case 'waiting':
        this.#fail('no-token')
        break
      case 'connecting':
        this.#fail('out-of-time')
        break
      case 'sent':
        this.#fail('upstream-timeout')
        break
      case 'answering':
      case 'ended':
    }
  }

  #clientClosed(): void {
    if (this.#phase === 'ended') return
    this.#end()
    this.#abort('the client left')
  }

  #abort(reason: string): void {
    this.#waiting?.abort()
    this.#abandoned?.abort(new Error(reason))
    this.#controller?.abort(new Error(reason))
  }

  #end(): void {
    if (this.#phase === 'ended') return
    const { request, response, admitted, requestId } = this.#call
    this.#phase = 'ended'
    this.#options.deadlines.remove(this)
    this.#options.onEnd({
      method: request.method ?? '',
      target: admitted.target,
      status: response.headersSent ? response.statusCode : 0,
      code: this.#code,
      durationMs: this.#options.clock.now() - this.#startedAt,
      upstreamMs: this.#upstreamMs,
      requestId,
    })
  }
}

function codeOfFailure(failure: UpstreamFailure, written: boolean): ProblemCode {
  if (failure === 'timeout') return 'upstream-timeout'
  if (failure === 'tls') return 'upstream-tls'
  return written ? 'upstream-broken' : 'upstream-unreachable'
}
