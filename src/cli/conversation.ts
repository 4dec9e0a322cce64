import { cause, causeOfStatus, isOfGateway, isRedirect, isWebPage } from '../causes.ts'
import { systemClock } from '../clock.ts'
import {
  formatDuration,
  formatRejections,
  formatTokenHeader,
  pathFormat,
  rejectionsFormat,
  type Config,
  type TokenHeader,
} from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import { isUnder } from '../proxy/index.ts'
import {
  askOnce,
  createIsalesClient,
  isGrant,
  isRefusal,
  withScheme,
  type Grant,
} from '../token/index.ts'
import { createUpstream, placesOf, type Post, type PostResult } from '../upstream/index.ts'
import { explain, wordsOf, type Failure, type Words } from '../words/index.ts'
import { EXIT, type Io } from './io.ts'
import { logIn } from './login.ts'

/** What iSales did at one stage of the conversation. */
interface Finding {
  readonly topic: string
  readonly evidence: string
  /** What is to be done about it besides a setting; empty: nothing. */
  readonly remedy: string
}

/** The exit code for each end of the conversation. */
export const VERDICTS = {
  works: EXIT.ok,
  blind: EXIT.ok,
  differs: EXIT.usage,
  refused: EXIT.refused,
  unreachable: EXIT.unreachable,
  'no-header': EXIT.unreachable,
} as const
type Verdict = keyof typeof VERDICTS

/** Where a business call carries its token: the English edition, the Chinese one, then everything between. */
const FIELDS = ['token', 'refreshToken'] as const
const CARRIERS = ['Bearer', ''].flatMap((scheme) =>
  FIELDS.flatMap((field) =>
    ['Authorization', 'Authentication'].map((name): TokenHeader => ({
      names: [name],
      scheme,
      field,
    })),
  ),
)

/** A conversation as far as it has come. */
interface Run {
  /** As given, but for what suits iSales better. */
  config: Config
  readonly io: Io
  readonly words: Words
  /** One POST, never repeated. */
  readonly post: Post
  readonly findings: Finding[]
  /** Settings that have to differ, by name, as text. */
  readonly settings: Record<string, string>
}

/**
 * The conversation of `check --live`: one login, calls that change nothing (`business/interface`), a token that is not
 * valid, a refresh. Each in the form that is configured, then in those that the editions describe. It never sends a
 * second password, and stops at the first refusal.
 */
export async function converse(config: Config, io: Io) {
  const upstream = createUpstream({ config, tls: config.isalesTls })
  const run: Run = {
    config,
    io,
    words: wordsOf(io.env),
    post: upstream.post,
    findings: [],
    settings: {},
  }
  const verdict = await verdictOf(run)
  await upstream.destroy()
  return { verdict, findings: run.findings, settings: run.settings }
}

function find(
  run: Run,
  topic: keyof Words['check']['topics'],
  evidence: string,
  remedy = '',
): void {
  run.findings.push({ topic: run.words.check.topics[topic], evidence, remedy })
}

function clientFor({ post }: Run, config: Config) {
  return createIsalesClient({ ...config, post, clock: systemClock, wallClock: Date.now })
}

async function verdictOf(run: Run): Promise<Verdict> {
  const { config, words, io } = run
  const { check } = words
  const startedAt = performance.now()
  const { outcome, note, isShared, uncounted } = await logIn(config, clientFor(run, config), io)
  const where = check.at(config.isalesUrl, config.isalesUser)
  if (uncounted !== undefined) {
    const { what, todo } = explain(words, placesOf(config), uncounted)
    find(run, 'state', check.uncounted(what), todo)
  }
  if (note !== undefined) find(run, 'store', ...note)
  if ('deferred' in outcome) {
    const minutes = Math.ceil(outcome.ms / 60_000)
    find(run, 'login', check.notTried(where, check.deferred[outcome.deferred](minutes)))
    return 'unreachable'
  }
  if ('failure' in outcome) {
    const { what, todo } = explain(words, placesOf(config), outcome.failure)
    find(run, 'login', check.failed(where, what), todo)
    return isRefusal(outcome.failure) ? 'refused' : 'unreachable'
  }
  const took = Math.round(performance.now() - startedAt)
  find(run, 'login', check.loggedIn(where, took, describeGrant(outcome, check)))
  if (outcome.lifetime.doubt === 'too-long') {
    const { reason, remedy } = words.findings.lifetime
    find(run, 'lifetime', reason, remedy)
  }

  const data = await findCarrier(run, outcome)
  if (data === undefined || io.signal.aborted) return 'no-header'
  const isNoticed = await findRejection(run, outcome)
  const refreshPath = findPaths(run, data)
  let grant = outcome
  if (isShared) find(run, 'refresh', check.forReplicas)
  else grant = (await findRefresh(run, outcome, refreshPath)) ?? outcome
  const { works } = await callInterface(run, grant)
  find(run, 'conversation', works ? check.worksSo : check.notAccepted)
  if (!works) return 'no-header'
  if (Object.keys(run.settings).length > 0) return 'differs'
  return isNoticed ? 'works' : 'blind'
}

/** `lives 5m, with a refresh token that lives 1h`, of the token. */
function describeGrant(grant: Grant, check: Words['check']): string {
  const { lifetime, refreshToken, refreshLifetime } = grant
  const refresh = refreshLifetime === undefined ? '' : formatDuration(refreshLifetime)
  const isStated = lifetime.doubt !== 'missing'
  return check.grant(formatDuration(lifetime.ms), isStated, refreshToken && refresh)
}

/** The token that goes into the headers. */
function tokenText({ token, refreshToken }: Grant, { field }: TokenHeader): string {
  return (field === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, token and path. */
async function callInterface({ config, post, io, words }: Run, grant: Grant, token?: string) {
  const { check, comma } = words
  const header = config.isalesTokenHeader
  const value = withScheme(header.scheme, token ?? tokenText(grant, header))
  const response = await post({
    path: config.isalesInterfacePath,
    headers: header.names.flatMap((name) => [name, value]),
    body: '{"version":311}',
    signal: io.signal,
  })
  const { status, body = '' } = response.ok ? response : { status: 0 }
  const { result: given, resultData: data } = parseObject(body) ?? {}
  const result = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
  const foreign = status === 200 && result === '' ? `${comma}${check.foreign}` : ''
  // Never the body: it may hold a token.
  const shown = /^-?\w{1,9}$/.test(result) ? `${comma}result ${result}` : foreign
  const failure = failureOf(response)
  const { what, todo } = failure
    ? explain(words, placesOf(config), failure)
    : { what: `${words.status(status)}${shown}`, todo: check.carrier }
  const works = status === 200 && result === '0'
  const isAway = failure !== undefined && failure.cause.code !== 'page-refused'
  return { status, result, data, text: what, todo, works, isAway }
}

/** Why a call says nothing of its token: iSales did not respond to it. Undefined: it did. */
function failureOf(response: PostResult): Failure | undefined {
  if (!response.ok) return { ...response, detail: response.code }
  const { status, contentType, body } = response
  const isPage = isRedirect(status) || isWebPage(contentType, body)
  if (isOfGateway(status) || status > 500) return { cause: causeOfStatus({ status }), status }
  return isPage ? { cause: cause('page-refused'), status } : undefined
}

/** Tries where the token goes until iSales accepts it. Returns what the interface names; undefined: nowhere. */
async function findCarrier(run: Run, grant: Grant): Promise<object | undefined> {
  const { config: given, words, io } = run
  const form = formatTokenHeader(given.isalesTokenHeader)
  const others = CARRIERS.filter((one) => formatTokenHeader(one) !== form)
  let remedy = ''
  for (const isalesTokenHeader of [given.isalesTokenHeader, ...others]) {
    run.config = { ...given, isalesTokenHeader }
    const how = formatTokenHeader(isalesTokenHeader)
    const { works, isAway, text, todo, data } = await callInterface(run, grant)
    if (works) {
      find(run, 'call', words.check.works(how))
      if (how !== form) run.settings['ISALES_TOKEN_HEADER'] = how
      return isObject(data) ? data : {}
    }
    if (how === form) remedy = todo
    find(run, 'call', words.check.failed(how, text))
    // Another form changes nothing about an iSales that is away.
    if (isAway || io.signal.aborted) break
  }
  const last = run.findings.pop()
  if (last !== undefined) run.findings.push({ ...last, remedy })
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. False: the proxy cannot notice it. */
async function findRejection(run: Run, grant: Grant): Promise<boolean> {
  const { isalesTokenHeader, isalesRejected: given } = run.config
  const { check } = run.words
  const token = tokenText(grant, isalesTokenHeader)
  // In the middle: the last character of base64 may hold bits that nobody reads.
  const middle = Math.floor(token.length / 2)
  const other = token[middle] === 'x' ? 'y' : 'x'
  const invalid = `${token.slice(0, middle)}${other}${token.slice(middle + 1)}`
  const { status, result, text, works } = await callInterface(run, grant, invalid)
  const isKnown = given.statuses.includes(status) || given.results.includes(result)
  const isStatus = status >= 400 && status < 500 && !isOfGateway(status)
  const added = isStatus
    ? { ...given, statuses: [...given.statuses, status] }
    : { ...given, results: [...given.results, result] }
  const setting = formatRejections(added)
  // No setting can hold a result that the format does not take.
  const canBeSet =
    isStatus || (status === 200 && !works && rejectionsFormat.parse(setting) !== null)
  if (!isKnown && canBeSet) run.settings['ISALES_REJECTED'] = setting
  const isNoticed = isKnown || canBeSet
  find(run, 'invalid', isNoticed ? text : check.as(text, works), isNoticed ? '' : check.blind)
  return isNoticed
}

/** Takes over the paths that iSales names. Returns where CTI-OBS refreshes, if iSales names it. */
function findPaths(run: Run, data: object): string | undefined {
  const { isalesUrl, allowedPaths: allowed, obsRefreshPath } = run.config
  const { check } = run.words
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = pathFormat.parse(url?.pathname ?? text)
    return path === null ? [] : [{ name, path, origin: url?.origin }]
  })
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== isalesUrl)
  if (other !== undefined) {
    find(run, 'interface', check.otherHost(other))
    run.settings['ISALES_URL'] = other
  } else if (origins.size > 0) find(run, 'interface', check.wholeUrls)
  const paths = new Set(named.map(({ path }) => path))
  const closed = [...paths].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0) {
    find(run, 'interface', check.closedPaths(closed.length))
    run.settings['ALLOWED_PATHS'] = [...allowed, ...closed].join(',')
  }
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== obsRefreshPath) {
    find(run, 'interface', check.refreshPath(refresh))
    run.settings['ISALES_REFRESH_PATH'] = refresh
  }
  return refresh
}

/** Tries the refresh call until one form works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, named?: string): Promise<Grant | undefined> {
  const { config, words, io } = run
  const { check } = words
  const { token, refreshToken } = grant
  const { isalesRefreshPath: given, isalesRefreshHeaderToken: form } = config
  if (given === undefined || refreshToken === undefined) {
    find(run, 'refresh', given === undefined ? check.refreshOff : check.noRefresh)
    return undefined
  }
  const path = named ?? given
  const forms = [...FIELDS, undefined].filter((one) => one !== form)
  for (const isalesRefreshHeaderToken of [form, ...forms]) {
    const how =
      isalesRefreshHeaderToken === undefined
        ? check.bodyAlone
        : check.withHeader(isalesRefreshHeaderToken)
    const tried = { ...config, isalesRefreshHeaderToken, isalesRefreshPath: path }
    const outcome = await clientFor(run, tried).refresh({ token, refreshToken }, askOnce(io.signal))
    if (!isGrant(outcome)) {
      find(run, 'refresh', check.failed(how, explain(words, placesOf(config), outcome).what))
      continue
    }
    const latest = outcome.refreshToken ?? refreshToken
    const rotates = latest.reveal() !== refreshToken.reveal()
    const { works } = await callInterface(run, grant)
    find(run, 'refresh', check.refreshed(how, rotates, works))
    if (isalesRefreshHeaderToken !== form)
      run.settings['ISALES_REFRESH_HEADER_TOKEN'] = isalesRefreshHeaderToken ?? 'off'
    return { ...outcome, refreshToken: latest }
  }
  find(run, 'refresh', check.refreshFails)
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there: it cannot be off, then.
  if (path === config.obsRefreshPath) run.settings['ISALES_REFRESH_PATH'] = 'off'
  return undefined
}
