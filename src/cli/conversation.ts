import { cause, causeOfStatus, isOfGateway, isRedirect, isWebPage } from '../causes.ts'
import { systemClock } from '../clock.ts'
import {
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
import type { Code } from '../causes.ts'
import { explained, type Explained, type Fact, type Failure, type Words } from '../words/index.ts'
import { EXIT, type Io } from './io.ts'
import { logIn } from './login.ts'

type Topic = keyof Words['cli']['topics']

/** What iSales did at one stage of the conversation. */
interface Finding {
  readonly topic: Topic
  readonly facts: readonly Fact[]
  /** Explains what is wrong; undefined: nothing is. */
  readonly code?: Code | undefined
}

/** The exit code for each end of the conversation; docs/commands.md explains them. */
export const VERDICTS = {
  'check-works': EXIT.ok,
  'check-blind': EXIT.ok,
  'check-differs': EXIT.usage,
  'check-refused': EXIT.refused,
  'check-no-login': EXIT.unreachable,
  'check-calls': EXIT.unreachable,
  'check-store': EXIT.unreachable,
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
  const upstream = createUpstream({ config, tls: config.isalesTls, clock: systemClock })
  const run: Run = {
    config,
    io,
    post: upstream.post,
    findings: [],
    settings: {},
  }
  const verdict = await verdictOf(run)
  await upstream.destroy()
  return { verdict, findings: run.findings, settings: run.settings }
}

function find(run: Run, topic: Topic, facts: readonly Fact[], code?: Code): void {
  run.findings.push({ topic, facts, code })
}

/** What went wrong in a token request, or in a call. */
function findWhy(run: Run, topic: Topic, { code, facts }: Explained, own: readonly Fact[] = []) {
  find(run, topic, [...own, ...facts], code)
}

function clientFor({ post }: Run, config: Config) {
  return createIsalesClient({ ...config, post, clock: systemClock, wallClock: Date.now })
}

async function verdictOf(run: Run): Promise<Verdict> {
  const { config, io } = run
  const places = placesOf(config)
  const startedAt = performance.now()
  const { outcome, store, note, uncounted } = await logIn(config, clientFor(run, config), io)
  if (uncounted !== undefined) findWhy(run, 'state', explained(uncounted, places, 'login'))
  if (note !== undefined) findWhy(run, 'store', note)
  if (store?.why !== undefined) findWhy(run, 'store', store.why)
  else if (store?.isShared === true) find(run, 'store', [['outcome', 'works']])
  if ('deferred' in outcome) {
    const code = outcome.deferred === 'guarded' ? 'logins-paused' : 'check-deferred'
    find(run, 'login', [['pausedFor', { seconds: Math.ceil(outcome.ms / 1000) }]], code)
    return 'check-no-login'
  }
  if ('failure' in outcome) {
    findWhy(run, 'login', explained(outcome.failure, places, 'login'))
    return isRefusal(outcome.failure) ? 'check-refused' : 'check-no-login'
  }
  const took = Math.round(performance.now() - startedAt)
  find(run, 'login', [
    ['isales', config.isalesUrl],
    ['user', config.isalesUser],
    ['took', { seconds: took / 1000 }],
    ...factsOf(outcome),
  ])
  const { doubt } = outcome.lifetime
  if (doubt !== undefined)
    find(run, 'lifetime', [], doubt === 'missing' ? 'no-lifetime' : 'IsalesProxyLifetimeDoubtful')

  const data = await findCarrier(run, outcome)
  if (data === undefined || io.signal.aborted) return 'check-calls'
  const isNoticed = await findRejection(run, outcome)
  const refreshPath = findPaths(run, data)
  let grant = outcome
  if (store?.isShared === true) find(run, 'refresh', [['outcome', 'not-tried']])
  else grant = (await findRefresh(run, outcome, refreshPath)) ?? outcome
  const { works, why } = await callInterface(run, grant)
  if (!works) {
    findWhy(run, 'conversation', why)
    return 'check-calls'
  }
  find(run, 'conversation', [['outcome', 'works']])
  if (store !== undefined && !store.isShared) return 'check-store'
  if (Object.keys(run.settings).length > 0) return 'check-differs'
  return isNoticed ? 'check-works' : 'check-blind'
}

/** How long the tokens of a grant live. */
function factsOf({ lifetime, refreshToken, refreshLifetime }: Grant): readonly Fact[] {
  const lives: Fact = ['lives', { seconds: lifetime.ms / 1000 }]
  if (refreshToken === undefined) return [lives, ['refreshToken', false]]
  if (refreshLifetime === undefined) return [lives, ['refreshToken', true]]
  return [lives, ['refreshLives', { seconds: refreshLifetime / 1000 }]]
}

/** The token that goes into the headers. */
function tokenText({ token, refreshToken }: Grant, { field }: TokenHeader): string {
  return (field === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, token and path. */
async function callInterface({ config, post, io }: Run, grant: Grant, token?: string) {
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
  const facts: Fact[] = [['status', status]]
  // Never the body: it may hold a token.
  if (/^-?\w{1,9}$/.test(result)) facts.push(['detail', `result=${result}`])
  else if (status === 200) facts.push(['detail', 'no-result'])
  const failure = failureOf(response)
  const why: Explained = failure
    ? explained(failure, placesOf(config), 'call')
    : { code: 'token-rejected', facts }
  const works = status === 200 && result === '0'
  const isAway = failure !== undefined && failure.cause.code !== 'page-refused'
  return { status, result, data, facts, why, works, isAway }
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
  const { config: given, io } = run
  const form = formatTokenHeader(given.isalesTokenHeader)
  const others = CARRIERS.filter((one) => formatTokenHeader(one) !== form)
  const failed: Explained[] = []
  for (const isalesTokenHeader of [given.isalesTokenHeader, ...others]) {
    run.config = { ...given, isalesTokenHeader }
    const how = formatTokenHeader(isalesTokenHeader)
    const { works, isAway, facts, why, data } = await callInterface(run, grant)
    if (works) {
      find(run, 'call', [
        ['form', how],
        ['outcome', 'works'],
      ])
      if (how !== form) run.settings['ISALES_TOKEN_HEADER'] = how
      return isObject(data) ? data : {}
    }
    failed.push({ code: why.code, facts: [['form', how], ...why.facts] })
    // Another form changes nothing about an iSales that is away.
    if (isAway || io.signal.aborted) break
    if (how !== form) find(run, 'call', [['form', how], ...facts])
  }
  const [first] = failed
  if (first !== undefined) findWhy(run, 'call', first)
  return undefined
}

/** How iSales says that a token is bad: a status, or a `result` in a 200. False: the proxy cannot notice it. */
async function findRejection(run: Run, grant: Grant): Promise<boolean> {
  const { isalesTokenHeader, isalesRejected: given } = run.config
  const token = tokenText(grant, isalesTokenHeader)
  // In the middle: the last character of base64 may hold bits that nobody reads.
  const middle = Math.floor(token.length / 2)
  const other = token[middle] === 'x' ? 'y' : 'x'
  const invalid = `${token.slice(0, middle)}${other}${token.slice(middle + 1)}`
  const { status, result, facts, works } = await callInterface(run, grant, invalid)
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
  find(run, 'invalid', facts, isNoticed ? undefined : 'check-blind')
  return isNoticed
}

/** Takes over the paths that iSales names. Returns where CTI-OBS refreshes, if iSales names it. */
function findPaths(run: Run, data: object): string | undefined {
  const { isalesUrl, allowedPaths: allowed, obsRefreshPath } = run.config
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = pathFormat.parse(url?.pathname ?? text)
    return path === null ? [] : [{ name, path, origin: url?.origin }]
  })
  const origins = new Set(named.flatMap(({ origin = [] }) => origin))
  const other = [...origins].find((origin) => origin !== isalesUrl)
  if (other !== undefined) {
    find(run, 'interface', [['urlsOf', other]])
    run.settings['ISALES_URL'] = other
  } else if (origins.size > 0) find(run, 'interface', [['urlsOf', isalesUrl]])
  const paths = new Set(named.map(({ path }) => path))
  const closed = [...paths].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0) {
    find(run, 'interface', [['closedPaths', closed.length]])
    run.settings['ALLOWED_PATHS'] = [...allowed, ...closed].join(',')
  }
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== obsRefreshPath) {
    find(run, 'interface', [['refreshPath', refresh]])
    run.settings['ISALES_REFRESH_PATH'] = refresh
  }
  return refresh
}

/** Tries the refresh call until one form works. Returns what it granted. */
async function findRefresh(run: Run, grant: Grant, named?: string): Promise<Grant | undefined> {
  const { config, io } = run
  const { token, refreshToken } = grant
  const { isalesRefreshPath: given, isalesRefreshHeaderToken: form } = config
  if (given === undefined || refreshToken === undefined) {
    find(run, 'refresh', [['outcome', given === undefined ? 'off' : 'not-tried']])
    return undefined
  }
  const path = named ?? given
  const forms = [...FIELDS, undefined].filter((one) => one !== form)
  const failed: Explained[] = []
  for (const isalesRefreshHeaderToken of [form, ...forms]) {
    const how: Fact = ['form', `Authentication: ${isalesRefreshHeaderToken ?? 'off'}`]
    const tried = { ...config, isalesRefreshHeaderToken, isalesRefreshPath: path }
    const outcome = await clientFor(run, tried).refresh({ token, refreshToken }, askOnce(io.signal))
    if (!isGrant(outcome)) {
      const { code, facts } = explained(outcome, placesOf(config), 'refresh')
      failed.push({ code, facts: [how, ...facts] })
      continue
    }
    const latest = outcome.refreshToken ?? refreshToken
    const { works } = await callInterface(run, grant)
    find(run, 'refresh', [
      how,
      ['outcome', 'works'],
      ['rotates', latest.reveal() !== refreshToken.reveal()],
      ['oldTokenLives', works],
    ])
    if (isalesRefreshHeaderToken !== form)
      run.settings['ISALES_REFRESH_HEADER_TOKEN'] = isalesRefreshHeaderToken ?? 'off'
    return { ...outcome, refreshToken: latest }
  }
  const [first] = failed
  if (first !== undefined) findWhy(run, 'refresh', first)
  // CTI-OBS refreshes at the path that iSales names, and the proxy serves it there: it cannot be off, then.
  if (path === config.obsRefreshPath) run.settings['ISALES_REFRESH_PATH'] = 'off'
  return undefined
}
