import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'
import { isObject, parseObject } from '../http/json.ts'
import { isUnder } from '../proxy/validate.ts'
import {
  isGrant,
  isRefusal,
  loginBody,
  parseResponse,
  refreshBody,
  type Grant,
} from '../token/protocol.ts'
import { withScheme } from '../token/token.ts'
import type { Post } from '../upstream/post.ts'
import {
  callInterface,
  describeCarrier,
  describeGrant,
  namedPaths,
  tokenText,
  type Carrier,
  type InterfaceResponse,
  type NamedPath,
} from './calls.ts'

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
  readonly config: Config
  /** Log in a second time, to see whether that ends the first token. */
  readonly secondLogin: boolean
  /** One POST, never repeated. */
  readonly post: Post
  readonly signal: AbortSignal
}

/** The options, and where findings and settings are collected. */
interface Run extends DiscoveryOptions {
  readonly find: (topic: string, evidence: string) => void
  readonly settings: Record<string, string>
}

/** The English edition comes first, then the Chinese one, then everything between. */
const CARRIERS: readonly Carrier[] = ['Bearer', ''].flatMap((scheme) =>
  (['token', 'refreshToken'] as const).flatMap((field) =>
    ['Authorization', 'Authentication'].map((header) => ({ headers: [header], field, scheme })),
  ),
)

/** Which token the refresh call carries in `Authentication`. `off`: none. */
const REFRESH_FORMS = ['token', 'refreshToken', 'off'] as const

/**
 * Finds the settings that suit an iSales, with one login and calls that change nothing
 * (`business/interface`, `auth/refresh`). It never sends a wrong password, and stops at the first
 * refusal of the credentials.
 */
export async function discover(options: DiscoveryOptions): Promise<Discovery> {
  const findings: Finding[] = []
  const settings: Record<string, string> = {}
  const find = (topic: string, evidence: string): void => void findings.push({ topic, evidence })
  const verdict = await converse({ ...options, settings, find })
  return { verdict, findings, settings }
}

async function converse(run: Run): Promise<Verdict> {
  const { find, settings } = run
  const startedAt = performance.now()
  const login = await logIn(run)
  if (!('grant' in login)) {
    find('login', login.evidence)
    return login.refused ? 'refused' : 'unreachable'
  }
  let { grant } = login
  const took = Math.round(performance.now() - startedAt)
  find('login', `works, took ${took} ms; the token ${describeGrant(grant)}`)
  if (login.texts) {
    settings['OBS_NUMBERS'] = 'string'
    find('numbers', 'result or lifetimes are written as text, so CTI-OBS gets them as text')
  }

  const carrier = await findCarrier(run, grant)
  if (carrier === undefined) return 'no-header'
  const [header = ''] = carrier.headers
  if (header !== 'Authorization') settings['ISALES_TOKEN_HEADERS'] = header
  if (carrier.field !== 'token') settings['ISALES_TOKEN_FIELD'] = carrier.field
  if (carrier.scheme !== 'Bearer') settings['ISALES_TOKEN_SCHEME'] = carrier.scheme

  await findRejection(run, grant, carrier)
  if (!findPaths(run, namedPaths(await readInterface(run, grant, carrier)))) return 'elsewhere'

  grant = (await findRefresh(run, grant, carrier)) ?? grant
  if (run.secondLogin) grant = await logInAgain(run, grant, carrier)
  const { works } = await readInterface(run, grant, carrier)
  find('conversation', works ? 'works with these settings' : 'the token at hand is not accepted')
  return works ? 'works' : 'no-header'
}

function readInterface(run: Run, grant: Grant, carrier: Carrier): Promise<InterfaceResponse> {
  return callInterface(run, carrier, tokenText(grant, carrier.field))
}

type Login =
  /** `texts`: numbers are written as text. */
  | { readonly grant: Grant; readonly texts: boolean }
  | { readonly refused: boolean; readonly evidence: string }

async function logIn({ config, post, signal }: Run): Promise<Login> {
  const result = await post({
    path: config.isalesLoginPath,
    body: loginBody(config.isalesUser, config.isalesPassword),
    signal,
  })
  if (!result.ok) return { refused: false, evidence: `no response (${result.code})` }
  const outcome = parseResponse(result, 0, 0)
  if (isGrant(outcome)) return { grant: outcome, texts: hasTexts(result.body ?? '') }
  const refused = isRefusal(outcome)
  const cost = refused ? '; one wrong attempt was spent, and no other was made' : ''
  return { refused, evidence: `status ${result.status}, ${outcome.detail}${cost}` }
}

/** True when iSales writes a number as text, as its interface documents. */
function hasTexts(body: string): boolean {
  const { result, resultData } = parseObject(body) ?? {}
  const lifetime = isObject(resultData) ? resultData['tokenExpirationTime'] : undefined
  return typeof result === 'string' || typeof lifetime === 'string'
}

/** A second login, and whether the first token outlives it. */
async function logInAgain(run: Run, first: Grant, carrier: Carrier): Promise<Grant> {
  const second = await logIn(run)
  if (!('grant' in second)) {
    run.find('second login', second.evidence)
    return first
  }
  const same = second.grant.token.reveal() === first.token.reveal()
  const { works } = await readInterface(run, first, carrier)
  const effect = works
    ? 'the first token lives on: several replicas may share a user'
    : 'it ends the first token: one user allows one session only'
  run.find('second login', same ? 'gives the same token' : effect)
  return second.grant
}

async function findCarrier(run: Run, grant: Grant): Promise<Carrier | undefined> {
  for (const carrier of CARRIERS) {
    const { text, works } = await readInterface(run, grant, carrier)
    run.find('business call', `${describeCarrier(carrier)}: ${text}`)
    if (works) return carrier
  }
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. */
async function findRejection(run: Run, grant: Grant, carrier: Carrier): Promise<void> {
  const token = tokenText(grant, carrier.field)
  const spoilt = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`
  const { status, result, page, text, works } = await callInterface(run, carrier, spoilt)
  const byStatus = status >= 400 && status < 500 && !page
  const byResult = status === 200 && result !== undefined && !works
  const limit = byStatus || byResult ? '' : '; so the proxy does not notice when a token ends early'
  run.find('a spoilt token', `${text}${limit}`)
  if (byResult) run.settings['ISALES_REJECTED_RESULTS'] = result
  if (byStatus && status !== 401 && status !== 403)
    run.settings['ISALES_REJECTED_STATUSES'] = `401,403,${status}`
}

/** False: iSales names another host than `ISALES_URL`. */
function findPaths({ config, find, settings }: Run, named: readonly NamedPath[]): boolean {
  const { allowedPaths: allowed } = config
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== config.isalesUrl)
  if (other !== undefined) {
    find('interface', `gives URLs of ${other}, which is not ISALES_URL; try that as ISALES_URL`)
    return false
  }
  if (origins.size > 0) {
    find('interface', 'gives whole URLs that name iSales; they are rewritten to the proxy')
  }
  const all = new Set(named.map(({ path }) => path))
  const closed = [...all].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0) {
    settings['ALLOWED_PATHS'] = [...allowed, ...closed].join(',')
    find('interface', `names ${closed.length} paths outside of ALLOWED_PATHS; they are added`)
  }
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== refreshPathOf(config)) {
    settings['ISALES_REFRESH_PATH'] = refresh
    find('interface', `names ${refresh} as the refresh path`)
  }
  return true
}

/** Refreshing is tried where it is off, too. */
function refreshPathOf({ isalesRefreshPath = PUBLISHED_REFRESH_PATH }: Config): string {
  return isalesRefreshPath
}

/** Tries each form of the refresh call until one works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, carrier: Carrier): Promise<Grant | undefined> {
  const { config, find, settings } = run
  const path = settings['ISALES_REFRESH_PATH'] ?? refreshPathOf(config)
  const { refreshToken } = grant
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there. `off` means the
  // published path.
  const giveUp = (evidence: string): void => {
    if (path === PUBLISHED_REFRESH_PATH) settings['ISALES_REFRESH_PATH'] = 'off'
    find('refresh', evidence)
  }
  if (refreshToken === undefined) {
    giveUp('the login gives no refresh token')
    return undefined
  }
  for (const form of REFRESH_FORMS) {
    const headers =
      form === 'off' ? [] : ['Authentication', withScheme(carrier.scheme, tokenText(grant, form))]
    const result = await run.post({
      path,
      headers,
      body: refreshBody(refreshToken),
      signal: run.signal,
    })
    const outcome = result.ok ? parseResponse(result, 0, 0) : undefined
    const how = form === 'off' ? 'body alone' : `Authentication with the ${form}, and body`
    if (outcome === undefined || !isGrant(outcome)) {
      find('refresh', `${how}: ${outcome?.detail ?? 'no response'}`)
      continue
    }
    if (form !== 'token') settings['ISALES_REFRESH_HEADER_TOKEN'] = form
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const { works } = await readInterface(run, grant, carrier)
    find(
      'refresh',
      `${how}: works; the refresh token ${rotates ? 'rotates' : 'stays'}, ` +
        `the old token ${works ? 'lives on' : 'ends'}`,
    )
    return { ...outcome, refreshToken: latest }
  }
  giveUp('does not work in any form; the proxy logs in instead')
  return undefined
}
