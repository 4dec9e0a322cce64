import type { Failure } from './words/index.ts'
import type { IncomingMessage } from 'node:http'
import { PROBLEMS, REFUSALS, type ProblemCode, type Refusal } from './causes.ts'

/** A request of a client, reported once, at its end. */
export interface EndedRequest {
  readonly method: string
  readonly target: string
  /** 0: the client left before a response began. */
  readonly status: number
  readonly requestId: string
  /** The proxy itself responded with this error. */
  readonly code?: ProblemCode | undefined
  /** What iSales, or the route to it, did wrong, where that is why. */
  readonly failure?: Failure | undefined
  /** Why it was refused before it was forwarded, or while its body came. */
  readonly refusal?: Refusal | undefined
  /** Address of the client, where it was refused. */
  readonly client?: string | undefined
  /** What was relayed is a rejection of the token, by its status or its `result`. */
  readonly rejected?: boolean
  /** What was relayed is a web page, or a redirect to one: something before iSales responded. */
  readonly page?: boolean
  /** A response to `OPTIONS *`, which says nothing of iSales, or one of the listener, such as 408, that it reports itself. */
  readonly isCountedElsewhere?: boolean
  /** Undefined: refused before it was forwarded. It is counted and not timed. */
  readonly durationMs?: number
  /** Milliseconds from the last attempt's start to its response's head; undefined: iSales sent no response. */
  readonly upstreamMs?: number | undefined
  /** How many times it was sent, or was to be sent when no connection came. */
  readonly attempts?: number
  /** Undefined: it was not rejected, or no login could have helped. */
  readonly replay?: ReplayOutcome | undefined
}

/**
 * A request that was refused before it was forwarded.
 *
 * @param request as far as it could be read.
 * @param requestId of the response. Default: none was sent.
 */
export function refusedRequest(
  request: Pick<IncomingMessage, 'socket'> & {
    readonly method?: string | undefined
    readonly url?: string | undefined
  },
  refusal: Refusal,
  requestId = '',
): EndedRequest {
  const { method = '', url: target = '', socket } = request
  const code = REFUSALS[refusal][0]
  const status = requestId === '' ? 0 : PROBLEMS[code].status
  return { method, target, status, code, refusal, client: socket.remoteAddress, requestId }
}

/**
 * What became of a request whose first response was a rejection.
 *
 * - `healed`: sent again with a newer token, and not rejected this time.
 * - `rejected`: sent again, and rejected again.
 * - `failed`: sent again, and no response came.
 * - `no-token`: not sent again, no newer token came in time.
 */
export const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token'] as const
export type ReplayOutcome = (typeof REPLAY_OUTCOMES)[number]

/** What became of a login of CTI-OBS to the proxy. */
export const OBS_LOGIN_OUTCOMES = ['success', 'rejected', 'throttled', 'malformed'] as const
export type ObsLoginOutcome = (typeof OBS_LOGIN_OUTCOMES)[number]

/** What became of a refresh of CTI-OBS at the proxy. */
export const OBS_REFRESH_OUTCOMES = ['success', 'rejected'] as const
export type ObsRefreshOutcome = (typeof OBS_REFRESH_OUTCOMES)[number]
