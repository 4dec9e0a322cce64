import { readTls } from '../config/certificates.ts'
import { valueOf } from '../config/errors.ts'
import type { Config } from '../config/settings.ts'
import { systemClock } from '../clock.ts'
import { askOnce, createIsalesClient } from '../token/client.ts'
import { isGrant, isRefusal, type AuthFailure, type Grant } from '../token/protocol.ts'
import { egressFor } from '../upstream/egress-proxy.ts'
import { createUpstream } from '../upstream/pool.ts'
import type { Post } from '../upstream/post.ts'
import {
  callInterface,
  describeCarrier,
  describeGrant,
  namedPaths,
  tokenText,
  type InterfaceResponse,
} from './calls.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, type Io } from './io.ts'

/**
 * Logs in, calls `business/interface`, says what came of it, and returns the exit code. One login, and never another: a
 * wrong password must not come near to locking the account.
 */
export async function checkLive(config: Config, io: Io): Promise<number> {
  const upstream = createUpstream({ config, tls: valueOf(readTls('isales', config)) })
  try {
    return await converse(config, upstream.post, io)
  } finally {
    await upstream.destroy()
  }
}

async function converse(config: Config, post: Post, io: Io): Promise<number> {
  const { signal, stdout, stderr } = io
  const fail = (text: string, verdict: string, code: number): number => {
    stderr.write(`${text}\n${verdict}\n`)
    return code
  }
  const { store, outcome } = await logIn(config, post, signal)
  if (signal.aborted) return endedBy(signal)
  const where = `Login at ${config.isalesUrl} as ${config.isalesUser}`
  if (outcome === undefined) {
    return fail(`${where}: ${store}`, 'No login was made.', EXIT.unreachable)
  }
  if (!isGrant(outcome)) {
    const text = `${where}${through(config)}: ${describeFailure(outcome, config)}`
    return isRefusal(outcome)
      ? fail(text, 'iSales refused the login.', EXIT.refused)
      : fail(text, 'No login came about.', EXIT.unreachable)
  }
  stdout.write(`${where}: it works. The token ${describeGrant(outcome)}.\n${store}\n`)
  const carrier = {
    headers: config.isalesTokenHeaders,
    field: config.isalesTokenField,
    scheme: config.isalesTokenScheme,
  }
  const token = tokenText(outcome, carrier.field)
  const response = await callInterface({ config, post, signal }, carrier, token)
  if (signal.aborted) return endedBy(signal)
  const call = `Call of business/interface with ${describeCarrier(carrier)}`
  if (!response.works) {
    const text = `${call}: ${response.text}. Check ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME, ISALES_TOKEN_FIELD and ISALES_LOGIN_PATH`
    return fail(text, 'The login works, but calls do not.', EXIT.unreachable)
  }
  for (const warning of interfaceWarnings(response, config)) stderr.write(`Warning: ${warning}\n`)
  stdout.write(`${call}: it works.\nIt works.\n`)
  return EXIT.ok
}

interface Login {
  /** What is to be said of the shared store. */
  readonly store: string
  /** Undefined: iSales was not asked; `store` says why. */
  readonly outcome: Grant | AuthFailure | undefined
}

/** Under the lease of the shared store, where there is one, so that replicas take the new token. */
async function logIn(config: Config, post: Post, signal: AbortSignal): Promise<Login> {
  const isales = createIsalesClient({ ...config, post, clock: systemClock, wallClock: Date.now })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  // Loaded only where a store is configured.
  const sharing = config.sessionStoreUrl && (await import('../sharing/open.ts'))
  const login = await sharing?.logInShared(config, isales, askOnce(signal))
  if (login === undefined) {
    return { store: NO_STORE, outcome: await isales.login(credentials, askOnce(signal)) }
  }
  const { outcome, store, others } = login
  const text =
    store.state === 'alone'
      ? `The shared store cannot be used (${store.reason}): a login may end the session of running replicas.`
      : others === 0 || others === undefined
        ? 'The shared store works. No replica listens with this key: none runs, or theirs is another.'
        : `The shared store works. ${others} running with this key take the new token.`
  if ('deferred' in outcome) {
    return { store: `${NOT_ASKED[outcome.deferred]}. ${text}`, outcome: undefined }
  }
  return { store: text, outcome: 'failure' in outcome ? outcome.failure : outcome }
}

/** How many replicas there are is not known here; the notes of the chart warn when they are several. */
const NO_STORE =
  'No store is shared (SESSION_STORE_URL): where iSales allows this user one session, replicas would end each other’s tokens.'

const NOT_ASKED = {
  busy: 'a replica logs in just now. Try again in some seconds',
  held: 'the replicas wait after a failure. See the status page of one of them',
  guarded: 'iSales refused this password before, and the account is spared. Correct the password',
  alone: 'the shared store cannot be reached',
} as const

/** Only the host: the rest of HTTPS_PROXY may hold a password. */
function through(config: Config): string {
  const egress = egressFor(config)
  return egress === undefined ? '' : ` through HTTPS_PROXY (${egress.host})`
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

function interfaceWarnings(
  response: InterfaceResponse,
  { isalesRefreshPath }: Config,
): readonly string[] {
  const named = namedPaths(response)
  const warnings: string[] = []
  const refresh = named.find(({ name }) => name === 'refreshToken')?.path
  if (refresh !== undefined && isalesRefreshPath !== undefined && refresh !== isalesRefreshPath) {
    warnings.push(
      `business/interface names another refresh path than ISALES_REFRESH_PATH. Set it to ${refresh}`,
    )
  }
  return warnings
}
