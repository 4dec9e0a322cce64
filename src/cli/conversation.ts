import { cause, causeOfStatus, isOfGateway, isRedirect, isWebPage, type Code } from '../causes.ts'
import { MINUTE, systemClock } from '../clock.ts'
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
import { logInOnce } from '../sharing/index.ts'
import {
  createIsalesClient,
  isGrant,
  isRefusal,
  openBook,
  withScheme,
  type Grant,
} from '../token/index.ts'
import { createUpstream, placesOf, type Post, type PostResult } from '../upstream/index.ts'
import {
  explained,
  explainedStore,
  type Explained,
  type Fact,
  type Failure,
  type Words,
} from '../words/index.ts'
import { EXIT, type Io } from './io.ts'

/** What iSales did at one stage of the conversation. */
interface Finding {
  readonly topic: keyof Words['cli']['topics']
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
 * valid, a refresh. Where the token goes is tried as configured, then in the forms that the editions describe. It never
 * sends a second password, and stops at the first refusal.
 */
export async function converse(config: Config, io: Io) {
  const upstream = createUpstream({ config, tls: config.isalesTls, clock: systemClock })
  const run: Run = { config, io, post: upstream.post, findings: [], settings: {} }
  const verdict = await verdictOf(run)
  await upstream.destroy()
  return { verdict, findings: run.findings, settings: run.settings }
}

/** @param what its facts, or what explains that something is wrong. */
function report(run: Run, topic: Finding['topic'], what: Explained | readonly Fact[]): void {
  run.findings.push('code' in what ? { topic, ...what } : { topic, facts: what })
}

async function verdictOf(run: Run): Promise<Verdict> {
  const { config } = run
  const { outcome, store } = await logIn(run)
  if ('deferred' in outcome) {
    const code = outcome.deferred === 'guarded' ? 'logins-paused' : 'check-deferred'
    const facts = [['pausedFor', { seconds: Math.ceil(outcome.ms / 1000) }]] as const
    report(run, 'login', { code, facts })
    return 'check-no-login'
  }
  if ('failure' in outcome) {
    report(run, 'login', explained(outcome.failure, placesOf(config), 'login'))
    return isRefusal(outcome.failure) ? 'check-refused' : 'check-no-login'
  }
  const { refreshToken, lifetime, refreshLifetime } = outcome
  report(run, 'login', [
    ['isales', config.isalesUrl],
    ['user', config.isalesUser],
    ['lives', { seconds: lifetime.ms / 1000 }],
    refreshToken === undefined || refreshLifetime === undefined
      ? ['refreshToken', refreshToken !== undefined]
      : ['refreshLives', { seconds: refreshLifetime / 1000 }],
  ])
  const doubts = { missing: 'no-lifetime', 'too-long': 'IsalesProxyLifetimeDoubtful' } as const
  const { doubt } = lifetime
  if (doubt !== undefined) report(run, 'lifetime', { code: doubts[doubt], facts: [] })

  const named = await findCarrier(run, outcome)
  if (named === undefined) return 'check-calls'
  const isNoticed = await findRejection(run, outcome)
  const path = findPaths(run, named) ?? config.isalesRefreshPath
  // Replicas of the store have this refresh token, too.
  if (store === undefined || store === 'alone') await checkRefresh(run, outcome, path)
  else report(run, 'refresh', [['outcome', 'not-tried']])
  if (store === 'alone') return 'check-store'
  if (Object.keys(run.settings).length > 0) return 'check-differs'
  return isNoticed ? 'check-works' : 'check-blind'
}

/** One login, which is counted in the book, and waits for the pauses there. Replicas of a shared store take its token. */
async function logIn(run: Run) {
  const { config, io } = run
  const places = placesOf(config)
  let trouble: Failure | undefined
  const book = openBook({
    directory: config.stateDir,
    clock: systemClock,
    wallClock: Date.now,
    onTrouble: (why) => (trouble = why),
    onExposed() {},
  })
  const client = clientFor(run, config)
  // Timers of the clock keep no process, and the login of another one may be waited for.
  const alive = setInterval(() => undefined, MINUTE)
  const { outcome, sharing } = await logInOnce(config, client, book, io.signal)
  clearInterval(alive)
  if (trouble !== undefined) report(run, 'state', explained(trouble, places, 'login'))
  // Only in a cluster are several replicas likely.
  if (sharing === undefined && io.env['KUBERNETES_SERVICE_HOST'] !== undefined)
    report(run, 'store', { code: 'not-shared', facts: [] })
  if (sharing?.state === 'alone') report(run, 'store', explainedStore(sharing, places))
  else if (sharing !== undefined) report(run, 'store', [['outcome', 'works']])
  return { outcome, store: sharing?.state }
}

function clientFor({ post }: Run, config: Config) {
  return createIsalesClient({ ...config, post, clock: systemClock })
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

const NAMES = ['Authorization', 'Authentication']

/** Where a business call carries its token: the English edition, the Chinese one, then everything between. */
const CARRIERS = ['Bearer', ''].flatMap((scheme) =>
  (['token', 'refreshToken'] as const).flatMap((field) =>
    NAMES.map((name): TokenHeader => ({ names: [name], scheme, field })),
  ),
)

/** Tries where the token goes until iSales accepts it. Returns what the interface names; undefined: nowhere. */
async function findCarrier(run: Run, grant: Grant): Promise<object | undefined> {
  const { config: given, io } = run
  const form = formatTokenHeader(given.isalesTokenHeader)
  const others = CARRIERS.filter((one) => formatTokenHeader(one) !== form)
  let first: Explained | undefined
  for (const isalesTokenHeader of [given.isalesTokenHeader, ...others]) {
    run.config = { ...given, isalesTokenHeader }
    const text = formatTokenHeader(isalesTokenHeader)
    const { works, isAway, why, data } = await callInterface(run, grant)
    if (works) {
      report(run, 'call', [
        ['form', text],
        ['outcome', 'works'],
      ])
      if (text !== form) run.settings['ISALES_TOKEN_HEADER'] = text
      return isObject(data) ? data : {}
    }
    first ??= { ...why, facts: [['form', text], ...why.facts] }
    // Another form changes nothing about an iSales that is away.
    if (isAway || io.signal.aborted) break
  }
  if (first !== undefined) report(run, 'call', first)
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
  const setting = formatRejections(
    isStatus
      ? { ...given, statuses: [...given.statuses, status] }
      : { ...given, results: [...given.results, result] },
  )
  // No setting can hold a result that the format does not take.
  const canBeSet =
    isStatus || (status === 200 && !works && rejectionsFormat.parse(setting) !== null)
  if (!isKnown && canBeSet) run.settings['ISALES_REJECTED'] = setting
  const isNoticed = isKnown || canBeSet
  report(run, 'invalid', isNoticed ? facts : { code: 'check-blind', facts })
  return isNoticed
}

/** Takes over the origin and the paths that iSales names. Returns where CTI-OBS refreshes, if iSales names it. */
function findPaths({ config, settings }: Run, data: object): string | undefined {
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : ''
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = pathFormat.parse(url?.pathname ?? text)
    return path === null ? [] : [{ name, path, origin: url?.origin ?? config.isalesUrl }]
  })
  const other = named.find(({ origin }) => origin !== config.isalesUrl)
  if (other !== undefined) settings['ISALES_URL'] = other.origin
  const { allowedPaths: allowed, obsRefreshPath } = config
  const paths = new Set(named.map(({ path }) => path))
  const closed = [...paths].filter((path) => !allowed.some((open) => isUnder(path, open)))
  if (closed.length > 0) settings['ALLOWED_PATHS'] = [...allowed, ...closed].join(',')
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== obsRefreshPath) settings['ISALES_REFRESH_PATH'] = refresh
  return refresh
}

/** Refreshes as configured, else with the other token in the header, and calls with what was granted. */
async function checkRefresh(run: Run, grant: Grant, path: string | undefined): Promise<void> {
  const { config, io } = run
  const { token, refreshToken } = grant
  if (config.isalesRefreshPath === undefined || path === undefined || refreshToken === undefined)
    return report(run, 'refresh', [['outcome', refreshToken === undefined ? 'not-tried' : 'off']])
  const refresh = (header: Config['isalesRefreshHeaderToken']) =>
    clientFor(run, {
      ...config,
      isalesRefreshPath: path,
      isalesRefreshHeaderToken: header,
    }).refresh({ token, refreshToken }, io)
  const given = config.isalesRefreshHeaderToken
  const other = given === 'refreshToken' ? 'token' : 'refreshToken'
  let outcome = await refresh(given)
  if (!isGrant(outcome)) {
    const why = explained(outcome, placesOf(config), 'refresh')
    outcome = await refresh(other)
    if (!isGrant(outcome)) return report(run, 'refresh', why)
    run.settings['ISALES_REFRESH_HEADER_TOKEN'] = other
  }
  const latest = { ...outcome, refreshToken: outcome.refreshToken ?? refreshToken }
  const { works, why } = await callInterface(run, latest)
  report(run, 'refresh', works ? [['outcome', 'works']] : why)
}
