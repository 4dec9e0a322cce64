import type { UpstreamFailure } from '../upstream/pool.ts'
import type { ProblemCode } from '../http/problem.ts'
import type { BodyRefusal } from './replay-buffer.ts'

/** What has happened to one request so far, the latest attempt included. */
export interface History {
  readonly method: string
  /** Attempts that failed before anything was written. */
  readonly unwritten: number
  /** Attempts that were written, at least in part, and got no response. */
  readonly lost: number
  /** iSales has rejected the token of an attempt. */
  readonly rejected: boolean
}

/** Where a request is when its deadline passes. A response that has begun has no deadline. */
export type Stage = 'reading' | 'waiting' | 'connecting' | 'sent'

/** Why a request cannot simply go on. */
export type Obstacle =
  /** No response came. `bodyKept`: the body, if any, can be sent again from its start. */
  | {
      readonly type: 'failed'
      readonly failure: UpstreamFailure
      readonly written: boolean
      readonly bodyKept: boolean
    }
  /** No token, or no newer one, will come in time. */
  | { readonly type: 'no-token'; readonly code: ProblemCode }
  | { readonly type: 'interrupted'; readonly by: Interruption; readonly stage: Stage }

/** What ends a request before a response has begun. */
export type Interruption = 'client-gone' | 'deadline' | BodyRefusal

export type Decision =
  /** `pause` in milliseconds: a restarting iSales needs a moment. */
  | { readonly do: 'resend'; readonly pause: number }
  /** The client gets the rejection as iSales sent it. */
  | { readonly do: 'relay' }
  | { readonly do: 'fail'; readonly code: ProblemCode }
  | { readonly do: 'refuse'; readonly refusal: BodyRefusal }
  /** Nobody waits for a response. */
  | { readonly do: 'nothing' }

const MAX_CONNECTS = 3
const MAX_SENDS = 2
const PAUSE = 50

/**
 * The whole retry policy. Before anything was written any request may be sent again. Afterwards iSales may have executed
 * it, so that only GET and HEAD are sent again, once. What becomes of a rejected request, which was not executed, the
 * token source decides. The client gets `sent: "no"` only when no attempt was ever written, or when its body never came whole:
 * what went to iSales of a streamed one ends without its last chunk, or short of its length (RFC 9112 section 8).
 */
export function decide(history: History, obstacle: Obstacle): Decision {
  const { unwritten, lost, rejected } = history
  const written = lost > 0 || rejected
  switch (obstacle.type) {
    case 'failed': {
      if (mayResend(history, obstacle)) return { do: 'resend', pause: PAUSE * (unwritten + lost) }
      return { do: 'fail', code: codeOf(obstacle.failure, written) }
    }
    case 'no-token':
      if (rejected) return { do: 'relay' }
      return { do: 'fail', code: written ? 'upstream-broken' : obstacle.code }
    case 'interrupted':
      if (obstacle.by === 'client-gone') return { do: 'nothing' }
      if (obstacle.by === 'deadline') return deadlinePassed(history, obstacle.stage)
      return { do: 'refuse', refusal: obstacle.by }
  }
}

function mayResend(
  { method, unwritten, lost }: History,
  { failure, written, bodyKept }: Extract<Obstacle, { type: 'failed' }>,
): boolean {
  // OPTIONS is safe, too (RFC 9110 section 9.2.1), but nobody needs it twice.
  if (written) return (method === 'GET' || method === 'HEAD') && bodyKept && lost < MAX_SENDS
  // A certificate or a header does not get better within the deadline.
  return failure !== 'tls' && failure !== 'invalid' && unwritten < MAX_CONNECTS
}

function codeOf(failure: UpstreamFailure, written: boolean): ProblemCode {
  if (failure === 'timeout') return 'upstream-timeout'
  if (written) return 'upstream-broken'
  switch (failure) {
    case 'tls':
      return 'upstream-tls'
    case 'invalid':
      return 'bad-request'
    case 'closed':
      return 'shutting-down'
    case 'unreachable':
    case 'broken':
      return 'upstream-unreachable'
  }
}

function deadlinePassed({ unwritten, lost, rejected }: History, stage: Stage): Decision {
  if (rejected && stage === 'waiting') return { do: 'relay' }
  if (lost > 0 || rejected || stage === 'sent') return { do: 'fail', code: 'upstream-timeout' }
  if (stage === 'reading') return { do: 'fail', code: 'request-timeout' }
  if (stage === 'waiting') return { do: 'fail', code: 'no-token' }
  return { do: 'fail', code: unwritten > 0 ? 'upstream-unreachable' : 'out-of-time' }
}
