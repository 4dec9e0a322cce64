// oxlint-disable max-lines -- one object of every sentence
import type {
  AuthFailureReason,
  CauseCode,
  HandshakeFailure,
  Side,
  StoreFailureReason,
} from '../causes.ts'
import {
  check,
  command,
  commands,
  exitCodes,
  help,
  listening,
  renew,
  running,
} from './en-commands.ts'
import { settings } from './en-settings.ts'
import type { Said } from './said.ts'

/** A sentence for each of a closed set. */
export type Each<Name extends string> = Readonly<Record<Name, string>>

/** What is known of a place where something failed. */
export interface At {
  readonly side: Side
  /** `isales.example:443`, and as a sentence begins with it. */
  readonly host: string
  readonly Host: string
  /** `ISALES_TLS_SERVER_NAME`, where the certificate is checked for it; empty: for the host. */
  readonly serverName: string
  /** The settings that name it, and the authorities that it is checked with. */
  readonly url: string
  readonly ca: string
  /** The setting that limits how long a response may take. */
  readonly limit: string
  readonly status: number
  /** Common name and dates; the name may be empty. */
  readonly certificate: Readonly<Record<'name' | 'from' | 'to', string>>
  /** Where user and password are read from; empty: from the environment. */
  readonly userFile: string
  readonly passwordFile: string
}

const peers: Each<Side> = {
  isales: 'iSales',
  egress: 'the egress proxy',
  store: 'the shared store',
  client: 'the client',
  disk: 'the disk',
}

const correctPassword = ({ userFile, passwordFile }: At): string => {
  if (userFile === '' && passwordFile === '')
    return 'Correct ISALES_USER and ISALES_PASSWORD, then restart the proxy: they come from its environment'
  const user = userFile === '' ? 'ISALES_USER (then restart the proxy)' : `the user in ${userFile}`
  const password =
    passwordFile === ''
      ? 'ISALES_PASSWORD (then restart the proxy)'
      : `the password in ${passwordFile}`
  return `Correct ${user} or ${password}: a changed file is tried within seconds`
}

/** iSales does not say whether it is the password. */
const ifRight =
  'If they are right, ask the operator of iSales whether the password has expired or the account is locked'

const causes: Readonly<Record<CauseCode, (at: At) => Said>> = {
  'name-unknown': ({ host, url }) => [
    `DNS does not know ${host}`,
    `Correct the host in ${url}, or its DNS entry`,
  ],
  'dns-down': ({ host }) => [
    `DNS does not respond, so the address of ${host} is not known`,
    'Check the network and the name servers of this machine (/etc/resolv.conf)',
  ],
  'connection-refused': ({ host, url, side }) => [
    `Nothing listens at ${host}`,
    `Check the port in ${url}, and whether ${peers[side]} runs`,
  ],
  'no-route': ({ host, url }) => [
    `There is no route to ${host}`,
    `Check the network, the firewall and the address in ${url}`,
  ],
  'connect-timeout': ({ Host, url }) => [
    `${Host} does not respond`,
    `Check the address in ${url}, and the firewalls on the route`,
  ],
  'connection-closed': ({ Host, url }) => [
    `${Host} closed the connection before TLS was ready`,
    `Check the port in ${url}, and the firewalls and gateways on the route`,
  ],
  untrusted: ({ side, ca }) => [
    `The certificate of ${peers[side]} is not of an authority that is trusted`,
    `Set ${ca} to the PEM file of the authority that issued it`,
  ],
  expired: ({ side, certificate: { name, to } }) => [
    `The certificate of ${peers[side]}${name && ` (${name})`} has expired${to && `, on ${to}`}`,
    `Have the operator of ${peers[side]} renew it. Set the clock of this machine if it is wrong`,
  ],
  'not-yet-valid': ({ side, certificate: { name, from } }) => [
    `By the clock of this machine the certificate of ${peers[side]}${name && ` (${name})`} is not valid yet${from && `, but from ${from}`}`,
    'Set the clock and keep it right (timedatectl, chrony). If it is right, ask who issued the certificate',
  ],
  'other-name': ({ side, host, serverName, url, certificate: { name } }) => [
    `The certificate of ${peers[side]}${name && ` (${name})`} is for another name than ${serverName || host}`,
    serverName !== ''
      ? 'Set ISALES_TLS_SERVER_NAME to a name in the certificate, or unset it'
      : side === 'isales'
        ? `Correct the host in ${url}, or set ISALES_TLS_SERVER_NAME to the name in the certificate`
        : `Correct the host in ${url}`,
  ],
  'no-tls': ({ Host, url, side }) => [
    `${Host} speaks no TLS`,
    `Check the port in ${url}${side === 'isales' ? ', or write http:// there if iSales has no TLS' : ''}`,
  ],
  'plain-http': ({ Host }) => [`${Host} spoke plain HTTP`, 'Use https there'],
  'plain-refused': ({ Host, url, side }) => [
    `${Host} does not accept plain HTTP, or closed the connection`,
    `Write https:// in ${url} if TLS is spoken there. Otherwise check whether ${peers[side]} runs`,
  ],
  'own-certificate': ({ side }) => [
    `The client certificate is missing, or ${peers[side]} refuses it`,
    side === 'store'
      ? 'Let the store ask for no client certificate: its password is the proof'
      : 'Set ISALES_CLIENT_CERT_FILE and ISALES_CLIENT_KEY_FILE to one that it accepts',
  ],
  'no-certificate': ({ side }) => [
    `No certificate came from ${peers[side]}`,
    'Give it a certificate',
  ],
  handshake: ({ side, host }) => [
    `The TLS handshake with ${host} failed`,
    `Compare TLS versions and ciphers with the operator of ${peers[side]}`,
  ],
  'egress-login': ({ Host }) => [
    `${Host} wants a user and password, or refuses them (407)`,
    'Put the right ones into HTTPS_PROXY: http://user:password@host:port',
  ],
  'egress-refused': ({ Host }) => [
    `${Host} does not connect to iSales`,
    'Check the host and port in ISALES_URL. Have the operator of the egress proxy allow them, or list the host in NO_PROXY',
  ],
  'no-token': () => ['No token came in time', 'Find out why logins fail'],
  overloaded: () => [
    'Too many calls were in flight or waiting',
    'Look for a slow iSales before raising MAX_IN_FLIGHT',
  ],
  'no-connection': () => [
    'No connection to iSales was free in time',
    'Ask the operator of iSales why it is slow',
  ],
  internal: () => ['The proxy itself failed', 'Report it, with the lines "unexpected" of the log'],
  closed: () => ['The connection was closed because the proxy stops', ''],
  invalid: () => ['The request cannot be written as HTTP', 'Correct what CTI-OBS sends'],
  timeout: ({ Host, limit }) => [
    `${Host} did not respond within ${limit}`,
    'Ask the operator of iSales why it is slow',
  ],
  lost: ({ Host }) => [
    `${Host} closed the connection without a response`,
    'Ask the operator of iSales, and of the gateway or firewall before it',
  ],
  broken: () => [
    'Responses of iSales are cut off or malformed',
    'Ask the operator of iSales, and of the gateway or firewall before it',
  ],
  'call-refused': () => [
    'iSales responds 500: by its documents a business failure',
    'Check the parameters that CTI-OBS sends, then ask the operator of iSales',
  ],
  'path-unknown': ({ status }) => [
    `iSales responds ${status}: it has no such path`,
    'Correct ISALES_LOGIN_PATH, or the host in ISALES_URL',
  ],
  'proxy-login': () => [
    'A proxy on the route to iSales responds 407: it wants a user and password',
    'Check HTTPS_PROXY, or ask who runs the proxy',
  ],
  throttled: () => [
    'iSales responds 429: too many requests',
    'Wait: it is tried again by itself. Look for other programs that use this account',
  ],
  maintenance: () => [
    'iSales responds 503: maintenance or overload',
    'Ask its operator; nothing is to be done here',
  ],
  gateway: ({ status }) => [
    `A gateway before iSales responds ${status}: iSales behind it is down or slow`,
    'Ask the operator of iSales; nothing is to be done here',
  ],
  'server-error': ({ status }) => [
    `iSales responds ${status}: it has an error of its own`,
    'Ask its operator; nothing is to be done here',
  ],
  'page-refused': ({ status }) => [
    `A web page comes with ${status}. iSales sends none: it is of a gateway or firewall before it`,
    'Ask who runs the gateway, firewall or egress proxy on the route to iSales; another login cures nothing',
  ],
  'not-isales': ({ host }) => [
    `What responds at ${host} is not iSales, or not its login`,
    'Check ISALES_URL and ISALES_LOGIN_PATH',
  ],
  account: () => [
    'iSales refuses the login with 401: the service is not purchased, or the account is locked or disabled',
    'Have the operator of iSales unlock or re-enable the account, then run isales-auth-proxy renew',
  ],
  password: (at) => ['iSales refuses the user or password', correctPassword(at)],
  values: (at) => [
    'iSales refuses the login with 400: by its documents the request or its values are wrong',
    `${correctPassword(at)}. Check ISALES_LOGIN_PATH`,
  ],
  business: (at) => [
    'iSales refuses the login with 500: by its documents a value is wrong',
    `${correctPassword(at)}. ${ifRight}`,
  ],
  result: (at) => [
    'iSales refuses the login: its result is not 0',
    `${correctPassword(at)}. ${ifRight}`,
  ],
  'refresh-refused': () => ['iSales refuses the refresh token, so the proxy logs in instead', ''],
  'same-token': () => ['A refresh gave the token again that iSales rejects', ''],
  'disk-full': ({ host }) => [`The disk of ${host} is full`, 'Free space on it'],
  'disk-denied': ({ host }) => [
    `This user may not read or write ${host}`,
    'Let the directory and its file belong to the user of the proxy, with mode 700 and 600',
  ],
  'disk-readonly': ({ host }) => [
    `The disk of ${host} is read-only`,
    'Mount it for writing, or set STATE_DIR to a directory that can be written to',
  ],
  'disk-no-links': ({ host }) => [
    `The disk of ${host} has no hard links`,
    'Set STATE_DIR to a directory of a disk that has them',
  ],
  'disk-slow': ({ host }) => [
    `The disk of ${host} did not take the book of logins within 1 s`,
    'Look at the disk, and at the network to it',
  ],
  'disk-foreign': ({ host }) => [
    `A file book-*.json in ${host} is no book of logins`,
    'Remove the file, or set STATE_DIR to a directory of its own',
  ],
  'disk-failed': ({ host }) => [
    `${host} cannot be written to`,
    'Repair the disk, or set STATE_DIR to another directory',
  ],
}

const stores: Readonly<Record<StoreFailureReason, (host: string, code?: string) => Said>> = {
  unreachable: (host) => [
    `The shared store ${host} cannot be reached`,
    'Check SESSION_STORE_URL (rediss:// with TLS, redis:// without) and the network, and whether the store runs',
  ],
  timeout: (host) => [
    `The shared store ${host} is too slow`,
    'Look at its processor and memory, and at the network to it',
  ],
  tls: (host) => [
    `TLS with the shared store ${host} failed`,
    'Check SESSION_STORE_CA_FILE, the certificate of the store, and the clock of this machine',
  ],
  refused: (_, code = '') => [
    `The shared store refuses what it is asked for${code && ` (${code})`}`,
    'Look the code up in docs/sharing.md',
  ],
  malformed: () => [
    'What responds at SESSION_STORE_URL is not a Valkey or Redis that is understood',
    'Correct SESSION_STORE_URL',
  ],
}

const authFailures: Each<AuthFailureReason> = {
  rejected: 'refused by iSales (400, 401 or 403)',
  result: 'a result other than 0 (200 or 500)',
  throttled: 'too many requests (429)',
  unavailable: 'no connection, or 5xx',
  timeout: 'no response in time',
  tls: 'certificate or handshake failed',
  malformed: 'response not understood',
}

const handshakes: Each<HandshakeFailure> = {
  'plain-http': 'The client spoke plain HTTP, and this port speaks TLS: use https there',
  'no-certificate': 'It presented no certificate, and LISTEN_CLIENT_CA_FILE demands one',
  'unknown-ca': 'Its certificate is not of LISTEN_CLIENT_CA_FILE',
  'bad-certificate': 'Its certificate has expired, or is not valid for another reason',
  'other-name': 'Its certificate has none of the names in LISTEN_CLIENT_NAMES',
  'not-trusted': 'It does not trust the certificate of this proxy',
  protocol: 'It spoke no TLS, or there is no version or cipher in common',
  timeout: 'It did not finish within 5 s',
  closed: 'It closed the connection first, as a port scan or a TCP probe does, or lost it at a cap',
}

/** The values that a text names. */
type Values<Name extends string> = Readonly<Record<Name, string>>

/** Headings, names and values of the status page. */
const page = {
  justNow: 'just now',
  ago: ({ time }: Values<'time'>) => `${time} ago`,
  for: ({ time }: Values<'time'>) => `for ${time}`,
  in: ({ time }: Values<'time'>) => `in ${time}`,
  ended: 'ended',
  endedAt: ({ time }: Values<'time'>) => `Ended ${time}`,
  never: 'never',
  none: 'none',
  now: 'now',
  pause: 'pause refresh',
  resume: ({ seconds }: Values<'seconds'>) => `refresh every ${seconds} s`,
  otherLanguage: '中文',
  runbook: 'What to look at and what to do',
  version: ({ version }: Values<'version'>) => `Version ${version}`,
  up: ({ time }: Values<'time'>) => `Up ${time}`,
  copy: 'Text to copy for support',
  copyHint: 'Select all of it: it holds no secret.',
  budget: 'If logins stopped now, calls would work for',
  failedFor: ({ time }: Values<'time'>) => `Failed in ${time}`,
  refusedInMinute: 'Refused in the last minute',
  failedOf: ({ failed, total }: Values<'failed' | 'total'>) => `${failed} of ${total}`,
  nextAttemptIn: 'Next attempt in',
  nextAttempt: 'Next attempt',
  usable: ({ time, life }: Values<'time' | 'life'>) =>
    `The token is usable for ${time} of ${life}.`,
  notUsable: 'The token is not usable.',
  obtained: ({ time }: Values<'time'>) => `Obtained ${time}`,
  ends: ({ time, rest }: Values<'time' | 'rest'>) => `Ends ${time}; the last ${rest} are not used`,
  renewalIn: ({ time }: Values<'time'>) => `renewal in ${time}`,
  attemptIn: ({ time }: Values<'time'>) => `next attempt in ${time}`,
  renewal: 'Renewal',
  nextRenewal: 'Next renewal',
  notPlanned: 'not planned',
  inProgress: ({ operation }: Values<'operation'>) => `${operation} in progress`,
  backoff: 'Back-off',
  failedInRow: 'Failed in a row',
  lastSuccess: 'Last success',
  sharedToken: 'Shared token',
  shared: 'shared',
  adopted: ({ shared, ago }: Values<'shared' | 'ago'>) =>
    `${shared}; this token came from another replica ${ago}`,
  token: 'Token',
  tokensSoFar: 'Tokens so far',
  refreshToken: 'Refresh token',
  endNotKnown: 'end not known',
  rejectedEarly: 'Rejected early',
  conflicts: 'Conflicts',
  secretChanged: 'Secret changed',
  occurred: ({ count, ago }: Values<'count' | 'ago'>) => `${count}, last ${ago}`,
  calls: 'Calls',
  lastMinute: 'In the last minute',
  refusedByIsales: 'refused by iSales',
  failed: 'failed',
  succeeded: 'succeeded',
  lastFailed: 'Last failed call',
  inFlight: 'In flight',
  waitingForToken: 'Waiting for a token',
  sinceStart: 'Ended since the start',
  withStatus: ({ status }: Values<'status'>) => `with ${status}`,
  saved: 'Saved by a replay',
  certificates: 'Certificates',
  listenerCertificate: 'Of this proxy',
  clientCertificate: 'For iSales',
  caCertificate: 'Authority of iSales',
  hour: 'Calls of the last hour',
  hourLabel: ({
    succeeded,
    refused,
    failed,
    requests,
    failures,
  }: Values<'succeeded' | 'refused' | 'failed' | 'requests' | 'failures'>) =>
    `Calls of the last hour: ${succeeded} succeeded, iSales refused ${refused}, ${failed} failed. Logins and refreshes: ${requests}, of which ${failures} failed.`,
  perMinute: ({ count }: Values<'count'>) => `per minute, up to ${count}`,
  hourAgo: '1 h ago',
  minuteTitle: ({
    time,
    succeeded,
    refused,
    failed,
  }: Values<'time' | 'succeeded' | 'refused' | 'failed'>) =>
    `${time}: ${succeeded} succeeded, ${refused} refused by iSales, ${failed} failed`,
  login: 'login',
  refresh: 'refresh',
  failedLogin: 'failed login or refresh',
  failedCalls: 'Last calls that did not succeed',
  failedPaths: 'Paths that did not succeed, in the last hour',
  failedLogins: 'Failed logins and refreshes',
  errors: 'Error responses made by the proxy',
  time: 'Time',
  call: 'Call',
  status: 'Status',
  code: 'Code',
  requestId: 'Request id',
  path: 'Path',
  refused: 'Refused',
  failedCount: 'Failed',
  reason: 'Reason',
  meaning: 'Meaning',
  count: 'Count',
  last: 'Last',
  configuration: 'Configuration',
  setHere: 'Set for this instance',
  defaults: 'Defaults',
  setting: 'Setting',
  value: 'Value',
  from: 'From',
  environment: 'environment',
  file: ({ path }: Values<'path'>) => `file ${path}`,
  notSet: 'not set',
  empty: 'empty',
  alone: ({ ago }: Values<'ago'>) => `alone; began ${ago}`,
  times: 'Times',
}

const backoffs = {
  none: 'none',
  transient: 'waiting to retry',
  rejected: 'credentials refused',
  guarded: 'guarding the account',
}

/** What the status page says: a headline, what happened, and what to do. */
const findings = {
  draining: {
    title: 'Shutting down',
    reason: 'Calls in flight are finished; new connections are refused',
    remedy: '',
  },
  conflict: {
    title: 'Somebody else uses this login',
    reason: ({ service }: Values<'service'>) =>
      `iSales rejects our tokens early, again and again. ${service}`,
    remedy:
      'Let replicas share one token (SESSION_STORE_URL), give each instance a user of its own, or run only one. If nobody else logs in as this user, ask the operator of iSales whether each of its nodes knows the tokens of the others',
  },
  waiting: {
    title: 'Logging in',
    reason: 'A login is in progress, and calls wait for its token',
    remedy: '',
  },
  login: {
    title: 'Cannot log in to iSales',
    reason: ({ what, pause, service }: Values<'what' | 'pause' | 'service'>) =>
      en.sentences(what, pause, service),
    remedy: ({ todo, last }: Values<'todo' | 'last'>) => en.sentences(todo, last),
  },
  clock: {
    title: 'The clock is wrong',
    reason: ({ what, service }: Values<'what' | 'service'>) => en.sentences(what, service),
    remedy: ({ todo }: Values<'todo'>) => todo,
  },
  rejected: {
    title: 'The token is rejected',
    reason: 'Logins succeed, but iSales rejects every call with the token',
    remedy:
      'Check that ISALES_TOKEN_HEADER suits this iSales (isales-auth-proxy check --live finds it), and that the account may make these calls',
  },
  calls: {
    title: 'Calls fail',
    reason: ({ counted, what }: Values<'counted' | 'what'>) => en.sentences(counted, what),
    remedy: ({ todo }: Values<'todo'>) => todo,
  },
  refusals: {
    title: 'Calls are refused',
    reason: ({ what }: Values<'what'>) => what,
    remedy: ({ todo }: Values<'todo'>) => todo,
  },
  slow: {
    title: 'iSales is slow',
    reason: ({ slow, total }: Values<'slow' | 'total'>) =>
      `${slow} of ${total} calls in the last minute took iSales more than 2 s. CTI-OBS gives up after 3 s`,
    remedy:
      'Ask the operator of iSales. Until then raise CLIENT_DEADLINE and the timeout of CTI-OBS together',
  },
  lifetime: {
    title: 'The lifetime of the token is not plausible',
    reason:
      'iSales states a lifetime over 24 h, probably milliseconds for seconds. It counts as 5 min until a token has lived longer',
    remedy: 'Ask the vendor to state seconds in tokenExpirationTime; nothing is to be done here',
  },
  state: {
    title: 'STATE_DIR cannot be used',
    reason: ({ what }: Values<'what'>) =>
      en.sentences(what, 'Logins are counted in memory only, and a restart forgets them'),
    remedy: ({ todo }: Values<'todo'>) => en.sentences(todo, 'No login waits for it'),
  },
  files: {
    title: 'A file cannot be used',
    reason: ({ what }: Values<'what'>) => en.sentences(what, 'What was read before stays in use'),
    remedy: ({ todo }: Values<'todo'>) =>
      en.sentences(
        todo,
        'A corrected file is used within seconds. Do not restart the proxy before: it would not start',
      ),
  },
  store: {
    title: 'The shared store cannot be used',
    reason: ({ what }: Values<'what'>) =>
      en.sentences(what, 'This replica renews its token alone, and may end those of the others'),
    remedy: ({ todo }: Values<'todo'>) => todo,
  },
  recovering: {
    title: 'Recovering',
    reason: ({ time, succeeded, failed, what }: Values<'time' | 'succeeded' | 'failed' | 'what'>) =>
      `No call has failed for ${time}, and ${succeeded} have succeeded since. ${failed} failed in the minute before. The cause was: ${what}`,
    remedy: '',
  },
  mistakes: {
    title: 'CTI-OBS sends what is not forwarded',
    reason: ({ count, codes }: Values<'count' | 'codes'>) =>
      `In the last minute the proxy refused ${count} requests: ${codes}. They are not among the calls below`,
    remedy:
      'docs/errors.md says of each code what to correct; often obsUrl ends with a slash, or names a host that is not in ALLOWED_HOSTS',
  },
  clients: {
    title: 'Clients cannot connect or log in to this proxy',
    reason: ({ count, what }: Values<'count' | 'what'>) =>
      `${count} times in the last minute. ${what}`,
    remedy: ({ todo }: Values<'todo'>) => todo,
  },
  healthy: {
    title: 'Healthy',
    reason: ({ good }: Values<'good'>) => good,
    remedy: '',
  },
}

/** Why calls are refused although the token is good: by what the account may do, by a web page, or for what they ask. */
const refusals = {
  account: ({ count, total, paths }: Values<'count' | 'total' | 'paths'>): Said => [
    `${count} of ${total} calls in the last minute were refused by iSales. Others succeed with the same token. Refused in the last hour: ${paths}`,
    'The account may not make these calls: have iSales permit them to this user, or let CTI-OBS leave them',
  ],
  gateway: ({ count, paths }: Values<'count' | 'paths'>): Said => [
    `${count} calls in the last minute got a web page, or a redirect to one. iSales sends none: a gateway or firewall before it responds. Paths of the last hour: ${paths}`,
    'Ask who runs the gateway, firewall or egress proxy on the route to iSales; a login of this proxy cures nothing',
  ],
  call: ({ count, total }: Values<'count' | 'total'>): Said => [
    `${count} of ${total} calls in the last minute got an error of iSales that is about the call and not about the token (400 to 499)`,
    'Find the status in the log of CTI-OBS. Compare the path and the parameters that it sends with the documents of iSales; with 429 let it call less often',
  ],
}

/** Parts of findings. */
const parts = {
  obsLogin: 'CTI-OBS logs in with another user or password than this proxy expects, or too often',
  sameCredentials:
    'Make user and password of its OBS URL resource the same as OBS_USER and OBS_PASSWORD',
  sameAuthorities:
    'Correct obsUrl and the certificate of CTI-OBS, or LISTEN_TLS_CERT_FILE and LISTEN_CLIENT_CA_FILE',
  failedBefore: 'Logins with this user and password failed before',
  formerLog: 'The log of the process that failed, the former one or another replica, says why',
  restart: 'A restart alone does not help',
  renew: 'When that is cured, isales-auth-proxy renew logs in before the pause is over',
  tokenServes: 'The current token is still used',
  tokenEnds: ({ time }: Values<'time'>) =>
    `The current token is used until its end; calls fail in ${time}`,
  tokenRejected: 'iSales rejects the current token, too, so calls fail until a login succeeds',
  noService: 'Calls get 503 until a login succeeds',
  allFailed: ({ time, failed }: Values<'time' | 'failed'>) =>
    `No call has succeeded for ${time}: all ${failed} failed`,
  failedOf: ({ failed, total, period }: Values<'failed' | 'total' | 'period'>) =>
    `${failed} of ${total} calls failed in the last ${period}`,
  everyCall: 'Every call of the last minute reached iSales with a valid token',
  noCall: 'The token is valid. There was no call in the last minute',
  idle: 'No call came for TOKEN_IDLE_AFTER, and the next one logs in first',
  minute: 'minute',
  twentySeconds: '20 seconds',
  pause: ({ until }: Values<'until'>) =>
    `Logins are paused until ${until} so that the account is not locked`,
}

/** The title of each error that the proxy itself responds with. */
const problems = {
  'no-token': 'Cannot log in to iSales',
  overloaded: 'Too many requests in flight',
  'shutting-down': 'The proxy is shutting down',
  'out-of-time': 'No time was left to send the request',
  'upstream-unreachable': 'iSales cannot be reached',
  'upstream-tls': 'No trusted TLS connection to iSales',
  'upstream-broken': 'The response of iSales was cut or malformed',
  'upstream-timeout': 'iSales did not respond in time',
  internal: 'The proxy failed',
  'bad-request': 'The request is not valid HTTP',
  'not-allowed': 'The request is not allowed here',
  'method-not-allowed': 'The method is not allowed',
  'not-logged-in': 'Log in first',
  'request-timeout': 'The request did not arrive in time',
  'too-large': 'The body is too large',
  'expectation-failed': 'The expectation is not known',
  misdirected: 'The request names another host',
  'headers-too-large': 'The headers are too large',
  'loop-detected': 'The request came from this proxy',
  'not-implemented': 'The transfer coding is not known',
}

/** From the largest to the smallest. */
const units = { day: 'd', hour: 'h', minute: 'min', second: 's', millisecond: 'ms' }

/** What the admin port says to a wrong request. */
const admin = {
  method: 'Only GET and HEAD',
  host: 'Host is not this proxy, nor in ALLOWED_HOSTS. Open it by its address, or add this name',
  missing: 'Not found',
  failed: 'Internal error',
}

export type Words = typeof en

export const en = {
  /** The evidence behind a sentence. */
  coded: (what: string, code: string): string => (code === '' ? what : `${what} (${code})`),
  comma: ', ',
  status: (status: number): string => `status ${status}`,
  /** One sentence after the other; empty ones are left out. */
  sentences: (...parts: readonly string[]): string =>
    parts
      .filter((part) => part !== '')
      .map((part) => `${part}${/[.?!]$/.test(part) ? '' : '.'}`)
      .join(' '),
  /** On one line, without the last full stop. */
  line: (what: string, todo: string): string => (todo === '' ? what : `${what}. ${todo}`),
  /** How a host is called. */
  host: (side: Side, host: string): string =>
    side === 'egress' ? `the egress proxy ${host}` : host,
  causes,
  stores,
  authFailures,
  handshakes,
  backoffs,
  findings,
  refusals,
  problems,
  parts,
  units,
  page,
  admin,
  settings,
  help,
  commands,
  exitCodes,
  command,
  listening,
  running,
  check,
  renew,
}
