import { path as pathFormat } from '../config/formats-net.ts'
import { formatDuration } from '../config/formats.ts'
import type { Config } from '../config/settings.ts'
import { isObject, parseObject, type JsonObject } from '../http/json.ts'
import { createIsalesClient } from '../token/client.ts'
import { isGrant, type AuthFailure, type Grant } from '../token/protocol.ts'
import { egressFor } from '../upstream/egress-proxy.ts'
import type { Post, PostResult } from '../upstream/post.ts'

export type LoginCheck =
  | {
      readonly ok: true
      readonly grant: Grant
      readonly text: string
      /** What is to be said of the shared store. */
      readonly store: string
    }
  | {
      readonly ok: false
      /** iSales refused the user or password. */
      readonly refused: boolean
      readonly text: string
      readonly verdict: string
    }

/** Logs in once: under the lease of the shared store, where there is one, so that replicas take the new token. */
export async function logIn(config: Config, post: Post, signal: AbortSignal): Promise<LoginCheck> {
  const isales = createIsalesClient({ ...config, post, wallClock: Date.now })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const ask = () => isales.login(credentials, signal)
  const shared = config.sessionStoreUrl && (await logInThroughStore(config, ask, signal))
  const where = `Login at ${config.isalesUrl} as ${config.isalesUser}`
  const { store, outcome } = shared ? shared : { store: NO_STORE, outcome: await ask() }
  if (outcome === undefined) {
    return { ok: false, refused: false, text: `${where}: ${store}`, verdict: 'No login was made.' }
  }
  if (isGrant(outcome)) {
    const text = `${where}: it works. ${describeGrant(outcome)}`
    return { ok: true, grant: outcome, text, store }
  }
  const refused = outcome.kind === 'refused'
  return {
    ok: false,
    refused,
    text: `${where}${through(config)}: ${describeFailure(outcome, config)}`,
    verdict: refused ? 'iSales refused the login.' : 'No login came about.',
  }
}

/** How many replicas there are is not known here; the notes of the chart warn when they are several. */
const NO_STORE =
  'No store is shared (SESSION_STORE_URL): where iSales allows this user one session, replicas would end each other’s tokens.'

interface StoreLogin {
  readonly store: string
  /** Undefined: iSales was not asked; `store` says why. */
  readonly outcome: Grant | AuthFailure | undefined
}

async function logInThroughStore(
  config: Config,
  ask: () => Promise<Grant | AuthFailure>,
  signal: AbortSignal,
): Promise<StoreLogin | undefined> {
  // Loaded only where a store is configured.
  const { logInShared } = await import('../sharing/check.ts')
  const login = await logInShared(config, ask, signal)
  if (login === undefined) return undefined
  const { obtained, store, others } = login
  const text =
    store.state === 'alone'
      ? `The shared store cannot be used (${store.reason}): a login may end the session of running replicas.`
      : others === 0 || others === undefined
        ? 'The shared store works. No replica listens with this key: none runs, or theirs is another.'
        : `The shared store works. ${others} running with this key take the new token.`
  switch (obtained.by) {
    case 'us':
      return { store: text, outcome: obtained.outcome }
    case 'another':
      return { store: text, outcome: obtained.adopted.grant }
    case 'nobody':
      return { store: `${NOT_ASKED[obtained.because]}. ${text}`, outcome: undefined }
  }
}

const NOT_ASKED = {
  busy: 'a replica logs in just now. Try again in some seconds',
  held: 'the replicas wait after a failure. See the status page of one of them',
  conflict: 'somebody else logs in as this user, and the replicas wait. Try again in a minute',
  guarded: 'iSales refused this password before, and the account is spared. Correct the password',
  alone: 'the shared store cannot be reached',
} as const

/** Only the host: the rest of HTTPS_PROXY may hold a password. */
function through(config: Config): string {
  const egress = egressFor(config)
  return egress === undefined ? '' : ` through HTTPS_PROXY (${egress.host})`
}

function describeGrant({ lifetime, refreshToken, refreshLifetime }: Grant): string {
  const life = lifetime.assumed
    ? `states no lifetime that can be believed (TOKEN_DEFAULT_LIFETIME is taken)`
    : `lives ${formatDuration(lifetime.ms)}`
  if (refreshToken === undefined) return `The token ${life}, without a refresh token.`
  const refresh =
    refreshLifetime === undefined ? '' : ` that lives ${formatDuration(refreshLifetime)}`
  return `The token ${life}, with a refresh token${refresh}.`
}

const FAILURES: Readonly<Record<AuthFailure['reason'], string>> = {
  rejected: 'refused. Check user and password; do not try often, or the account may be locked',
  result:
    'refused by the result in the response. Check user and password, and that the account is in order',
  throttled: 'refused for now, too many calls. Try again later',
  unavailable: 'iSales cannot be reached or is out of order. Check ISALES_URL and the network',
  timeout: 'no whole response within ISALES_LOGIN_TIMEOUT',
  tls: 'TLS failed. Check ISALES_CA_FILE, the host name in ISALES_URL, and the certificate’s dates',
  malformed:
    'the response is not that of an iSales, and says nothing about user and password. Check ISALES_URL and ISALES_LOGIN_PATH',
}

const NO_TLS = 'the server there speaks no TLS. Check the scheme and the port in ISALES_URL'
const SPEAKS_TLS = 'the server there speaks TLS. Use https in ISALES_URL'

/** What an error code means, where it says more than the class of the failure. */
const CAUSES: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  HPE_INVALID_CONSTANT: SPEAKS_TLS,
  ENOTFOUND: 'the host name is unknown. Check ISALES_URL and DNS',
  EAI_AGAIN: 'DNS does not respond. Check the network',
  ERR_EGRESS_PROXY_AUTH: 'the egress proxy wants a user and password. Put them into HTTPS_PROXY',
  ERR_EGRESS_PROXY_REFUSED: 'the egress proxy refuses to connect to iSales. Check its rules',
}

function describeFailure({ reason, status, detail }: AuthFailure, config: Config): string {
  const cause = CAUSES[detail] ?? FAILURES[reason]
  const known = status === undefined || detail.includes(String(status))
  // To plain HTTP a server that speaks TLS sends an alert, closes the connection, or says 400.
  const perhaps = status === 400 || detail === 'UND_ERR_SOCKET' || detail === 'ECONNRESET'
  const hint = perhaps && config.isalesUrl.startsWith('http:') ? `; perhaps ${SPEAKS_TLS}` : ''
  return `${cause}${hint} (${known ? detail : `status ${status}: ${detail}`}).`
}

const JSON_HEADERS = ['Content-Type', 'application/json', 'Accept', 'application/json']

export interface InterfaceCheck {
  readonly ok: boolean
  readonly text: string
  readonly warnings: readonly string[]
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, field and paths. */
export async function tryInterface(
  config: Config,
  grant: Grant,
  post: Post,
  signal: AbortSignal,
): Promise<InterfaceCheck> {
  const { isalesTokenField: field, isalesTokenHeaders: names, isalesTokenScheme: scheme } = config
  const token = (field === 'refreshToken' ? grant.refreshToken : undefined) ?? grant.token
  const value = scheme === '' ? token.reveal() : `${scheme} ${token.reveal()}`
  const result = await post({
    path: config.isalesInterfacePath,
    headers: [...JSON_HEADERS, ...names.flatMap((name) => [name, value])],
    body: '{"version":311}',
    signal,
  })
  const sent = `${names.join(' and ')}: ${scheme === '' ? '' : `${scheme} `}<${field}>`
  const data = resultDataOf(result)
  const call = `Call of business/interface with ${sent}`
  if (data === undefined) {
    const text = `${call}: ${describeResult(result)}. Check ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME, ISALES_TOKEN_FIELD and ISALES_INTERFACE_PATH`
    return { ok: false, text, warnings: [] }
  }
  return { ok: true, text: `${call}: it works.`, warnings: interfaceWarnings(data, config) }
}

/** Undefined: the call did not succeed. */
function resultDataOf(result: PostResult): JsonObject | undefined {
  const body = parseBody(result)
  if (body === undefined || (body['result'] !== 0 && body['result'] !== '0')) return undefined
  const { resultData } = body
  return isObject(resultData) ? resultData : {}
}

function parseBody(result: PostResult): JsonObject | undefined {
  return result.ok && result.status === 200 ? parseObject(result.body ?? '') : undefined
}

/** Never the body: it may hold a token. */
function describeResult(result: PostResult): string {
  if (!result.ok) return `no response (${result.code})`
  if (result.status !== 200) return `status ${result.status}`
  const code = parseBody(result)?.['result']
  return /^-?\d{1,9}$/.test(String(code)) ? `result ${String(code)}` : 'not a response of iSales'
}

function interfaceWarnings(
  data: JsonObject,
  { obsRewriteInterface, isalesRefreshPath }: Config,
): readonly string[] {
  const warnings: string[] = []
  const urls = Object.values(data).filter((one) => /^https?:\/\//i.test(String(one)))
  if (urls.length > 0 && !obsRewriteInterface) {
    warnings.push(
      'business/interface gives whole URLs: CTI-OBS would call iSales past the proxy. Set OBS_REWRITE_INTERFACE=true',
    )
  }
  const named = String(data['refreshToken'])
  const { data: path } = pathFormat().safeParse(
    URL.canParse(named) ? new URL(named).pathname : named,
  )
  if (path !== undefined && isalesRefreshPath !== undefined && path !== isalesRefreshPath) {
    warnings.push(
      `business/interface names another refresh path than ISALES_REFRESH_PATH. Set it to ${path}`,
    )
  }
  return warnings
}
