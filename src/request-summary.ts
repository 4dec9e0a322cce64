// What is reported of a request at its end, and the one class and code that it counts as. Whatever counts, judges, shows or
// logs requests reads those two.
import type { IncomingMessage } from 'node:http'
import {
  classifyStatus,
  toCauseCode,
  toHandshakeCode,
  toRefusalCode,
  HANDSHAKE_FAILURES,
  PROBLEMS,
  REFUSAL_REASONS,
  REFUSALS,
  type HandshakeFailure,
  type ProblemCode,
  type Refusal,
} from './codes.ts'
import type { FailureDetails } from './messages/index.ts'

/** A request of a client, or its failed TLS handshake, reported once, at its end. */
export interface RequestSummary {
  /** Empty if it could not be read, as the target. */
  readonly method: string
  readonly target: string
  /** 0: the client got no response. Without a response the request id is empty. */
  readonly status: number
  readonly requestId: string
  /** Why the TLS handshake failed; no request arrived. */
  readonly handshake?: HandshakeFailure | undefined
  /** The proxy itself served this request of CTI-OBS. */
  readonly login?: 'login' | 'refresh'
  /** The error that the proxy responded with. */
  readonly code?: ProblemCode | undefined
  /** What iSales, or the route to it, did wrong, if that is the reason. */
  readonly failure?: FailureDetails | undefined
  /** Why it was refused before it was forwarded, or while its body arrived. */
  readonly refusal?: Refusal | undefined
  /** Address of the client of a refused request or login, and `Host` if it is another one. */
  readonly client?: string | undefined
  readonly host?: string | undefined
  /** The client left before the end of its `request`, or of the `response`. */
  readonly left?: 'request' | 'response' | undefined
  /** The relayed response rejects the token, by its status or its `result`. */
  readonly rejected?: boolean
  /** The relayed response is a web page, or a redirect to one, of something in front of iSales. */
  readonly page?: boolean
  /** `result` of the relayed response, if it is not 0. */
  readonly result?: string | undefined
  /** Milliseconds from the head of the request to the head of the relayed response. */
  readonly headMs?: number | undefined
  /** Milliseconds to the end of the response. Undefined: the request was not forwarded. */
  readonly durationMs?: number
  /** Milliseconds from the last attempt's start to its response's head; undefined: iSales sent no response. */
  readonly upstreamMs?: number | undefined
  /** How often it was sent, or was to be sent when no connection came about. */
  readonly attempts?: number
  /** Undefined: it was not rejected, or no login could have helped. */
  readonly replay?: ReplayOutcome | undefined
}

const unique = <Each>(all: readonly Each[]): readonly Each[] => [...new Set(all)]
const REFUSED = unique(REFUSAL_REASONS.map(toRefusalCode))

/** Every class, with its codes; docs/metrics.md explains the classes. A request has the first one that fits. */
// oxfmt-ignore
const CODES = {
  handshake: unique(HANDSHAKE_FAILURES.map(toHandshakeCode)),
  granted: ['login', 'refresh'],
  refused: [...REFUSED.filter((code) => !['browser', 'half-sent', 'overloaded'].includes(code)), 'obs-login'],
  stray: REFUSED.filter((code) => code !== 'pipelined'),
  abandoned: ['gave-up'],
  failed: [
    'no-token', 'overloaded', 'shutting-down', 'out-of-time', 'upstream-unreachable', 'upstream-tls',
    'upstream-broken', 'upstream-timeout', 'internal', 'name-unknown', 'dns-down', 'connection-refused',
    'no-route', 'no-descriptors', 'no-ports', 'connect-timeout', 'connection-closed', 'egress-login',
    'egress-refused', 'untrusted', 'expired', 'not-yet-valid', 'other-name', 'no-tls', 'plain-refused',
    'own-certificate', 'handshake', 'lost', 'call-refused', 'maintenance', 'gateway', 'server-error',
    'loop-detected',
  ],
  rejected: ['call-forbidden', 'call-throttled', 'page-relayed'],
  declined: ['call-declined', 'call-result'],
  slow: ['slow'],
  answered: ['answered'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Outcome = keyof typeof CODES
export const OUTCOMES = Object.keys(CODES) as readonly Outcome[]

/** One class with one code: `outcome` and `cause` in the metric and in `/status.json`. There is one object for each pair. */
export interface RequestClass {
  readonly outcome: Outcome
  readonly cause: (typeof CODES)[Outcome][number]
  /** Its place in `REQUEST_CLASSES`. */
  readonly index: number
}

export const REQUEST_CLASSES: readonly RequestClass[] = OUTCOMES.flatMap((outcome) =>
  CODES[outcome].map((cause) => ({ outcome, cause })),
).map(({ outcome, cause }, index) => ({ outcome, cause, index }))

const BY_NAME = new Map(REQUEST_CLASSES.map((each) => [`${each.outcome} ${each.cause}`, each]))

/** The class with the first of the codes that it has. */
function classOf(outcome: Outcome, ...codes: readonly string[]): RequestClass {
  const found = codes.map((code) => BY_NAME.get(`${outcome} ${code}`))
  return found.find((each) => each !== undefined) ?? ANSWERED
}

const ANSWERED = REQUEST_CLASSES.at(-1) as RequestClass

/** Milliseconds. CTI-OBS gives up after 3 s. */
const MAX_HEAD = 2000

/**
 * Returns the one class and code of a request: the first class that fits.
 *
 * @example
 * - a POST with a body over `MAX_BODY_SIZE`: refused, `too-large`; a GET outside `ALLOWED_PATHS`: stray, `other-path`
 * - a 503 of the proxy, since no connection came about: failed, with the cause of that, such as `no-route`
 * - a 200 with `{"result":7}`: declined, `call-result`
 */
export function classifyRequest(summary: RequestSummary): RequestClass {
  const { status, handshake, login, left, code, page, rejected, result, headMs = 0 } = summary
  if (handshake !== undefined) return classOf('handshake', toHandshakeCode(handshake))
  if (login !== undefined && status === 200) return classOf('granted', login)
  const refused = codeOfRefused(summary)
  if (refused !== undefined)
    return classOf(isOfCtiObs(summary) ? 'refused' : 'stray', refused, 'bad-request')
  if (left === 'request') return classOf('stray', 'half-sent')
  if (left === 'response') return classOf('abandoned', 'gave-up')
  if (code !== undefined || status >= 500)
    return classOf('failed', codeOfFailed(summary), code ?? 'server-error', 'internal')
  if (page === true) return classOf('rejected', 'page-relayed')
  if (rejected === true || status === 401 || status === 403)
    return classOf('rejected', 'call-forbidden')
  if (status === 429) return classOf('rejected', 'call-throttled')
  if (status >= 400) return classOf('declined', 'call-declined')
  if (result !== undefined) return classOf('declined', 'call-result')
  return headMs > MAX_HEAD ? classOf('slow', 'slow') : ANSWERED
}

/** Why the proxy refused a request. Too many in flight is a failure of its own, as any 503. */
function codeOfRefused({ status, login, method, code, refusal }: RequestSummary) {
  if (refusal !== undefined) return refusal === 'in-flight' ? undefined : toRefusalCode(refusal)
  if (login !== undefined && status > 0) {
    if (method !== 'POST') return 'method-not-allowed'
    return login === 'login' ? 'obs-login' : 'not-logged-in'
  }
  return code !== undefined && PROBLEMS[code].status < 500 ? code : undefined
}

/** Anybody sends a GET, has a browser, leaves, or opens connections. */
function isOfCtiObs({ method, refusal = 'parser' }: RequestSummary): boolean {
  if (refusal === 'pipelined') return true
  return method === 'POST' && !['browser', 'half-sent', 'connections'].includes(refusal)
}

/** Of an error of the proxy, whose `upstream-timeout` is its own cause, or of a 5xx of iSales. */
function codeOfFailed({ failure, status, page, code }: RequestSummary): string {
  if (code !== undefined)
    return failure === undefined || code === 'upstream-timeout'
      ? code
      : toCauseCode(failure.cause, 'call')
  // By its documents iSales responds with 500 to a business failure.
  if (status === 500) return 'call-refused'
  if (status === PROBLEMS['loop-detected'].status) return 'loop-detected'
  return toCauseCode(classifyStatus({ status, page: page === true }), 'call')
}

interface Refused extends Partial<Pick<IncomingMessage, 'headers'>> {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress'>
}

/**
 * Returns the summary of a request that was refused before it was forwarded.
 *
 * @param request as far as it could be read.
 * @param requestId of the response. Default: none was sent.
 */
export function refusedRequest(request: Refused, refusal: Refusal, requestId = ''): RequestSummary {
  const { method = '', url: target = '', socket, headers } = request
  const code = REFUSALS[refusal][0]
  const status = requestId === '' ? 0 : PROBLEMS[code].status
  const host = refusal === 'other-host' ? headers?.host : undefined
  return { method, target, status, code, refusal, client: socket.remoteAddress, host, requestId }
}

/**
 * What became of a request whose first response was a rejection.
 *
 * - `healed`: sent again with a newer token, and not rejected this time.
 * - `rejected`: sent again, and rejected again.
 * - `failed`: sent again, and no response arrived.
 * - `no-token`: not sent again, since no newer token arrived in time.
 */
export const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token'] as const
export type ReplayOutcome = (typeof REPLAY_OUTCOMES)[number]
