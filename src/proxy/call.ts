import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '../http/client.ts'
import type { UpstreamFailure, UpstreamHandler, UpstreamRequest } from '../upstream/pool.ts'
import type { Clock } from '../clock.ts'
import type { TokenSource } from '../token/source.ts'
import type { RequestSpan } from '../tracing/tracing.ts'
import type { Deadlines } from './deadlines.ts'
import type { OutgoingRequest } from './headers.ts'
import type { AnswerInspector } from './inspect.ts'
import type { Admitted } from './validate.ts'
import type { ProblemCode } from '../http/problem.ts'

/**
 * What became of a request whose first answer was a rejection.
 *
 * - `healed`: sent again with a newer token, and not rejected this time.
 * - `rejected`: sent again, and rejected again.
 * - `failed`: sent again, and no answer came.
 * - `no-token`: not sent again, no newer token came in time.
 * - `not-kept`: not sent again, the body was larger than what is kept for it.
 */
export type ReplayOutcome = 'healed' | 'rejected' | 'failed' | 'no-token' | 'not-kept'

/** What happened to one request, told once, at its end. */
export interface RequestEnd {
  readonly method: string
  readonly target: string
  /** 0: the client left before an answer began. */
  readonly status: number
  readonly code: ProblemCode | undefined
  readonly durationMs: number
  /** Milliseconds from the last attempt's start to its answer's head; undefined: iSales did not answer. */
  readonly upstreamMs: number | undefined
  readonly requestId: string
}

export interface ForwardOptions {
  readonly tokens: Pick<TokenSource, 'current' | 'waitForToken' | 'accept' | 'reject'>
  readonly dispatch: (request: UpstreamRequest, handler: UpstreamHandler) => void
  readonly classify: (error: unknown) => { readonly failure: UpstreamFailure }
  readonly requestFields: (request: OutgoingRequest) => string[]
  readonly deadlines: Deadlines
  /** Undefined: answers are relayed without a look. */
  readonly inspector: AnswerInspector | undefined
  readonly clock: Clock
  readonly rejectedStatuses: ReadonlySet<number>
  /** Bytes; a body up to this is kept for a replay. */
  readonly replayBodySize: number
  readonly maxBodySize: number
  /** Milliseconds that a request may wait for a token. */
  readonly tokenWait: number
  readonly onEnd: (end: RequestEnd) => void
  readonly onReplay: (outcome: ReplayOutcome) => void
}

export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly client: Client
  readonly admitted: Admitted
  readonly requestId: string
  /** Undefined: it is not traced. */
  readonly span?: RequestSpan | undefined
}
