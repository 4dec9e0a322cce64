import type { UpstreamFailure } from '../upstream/pool.ts'
import type { ProblemCode } from '../http/problem.ts'
import { codeOfFailure, mayResend } from './retry.ts'

/** What a deadline means at each stage of a request; an answer that has begun has none. */
const EXPIRED = {
  reading: 'request-timeout',
  waiting: 'no-token',
  connecting: 'out-of-time',
  sent: 'upstream-timeout',
  answering: undefined,
  ended: undefined,
} as const satisfies Record<string, ProblemCode | undefined>

export type Phase = keyof typeof EXPIRED

/** Milliseconds before a request is sent again, times the attempts that failed: a restarting iSales needs a moment. */
const PAUSE = 50

/** What became of the attempts to send one request, and what may be said and done because of it. */
export class Attempts {
  /** Bytes may have reached iSales and it has not said that they were in vain. */
  #written = false
  #unwritten = 0
  #lost = 0

  /** The latest one is about to be written. */
  begun(): void {
    this.#written = true
  }

  /** iSales refused the latest one; one that was lost before it may have been executed all the same. */
  rejected(): void {
    this.#written = this.#lost > 0
  }

  /**
   * One failed with no answer.
   *
   * @param phase `sent` when it was written.
   * @returns milliseconds until the request is to be sent again, or what the client is told.
   */
  failed(
    phase: Phase,
    attempt: {
      readonly method: string
      readonly failure: UpstreamFailure
      readonly bodyKept: boolean
    },
  ): number | ProblemCode {
    const written = phase === 'sent'
    const [unwritten, lost] = [this.#unwritten, this.#lost]
    if (!mayResend({ ...attempt, written, unwritten, lost }))
      return codeOfFailure(attempt.failure, this.#written)
    if (written) this.#lost += 1
    else this.#unwritten += 1
    return PAUSE * (unwritten + lost + 1)
  }

  /** What is told where `code` would be, if nothing had been written. */
  codeOnceWritten(code: ProblemCode): ProblemCode {
    return this.#written ? 'upstream-broken' : code
  }

  /** Undefined: nothing is to be said, and the request goes on. */
  codeOfDeadline(phase: Phase): ProblemCode | undefined {
    const code = EXPIRED[phase]
    if (code === undefined) return undefined
    if (this.#written) return EXPIRED.sent
    return phase === 'connecting' && this.#unwritten > 0 ? 'upstream-unreachable' : code
  }
}
