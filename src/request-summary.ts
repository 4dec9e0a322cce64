// The summary of a request at its end, and its one class and code. Every count, finding, page and log line uses those two.
import type { IncomingMessage } from 'node:http'
import { classifyStatus, toCauseCode, type HandshakeFailure } from './causes.ts'
import {
  codesOf,
  OUTCOMES,
  problemRow,
  PROBLEMS,
  refusalRow,
  REFUSALS,
  toRefusalCode,
  type ClassCode,
  type Outcome,
  type ProblemCode,
  type Refusal,
} from './codes.ts'
import type { FailureDetails } from './messages/index.ts'

/** A client's request or failed TLS handshake, reported once, at its end. */
export interface RequestSummary {
  /** Method and target are empty if they could not be read. */
  readonly method: string
  readonly target: string
  /** 0 without a response to the client; the request id is then empty. */
  readonly status: number
  readonly requestId: string
  /** Why the TLS handshake failed, so that no request arrived. */
  readonly handshake?: HandshakeFailure | undefined
  /** Set if CTI-OBS logs in to the proxy or refreshes there. */
  readonly login?: 'login' | 'refresh'
  /** Code of the proxy's own error response. */
  readonly code?: ProblemCode | undefined
  /** Failure of iSales, or of the route to it. */
  readonly failure?: FailureDetails | undefined
  /** Why the proxy refused the request before forwarding it. */
  readonly refusal?: Refusal | undefined
  /**
   * For a request ahead, or a closed connection: true if calls on the connection show that it belongs to CTI-OBS. For a TLS
   * handshake after which the client left without a byte or an alert: false for an unknown client, perhaps a health check.
   */
  readonly isCaller?: boolean | undefined
  /** For a refused request or a login: the client's address, and an unknown host, of the target if it has one. */
  readonly client?: string | undefined
  readonly host?: string | undefined
  /** `Content-Length` of a request that is refused for it. */
  readonly bodySize?: number | undefined
  /** Set if the client disconnected before the end of its `request`, or of the `response`. */
  readonly left?: 'request' | 'response' | undefined
  /** True if the client left while iSales sent the response's body slowly. */
  readonly isStarved?: boolean
  /** The relayed response rejects the token, by its status or `result`. `unreplaced`: logins failed, or took too long for the call. */
  readonly rejected?: 'rejected' | 'unreplaced' | undefined
  /** True if the relayed response is a web page, or a redirect to one, of a gateway in front of iSales. */
  readonly page?: boolean
  /** True if the relayed 200 to a business POST is empty, or its body is not a JSON object. */
  readonly notJson?: boolean
  /** `result` of the relayed response, if it is not 0. */
  readonly result?: string | undefined
  /** Milliseconds from the head of the request, or the end of its last wait for a token, to the head of the relayed response. */
  readonly headMs?: number | undefined
  /** Milliseconds to the end of the response; undefined if the request was not forwarded. */
  readonly durationMs?: number
  /** Milliseconds from the start of the last attempt to its response's head; undefined without a response of iSales. */
  readonly upstreamMs?: number | undefined
  /** Attempts to send it, those without a connection included. */
  readonly attempts?: number
  /** Undefined if it was not rejected, or no login could fix the rejection. */
  readonly replay?: ReplayOutcome | undefined
}

/** Returns the path of a target, without its query. */
export function pathOf({ target }: Pick<RequestSummary, 'target'>): string {
  return target.replace(/[?#].*$/s, '')
}

/** Every pair of class and code has one object; one that findings tell apart from it has another with its labels. */
export interface RequestClass extends ClassCode {
  /** Position in `ALL_CLASSES`. */
  readonly index: number
  /** Position in `REQUEST_CLASSES` of the class with the same labels. */
  readonly label: number
}

/** All pairs of labels. */
export const REQUEST_CLASSES: readonly RequestClass[] = OUTCOMES.flatMap(codesOf).map(
  (each, index) => Object.assign(each, { index, label: index }),
)
const BY_NAME = new Map(REQUEST_CLASSES.map((each) => [`${each.outcome} ${each.cause}`, each]))

/** Returns the class with the first of these codes that it has; every outcome has one that is always among them. */
function classOf(outcome: Outcome, ...codes: readonly string[]): RequestClass {
  const name = codes.map((code) => `${outcome} ${code}`).find((each) => BY_NAME.has(each))
  return BY_NAME.get(name ?? '') as RequestClass
}

const ANSWERED = classOf('answered', 'answered')
const NOT_TRUSTED = classOf('handshake', 'not-trusted')
export const REJECTED = classOf('rejected', 'call-rejected')
const { length } = REQUEST_CLASSES
/** A rejected call for which no newer token came: a failure of the login, not of the call. */
const UNREPLACED: RequestClass = { ...REJECTED, section: 'no-token', index: length }
/** A client that leaves after the TLS handshake: a health check, unless many come at once. */
export const PROBE: RequestClass = { ...NOT_TRUSTED, traits: {}, index: length + 1 }
export const ALL_CLASSES: readonly RequestClass[] = [...REQUEST_CLASSES, UNREPLACED, PROBE]

/** Milliseconds after which a call is slow. CTI-OBS gives up after 3 s. */
export const SLOW = 2000

/**
 * Returns the one class and code of a request: the first class that fits.
 *
 * @example
 * - a POST with a body over `MAX_BODY_SIZE`: refused, `too-large`; a GET outside `ALLOWED_PATHS`: stray, `other-path`
 * - a 503 of the proxy without a connection to iSales: failed, with the cause of that, such as `no-route`
 * - a 200 with `{"result":7}`: declined, `call-result`
 */
export function classifyRequest(summary: RequestSummary): RequestClass {
  const { status, handshake, login, left, code, page, rejected, result, headMs = 0 } = summary
  if (handshake !== undefined)
    return summary.isCaller === false ? PROBE : classOf('handshake', handshake)
  if (login !== undefined && status === 200) return classOf('granted', login)
  const refused = codeOfRefused(summary)
  if (refused !== undefined)
    return classOf(looksLikeCtiObs(summary) ? 'refused' : 'stray', refused, 'bad-request')
  if (left === 'request') return classOf('stray', 'half-sent')
  if (left === 'response' && summary.isStarved === true)
    return classOf('failed', 'upstream-timeout')
  if (left === 'response') return classOf('abandoned', 'gave-up')
  if (code !== undefined || status >= 500)
    return classOf('failed', codeOfFailed(summary), code ?? 'server-error', 'internal')
  if (page === true) return classOf('rejected', 'call-page')
  if (rejected === 'unreplaced') return UNREPLACED
  if (rejected !== undefined || status === 401 || status === 403) return REJECTED
  if (status === 429) return classOf('rejected', 'call-throttled')
  if (status >= 400) return classOf('declined', 'call-declined')
  if (status === 200 && summary.notJson === true) return classOf('declined', 'not-json')
  if (result !== undefined) return classOf('declined', 'call-result')
  return headMs > SLOW ? classOf('slow', 'slow') : ANSWERED
}

/** Returns why the proxy refused a request. Too many in flight is a failure, as is every 503. */
function codeOfRefused({ status, login, method, code, refusal }: RequestSummary) {
  if (refusal !== undefined)
    return refusalRow(refusal).is === 'failed' ? undefined : toRefusalCode(refusal)
  if (login === undefined || status === 0)
    return code !== undefined && PROBLEMS[code].status < 500 ? code : undefined
  if (method !== 'POST') return 'method-not-allowed'
  return login === 'login' ? 'obs-login' : 'not-logged-in'
}

/** Returns true for a request that only CTI-OBS sends. Other clients send GETs, use browsers, leave early, or only connect. */
function looksLikeCtiObs({ method, refusal, isCaller }: RequestSummary): boolean {
  if (isCaller !== undefined) return isCaller
  return ((refusal && refusalRow(refusal).is) ?? (method === 'POST' && 'refused')) === 'refused'
}

/** Returns the code of the proxy's own error, or of a 5xx of iSales. Errors about a connection have a cause. */
function codeOfFailed({ failure, status, page, code, refusal }: RequestSummary): string {
  if (refusal !== undefined) return toRefusalCode(refusal)
  if (code !== undefined)
    return failure && problemRow(code).failed === 'cause'
      ? toCauseCode(failure.cause, 'call')
      : code
  // iSales documents 500 as a business failure.
  if (status === 500) return 'call-failed'
  if (status === PROBLEMS['loop-detected'].status) return 'loop-detected'
  return toCauseCode(classifyStatus({ status, page: page === true }), 'call')
}

/** Returns host and port of an absolute target, which replace `Host`. A client sends one to its HTTP_PROXY. */
export function authorityOf(target: string): string | undefined {
  return /^https?:\/\/([^/?]*)/i.exec(target)?.[1]
}

type Refused = Partial<Pick<IncomingMessage, 'headers' | 'method' | 'url'>> & {
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress'>
}

/**
 * Returns the summary of a request that was refused before it was forwarded.
 *
 * @param request with the parts that could be read.
 * @param requestId id of the response. Default: none was sent.
 */
export function refusedRequest(request: Refused, refusal: Refusal, requestId = ''): RequestSummary {
  const { method = '', url: target = '', socket, headers } = request
  const code = REFUSALS[refusal].problem
  const status = requestId === '' ? 0 : PROBLEMS[code].status
  const host = refusal === 'other-host' ? (authorityOf(target) ?? headers?.host) : undefined
  const bodySize = refusal === 'body-size' ? Number(headers?.['content-length']) : undefined
  const client = socket.remoteAddress
  return { method, target, status, code, refusal, client, host, bodySize, requestId }
}

/**
 * Results of the replay of a rejected request: with a newer token, `recovered` or `rejected` again, or `failed` without a
 * response; `no-token` if no newer token arrived in time.
 */
export const REPLAY_OUTCOMES = ['recovered', 'rejected', 'failed', 'no-token'] as const
export type ReplayOutcome = (typeof REPLAY_OUTCOMES)[number]
