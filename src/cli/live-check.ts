import { cause, classifyStatus, isOfGateway, isRedirect, isWebPage } from '../causes.ts'
import { delay, MINUTE, SECOND, systemClock } from '../clock.ts'
import {
  formatTokenHeader,
  holds,
  loadConfig,
  pathFormat,
  diagnosticContext,
  withRejection,
  type Config,
} from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import { isUnder } from '../proxy/index.ts'
import { openShare } from '../sharing/index.ts'
import {
  createIsalesClient,
  createRegister,
  createToken,
  createTokenRequests,
  isGrant,
  isRejection,
  openAttemptFile,
  withScheme,
  type Grant,
  type Granted,
  type TokenRequest,
  type TokenResult,
} from '../token/index.ts'
import { createUpstream, type Post, type PostResult } from '../upstream/index.ts'
import {
  explained,
  explainedStore,
  type Explained,
  type Fact,
  type FailureDetails,
  type Messages,
} from '../messages/index.ts'
import { EXIT, type Io } from './io.ts'
import { tracePost } from './trace.ts'

/** The result of one stage of the live check. `code` explains an error or, by default, a doubt; undefined: all is well. */
export interface CheckResult extends Partial<Explained> {
  readonly topic: keyof Messages['cli']['topics']
  readonly facts: readonly Fact[]
  readonly isError?: boolean
}

/** The exit code for each end of the live check; docs/commands.md explains them. */
export const VERDICTS = {
  'check-works': EXIT.ok,
  'check-doubts': EXIT.ok,
  'check-differs': EXIT.usage,
  'check-rejected': EXIT.rejected,
  'check-no-login': EXIT.unusable,
  'check-calls': EXIT.unusable,
  'check-store': EXIT.unusable,
} as const
type CheckVerdict = keyof typeof VERDICTS
/** Milliseconds. A shorter life leaves little time for a slow renewal. */
export const SHORT_LIFETIME = 20 * SECOND
/** Another replica's login takes at most 5 s, and a dead replica's lease expires after 3 s. */
const MAX_WAIT = 7 * SECOND
const WORKS: readonly Fact[] = [['outcome', 'works']]

interface LiveCheck {
  /** As given, but with a header that suits iSales. */
  config: Config
  readonly io: Io
  readonly post: Post
  readonly results: CheckResult[]
  /** Texts of settings that must change, by name; an empty text means unset. */
  readonly settings: Record<string, string>
}

/**
 * Runs the conversation of `check --live`: a login, calls that change nothing (`business/interface`), an invalid token, a refresh,
 * a second login. The password is never varied, and nothing follows a login that failed.
 *
 * @param trace writes each exchange to stderr.
 */
export async function runLiveCheck(config: Config, io: Io, trace = false) {
  const upstream = createUpstream({ config, tls: config.isalesTls, clock: systemClock })
  const post = trace ? tracePost(upstream.post, config, io.stderr) : upstream.post
  const check: LiveCheck = { config, io, post, results: [], settings: {} }
  const verdict = await findVerdict(check)
  await upstream.destroy()
  return { ...check, verdict }
}

function report(
  { results }: LiveCheck,
  topic: CheckResult['topic'],
  what: Explained | readonly Fact[],
  isError = false,
): void {
  results.push('code' in what ? { topic, ...what, isError } : { topic, facts: what })
}

async function findVerdict(check: LiveCheck): Promise<CheckVerdict> {
  const { config, io, settings } = check
  const diagnostics = diagnosticContext(config)
  const { result, sharing, storageError } = await logIn(check)
  if (storageError !== undefined)
    report(check, 'state', explained(storageError, diagnostics, 'login'))
  // Several replicas are likely only in a cluster.
  if (sharing === undefined && io.env['KUBERNETES_SERVICE_HOST'] !== undefined)
    report(check, 'store', { code: 'not-shared', facts: [] })
  const isAlone = sharing?.state === 'local'
  if (isAlone) report(check, 'store', explainedStore(sharing, diagnostics), true)
  else if (sharing !== undefined) report(check, 'store', WORKS)
  if (!('token' in result)) {
    report(check, 'login', explainLogin(config, result), true)
    const isRejected = 'failure' in result && isRejection(result.failure)
    return isRejected ? 'check-rejected' : 'check-no-login'
  }
  const { token: grant } = result
  reportGrant(check, grant)

  const named = await detectTokenHeader(check, grant)
  if (named === undefined) return 'check-calls'
  await detectRejection(check, grant)
  findPaths(check, named, grant)
  dropRefused(check)
  // Replicas that share the token also use this refresh token, and a login outside of the store would end their token.
  if (sharing === undefined || isAlone) {
    const latest = await checkRefresh(check, grant)
    if (!isAlone) await checkSessions(check, latest)
  } else report(check, 'refresh', [['outcome', 'not-tried']])
  if (isAlone) return 'check-store'
  if (Object.keys(settings).length > 0) return 'check-differs'
  return check.results.some(({ code }) => code !== undefined) ? 'check-doubts' : 'check-works'
}

/** Logs in once, as the login-attempt record allows. Publishes the token in a store, so that running replicas do not lose theirs. */
async function logIn(check: LiveCheck) {
  const { config } = check
  // The clock's timers do not keep the process alive while it waits for another replica's login.
  const alive = setInterval(() => undefined, MINUTE)
  const { stateDir: directory, isalesUser: user, isalesPassword: password } = config
  const { signal } = check.io
  const common = { clock: systemClock, random: Math.random }
  let storageError: FailureDetails | undefined
  const onStorageError = (error: FailureDetails | undefined): void => void (storageError = error)
  const share = await openShare({ ...common, config, onUnreadable() {}, observeCall() {} })
  const parts = { ...common, onStorageError, onExposed() {} }
  const stateDir = directory === undefined ? undefined : { ...parts, directory }
  const home = share?.home ?? (stateDir && openAttemptFile(stateDir))
  const register = createRegister(systemClock, home)
  const client = createIsalesClient({ ...config, ...common, post: check.post })
  const requests = createTokenRequests({ ...common, client, register, rules: config })
  const credentials = { user, password }
  const login = { operation: 'login', credentials, signal, loginDue: true } as const

  /** Waits while another process asks iSales. */
  const inTurn = async (request: TokenRequest): Promise<TokenResult> => {
    const end = systemClock.now() + MAX_WAIT
    for (;;) {
      const result = await requests.requestToken(request)
      const isBusy = 'postponed' in result && result.postponed === 'busy'
      if (!isBusy || signal.aborted || systemClock.now() > end) return result
      await delay(systemClock, result.ms, signal)
    }
  }

  register.start(async () => void (await requests.poll(credentials)))
  let result = await inTurn(login)
  if ('token' in result && result.adopted) {
    // The replicas' token is known now, so the next request logs in, unless the store fails.
    const current = createToken(result.token, config, 0)
    result = await inTurn({ ...login, current, loginDue: false })
  }
  const sharing = share?.snapshot()
  await register.stop()
  clearInterval(alive)
  return { result, sharing, storageError }
}

function explainLogin(config: Config, result: Exclude<TokenResult, Granted>): Explained {
  const context = diagnosticContext(config)
  if ('failure' in result) {
    const { code, facts } = explained(result.failure, context, 'login')
    return { code, facts: isRejection(result.failure) ? [...facts, ...context.credentials] : facts }
  }
  const code = result.postponed === 'login-pause' ? 'logins-paused' : 'check-deferred'
  return { code, facts: [['pausedFor', { seconds: Math.ceil(result.ms / 1000) }]] }
}

function reportGrant(check: LiveCheck, { lifetime, refreshToken, refreshLifetime }: Grant): void {
  const { isalesUrl, isalesUser } = check.config
  report(check, 'login', [
    ['isales', isalesUrl],
    ['user', isalesUser],
    ['lives', { seconds: lifetime.ms / 1000 }],
    refreshToken === undefined || refreshLifetime === undefined
      ? ['refreshToken', refreshToken !== undefined]
      : ['refreshLives', { seconds: refreshLifetime / 1000 }],
  ])
  const doubts = { missing: 'no-lifetime', 'too-long': 'long-lifetime' } as const
  const { doubt, ms, stated } = lifetime
  const facts: Fact[] = stated === undefined ? [] : [['statedLifetime', stated]]
  if (doubt) report(check, 'lifetime', { code: doubts[doubt], facts })
  else if (ms < SHORT_LIFETIME) report(check, 'lifetime', { code: 'short-lifetime', facts: [] })
}

/** Calls `business/interface` once, which changes nothing and tests header, scheme, token and path. */
async function callInterface({ config, post, io }: LiveCheck, grant: Grant, other?: string) {
  const { names, scheme, field } = config.isalesTokenHeader
  const token = other ?? (grant[field] ?? grant.token).reveal()
  const headers = names.flatMap((name) => [name, withScheme(scheme, token)])
  const path = config.isalesInterfacePath
  const response = await post({ path, headers, body: '{"version":311}', signal: io.signal })
  const { status, body = '' } = response.ok ? response : { status: 0 }
  const { result: given, resultData: data } = parseObject(body) ?? {}
  const text = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
  // Output contains the result and its setting, so it must not be a secret.
  const result = [token, ...secretsOf(config, grant)].some((one) => holds(text, one)) ? '' : text
  const facts: Fact[] = [['status', status]]
  // Never the body, which may contain a token.
  if (/^-?\w{1,9}$/.test(result)) facts.push(['detail', `result=${result}`])
  else if (status === 200) facts.push(['detail', 'no-result'])
  const failure = responseFailure(response)
  const rejected: Explained = { code: 'token-rejected', facts }
  const reason = failure ? explained(failure, diagnosticContext(config), 'call') : rejected
  const works = status === 200 && result === '0'
  const isAway = failure !== undefined && failure.cause.code !== 'login-page'
  return { status, result, data, facts, reason, works, isAway }
}

/** Returns why a response shows nothing about the token; undefined if it is from iSales. */
function responseFailure(response: PostResult): FailureDetails | undefined {
  if (!response.ok) return response
  const { status, contentType, body } = response
  const isPage = isRedirect(status) || isWebPage(contentType, body)
  if (isOfGateway(status) || status > 500) return { cause: classifyStatus({ status }), status }
  return isPage ? { cause: cause('login-page'), status } : undefined
}

/** Ways to send the token: the English edition's, the Chinese edition's, and all others. */
const TOKEN_HEADERS = ['Bearer', ''].flatMap((scheme) =>
  (['token', 'refreshToken'] as const).flatMap((field) =>
    ['Authorization', 'Authentication'].map((name) => ({ names: [name], scheme, field })),
  ),
)

/** Tries ways to send the token until iSales accepts one. Returns the interface's data; undefined if none works. */
async function detectTokenHeader(check: LiveCheck, grant: Grant): Promise<object | undefined> {
  const { config: given, io } = check
  const form = formatTokenHeader(given.isalesTokenHeader)
  const others = TOKEN_HEADERS.filter((one) => formatTokenHeader(one) !== form)
  let first: Explained | undefined
  for (const isalesTokenHeader of [given.isalesTokenHeader, ...others]) {
    check.config = { ...given, isalesTokenHeader }
    const text = formatTokenHeader(isalesTokenHeader)
    const { works, isAway, reason, data } = await callInterface(check, grant)
    if (works) {
      report(check, 'call', [['form', text], ...WORKS])
      if (text !== form) check.settings['ISALES_TOKEN_HEADER'] = text
      return isObject(data) ? data : {}
    }
    first ??= { ...reason, facts: [['form', text], ...reason.facts] }
    // No other form helps if iSales is unavailable.
    if (isAway || io.signal.aborted) break
  }
  if (first !== undefined) report(check, 'call', first, true)
  return undefined
}

/** Finds how iSales rejects a token: with a status, or with a `result` in a 200. */
async function detectRejection(check: LiveCheck, grant: Grant): Promise<void> {
  const { isalesTokenHeader, isalesRejected: given } = check.config
  const token = (grant[isalesTokenHeader.field] ?? grant.token).reveal()
  // Changes the middle, because the last character of base64 may have unused bits.
  const middle = Math.floor(token.length / 2)
  const other = token[middle] === 'x' ? 'y' : 'x'
  const invalid = `${token.slice(0, middle)}${other}${token.slice(middle + 1)}`
  const { status, result, facts, works } = await callInterface(check, grant, invalid)
  const isStatus = status >= 400 && status < 500 && !isOfGateway(status)
  const entry = isStatus ? String(status) : `result=${result}`
  const canBeSet = isStatus || (status === 200 && !works)
  const setting = canBeSet ? withRejection(given, entry) : undefined
  const isKnown = given.statuses.includes(status) || given.results.includes(result)
  if (!isKnown && setting !== undefined) check.settings['ISALES_REJECTED'] = setting
  if (!isKnown && setting === undefined) report(check, 'invalid', { code: 'check-blind', facts })
  else report(check, 'invalid', status === 200 ? { code: 'rejected-by-result', facts } : facts)
}

/** Returns the secrets that iSales knows, which no output may repeat. */
function secretsOf({ isalesPassword }: Config, { token, refreshToken = token }: Grant) {
  return [isalesPassword, token, refreshToken].map((secret) => secret.reveal())
}

/** Adopts origin and paths from iSales. */
function findPaths({ config, settings }: LiveCheck, data: object, grant: Grant): void {
  const secrets = secretsOf(config, grant)
  const named = Object.entries(data).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : ''
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const path = pathFormat.parse(url?.pathname ?? text)
    if (path === null || secrets.some((one) => holds(text, one))) return []
    return [{ name, path, origin: url?.origin ?? config.isalesUrl }]
  })
  const other = named.find(({ origin }) => origin !== config.isalesUrl)
  if (other !== undefined) settings['ISALES_URL'] = other.origin
  const { allowedPaths: allowed, obsRefreshPath, isalesInterfacePath } = config
  const paths = new Set(named.map(({ path }) => path))
  const closed = [...paths].filter((path) => !allowed.some((open) => isUnder(path, open)))
  const preset = isalesInterfacePath.replace(/business\/interface$/, '')
  if (closed.every((path) => isUnder(path, preset))) {
    if (closed.length > 0) settings['ALLOWED_PATHS'] = ''
  } else {
    let [directory = ''] = closed
    while (!closed.every((path) => path.startsWith(directory)))
      directory = directory.replace(/[^/]+\/?$/, '')
    const added = directory === '/' ? closed : [directory]
    settings['ALLOWED_PATHS'] = [...allowed, ...added].join(',')
  }
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && refresh !== obsRefreshPath) settings['ISALES_REFRESH_PATH'] = refresh
}

/** Takes back what the program would not start with, and reports why. */
function dropRefused(check: LiveCheck): void {
  const { io, settings } = check
  const { problems } = loadConfig({ ...io.env, ...settings })
  for (const { setting, code, facts, isWarning } of problems) {
    if (isWarning || !(setting in settings)) continue
    const refused: Fact = ['setting', `${setting}=${settings[setting]}`]
    report(check, 'call', { code, facts: [refused, ...facts] })
    delete settings[setting]
  }
}

/** Refreshes as configured; if that fails, with the other token in the header. Returns the latest grant. */
async function checkRefresh(check: LiveCheck, grant: Grant): Promise<Grant> {
  const { config, io, post, settings } = check
  const { token, refreshToken } = grant
  if (config.isalesRefreshPath === undefined || refreshToken === undefined) {
    const isOff = config.isalesRefreshPath === undefined
    report(check, 'refresh', isOff ? [['outcome', 'off']] : { code: 'no-refresh', facts: [] })
    return grant
  }
  const isalesRefreshPath = settings['ISALES_REFRESH_PATH'] ?? config.isalesRefreshPath
  const refresh = (isalesRefreshHeaderToken: Config['isalesRefreshHeaderToken']) => {
    const tried = { ...config, isalesRefreshPath, isalesRefreshHeaderToken }
    const client = createIsalesClient({ ...tried, post, clock: systemClock })
    return client.refresh({ token, refreshToken }, io.signal)
  }
  const given = config.isalesRefreshHeaderToken
  const other = given === 'refreshToken' ? 'token' : 'refreshToken'
  let outcome = await refresh(given)
  if (!isGrant(outcome)) {
    const reason = explained(outcome, diagnosticContext(config), 'refresh')
    outcome = await refresh(other)
    if (!isGrant(outcome)) {
      report(check, 'refresh', reason)
      return grant
    }
    settings['ISALES_REFRESH_HEADER_TOKEN'] = other
  }
  const latest = { ...outcome, refreshToken: outcome.refreshToken ?? refreshToken }
  const { works, reason } = await callInterface(check, latest)
  const previousWorks = works && (await callInterface(check, grant)).works
  report(check, 'refresh', works ? [...WORKS, ['previousWorks', previousWorks]] : reason)
  return latest
}

/** Logs in again, and checks whether the first token stays valid. The password is right, so this cannot lock the account. */
async function checkSessions(check: LiveCheck, grant: Grant): Promise<void> {
  // An expired token would look the same.
  if (systemClock.now() - grant.sentAt > grant.lifetime.ms / 2) return
  const { result } = await logIn(check)
  if (!('token' in result)) return report(check, 'session', explainLogin(check.config, result))
  const { works, isAway, reason, facts } = await callInterface(check, grant)
  const ended: Explained = isAway ? reason : { code: 'single-session', facts }
  report(check, 'session', works ? WORKS : ended)
}
