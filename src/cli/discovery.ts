import { path as pathFormat } from '../config/formats-net.ts'
import type { Secret } from '../config/secret.ts'
import { PUBLISHED_REFRESH_PATH } from '../config/settings.ts'
import { isObject, parseObject } from '../http/json.ts'
import { isUnder } from '../proxy/validate.ts'
import { isGrant, loginBody, parseResponse, refreshBody, type Grant } from '../token/protocol.ts'
import type { Post } from '../upstream/post.ts'

/** What was tried and what iSales did. */
export interface Finding {
  readonly topic: string
  readonly evidence: string
}

/**
 * - `works`: the whole conversation works with `settings`.
 * - `refused`: iSales refused the credentials. Nothing else was tried.
 * - `unreachable`: no login came about for another reason.
 * - `no-header`: no combination of header, field and scheme was accepted on a business call.
 * - `elsewhere`: iSales names another host than `ISALES_URL`, so CTI-OBS would go past the proxy.
 */
export type Verdict = 'works' | 'refused' | 'unreachable' | 'no-header' | 'elsewhere'

export interface Discovery {
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  /** Settings by name, as text. Only those that differ from the defaults. */
  readonly settings: Readonly<Record<string, string>>
}

export interface DiscoveryOptions {
  /** `ISALES_URL`. */
  readonly origin: string
  readonly user: string
  readonly password: Secret
  readonly paths: {
    readonly login: string
    readonly refresh: string
    readonly interface: string
    /** `ALLOWED_PATHS`. */
    readonly allowed: readonly string[]
  }
  /** Log in a second time, to see whether that ends the first token. Default false. */
  readonly secondLogin: boolean
  /** One POST, never repeated. */
  readonly post: Post
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
}

type TokenField = 'token' | 'refreshToken'

/** Where a business call carries its token. */
interface Carrier {
  readonly header: 'Authorization' | 'Authentication'
  readonly field: TokenField
  readonly scheme: 'Bearer' | ''
}

/** The English edition comes first, then the Chinese one, then everything between. */
const CARRIERS: readonly Carrier[] = (['Bearer', ''] as const).flatMap((scheme) =>
  (['token', 'refreshToken'] as const).flatMap((field) =>
    (['Authorization', 'Authentication'] as const).map((header) => ({ header, field, scheme })),
  ),
)

/** Which token the refresh call carries in `Authentication`. `off`: none. */
const REFRESH_FORMS = ['token', 'refreshToken', 'off'] as const

interface Response {
  /** 0: no response came. */
  readonly status: number
  /** `result` as text; undefined: the body is not JSON or has none. */
  readonly result: string | undefined
  readonly data: Readonly<Record<string, unknown>>
  /** A page, which the proxy takes for a gateway's. */
  readonly page: boolean
  readonly error: string | undefined
}

/**
 * Finds the settings that suit an iSales, with one login and calls that change nothing
 * (`business/interface`, `auth/refresh`). It never sends a wrong password, and stops at the first
 * refusal of the credentials.
 */
export async function discover(options: DiscoveryOptions): Promise<Discovery> {
  const { paths, now } = options
  const findings: Finding[] = []
  const settings: Record<string, string> = {}
  const find = (topic: string, evidence: string): void => void findings.push({ topic, evidence })
  const end = (verdict: Verdict): Discovery => ({ verdict, findings, settings })

  const startedAt = now()
  const login = await logIn(options)
  if (!('grant' in login)) {
    find('login', login.evidence)
    return end(login.refused ? 'refused' : 'unreachable')
  }
  let { grant } = login
  find('login', `works, took ${Math.round(now() - startedAt)} ms; ${describeGrant(grant)}`)
  if (login.texts) {
    settings['OBS_NUMBERS'] = 'string'
    find('numbers', 'result or lifetimes are written as text, so CTI-OBS gets them as text')
  }

  const carrier = await findCarrier(options, grant, find)
  if (carrier === undefined) return end('no-header')
  if (carrier.header !== 'Authorization') settings['ISALES_TOKEN_HEADERS'] = carrier.header
  if (carrier.field !== 'token') settings['ISALES_TOKEN_FIELD'] = carrier.field
  if (carrier.scheme !== 'Bearer') settings['ISALES_TOKEN_SCHEME'] = carrier.scheme

  await findRejection(options, grant, carrier, { find, settings })
  const named = namedPaths(await readInterface(options, grant, carrier))
  if (!findPaths(named, options, { find, settings })) return end('elsewhere')

  const refreshPath = settings['ISALES_REFRESH_PATH'] ?? paths.refresh
  const refreshed = await findRefresh(options, { grant, carrier, refreshPath }, { find, settings })
  if (refreshed !== undefined) grant = refreshed

  if (options.secondLogin) grant = await logInAgain(options, grant, carrier, find)
  const works = isSuccess(await readInterface(options, grant, carrier))
  find('conversation', works ? 'works with these settings' : 'the token at hand is not accepted')
  return end(works ? 'works' : 'no-header')
}

/** Where findings and settings are collected. */
interface Report {
  readonly find: (topic: string, evidence: string) => void
  readonly settings: Record<string, string>
}

type Login =
  /** `texts`: numbers are written as text. */
  | { readonly grant: Grant; readonly texts: boolean }
  | { readonly refused: boolean; readonly evidence: string }

async function logIn({ post, user, password, paths, signal }: DiscoveryOptions): Promise<Login> {
  const result = await post({
    path: paths.login,
    headers: jsonHeaders(),
    body: loginBody(user, password),
    signal,
  })
  if (!result.ok) return { refused: false, evidence: `no response (${result.code})` }
  const outcome = parseResponse(result, 300_000, 0)
  if (isGrant(outcome)) return { grant: outcome, texts: hasTexts(result.body ?? '') }
  const refused = outcome.kind === 'refused'
  const cost = refused ? '; one wrong attempt was spent, and no other was made' : ''
  return { refused, evidence: `status ${result.status}, ${outcome.detail}${cost}` }
}

/** A second login, and whether the first token outlives it. */
async function logInAgain(
  options: DiscoveryOptions,
  first: Grant,
  carrier: Carrier,
  find: Report['find'],
): Promise<Grant> {
  const second = await logIn(options)
  if (!('grant' in second)) {
    find('second login', second.evidence)
    return first
  }
  const same = second.grant.token.reveal() === first.token.reveal()
  const alive = isSuccess(await readInterface(options, first, carrier))
  const effect = alive
    ? 'the first token lives on: several replicas may share a user'
    : 'it ends the first token: one user allows one session only'
  find('second login', same ? 'gives the same token' : effect)
  return second.grant
}

async function findCarrier(
  options: DiscoveryOptions,
  grant: Grant,
  find: Report['find'],
): Promise<Carrier | undefined> {
  for (const carrier of CARRIERS) {
    const response = await readInterface(options, grant, carrier)
    find('business call', `${describeCarrier(carrier)}: ${describe(response)}`)
    if (isSuccess(response)) return carrier
  }
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. */
async function findRejection(
  options: DiscoveryOptions,
  grant: Grant,
  carrier: Carrier,
  { find, settings }: Report,
): Promise<void> {
  const text = textOf(grant, carrier.field)
  const spoilt = `${text.slice(0, -1)}${text.endsWith('x') ? 'y' : 'x'}`
  const response = await callInterface(options, carrier, spoilt)
  const { status, result, page } = response
  const byStatus = status >= 400 && status < 500 && !page
  const byResult = status === 200 && result !== undefined && !isZero(result)
  const known = byStatus || byResult
  const limit = known ? '' : '; so the proxy does not notice when a token ends early'
  find('a spoilt token', `${describe(response)}${limit}`)
  if (byResult) settings['ISALES_REJECTED_RESULTS'] = result
  if (byStatus && status !== 401 && status !== 403)
    settings['ISALES_REJECTED_STATUSES'] = `401,403,${status}`
}

/** A path that `business/interface` names, and the origin where it stands in a URL. */
interface NamedPath {
  readonly name: string
  readonly path: string
  readonly origin: string | undefined
}

function namedPaths({ data }: Response): readonly NamedPath[] {
  return Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const { data: path } = pathFormat().safeParse(url?.pathname ?? value)
    return path === undefined ? [] : [{ name, path, origin: url?.origin }]
  })
}

/** False: iSales names another host than `ISALES_URL`. */
function findPaths(
  named: readonly NamedPath[],
  { origin: isalesUrl, paths }: DiscoveryOptions,
  { find, settings }: Report,
): boolean {
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== new URL(isalesUrl).origin)
  if (other !== undefined) {
    find('interface', `gives URLs of ${other}, which is not ISALES_URL; try that as ISALES_URL`)
    return false
  }
  if (origins.size > 0) {
    settings['OBS_REWRITE_INTERFACE'] = 'true'
    find('interface', 'gives whole URLs that name iSales; they are rewritten to the proxy')
  }
  const all = new Set(named.map(({ path }) => path))
  const closed = [...all].filter((path) => !paths.allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0) {
    settings['ALLOWED_PATHS'] = [...paths.allowed, ...closed].join(',')
    find('interface', `names ${closed.length} paths outside of ALLOWED_PATHS; they are added`)
  }
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== paths.refresh) {
    settings['ISALES_REFRESH_PATH'] = refresh
    find('interface', `names ${refresh} as the refresh path`)
  }
  return true
}

interface Refreshing {
  readonly grant: Grant
  readonly carrier: Carrier
  readonly refreshPath: string
}

/** Tries each form of the refresh call until one works. Returns what it granted. */
async function findRefresh(
  options: DiscoveryOptions,
  { grant, carrier, refreshPath }: Refreshing,
  { find, settings }: Report,
): Promise<Grant | undefined> {
  const { refreshToken } = grant
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there. `off` means the
  // published path.
  const giveUp = (evidence: string): void => {
    if (refreshPath === PUBLISHED_REFRESH_PATH) settings['ISALES_REFRESH_PATH'] = 'off'
    find('refresh', evidence)
  }
  if (refreshToken === undefined) {
    giveUp('the login gives no refresh token')
    return undefined
  }
  for (const form of REFRESH_FORMS) {
    const header = form === 'off' ? [] : ['Authentication', valueOf(grant, form, carrier.scheme)]
    const result = await options.post({
      path: refreshPath,
      headers: [...jsonHeaders(), ...header],
      body: refreshBody(refreshToken),
      signal: options.signal,
    })
    const outcome = result.ok ? parseResponse(result, 300_000, 0) : undefined
    const how = form === 'off' ? 'body alone' : `Authentication with the ${form}, and body`
    if (outcome === undefined || !isGrant(outcome)) {
      find('refresh', `${how}: ${outcome?.detail ?? 'no response'}`)
      continue
    }
    if (form === 'off') settings['ISALES_REFRESH_HEADER'] = 'off'
    if (form === 'refreshToken') settings['ISALES_REFRESH_HEADER_TOKEN'] = form
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const alive = isSuccess(await readInterface(options, grant, carrier))
    find(
      'refresh',
      `${how}: works; the refresh token ${rotates ? 'rotates' : 'stays'}, ` +
        `the old token ${alive ? 'lives on' : 'ends'}`,
    )
    return { ...outcome, refreshToken: latest }
  }
  giveUp('does not work in any form; the proxy logs in instead')
  return undefined
}

function readInterface(
  options: DiscoveryOptions,
  grant: Grant,
  carrier: Carrier,
): Promise<Response> {
  return callInterface(options, carrier, textOf(grant, carrier.field))
}

async function callInterface(
  { post, paths, signal }: DiscoveryOptions,
  { header, scheme }: Carrier,
  token: string,
): Promise<Response> {
  const value = scheme === '' ? token : `${scheme} ${token}`
  const response = await post({
    path: paths.interface,
    headers: [...jsonHeaders(), header, value],
    body: '{"version":311}',
    signal,
  })
  if (!response.ok)
    return { status: 0, result: undefined, data: {}, page: false, error: response.code }
  const { body = '' } = response
  const { result, resultData } = parseObject(body) ?? {}
  return {
    status: response.status,
    result: typeof result === 'number' || typeof result === 'string' ? String(result) : undefined,
    data: isObject(resultData) ? resultData : {},
    page: body.trimStart().startsWith('<'),
    error: undefined,
  }
}

function jsonHeaders(): readonly string[] {
  return ['Content-Type', 'application/json', 'Accept', 'application/json']
}

function textOf({ token, refreshToken }: Grant, field: TokenField): string {
  return (field === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

function valueOf(grant: Grant, field: TokenField, scheme: Carrier['scheme']): string {
  const text = textOf(grant, field)
  return scheme === '' ? text : `${scheme} ${text}`
}

function isSuccess({ status, result }: Response): boolean {
  return status === 200 && result !== undefined && isZero(result)
}

function isZero(result: string): boolean {
  return result === '0'
}

/** Never the body: it may hold a token. */
function describe({ status, result, error }: Response): string {
  if (status === 0) return `no response (${error ?? 'unknown'})`
  const shown = result !== undefined && /^-?\w{1,9}$/.test(result) ? `, result ${result}` : ''
  return `status ${status}${shown}`
}

function describeCarrier({ header, field, scheme }: Carrier): string {
  return `${header}: ${scheme === '' ? '' : `${scheme} `}<${field}>`
}

function describeGrant({ lifetime, refreshToken, refreshLifetime }: Grant): string {
  const life = lifetime.assumed
    ? 'the token states no lifetime that can be believed'
    : `the token lives ${lifetime.ms / 1000} s`
  if (refreshToken === undefined) return `${life}, no refresh token`
  return refreshLifetime === undefined
    ? `${life}, with a refresh token`
    : `${life}, the refresh token ${refreshLifetime / 1000} s`
}

/** True when iSales writes a number as text, as its interface documents. */
function hasTexts(body: string): boolean {
  const { result, resultData } = parseObject(body) ?? {}
  const lifetime = isObject(resultData) ? resultData['tokenExpirationTime'] : undefined
  return typeof result === 'string' || typeof lifetime === 'string'
}
