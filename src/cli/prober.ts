import { cause, causeOfStatus, isOfGateway, isRedirect, isWebPage } from '../causes.ts'
import {
  formatDuration,
  pathFormat,
  PUBLISHED_REFRESH_PATH,
  readText,
  readTls,
  refreshPathOf,
  SETTING_LIST,
  valueOf,
  type Config,
} from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import { isUnder } from '../proxy/index.ts'
import { systemClock } from '../clock.ts'
import {
  askOnce,
  createIsalesClient,
  isGrant,
  isRefusal,
  withScheme,
  type Grant,
  type IsalesClient,
} from '../token/index.ts'
import { createUpstream, placesOf, type Post, type PostResult } from '../upstream/index.ts'
import { explain, type Failure, type Words } from '../words/index.ts'
import type { CommandLogin } from './command-login.ts'
import { EXIT } from './exit-codes.ts'

/** What iSales did at one stage of the conversation. */
export interface Observation {
  readonly topic: string
  readonly evidence: string
  /** What is to be done about it; empty: nothing. */
  readonly remedy: string
}

/** The exit code of `check --live` and `discover` for each end of the conversation. */
export const VERDICTS = {
  works: EXIT.ok,
  blind: EXIT.ok,
  refused: EXIT.refused,
  unreachable: EXIT.unreachable,
  'no-header': EXIT.unreachable,
  elsewhere: EXIT.failed,
} as const

export interface Probed {
  readonly verdict: keyof typeof VERDICTS
  readonly findings: readonly Observation[]
  /** Settings by name, as text, that suit this iSales better. Varied: those that differ from the defaults. */
  readonly settings: Readonly<Record<string, string>>
}

export interface ProbeOptions {
  readonly config: Config
  readonly signal: AbortSignal
  readonly words: Words
  /** True: all forms of the interface are tried. False: the settings as they are. */
  readonly vary: boolean
  /** Log in a second time, to see whether that ends the first token. Default false. */
  readonly secondLogin?: boolean
  readonly logIn: (isales: IsalesClient) => Promise<CommandLogin>
}

const TOKENS = ['token', 'refreshToken'] as const

/** Where a business call carries its token: the English edition comes first, then the Chinese one, then everything between. */
const CARRIERS = ['Bearer', ''].flatMap((isalesTokenScheme) =>
  TOKENS.flatMap((isalesTokenField) =>
    ['Authorization', 'Authentication'].map((header) => {
      return { isalesTokenHeaders: [header], isalesTokenField, isalesTokenScheme }
    }),
  ),
)

/** A conversation as far as it has come. */
interface Run extends Omit<ProbeOptions, 'config'> {
  /** As given; varied, with what suits iSales. */
  config: Config
  /** One POST, never repeated. */
  readonly post: Post
  readonly check: Words['check']
  /** The response to the latest POST. */
  latest: PostResult | undefined
  readonly findings: Observation[]
  /** Settings by name, as text. */
  readonly settings: Record<string, string>
}

/**
 * The conversation of `check --live` and `discover`: one login, calls that change nothing (`business/interface`), a token
 * that is not valid, a refresh. It never sends a second password, and stops at the first refusal.
 */
export async function probe(options: ProbeOptions): Promise<Probed> {
  const { config, words } = options
  const upstream = createUpstream({ config, tls: valueOf(readTls('isales', config)) })
  const run: Run = {
    ...options,
    check: words.check,
    post: async (request) => (run.latest = await upstream.post(request)),
    latest: undefined,
    findings: [],
    settings: {},
  }
  const verdict = await converse(run)
  await upstream.destroy()
  return { verdict, findings: run.findings, settings: run.settings }
}

/** What is given as one text. */
type Found = Partial<Omit<Config, 'adminListen' | 'listen' | 'sessionStoreUrl'>>

/**
 * @param act what is to be done; `set` suits iSales: varied, it is taken over, else it is the remedy where the
 * configuration differs.
 */
function find(
  run: Run,
  topic: keyof Words['check']['topics'],
  evidence: string,
  act: { readonly remedy?: string; readonly set?: Found } = {},
): void {
  const { set = {} } = act
  const textOf = (value: Found[keyof Found]): string => (value ?? 'off').toString()
  const differing = SETTING_LIST.flatMap(({ key, name, default: standard }) => {
    if (!(key in set)) return []
    const found = key as keyof Found
    const text = textOf(set[found])
    return text === (run.vary ? standard : textOf(run.config[found])) ? [] : [[name, text] as const]
  })
  Object.assign(run.settings, Object.fromEntries(differing))
  if (run.vary) run.config = { ...run.config, ...set }
  const sets = differing.map((each) => each.join('='))
  const remedy = act.remedy ?? (run.vary || sets.length === 0 ? '' : run.check.set(sets))
  run.findings.push({ topic: run.check.topics[topic], evidence, remedy })
}

function clientFor({ post }: Run, config: Config): IsalesClient {
  return createIsalesClient({ ...config, post, clock: systemClock, wallClock: Date.now })
}

async function converse(run: Run): Promise<Probed['verdict']> {
  const { config, signal, vary, words, check } = run
  const isales = clientFor(run, config)
  const startedAt = performance.now()
  const login = await run.logIn(isales)
  const { outcome, note, shared, uncounted } = login
  if (uncounted !== undefined) {
    const { what, todo } = explain(words, placesOf(config), uncounted)
    const also = uncounted.cause.code === 'disk-denied' ? check.asOwner : ''
    find(run, 'state', check.uncounted(what), { remedy: words.sentences(todo, also) })
  }
  const where = check.at(config.isalesUrl, config.isalesUser)
  if (note !== undefined) find(run, 'store', note[0], { remedy: note[1] })
  if ('deferred' in outcome) {
    const why = check.deferred[outcome.deferred](Math.ceil(outcome.ms / 60_000))
    find(run, 'login', check.notTried(where, why))
    return 'unreachable'
  }
  if ('failure' in outcome) {
    const { what, todo } = explain(words, placesOf(config), outcome.failure)
    find(run, 'login', check.failed(where, what), { remedy: todo })
    return isRefusal(outcome.failure) ? 'refused' : 'unreachable'
  }
  const took = Math.round(performance.now() - startedAt)
  find(run, 'login', check.loggedIn(where, took, describeGrant(outcome, check)))
  judgeLogin(run)

  if (!(await findCarrier(run, outcome)) || signal.aborted) return 'no-header'
  const noticed = await findRejection(run, outcome)
  const paths = findPaths(run, (await callInterface(run, outcome)).data)
  if (paths === undefined) return 'elsewhere'
  let grant = outcome
  if (shared === true) find(run, 'refresh', check.forReplicas)
  else grant = (await findRefresh(run, grant, paths.refresh)) ?? grant
  if (vary && run.secondLogin === true) grant = await logInAgain(run, grant, isales)
  const { works } = await callInterface(run, grant)
  find(run, 'conversation', works ? check.worksSo : check.notAccepted)
  return works ? (noticed ? 'works' : 'blind') : 'no-header'
}

/** What the response to the login says besides the token. */
function judgeLogin(run: Run): void {
  const { latest: response } = run
  if (response?.ok !== true) return
  const { result, resultData } = parseObject(response.body ?? '') ?? {}
  const stated = isObject(resultData) ? resultData['tokenExpirationTime'] : undefined
  const set = { obsNumbers: 'string' } as const
  const { reason, remedy } = run.words.findings.lifetime
  if (typeof result === 'string' || typeof stated === 'string')
    find(run, 'numbers', run.check.asText, { set })
  if (Number(stated) > 86_400)
    find(run, 'lifetime', run.check.failed(String(stated), reason), { remedy })
}

/** The token that goes into the header fields. */
function tokenText({ token, refreshToken }: Grant, { isalesTokenField }: Config): string {
  return (isalesTokenField === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, field and path. */
async function callInterface(
  { config, post, signal, words, check }: Run,
  grant: Grant,
  token = tokenText(grant, config),
) {
  const value = withScheme(config.isalesTokenScheme, token)
  const response = await post({
    path: config.isalesInterfacePath,
    headers: config.isalesTokenHeaders.flatMap((name) => [name, value]),
    body: '{"version":311}',
    signal,
  })
  const { status, body = '' } = response.ok ? response : { status: 0 }
  const { result: given, resultData: data } = parseObject(body) ?? {}
  const plain = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
  // An entry of ISALES_REJECTED_RESULTS can hold no other.
  const result = /^[^,\p{C}]+$/u.exec(plain)?.[0]
  const foreign = status === 200 && result === undefined ? `${words.comma}${check.foreign}` : ''
  const shown =
    result !== undefined && /^-?\w{1,9}$/.test(result) ? `${words.comma}result ${result}` : foreign
  // Never the body: it may hold a token.
  const text = `${words.status(status)}${shown}`
  const failure = failureOf(response)
  const { what, todo } = failure
    ? explain(words, placesOf(config), failure)
    : { what: text, todo: check.carrier }
  return { status, result, data, text: what, todo, works: status === 200 && result === '0' }
}

/** Why a call says nothing of its token: iSales did not respond to it. Undefined: it did. */
function failureOf(response: PostResult): Failure | undefined {
  if (!response.ok) return { ...response, detail: response.code }
  const { status, contentType, body } = response
  const isPage = isRedirect(status) || isWebPage(contentType, body)
  if (isOfGateway(status) || status > 500) return { cause: causeOfStatus({ status }), status }
  return isPage ? { cause: cause('page-refused'), status } : undefined
}

/** `lives 5m, with a refresh token that lives 1h`, of the token. */
function describeGrant(
  { lifetime, refreshToken, refreshLifetime }: Grant,
  check: Words['check'],
): string {
  const life =
    lifetime.doubt === 'missing'
      ? check.noLifetime(formatDuration(lifetime.ms))
      : check.lives(formatDuration(lifetime.ms))
  if (refreshToken === undefined) return check.noRefreshToken(life)
  const refresh = refreshLifetime === undefined ? '' : formatDuration(refreshLifetime)
  return check.withRefreshToken(life, refresh)
}

/** True when iSales accepts the token somewhere. */
async function findCarrier(run: Run, grant: Grant): Promise<boolean> {
  const given = run.config
  for (const carrier of run.vary ? CARRIERS : [{}]) {
    run.config = { ...given, ...carrier }
    const { isalesTokenHeaders: headers, isalesTokenField: field, isalesTokenScheme } = run.config
    const { text, todo, works } = await callInterface(run, grant)
    const how = `${headers.join(', ')}: ${withScheme(isalesTokenScheme, `<${field}>`)}`
    if (works) {
      find(run, 'call', run.check.works(how), { set: carrier })
      return true
    }
    find(run, 'call', run.check.failed(how, text), run.vary ? {} : { remedy: todo })
  }
  return false
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. False: the proxy cannot notice it. */
async function findRejection(run: Run, grant: Grant): Promise<boolean> {
  const { config, vary } = run
  const token = tokenText(grant, config)
  // In the middle: the last character of base64 may hold bits that nobody reads.
  const middle = Math.floor(token.length / 2)
  const other = token[middle] === 'x' ? 'y' : 'x'
  const invalid = `${token.slice(0, middle)}${other}${token.slice(middle + 1)}`
  const { status, result, text, works } = await callInterface(run, grant, invalid)
  const statuses = vary ? [401, 403] : config.isalesRejectedStatuses
  const results = vary ? [] : config.isalesRejectedResults
  if (statuses.includes(status) || (result !== undefined && results.includes(result))) {
    find(run, 'invalid', text)
    return true
  }
  const set =
    status >= 400 && status < 500 && !isOfGateway(status)
      ? { isalesRejectedStatuses: [...statuses, status] }
      : status === 200 && result !== undefined && !works
        ? { isalesRejectedResults: [...results, result] }
        : undefined
  if (set !== undefined) find(run, 'invalid', text, { set })
  else {
    find(run, 'invalid', run.check.as(text, works), { remedy: run.check.blind })
  }
  return vary && set !== undefined
}

/** Where CTI-OBS refreshes, if iSales names it. Undefined: iSales names another host than `ISALES_URL`. */
function findPaths(run: Run, data: unknown): { readonly refresh: string | undefined } | undefined {
  const named = Object.entries(isObject(data) ? data : {}).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = readText(pathFormat, url?.pathname ?? text)
    return typeof path === 'string' ? [{ name, path, origin: url?.origin }] : []
  })
  const { isalesUrl, allowedPaths: allowed } = run.config
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== isalesUrl)
  if (other !== undefined) {
    find(run, 'interface', run.check.otherHost(other), { remedy: run.check.tryHost(other) })
    return undefined
  }
  if (origins.size > 0) find(run, 'interface', run.check.wholeUrls)
  const all = new Set(named.map(({ path }) => path))
  const closed = [...all].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0)
    find(run, 'interface', run.check.closedPaths(closed.length), {
      set: { allowedPaths: [...allowed, ...closed] },
    })
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== refreshPathOf(run.config))
    find(run, 'interface', run.check.refreshPath(refresh), {
      set: { isalesRefreshPath: refresh },
    })
  return { refresh }
}

/** Tries the refresh call until one form works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, named?: string): Promise<Grant | undefined> {
  const { config, vary, signal, words, check } = run
  const { token, refreshToken } = grant
  // Refreshing is tried where it is off, too, when all forms are.
  const own = config.isalesRefreshPath
  const path = vary ? (named ?? refreshPathOf(config)) : own
  if (path === undefined) {
    find(run, 'refresh', check.refreshOff)
    return undefined
  }
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there. `off` means the published path.
  const off = path === PUBLISHED_REFRESH_PATH ? { set: { isalesRefreshPath: undefined } } : {}
  if (refreshToken === undefined) {
    find(run, 'refresh', check.noRefresh, off)
    return undefined
  }
  for (const form of vary ? [...TOKENS, undefined] : [config.isalesRefreshHeaderToken]) {
    const how = form === undefined ? check.bodyAlone : check.withHeader(form)
    const set = { isalesRefreshHeaderToken: form }
    const isales = clientFor(run, { ...config, ...set, isalesRefreshPath: path })
    const outcome = await isales.refresh({ token, refreshToken }, askOnce(signal))
    if (!isGrant(outcome)) {
      find(run, 'refresh', check.failed(how, explain(words, placesOf(config), outcome).what))
      continue
    }
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const { works } = await callInterface(run, grant)
    find(run, 'refresh', check.refreshed(how, rotates, works), { set })
    return { ...outcome, refreshToken: latest }
  }
  const act = vary ? off : { remedy: check.refreshForm }
  find(run, 'refresh', check.refreshFails, act)
  return undefined
}

/** A second login, and whether the first token outlives it. */
async function logInAgain(run: Run, first: Grant, isales: IsalesClient): Promise<Grant> {
  const { outcome: second } = await run.logIn(isales)
  if ('failure' in second)
    find(run, 'second', explain(run.words, placesOf(run.config), second.failure).what)
  if (!('token' in second)) return first
  const same = second.token.reveal() === first.token.reveal()
  const { works } = await callInterface(run, first)
  const effect = works ? run.check.outlives : run.check.ends
  find(run, 'second', same ? run.check.sameToken : effect)
  return second
}
