import { path as pathFormat } from '../config/formats-net.ts'
import { formatDuration, readText } from '../config/formats.ts'
import { PUBLISHED_REFRESH_PATH, SETTING_LIST, type Config } from '../config/settings.ts'
import { isObject, parseObject, type JsonObject } from '../http/json.ts'
import { isUnder } from '../proxy/validate.ts'
import { systemClock } from '../clock.ts'
import { askOnce, createIsalesClient, type IsalesClient } from '../token/client.ts'
import { hasVerdict, isGrant, isRefusal, type AuthFailure, type Grant } from '../token/protocol.ts'
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
  /** It is in the shared store, so it is not refreshed. */
  readonly shared?: boolean
}

/** Where a business call carries its token. */
type Carrier = Pick<Config, 'isalesTokenHeaders' | 'isalesTokenField' | 'isalesTokenScheme'>

const TOKENS = ['token', 'refreshToken'] as const

/** The English edition comes first, then the Chinese one, then everything between. */
const CARRIERS: readonly Carrier[] = ['Bearer', ''].flatMap((isalesTokenScheme) =>
  TOKENS.flatMap((isalesTokenField) =>
    ['Authorization', 'Authentication'].map((header) => {
      return { isalesTokenHeaders: [header], isalesTokenField, isalesTokenScheme }
    }),
  ),
)

/** Milliseconds; a clock that is further off is named. */
const CLOCK_TOLERANCE = 5 * 60_000

interface Run extends ProbeOptions {
  readonly ask: AskIsales
  readonly isales: IsalesClient
  /** The response to the latest POST. */
  readonly latest: () => PostResult | undefined
  readonly find: (topic: string, evidence: string, act?: Act) => void
}

interface Act {
  readonly remedy?: string | undefined
  /** What suits iSales: taken over when varied, else the remedy, where the configuration differs. */
  readonly set?: Found
}

type Found = Partial<
  Carrier &
    Pick<
      Config,
      | 'allowedPaths'
      | 'isalesRefreshHeaderToken'
      | 'isalesRefreshPath'
      | 'isalesRejectedResults'
      | 'isalesRejectedStatuses'
      | 'obsNumbers'
    >
>

/**
 * The conversation of `check --live` and `discover`: one login, calls that change nothing (`business/interface`), a token
 * that is not valid, a refresh. It never sends a second password, and stops at the first refusal.
 */
export async function probe(options: ProbeOptions): Promise<Probed> {
  const { config, signal, vary, wallClock = Date.now } = options
  const findings: Finding[] = []
  const settings = new Map<string, string>()
  let latest: PostResult | undefined
  const post: Post = async (request) => (latest = await options.post(request))
  const isales = createIsalesClient({ ...config, post, clock: systemClock, wallClock })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const verdict = await converse({
    ...options,
    post,
    wallClock,
    latest: () => latest,
    isales,
    ask: () => isales.login(credentials, askOnce(signal)),
    find(topic, evidence, { remedy, set = {} } = {}) {
      const texts = settingTexts(set, vary ? undefined : config)
      for (const [name, text] of texts) settings.set(name, text)
      const sets = texts.map((each) => each.join('=')).join(' and ')
      const todo = remedy ?? (vary || sets === '' ? undefined : `Set ${sets}`)
      findings.push({ topic, evidence, ...(todo !== undefined && { remedy: todo }) })
    },
  })
  return { verdict, findings, settings: Object.fromEntries(settings) }
}

/** Variables and texts of what differs from `from`. Default: from the defaults. */
function settingTexts(set: Found, from?: Config): readonly (readonly [string, string])[] {
  const textOf = (value: Found[keyof Found]): string => (value ?? 'off').toString()
  return SETTING_LIST.filter(({ key }) => key in set).flatMap(
    ({ key, name, default: standard }) => {
      const found = key as keyof Found
      const text = textOf(set[found])
      return text === (from === undefined ? standard : textOf(from[found])) ? [] : [[name, text]]
    },
  )
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
  const noticed = await findRejection(run, outcome, carrier)
  const paths = findPaths(run, await callInterface(run, carrier, tokenText(outcome, carrier)))
  if (paths === undefined) return 'elsewhere'
  let grant = outcome
  if (shared === true) find('refresh', 'was not tried: the token is for the replicas that share it')
  else grant = (await findRefresh(run, grant, carrier, paths)) ?? grant
  if (vary && run.secondLogin === true) grant = await logInAgain(run, grant, carrier)
  const { works } = await callInterface(run, carrier, tokenText(grant, carrier))
  find('conversation', works ? 'works with these settings' : 'the token at hand is not accepted')
  return works ? (noticed ? 'works' : 'blind') : 'no-header'
}

const plainLogin = async (ask: AskIsales): Promise<Login> => ({ outcome: await ask() })

/** What the response to the login says besides the token. */
function judgeLogin({ find, latest, wallClock = Date.now }: Run): void {
  const response = latest()
  if (response?.ok !== true) return
  const { result, resultData } = parseObject(response.body ?? '') ?? {}
  const stated = isObject(resultData) ? resultData['tokenExpirationTime'] : undefined
  if (typeof result === 'string' || typeof stated === 'string')
    find('numbers', 'result or lifetimes are written as text', { set: { obsNumbers: 'string' } })
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
  { isalesTokenHeaders: headers, isalesTokenScheme }: Carrier,
  token: string,
): Promise<InterfaceResponse> {
  const value = withScheme(isalesTokenScheme, token)
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
function tokenText({ token, refreshToken }: Grant, { isalesTokenField }: Carrier): string {
  return (isalesTokenField === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
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
  const { config, find, vary } = run
  for (const carrier of vary ? CARRIERS : [config]) {
    const { isalesTokenHeaders: headers, isalesTokenField: field, isalesTokenScheme } = carrier
    const { text, works } = await callInterface(run, carrier, tokenText(grant, carrier))
    const how = `${headers.join(' and ')}: ${withScheme(isalesTokenScheme, `<${field}>`)}`
    if (works) {
      find('business call', `${how}: works`, vary ? { set: carrier } : {})
      return carrier
    }
    find('business call', `${how}: ${text}`, { remedy: vary ? undefined : REMEDIES.carrier })
  }
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. False: the proxy cannot notice it. */
async function findRejection(run: Run, grant: Grant, carrier: Carrier): Promise<boolean> {
  const { config, find, vary } = run
  const token = tokenText(grant, carrier)
  const invalid = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`
  const { status, result, text, works } = await callInterface(run, carrier, invalid)
  const statuses = vary ? [401, 403] : config.isalesRejectedStatuses
  const results = vary ? [] : config.isalesRejectedResults
  if (statuses.includes(status) || (result !== undefined && results.includes(result))) {
    find('an invalid token', text)
    return true
  }
  const set =
    status >= 400 && status < 500 && hasVerdict(status)
      ? { isalesRejectedStatuses: [...statuses, status] }
      : status === 200 && result !== undefined && !works
        ? { isalesRejectedResults: [...results, result] }
        : undefined
  if (set !== undefined) find('an invalid token', text, { set })
  else find('an invalid token', `${text}, as a call that fails`, { remedy: REMEDIES.blind })
  return vary && set !== undefined
}

interface Paths {
  /** Where CTI-OBS refreshes, if iSales names it. */
  readonly refresh: string | undefined
}

/** Undefined: iSales names another host than `ISALES_URL`. */
function findPaths({ config, find }: Run, { data }: InterfaceResponse): Paths | undefined {
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = readText(pathFormat, url?.pathname ?? text)
    return typeof path === 'string' ? [{ name, path, origin: url?.origin }] : []
  })
  const { allowedPaths: allowed, isalesRefreshPath: own } = config
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== config.isalesUrl)
  if (other !== undefined) {
    const remedy = `Try ${other} as ISALES_URL`
    find('interface', `gives URLs of ${other}, which is not ISALES_URL`, { remedy })
    return undefined
  }
  if (origins.size > 0) find('interface', 'gives whole URLs, which the proxy rewrites to itself')
  const all = new Set(named.map(({ path }) => path))
  const closed = [...all].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0)
    find('interface', `names ${closed.length} paths outside of ALLOWED_PATHS`, {
      set: { allowedPaths: [...allowed, ...closed] },
    })
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== (own ?? PUBLISHED_REFRESH_PATH))
    find('interface', `names ${refresh} as the refresh path`, {
      set: { isalesRefreshPath: refresh },
    })
  return { refresh }
}

/** Tries the refresh call until one form works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, carrier: Carrier, { refresh: named }: Paths) {
  const { config, find, vary, signal } = run
  const { token, refreshToken } = grant
  // Refreshing is tried where it is off, too, when all forms are.
  const own = config.isalesRefreshPath
  const path = vary ? (named ?? own ?? PUBLISHED_REFRESH_PATH) : own
  if (path === undefined) {
    find('refresh', 'is off (ISALES_REFRESH_PATH); the proxy logs in instead')
    return undefined
  }
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there. `off` means the published path.
  const off = path === PUBLISHED_REFRESH_PATH ? { set: { isalesRefreshPath: undefined } } : {}
  if (refreshToken === undefined) {
    find('refresh', 'the login gives no refresh token; the proxy logs in instead', off)
    return undefined
  }
  for (const form of vary ? [...TOKENS, undefined] : [config.isalesRefreshHeaderToken]) {
    const how = form === undefined ? 'body alone' : `Authentication with the ${form}, and body`
    const set = { isalesRefreshHeaderToken: form }
    const client = createIsalesClient({
      ...config,
      ...carrier,
      ...set,
      isalesRefreshPath: path,
      post: run.post,
      clock: systemClock,
      wallClock: Date.now,
    })
    const outcome = await client.refresh({ token, refreshToken }, askOnce(signal))
    if (!isGrant(outcome)) {
      find('refresh', `${how}: ${outcome.detail}`)
      continue
    }
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const { works } = await callInterface(run, carrier, tokenText(grant, carrier))
    const after = `the refresh token ${rotates ? 'rotates' : 'stays'}, the old token ${works ? 'lives on' : 'ends'}`
    find('refresh', `${how}: works; ${after}`, { set })
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
  const { works } = await callInterface(run, carrier, tokenText(first, carrier))
  const effect = works
    ? 'the first token lives on: several replicas may share a user'
    : 'it ends the first token: one user allows one session only'
  run.find('second login', same ? 'gives the same token' : effect)
  return second
}
