import type {
  AuthFailureReason,
  ExplainedCode,
  HandshakeFailure,
  Side,
  StoreFailureReason,
} from '../causes.ts'

/** A sentence for each of a closed set. */
export type Each<Name extends string> = Readonly<Record<Name, string>>

/** What happened, and what to do about it: sentences without a full stop. The second is empty when nothing is to be done. */
export type Said = readonly [what: string, todo: string]

/** What is known of a place where something failed. */
export interface At {
  readonly side: Side
  /** `isales.example:443`, and as a sentence begins with it. */
  readonly host: string
  readonly Host: string
  /** The settings that name it, and the authorities that it is checked with. */
  readonly url: string
  readonly ca: string
  /** The setting that limits how long a response may take. */
  readonly limit: string
  readonly status: number
  /** Common name and dates; the name may be empty. */
  readonly certificate: Readonly<Record<'name' | 'from' | 'to', string>>
  /** Of whom user and password come; empty: from the environment. */
  readonly passwordFile: string
  /** `STATE_DIR`; empty: it is not set. */
  readonly stateDir: string
}

const peers: Each<Side> = {
  isales: 'iSales',
  egress: 'the egress proxy',
  store: 'the shared store',
  client: 'the client',
}

const correctPassword = ({ passwordFile }: At): string =>
  passwordFile === ''
    ? 'Correct ISALES_USER and ISALES_PASSWORD, then restart the proxy: they come from its environment'
    : `Correct the user or password, which is read from ${passwordFile}: a changed one is tried within seconds`

const causes: Readonly<Record<ExplainedCode, (at: At) => Said>> = {
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
  'other-name': ({ side, host, url, certificate: { name } }) => [
    `The certificate of ${peers[side]}${name && ` (${name})`} is for another name than ${host}`,
    side === 'isales'
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
      ? 'Set SESSION_STORE_CLIENT_CERT_FILE and SESSION_STORE_CLIENT_KEY_FILE to one that it accepts'
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
    `${Host} refuses to connect to iSales`,
    'Have its operator allow the host and port of ISALES_URL, or list the host in NO_PROXY',
  ],
  closed: () => ['The connection was closed because the proxy stops', ''],
  invalid: () => ['The request cannot be written as HTTP', 'Correct what CTI-OBS sends'],
  timeout: ({ Host, limit }) => [
    `${Host} did not respond within ${limit}`,
    `Ask the operator of iSales why it is slow. Raise ${limit} only if it is known to be`,
  ],
  lost: ({ Host }) => [
    `${Host} closed the connection without a response`,
    'Ask the operator of iSales, and of the gateway or firewall before it',
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
    `A web page refuses with ${status}. iSales sends none: it is of a gateway or firewall before it`,
    'Ask who runs the gateway, firewall or egress proxy on the route to iSales; another login cures nothing',
  ],
  'not-isales': ({ host }) => [
    `What responds at ${host} is not iSales, or not its login`,
    'Check ISALES_URL and ISALES_LOGIN_PATH',
  ],
  account: ({ stateDir }) => [
    'iSales refuses the login with 401: the service is not purchased, or the account is locked or disabled',
    stateDir === ''
      ? 'Have the operator of iSales unlock or re-enable the account, then send SIGHUP to the proxy'
      : `Have the operator of iSales unlock or re-enable the account, then run STATE_DIR=${stateDir} isales-auth-proxy renew`,
  ],
  password: (at) => ['iSales refuses the user or password', correctPassword(at)],
  values: (at) => [
    'iSales refuses the login with 400: by its documents the request or its values are wrong',
    `${correctPassword(at)}. Check ISALES_LOGIN_PATH`,
  ],
  business: (at) => [
    'iSales refuses the login with 500: by its documents a value is wrong',
    correctPassword(at),
  ],
  result: (at) => ['iSales refuses the login: its result is not 0', correctPassword(at)],
  'same-token': () => ['A refresh gave the token again that iSales rejects', ''],
}

const stores: Readonly<Record<StoreFailureReason, (host: string) => Said>> = {
  unreachable: (host) => [
    `The shared store ${host} cannot be reached`,
    'Check SESSION_STORE_URL and the network, and whether the store runs',
  ],
  timeout: (host) => [
    `The shared store ${host} is too slow`,
    'Look at its processor and memory, and at the network to it',
  ],
  tls: (host) => [
    `TLS with the shared store ${host} failed`,
    'Check SESSION_STORE_CA_FILE, the certificate of the store, and the clock of this machine',
  ],
  auth: () => [
    'The shared store refuses the user or password',
    'Correct SESSION_STORE_PASSWORD, or the user in SESSION_STORE_URL',
  ],
  denied: () => [
    'The shared store is in protected mode',
    'Give it a password, or set protected-mode no in its configuration',
  ],
  permission: () => [
    'The user may not do this at the shared store',
    'Give it the rights that docs/sharing.md lists',
  ],
  readonly: () => ['The shared store is a replica', 'Name its primary in SESSION_STORE_URL'],
  memory: () => ['The memory of the shared store is full', 'Raise maxmemory of the store'],
  'wrong-type': () => [
    'Another program wrote a key of ours in the shared store',
    'Use a store or a database of its own for this proxy',
  ],
  cluster: () => ['The shared store is part of a cluster', 'Use a store that is no cluster'],
  loading: () => ['The shared store is loading its data', 'Wait: it is tried again by itself'],
  replicas: () => [
    'The shared store has too few replicas to write',
    'Bring its replicas back, or lower min-replicas-to-write',
  ],
  refused: () => ['The shared store refused the operation', 'Look at the log of the store'],
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
  'not-trusted': 'It does not trust the certificate of this proxy',
  protocol: 'It spoke no TLS, or there is no version or cipher in common',
  timeout: 'It did not finish within 5 s',
  closed: 'It closed the connection first, as a port scan or a TCP probe does, or lost it at a cap',
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
  /** How a host is called. */
  host: (side: Side, host: string): string =>
    side === 'egress' ? `the egress proxy ${host}` : host,
  causes,
  stores,
  authFailures,
  handshakes,
}
