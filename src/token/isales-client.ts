import {
  cause,
  classifyStatus,
  isOfGateway,
  isWebPage,
  type Cause,
  type CauseCode,
  type ResponseInfo,
} from '../causes.ts'
import { HOUR, MINUTE, SECOND, type Clock } from '../clock.ts'
import { holds, Secret, type Config } from '../config/index.ts'
import { isObject, parseObject, type JsonObject } from '../json.ts'
import type { Fact, FactName, FailureDetails } from '../messages/index.ts'
import { excerpt } from '../terminal.ts'
import type { Post, PostResult } from '../upstream/index.ts'

// The login and the refresh of iSales, one HTTP request each, and the meaning of their responses.

export type Operation = 'login' | 'refresh'

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

export function isSameAs(one: Credentials, other: Credentials): boolean {
  return one.user === other.user && one.password.reveal() === other.password.reveal()
}

type RefreshTokens = Readonly<{ token: Secret; refreshToken: Secret }>

/** Each method makes one request, is never repeated, and never rejects. */
export interface IsalesClient {
  readonly login: (credentials: Credentials, signal: AbortSignal) => Promise<Grant | AuthFailure>
  readonly refresh: (tokens: RefreshTokens, signal: AbortSignal) => Promise<Grant | AuthFailure>
}

/**
 * Effect of a failed token request on the account.
 *
 * - `rejected`: iSales checked the credentials and rejected them.
 * - `ambiguous`: iSales's published 500. It means a rejection unless the credentials are known good.
 * - `unknown`: the request was written, and the response does not tell whether iSales rejected it.
 * - `not-processed`: iSales did not check the credentials.
 */
export type FailureKind = 'rejected' | 'ambiguous' | 'unknown' | 'not-processed'

export interface AuthFailure extends FailureDetails {
  readonly kind: FailureKind
  /** From `Retry-After`, milliseconds from the response. Never with `rejected`. */
  readonly retryAfter?: number | undefined
}

/** Result of a successful login or refresh. Lifetimes are in milliseconds. */
export interface Grant {
  readonly token: Secret
  /** When the request was sent, on the monotonic clock: iSales cannot have counted earlier. */
  readonly sentAt: number
  readonly lifetime: Lifetime
  readonly refreshToken?: Secret | undefined
  /** Undefined if no valid one was given; the refresh token is then used until iSales rejects it. */
  readonly refreshLifetime?: number | undefined
}

export interface Lifetime {
  readonly ms: number
  /** Why `DEFAULT_LIFETIME` is used: no valid lifetime, or over 24 h, probably because iSales meant milliseconds. */
  readonly doubt?: 'missing' | 'too-long' | undefined
  /** Seconds, as iSales stated a lifetime that is too long. */
  readonly stated?: number
}

export const MAX_LIFETIME = 24 * HOUR
/** iSales counts in seconds: less than one is an error, and would cause a hot loop. */
export const MIN_LIFETIME = SECOND
/** The published example. */
export const DEFAULT_LIFETIME = 5 * MINUTE
/** Characters; a longer header value would exceed iSales's own limits. */
const MAX_TOKEN = 8192
/** RFC 9110 section 5.5, VCHAR only, so that a token cannot end or split a header value. */
const HEADER_SAFE = /^[\x21-\x7e]+$/
/** Names of members that are shown, and their form. */
const MAX_NAMES = 5
const MEMBER = /^[\p{L}\p{N}_.$-]{1,32}$/u
/** Characters of a header that are shown. */
const MAX_HEADER = 100
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

  /** @param secrets that the response may repeat. */
  const post = async (request: Parameters<Post>[0], ...secrets: readonly string[]) => {
    const sentAt = clock.now()
    const result = await options.post(request)
    const plain = options.isalesUrl.startsWith('http:')
    if (!result.ok) return transportFailure(result, plain)
    const parsed = parseResponse({ ...result, plain }, sentAt)
    if (isGrant(parsed)) return parsed
    const isPublic = ([, value]: Fact) =>
      typeof value !== 'string' || !secrets.some((secret) => holds(value, secret))
    return { ...parsed, seen: parsed.seen?.filter(isPublic) }
  }

  return {
    login({ user, password }, signal) {
      const body = JSON.stringify({ user, passwd: password.reveal() })
      return post({ path: isalesLoginPath, body, signal }, user, password.reveal())
    },

    async refresh(tokens, signal) {
      const field = options.isalesRefreshHeaderToken
      const value = field && withScheme(isalesTokenHeader.scheme, tokens[field].reveal())
      const headers = value === undefined ? [] : ['Authentication', value]
      const [token, refreshToken] = [tokens.token.reveal(), tokens.refreshToken.reveal()]
      const body = JSON.stringify({ refreshToken })
      const request = { path: isalesRefreshPath, headers, body, signal }
      const outcome = await post(request, token, refreshToken)
      const isRejected = !isGrant(outcome) && outcome.cause.stage === 'login'
      return isRejected ? { ...outcome, cause: cause('refresh-rejected') } : outcome
    },
  }
}

/** Returns a header value: scheme, space, token; without a scheme, only the token. */
export function withScheme(scheme: string, token: string): string {
  return scheme === '' ? token : `${scheme} ${token}`
}

function transportFailure(result: Extract<PostResult, { ok: false }>, plain: boolean): AuthFailure {
  const { detail, written, certificate, status, seen } = result
  // A response whose body is missing may be a rejection, unless it is a gateway's.
  const kind = written && !isOfGateway(status ?? 0) ? 'unknown' : 'not-processed'
  // A status that is not a success tells the cause without its body.
  const isClear = status !== undefined && !isSuccess(status)
  const found = isClear ? classifyStatus({ status, plain }) : result.cause
  return { kind, cause: found, status, detail, certificate, seen }
}

/** `plain`: over a connection without TLS. */
type TokenResponse = Omit<Extract<PostResult, { ok: true }>, 'ok'> & { readonly plain?: boolean }

/**
 * Parses the response to a login or a refresh. Never throws.
 *
 * @param sentAt when the request was sent, on the monotonic clock.
 */
export function parseResponse(response: TokenResponse, sentAt: number): Grant | AuthFailure {
  const parsed = isSuccess(response.status)
    ? parseBody(response, sentAt)
    : toStatusFailure(response)
  if (isGrant(parsed)) return parsed
  const failure = { ...parsed, seen: [...headerFacts(response), ...(parsed.seen ?? [])] }
  if (parsed.kind === 'rejected') return failure
  return { ...failure, retryAfter: parseRetryAfter(response.retryAfter) }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

function parseBody(response: TokenResponse, sentAt: number): Grant | AuthFailure {
  const { status, contentType, body, size = 0 } = response
  const malformed = (code: CauseCode, detail: string, ...seen: readonly Fact[]): AuthFailure => {
    return { kind: 'unknown', cause: cause(code), status, detail, seen }
  }
  if (body === undefined) {
    const isCoded = headerFacts(response).some(([name]) => name === 'encoding')
    return isCoded ? malformed('unreadable', '') : malformed('not-isales', 'body-too-long')
  }
  if (isWebPage(contentType, body))
    return { ...malformed('login-page', 'page'), kind: 'not-processed' }
  const json = parseObject(body)
  if (json === undefined) return malformed('not-isales', 'no-json', ['responseSize', size])
  const { result, resultData } = json
  const others = (detail: string) => malformed('other-members', detail, ['members', namesOf(json)])
  if (result === undefined || result === null) return others('no-result')
  if (isFailure(result))
    return { kind: 'rejected', cause: cause('result'), status, detail: resultText(result) }
  if (!isObject(resultData)) return others('no-resultData')
  const { token: given } = resultData
  if (typeof given === 'string' && given.length > MAX_TOKEN) {
    const most = ['mostCharacters', MAX_TOKEN] as const
    return malformed('token-too-long', '', ['tokenLength', given.length], most)
  }
  const token = parseToken(given)
  if (token === undefined) return others('no-token')
  const refresh = parseLifetime(resultData['refreshExpirationTime'], MAX_LIFETIME)
  return {
    token,
    sentAt,
    lifetime: parseLifetime(resultData['tokenExpirationTime'], DEFAULT_LIFETIME),
    refreshToken: parseToken(resultData['refreshToken']),
    refreshLifetime: refresh.doubt === 'missing' ? undefined : refresh.ms,
  }
}

export function isGrant<T extends Grant>(outcome: T | AuthFailure): outcome is T {
  return 'token' in outcome
}

/** True if iSales rejected, or possibly rejected, the credentials. */
export function isRejection({ kind }: AuthFailure): boolean {
  return kind === 'rejected' || kind === 'ambiguous'
}

/** True if iSales has no such path. */
export function isMissing({ status }: AuthFailure): boolean {
  return status === 404 || status === 405
}

/** Converts seconds to milliseconds; undefined for other values, such as a date (RFC 9110 section 10.2.3). */
function parseRetryAfter(value = ''): number | undefined {
  const text = value.trim()
  return /^\d{1,9}$/.test(text) ? Number(text) * SECOND : undefined
}

/** `shaped`: the body has iSales's format, with a `result` other than 0. */
function toStatusFailure(response: TokenResponse): AuthFailure {
  const { status, contentType, body, plain } = response
  const result = parseObject(body ?? '')?.['result']
  const shaped = result !== undefined && result !== null && isFailure(result)
  const page = isWebPage(contentType, body)
  const info = { status, shaped, page, plain }
  const found = classifyStatus(info)
  const kind = classifyFailure(found, info)
  const detail = page ? 'page' : shaped ? resultText(result) : ''
  return { kind, cause: found, status, detail }
}

/** A gateway's response does not concern the credentials, even with iSales's format. */
function classifyFailure({ stage, code }: Cause, info: ResponseInfo): FailureKind {
  const { status, shaped, page } = info
  if (stage === 'login') return code === 'business' ? 'ambiguous' : 'rejected'
  if (code === 'timeout' || code === 'login-page') return 'unknown'
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

/** Accepts seconds from 1 to 24 h, as a number or a decimal string. `tooLong`: milliseconds that replace a longer one. */
function parseLifetime(value: unknown, tooLong: number): Lifetime {
  const text = typeof value === 'string' ? value.trim() : undefined
  const seconds = text !== undefined && DECIMAL.test(text) ? Number(text) : value
  if (typeof seconds !== 'number' || !(seconds * 1000 >= MIN_LIFETIME)) {
    return { ms: DEFAULT_LIFETIME, doubt: 'missing' }
  }
  const ms = seconds * 1000
  const stated = Math.min(seconds, Number.MAX_SAFE_INTEGER)
  return ms > MAX_LIFETIME ? { ms: tooLong, doubt: 'too-long', stated } : { ms }
}

/** Returns the first names of members, and of their members, that look like names. Never returns a value. */
function namesOf(json: JsonObject): string {
  const names = Object.entries(json).flatMap(([name, value]) =>
    isObject(value) ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name],
  )
  const shown = names.slice(0, MAX_NAMES).map((name) => (MEMBER.test(name) ? name : '…'))
  return [...shown, ...(names.length > MAX_NAMES ? ['…'] : [])].join(', ')
}

/** Returns headers that explain a failure. User, query and fragment of a `Location` may contain secrets. */
function headerFacts({ headers = [], retryAfter }: TokenResponse): readonly Fact[] {
  const factOf = (name: FactName, header: string): readonly Fact[] => {
    const [, value = ''] = headers.find(([other]) => other.toLowerCase() === header) ?? []
    const harmless = value.replaceAll(/[?#;].*$|(?<=\/\/)[^/]*@/gs, '')
    return harmless === '' ? [] : [[name, excerpt(harmless, MAX_HEADER)]]
  }
  const ms = parseRetryAfter(retryAfter)
  const wait = ms === undefined ? excerpt(retryAfter ?? '', MAX_HEADER) : { seconds: ms / SECOND }
  return [
    ...factOf('location', 'location'),
    ...factOf('encoding', 'content-encoding'),
    ...(wait === '' ? [] : ([['retryAfter', wait]] as const)),
  ]
}
