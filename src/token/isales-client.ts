import {
  toAuthFailure,
  cause,
  classifyStatus,
  isOfGateway,
  isWebPage,
  type AuthFailureReason,
  type Cause,
  type PeerCertificate,
  type ResponseInfo,
} from '../codes.ts'
import { HOUR, MINUTE, SECOND, type Clock } from '../clock.ts'
import { Secret, type Config } from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import type { Post, PostResult } from '../upstream/index.ts'

// The interface of iSales: the two token requests, one HTTP request each, and what their responses mean.

export type Operation = 'login' | 'refresh'

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

export interface RefreshTokens {
  readonly token: Secret
  readonly refreshToken: Secret
}

/** What a token request needs to be sent. */
export interface Sending {
  /** Aborted: nobody waits for the outcome any more. */
  readonly signal: AbortSignal
  /** Called when it is sent to iSales. */
  readonly onSent?: () => void
}

/** Each makes one request, never repeated. They never reject. */
export interface IsalesClient {
  readonly login: (credentials: Credentials, sending: Sending) => Promise<Grant | AuthFailure>
  readonly refresh: (tokens: RefreshTokens, sending: Sending) => Promise<Grant | AuthFailure>
}

/**
 * What a failed token request says of the credentials, and may have done to the account.
 *
 * - `refused`: iSales judged the credentials and refused them.
 * - `ambiguous`: refused, or iSales is ill: its published 500. Whether the credentials are proven decides.
 * - `unknown`: the request was written, and nothing says how iSales judged it.
 * - `not-processed`: nothing of the account was touched.
 * - `egress`: the egress proxy refused its own user and password (407). iSales was not reached.
 */
export type FailureKind = 'refused' | 'ambiguous' | 'unknown' | 'not-processed' | 'egress'

export interface AuthFailure {
  readonly kind: FailureKind
  readonly cause: Cause
  /** Follows from the cause. */
  readonly reason: AuthFailureReason
  /** The HTTP status; undefined: there was no response. */
  readonly status?: number
  /** What `Retry-After` asked for, milliseconds from the response. Never with `refused`. */
  readonly retryAfter?: number | undefined
  /** An error code, `result=7`, or what is odd about the response; empty: nothing. Never text of the response. */
  readonly detail: string
  /** The certificate of iSales, where it was not accepted. */
  readonly certificate?: PeerCertificate | undefined
}

/** What a successful login or refresh gives. Lifetimes are in milliseconds. */
export interface Grant {
  readonly token: Secret
  /** When the request that gave it was sent, on the monotonic clock: iSales cannot have counted earlier. */
  readonly sentAt: number
  readonly lifetime: Lifetime
  readonly refreshToken?: Secret | undefined
  /** Undefined: none that can be believed was given, and the refresh token serves until it is refused. */
  readonly refreshLifetime?: number | undefined
  /** Another replica obtained it. Default: this process did. */
  readonly adopted?: boolean | undefined
  /** It was obtained with other credentials than ours. Default: false. */
  readonly otherCredentials?: boolean | undefined
}

export interface Lifetime {
  readonly ms: number
  /**
   * What is wrong with what iSales gave.
   *
   * - `missing`: none that can be believed; `DEFAULT_LIFETIME` stands in.
   * - `too-long`: over 24 h, probably milliseconds. It counts as `DEFAULT_LIFETIME`.
   */
  readonly doubt?: 'missing' | 'too-long' | undefined
}

/** Milliseconds. No lifetime that is believed is longer, or shorter than the next. */
const MAX_LIFETIME = 24 * HOUR
/** The interface counts in seconds: less than one is an error of iSales, and obeying it would be a hot loop. */
export const MIN_LIFETIME = SECOND
/** The published example. */
const DEFAULT_LIFETIME = 5 * MINUTE
/** A header value over this would not pass iSales' own limits; no token is so long. */
const MAX_TOKEN = 8192
/** RFC 9110 section 5.5, VCHAR only: nothing that ends or splits a header value. */
const HEADER_SAFE = /^[\x21-\x7e]+$/
const DECIMAL = /^\d+(?:\.\d+)?$/

export interface IsalesClientOptions extends Pick<
  Config,
  | 'isalesUrl'
  | 'isalesLoginPath'
  | 'isalesRefreshPath'
  | 'isalesRefreshHeaderToken'
  | 'isalesTokenHeader'
> {
  readonly post: Post
  readonly clock: Clock
}

export function createIsalesClient(options: IsalesClientOptions): IsalesClient {
  const { isalesLoginPath, isalesRefreshPath = '', isalesTokenHeader, clock } = options

  const post = async (
    request: Omit<Parameters<Post>[0], 'signal'>,
    { signal, onSent }: Sending,
  ) => {
    onSent?.()
    const sentAt = clock.now()
    const result = await options.post({ ...request, signal })
    if (!result.ok) return transportFailure(result)
    const plain = options.isalesUrl.startsWith('http:')
    return parseResponse({ ...result, plain }, sentAt)
  }

  return {
    login({ user, password }, sending) {
      const body = JSON.stringify({ user, passwd: password.reveal() })
      return post({ path: isalesLoginPath, body }, sending)
    },

    async refresh(tokens, sending) {
      const field = options.isalesRefreshHeaderToken
      const value = field && withScheme(isalesTokenHeader.scheme, tokens[field].reveal())
      const headers = value === undefined ? [] : ['Authentication', value]
      const body = JSON.stringify({ refreshToken: tokens.refreshToken.reveal() })
      const outcome = await post({ path: isalesRefreshPath, headers, body }, sending)
      const isRefused = !isGrant(outcome) && outcome.cause.stage === 'login'
      return isRefused ? { ...outcome, cause: cause('refresh-refused') } : outcome
    },
  }
}

/** What a header carries: scheme, space, token; without a scheme the token alone. */
export function withScheme(scheme: string, token: string): string {
  return scheme === '' ? token : `${scheme} ${token}`
}

function transportFailure(result: Extract<PostResult, { ok: false }>): AuthFailure {
  const { failure, cause: why, code, written, certificate } = result
  const known = { cause: why, reason: toAuthFailure(why), detail: code, certificate }
  if (why.code === 'egress-login') return { kind: 'egress', ...known }
  // A TLS failure may come after the first bytes were written, and still nothing of them was read.
  return { kind: written && failure !== 'tls' ? 'unknown' : 'not-processed', ...known }
}

/** `plain`: iSales was spoken to without TLS. */
type TokenResponse = Omit<Extract<PostResult, { ok: true }>, 'ok'> & { readonly plain?: boolean }

/**
 * Judges the response to a login or a refresh. It never throws: whatever came has a reason.
 *
 * @param sentAt when the request was sent, on the monotonic clock.
 */
export function parseResponse(response: TokenResponse, sentAt: number): Grant | AuthFailure {
  const { status } = response
  const judged = status >= 200 && status < 300 ? judgeBody(response, sentAt) : judgeStatus(response)
  if (isGrant(judged) || judged.kind === 'refused') return judged
  return { ...judged, retryAfter: parseRetryAfter(response.retryAfter) }
}

function judgeBody(response: TokenResponse, sentAt: number): Grant | AuthFailure {
  const { status, contentType, body } = response
  if (body === undefined) return malformed(status, 'body-too-long')
  if (isWebPage(contentType, body))
    return responseFailure('not-processed', cause('not-isales'), status, 'page')
  const json = parseObject(body)
  if (json === undefined) return malformed(status, 'no-json')
  const { result, resultData } = json
  if (result === undefined || result === null) return malformed(status, 'no-result')
  if (isFailure(result))
    return responseFailure('refused', cause('result'), status, resultText(result))
  if (!isObject(resultData)) return malformed(status, 'no-resultData')
  const token = parseToken(resultData['token'])
  if (token === undefined) return malformed(status, 'no-token')
  const refresh = parseLifetime(resultData['refreshExpirationTime'], MAX_LIFETIME)
  return {
    token,
    sentAt,
    lifetime: parseLifetime(resultData['tokenExpirationTime'], DEFAULT_LIFETIME),
    refreshToken: parseToken(resultData['refreshToken']),
    refreshLifetime: refresh.doubt === 'missing' ? undefined : refresh.ms,
  }
}

/** True for a grant. */
export function isGrant(outcome: Grant | AuthFailure): outcome is Grant {
  return 'token' in outcome
}

/** True when iSales refused, as far as its response alone says. */
export function isRefusal({ kind }: AuthFailure): boolean {
  return kind === 'refused' || kind === 'ambiguous'
}

/** True when there is no such path: an iSales without refresh. */
export function isMissing({ status }: AuthFailure): boolean {
  return status === 404 || status === 405
}

/** Seconds to milliseconds. Undefined for anything else: a date (RFC 9110 section 10.2.3) is not read. */
function parseRetryAfter(value = ''): number | undefined {
  const text = value.trim()
  return /^\d{1,9}$/.test(text) ? Number(text) * SECOND : undefined
}

/** A status that is no success. 401 and 403 say it themselves; of others the shape of iSales does: `result` is not 0. */
function judgeStatus(response: TokenResponse): AuthFailure {
  const { status, contentType, body, plain } = response
  const result = parseObject(body ?? '')?.['result']
  const shaped = result !== undefined && result !== null && isFailure(result)
  const page = isWebPage(contentType, body)
  const found = classifyStatus({ status, shaped, page, plain })
  const kind = classifyFailure(found, { status, shaped, page })
  return responseFailure(kind, found, status, page ? 'page' : shaped ? resultText(result) : '')
}

/** What a response says of the credentials. One of a gateway says nothing, whatever its body is. */
function classifyFailure(
  { stage, code }: Cause,
  { status, shaped, page }: Pick<ResponseInfo, 'status' | 'shaped' | 'page'>,
): FailureKind {
  if (stage === 'login') return code === 'business' ? 'ambiguous' : 'refused'
  if (code === 'timeout' || code === 'page-refused') return 'unknown'
  if (isOfGateway(status) || status < 400 || page === true) return 'not-processed'
  return status >= 500 && shaped !== true ? 'not-processed' : 'unknown'
}

function isFailure(result: unknown): boolean {
  return result !== 0 && result !== '0'
}

function resultText(result: unknown): string {
  const code = typeof result === 'number' || typeof result === 'string' ? String(result) : ''
  return /^-?\d{1,9}$/.test(code) ? `result=${code}` : 'result'
}

function parseToken(value: unknown): Secret | undefined {
  if (typeof value !== 'string' || value.length > MAX_TOKEN) return undefined
  return HEADER_SAFE.test(value) ? new Secret(value) : undefined
}

/**
 * From seconds as a number or a decimal string: 1 s to 24 h is believed.
 *
 * @param tooLong as what one over 24 h counts.
 */
function parseLifetime(value: unknown, tooLong: number): Lifetime {
  const text = typeof value === 'string' ? value.trim() : undefined
  const seconds = text !== undefined && DECIMAL.test(text) ? Number(text) : value
  if (typeof seconds !== 'number' || !(seconds * 1000 >= MIN_LIFETIME)) {
    return { ms: DEFAULT_LIFETIME, doubt: 'missing' }
  }
  const ms = seconds * 1000
  return ms > MAX_LIFETIME ? { ms: tooLong, doubt: 'too-long' } : { ms }
}

function responseFailure(
  kind: FailureKind,
  why: Cause,
  status: number,
  detail: string,
): AuthFailure {
  return { kind, cause: why, reason: toAuthFailure(why), status, detail }
}

function malformed(status: number, detail: string): AuthFailure {
  return responseFailure('unknown', cause('not-isales'), status, detail)
}
