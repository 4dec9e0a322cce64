import { path as pathFormat } from '../config/formats-net.ts'
import { formatDuration } from '../config/formats.ts'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'
import { isObject, parseObject, type JsonObject } from '../http/json.ts'
import { isUnder } from '../proxy/validate.ts'
import { systemClock } from '../clock.ts'
import { askOnce, createIsalesClient, type IsalesClient } from '../token/client.ts'
import { isGrant, isRefusal, type AuthFailure, type Grant } from '../token/protocol.ts'
import { withScheme } from '../token/token.ts'
import type { Post, PostResult } from '../upstream/post.ts'
import { EXIT } from './exit-codes.ts'
import { describeFailure, REMEDIES } from './remedies.ts'

/** What iSales did at one stage of the conversation. */
export interface Finding {
  readonly topic: string
  readonly evidence: string
  /** Something is to be done about it. */
  readonly remedy?: string
}

/** `evidence. Remedy` */
export function sentences({ evidence, remedy }: Finding): string {
  return remedy === undefined ? evidence : `${evidence}. ${remedy}`
}

/** How the conversation ended, for people and as the exit code of `check --live` and `discover`. */
export const VERDICTS = {
  works: { code: EXIT.ok, text: 'It works.' },
  blind: {
    code: EXIT.ok,
    text: 'It works, but the proxy cannot notice when a token ends early: calls then fail until the token is renewed.',
  },
  refused: {
    code: EXIT.refused,
    text: 'iSales refused the login. One attempt was spent; nothing else was tried.',
  },
  unreachable: {
    code: EXIT.unreachable,
    text: 'No login came about, so nothing else could be tried.',
  },
  'no-header': { code: EXIT.unreachable, text: 'The login works, but business calls do not.' },
  elsewhere: {
    code: EXIT.failed,
    text: 'Calls work, but iSales names another host than ISALES_URL: CTI-OBS would call it there.',
  },
} as const

export interface Probed {
  readonly verdict: keyof typeof VERDICTS
  readonly findings: readonly Finding[]
  /** Settings by name, as text, that suit this iSales better. Varied: those that differ from the defaults. */
  readonly settings: Readonly<Record<string, string>>
}

export interface ProbeOptions {
  readonly config: Config
  /** One POST, never repeated. */
  readonly post: Post
  readonly signal: AbortSignal
  /** True: all forms of the interface are tried. False: the settings as they are. */
  readonly vary: boolean
  /** Log in a second time, to see whether that ends the first token. Default false. */
  readonly secondLogin?: boolean
  /** Default: `ask`. */
  readonly logIn?: LogIn
  /** Milliseconds since 1970. Default: the machine's date. */
  readonly wallClock?: () => number
}

export type LogIn = (ask: AskIsales, isales: IsalesClient) => Promise<Login>

/** One login at iSales. */
type AskIsales = () => Promise<Grant | AuthFailure>

export interface Login {
  /** Undefined: iSales was not asked; `note` says why. */
  readonly outcome: Grant | AuthFailure | undefined
  /** What is to be said besides. */
  readonly note?: string
  /** Others use the token, too, so it is not refreshed. */
  readonly shared?: boolean
}

/** Where a business call carries its token. */
interface Carrier {
  readonly headers: readonly string[]
  readonly field: Config['isalesTokenField']
  /** May be empty. */
  readonly scheme: string
}

/** The English edition comes first, then the Chinese one, then everything between. */
const CARRIERS: readonly Carrier[] = ['Bearer', ''].flatMap((scheme) =>
  (['token', 'refreshToken'] as const).flatMap((field) =>
    ['Authorization', 'Authentication'].map((header) => ({ headers: [header], field, scheme })),
  ),
)

/** Which token the refresh call carries in `Authentication`. `off`: none. */
type RefreshForm = 'token' | 'refreshToken' | 'off'
const REFRESH_FORMS: readonly RefreshForm[] = ['token', 'refreshToken', 'off']

/** Milliseconds; a clock that is further off is named. */
const CLOCK_TOLERANCE = 5 * 60_000

interface Run extends ProbeOptions {
  readonly ask: AskIsales
  readonly isales: IsalesClient
  /** The response to the latest POST. */
  readonly latest: () => PostResult | undefined
  /** `set` is what suits iSales: taken over when varied, else the remedy. */
  readonly find: (
    topic: string,
    evidence: string,
    act?: { readonly remedy?: string; readonly set?: Readonly<Record<string, string>> },
  ) => void
  readonly settings: Record<string, string>
}

/**
 * The conversation of `check --live` and `discover`: one login, calls that change nothing (`business/interface`), a token
 * that is not valid, a refresh. It never sends a second password, and stops at the first refusal.
 */
export async function probe(options: ProbeOptions): Promise<Probed> {
  const { config, signal, vary, wallClock = Date.now } = options
  const findings: Finding[] = []
  const settings: Record<string, string> = {}
  let latest: PostResult | undefined
  const post: Post = async (request) => (latest = await options.post(request))
  const isales = createIsalesClient({ ...config, post, clock: systemClock, wallClock })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const verdict = await converse({
    ...options,
    post,
    wallClock,
    settings,
    latest: () => latest,
    isales,
    ask: () => isales.login(credentials, askOnce(signal)),
    find(topic, evidence, { remedy, set = {} } = {}) {
      Object.assign(settings, set)
      const sets = Object.entries(set).map(([name, value]) => `${name}=${value}`)
      const todo = remedy ?? (vary || sets.length === 0 ? undefined : `Set ${sets.join(' and ')}`)
      findings.push({ topic, evidence, ...(todo !== undefined && { remedy: todo }) })
    },
  })
  return { verdict, findings, settings }
}

async function converse(run: Run): Promise<Probed['verdict']> {
  const { config, find, vary, signal } = run
  const startedAt = performance.now()
  const { outcome, note, shared } = await (run.logIn ?? plainLogin)(run.ask, run.isales)
  const where = `at ${config.isalesUrl} as ${config.isalesUser}`
  if (outcome === undefined) {
    find('login', `${where} was not tried: ${note}`)
    return 'unreachable'
  }
  if (!isGrant(outcome)) {
    const { evidence, remedy } = describeFailure(outcome, config)
    find('login', `${where}: ${evidence}`, { remedy })
    return isRefusal(outcome) ? 'refused' : 'unreachable'
  }
  const took = Math.round(performance.now() - startedAt)
  find('login', `${where} works, took ${took} ms; the token ${describeGrant(outcome)}`)
  if (note !== undefined) find('store', note)
  judgeLogin(run)

  const carrier = await findCarrier(run, outcome)
  if (carrier === undefined || signal.aborted) return 'no-header'
  const told = await findRejection(run, outcome, carrier)
  if (!findPaths(run, await callInterface(run, carrier, tokenText(outcome, carrier.field))))
    return 'elsewhere'
  let grant = outcome
  if (shared === true) find('refresh', 'was not tried: running replicas use this token')
  else grant = (await findRefresh(run, grant, carrier)) ?? grant
  if (vary && run.secondLogin === true) grant = await logInAgain(run, grant, carrier)
  const { works } = await callInterface(run, carrier, tokenText(grant, carrier.field))
  find('conversation', works ? 'works with these settings' : 'the token at hand is not accepted')
  return works ? (told ? 'works' : 'blind') : 'no-header'
}

const plainLogin = async (ask: AskIsales): Promise<Login> => ({ outcome: await ask() })

/** What the response to the login says besides the token. */
function judgeLogin({ find, latest, wallClock = Date.now }: Run): void {
  const response = latest()
  if (response?.ok !== true) return
  const { result, resultData } = parseObject(response.body ?? '') ?? {}
  const stated = isObject(resultData) ? resultData['tokenExpirationTime'] : undefined
  if (typeof result === 'string' || typeof stated === 'string')
    find('numbers', 'result or lifetimes are written as text', { set: { OBS_NUMBERS: 'string' } })
  if (Number(stated) > 86_400)
    find('lifetime', `${Number(stated)} s is over 24 h`, { remedy: REMEDIES.milliseconds })
  const ahead = wallClock() - Date.parse(response.date ?? '')
  if (Math.abs(ahead) > CLOCK_TOLERANCE) {
    const minutes = Math.round(Math.abs(ahead) / 60_000)
    const side = ahead > 0 ? 'ahead of' : 'behind'
    find('clock', `this machine is ${minutes} min ${side} iSales`, { remedy: REMEDIES.clock })
  }
}

interface InterfaceResponse {
  /** 0: no response came. */
  readonly status: number
  /** `result` as text; undefined: the body is not JSON or has none. */
  readonly result: string | undefined
  readonly data: JsonObject
  /** `status 403, result 7` or `no response (ECONNREFUSED)`. Never the body: it may hold a token. */
  readonly text: string
  readonly works: boolean
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, field and path. */
async function callInterface(
  { config, post, signal }: Run,
  { headers, scheme }: Carrier,
  token: string,
): Promise<InterfaceResponse> {
  const value = withScheme(scheme, token)
  const response = await post({
    path: config.isalesInterfacePath,
    headers: headers.flatMap((name) => [name, value]),
    body: '{"version":311}',
    signal,
  })
  if (!response.ok) {
    const text = `no response (${response.code})`
    return { status: 0, result: undefined, data: {}, text, works: false }
  }
  const { status, body = '' } = response
  const { result: given, resultData } = parseObject(body) ?? {}
  const result = typeof given === 'number' || typeof given === 'string' ? String(given) : undefined
  const foreign = status === 200 && result === undefined ? ', not a response of iSales' : ''
  const shown = result !== undefined && /^-?\w{1,9}$/.test(result) ? `, result ${result}` : foreign
  return {
    status,
    result,
    data: isObject(resultData) ? resultData : {},
    text: `status ${status}${shown}`,
    works: status === 200 && result === '0',
  }
}

/** The token that goes into the header fields. */
function tokenText({ token, refreshToken }: Grant, field: Carrier['field']): string {
  return (field === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

/** `lives 5m, with a refresh token that lives 1h`, of the token. */
function describeGrant({ lifetime, refreshToken, refreshLifetime }: Grant): string {
  const life =
    lifetime.doubt === 'missing'
      ? `states no lifetime that can be believed (${formatDuration(lifetime.ms)} is taken)`
      : `lives ${formatDuration(lifetime.ms)}`
  if (refreshToken === undefined) return `${life}, without a refresh token`
  const refresh =
    refreshLifetime === undefined ? '' : ` that lives ${formatDuration(refreshLifetime)}`
  return `${life}, with a refresh token${refresh}`
}

async function findCarrier(run: Run, grant: Grant): Promise<Carrier | undefined> {
  const { config, find, settings, vary } = run
  const own = {
    headers: config.isalesTokenHeaders,
    field: config.isalesTokenField,
    scheme: config.isalesTokenScheme,
  }
  for (const carrier of vary ? CARRIERS : [own]) {
    const { headers, field, scheme } = carrier
    const { text, works } = await callInterface(run, carrier, tokenText(grant, field))
    const how = `${headers.join(' and ')}: ${withScheme(scheme, `<${field}>`)}`
    const remedy = works || vary ? undefined : REMEDIES.carrier
    find(
      'business call',
      `${how}: ${works ? 'works' : text}`,
      remedy === undefined ? {} : { remedy },
    )
    if (!works) continue
    const [header = ''] = headers
    if (vary && header !== 'Authorization') settings['ISALES_TOKEN_HEADERS'] = header
    if (vary && field !== 'token') settings['ISALES_TOKEN_FIELD'] = field
    if (vary && scheme !== 'Bearer') settings['ISALES_TOKEN_SCHEME'] = scheme
    return carrier
  }
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. False: the proxy cannot notice it. */
async function findRejection(run: Run, grant: Grant, carrier: Carrier): Promise<boolean> {
  const { config, find, vary } = run
  const token = tokenText(grant, carrier.field)
  const invalid = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`
  const { status, result, text, works } = await callInterface(run, carrier, invalid)
  const statuses = vary ? [401, 403] : config.isalesRejectedStatuses
  const results = vary ? [] : config.isalesRejectedResults
  if (statuses.includes(status) || (result !== undefined && results.includes(result))) {
    find('an invalid token', text)
    return true
  }
  const set =
    status >= 400 && status < 500
      ? { ISALES_REJECTED_STATUSES: [...statuses, status].join(',') }
      : status === 200 && result !== undefined && !works
        ? { ISALES_REJECTED_RESULTS: [...results, result].join(',') }
        : undefined
  if (set !== undefined) find('an invalid token', text, { set })
  else find('an invalid token', `${text}, as a call that fails`, { remedy: REMEDIES.blind })
  return vary && set !== undefined
}

/** False: iSales names another host than `ISALES_URL`. */
function findPaths({ config, find }: Run, { data }: InterfaceResponse): boolean {
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const { data: path } = pathFormat().safeParse(url?.pathname ?? value)
    return path === undefined ? [] : [{ name, path, origin: url?.origin }]
  })
  const { allowedPaths: allowed, isalesRefreshPath: own } = config
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== config.isalesUrl)
  if (other !== undefined) {
    const remedy = `Try ${other} as ISALES_URL`
    find('interface', `gives URLs of ${other}, which is not ISALES_URL`, { remedy })
    return false
  }
  if (origins.size > 0) find('interface', 'gives whole URLs, which the proxy rewrites to itself')
  const all = new Set(named.map(({ path }) => path))
  const closed = [...all].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0)
    find('interface', `names ${closed.length} paths outside of ALLOWED_PATHS`, {
      set: { ALLOWED_PATHS: [...allowed, ...closed].join(',') },
    })
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== (own ?? PUBLISHED_REFRESH_PATH))
    find('interface', `names ${refresh} as the refresh path`, {
      set: { ISALES_REFRESH_PATH: refresh },
    })
  return true
}

/** Tries the refresh call until one form works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, carrier: Carrier): Promise<Grant | undefined> {
  const { config, find, settings, vary, post, signal } = run
  const { refreshToken } = grant
  // Refreshing is tried where it is off, too, when all forms are.
  const own = config.isalesRefreshPath
  const path = vary ? (settings['ISALES_REFRESH_PATH'] ?? own ?? PUBLISHED_REFRESH_PATH) : own
  if (path === undefined) {
    find('refresh', 'is off (ISALES_REFRESH_PATH); the proxy logs in instead')
    return undefined
  }
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there. `off` means the published path.
  const off = path === PUBLISHED_REFRESH_PATH ? { set: { ISALES_REFRESH_PATH: 'off' } } : {}
  if (refreshToken === undefined) {
    find('refresh', 'the login gives no refresh token; the proxy logs in instead', off)
    return undefined
  }
  const forms: readonly RefreshForm[] = vary
    ? REFRESH_FORMS
    : [config.isalesRefreshHeaderToken ?? 'off']
  for (const form of forms) {
    const how = form === 'off' ? 'body alone' : `Authentication with the ${form}, and body`
    const client = createIsalesClient({
      ...config,
      isalesRefreshPath: path,
      isalesRefreshHeaderToken: form === 'off' ? undefined : form,
      isalesTokenScheme: carrier.scheme,
      post,
      clock: systemClock,
      wallClock: run.wallClock ?? Date.now,
    })
    const outcome = await client.refresh({ token: grant.token, refreshToken }, askOnce(signal))
    if (!isGrant(outcome)) {
      find('refresh', `${how}: ${outcome.detail}`)
      continue
    }
    if (vary && form !== 'token') settings['ISALES_REFRESH_HEADER_TOKEN'] = form
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const { works } = await callInterface(run, carrier, tokenText(grant, carrier.field))
    const after = `the refresh token ${rotates ? 'rotates' : 'stays'}, the old token ${works ? 'lives on' : 'ends'}`
    find('refresh', `${how}: works; ${after}`)
    return { ...outcome, refreshToken: latest }
  }
  const act = vary ? off : { remedy: REMEDIES.refresh }
  find('refresh', 'does not work; the proxy logs in instead', act)
  return undefined
}

/** A second login, and whether the first token outlives it. */
async function logInAgain(run: Run, first: Grant, carrier: Carrier): Promise<Grant> {
  const second = await run.ask()
  if (!isGrant(second)) {
    run.find('second login', describeFailure(second, run.config).evidence)
    return first
  }
  const same = second.token.reveal() === first.token.reveal()
  const { works } = await callInterface(run, carrier, tokenText(first, carrier.field))
  const effect = works
    ? 'the first token lives on: several replicas may share a user'
    : 'it ends the first token: one user allows one session only'
  run.find('second login', same ? 'gives the same token' : effect)
  return second
}
