// What people read of settings: what each does, how a value is written, and what is wrong with one.
import type { Said } from './said.ts'

const docs = {
  isalesUrl:
    'Where CC-iSales is: scheme, host and port. Plain http is accepted for loopback only, unless `ISALES_ALLOW_HTTP=true`.',
  isalesAllowHttp:
    'Accept an `http://` address that is not loopback. Set it for a test bed without TLS: password and token cross the network in the clear.',
  isalesUser:
    'The user that logs in to CC-iSales. Use one that nobody else logs in with: iSales may end the session of the other.',
  isalesPassword:
    'The password of that user. Prefer the file: it is watched, and a changed password is taken over without a restart.',
  isalesLoginPath:
    'The path of the login call. Change it when your iSales stands behind a gateway that adds a prefix: the interface is called beside it.',
  isalesRefreshPath:
    'The path of the refresh call. Set `off`, which always logs in, for an iSales without a working refresh, or the path that `discover` finds.',
  isalesTokenHeaders:
    'The header fields that carry the token on business calls. The English edition of the interface asks for `Authorization`, the Chinese one for `Authentication`; both may be listed.',
  isalesTokenScheme:
    'The word before the token in those fields. Set it to nothing for an iSales that wants the bare token.',
  isalesTokenField:
    'Which of the two tokens of a login goes into the header fields. The Chinese edition asks for `refreshToken`.',
  isalesRefreshHeaderToken:
    'Which token the refresh call carries in `Authentication`; `off` sends none. The Chinese edition asks for `refreshToken`.',
  isalesRejectedStatuses:
    'The statuses of a business call that mean that its token is bad: the token is replaced and the call sent once more. Add what your iSales responds with, as `discover` finds it.',
  isalesRejectedResults:
    'Values of `result` in a 200 that mean the same. Set it only when your iSales responds so: responses up to 64 KiB are then inspected, which costs time.',
  isalesCaFile:
    'PEM file with the certificate authorities to trust for iSales, instead of the public ones: for an iSales with a certificate of your own authority. Read again when it changes.',
  isalesTlsServerName:
    'The name that is sent in the TLS handshake (SNI) and that the certificate of iSales is checked for. Set it when `ISALES_URL` holds an address, or a name of a private network that the certificate does not have.',
  isalesClientCertFile:
    'PEM file with the client certificate (and its chain) to show to iSales, where it or a gateway asks for one. Read again when it changes.',
  isalesClientKeyFile:
    'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
  isalesLoginTimeout:
    'How long a whole login or refresh may take. Raise it when iSales is known to log in slowly.',
  isalesKeepAlive:
    'How long an idle connection to iSales is kept. Keep it below what iSales, or a load balancer in front of it, keeps.',
  isalesMaxConnections:
    'Most connections to iSales; further requests wait for one. Lower it when iSales or a firewall limits the connections of one client.',
  httpsProxy:
    'The HTTP proxy through which an https iSales is reached, where your network demands one. It may hold a user and a password, and is treated as a secret.',
  noProxy:
    'Hosts that are reached without that proxy, where `HTTPS_PROXY` is set for all programs: names (with their subdomains), addresses, networks such as `10.0.0.0/8`, or `*`; a `:port` may follow.',
  tokenRenewAt:
    'The share of its life after which a token is renewed (with a jitter of ±5 %). Lower it to have more time for an iSales that is down.',
  tokenIdleAfter:
    'Without a business call for so long the token is not renewed, and the next call logs in first; readiness then means that the last login worked. For the standby of a pair with one user, where each login ends the session of the other. `off` always renews.',
  stateDir:
    'A directory that outlives a restart, for the book of logins: how often iSales refused which credentials (a slow hash of them, never they). With it, restarts and other processes with a wrong password do not lock the account. An `emptyDir` will do. Unset: memory only.',
  loginRejectedAttempts:
    'After so many refusals of the same credentials there is one attempt after 15 min, then one each 4 h, so that the account is not locked. Keep it below the number of wrong passwords that lock yours.',
  sessionStoreUrl:
    'The Valkey or Redis through which replicas share one token. Unset: each replica logs in by itself, and nothing of it is loaded.',
  sessionStoreKey:
    'The key that seals the shared token, the same for all replicas: `openssl rand -base64 32`. Whoever has it and the store has the token. Required with `SESSION_STORE_URL`.',
  sessionStorePassword:
    'The password at the store; wins over the URL. Prefer the file, or whoever sees the settings sees it.',
  sessionStoreCaFile:
    'PEM file with the certificate authorities to trust for the store, instead of the public ones: for a store with a certificate of your own authority. Read again at each connection.',
  sessionStoreClientCertFile:
    'PEM file with the client certificate (and its chain) to show to the store, where it asks for one. Read again at each connection.',
  sessionStoreClientKeyFile:
    'PEM file with the private key of that certificate, not encrypted. Read again at each connection.',
  listen:
    'Where CTI-OBS connects to. Anything but loopback demands `OBS_LOGIN=require` or `LISTEN_CLIENT_CA_FILE`. Port 0 takes a free port and logs it.',
  listenTlsCertFile:
    'PEM file with the certificate (and its chain) to serve HTTPS with, when CTI-OBS connects over a network. Read again when it changes, without dropping a connection.',
  listenTlsKeyFile:
    'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
  listenClientCaFile:
    'PEM file with the certificate authorities of clients. Set it when CTI-OBS has a client certificate: a client without one of theirs is not served.',
  unsafeListen:
    'Serve anybody who reaches a `LISTEN` that is not loopback. Whoever does may then call iSales as `ISALES_USER`; only for networks that are closed by other means.',
  allowedHosts:
    'Further names that may stand in the `Host` field of a request, for the proxy and the status page. Addresses of the listeners, loopback names and, for the status page, the name of the machine always may; list here the name that `obsUrl` has when it is another, or the one by which a browser opens the status page.',
  allowedPaths:
    'Path prefixes that are forwarded; other paths get 403. Set it when your iSales names paths elsewhere. `/` opens all. The tree above, `/rest/isales/`, holds the campaign interface, too.',
  listenMaxConnections:
    'Most connections of clients. For one above it, the one is closed that has been without a call in flight for longest. Where the process may open too few descriptors, less is taken, and the log says so.',
  maxInFlight:
    'Most calls in flight, which are those whose body, or its first 64 KiB, has come; more get a 503 with `Retry-After`. Lower it to what the memory limit holds (docs/sizing.md).',
  bodyIdleTimeout:
    'How long a body of a response may stand still, and how long a body of a request may take for 1 KiB or its end, before the request is given up. Raise it when iSales pauses within a response.',
  maxBodySize:
    'The largest body of a request; a larger one gets a 413. Lower it where clients are not trusted.',
  replayBodySize:
    'The largest body that is kept, so that the request can be sent once more with a new token. So much of a body is read before a connection to iSales is taken for it. Raise it when `replays_total` counts `not-kept`; each request in flight may hold so much memory.',
  clientDeadline:
    'Within this time the client gets a response, whatever happens. Keep it below the `timeout` of the OBS URL resource (3 s unless changed).',
  drainDelay:
    'After SIGTERM, how long new connections are still accepted while readiness is off already. Raise it to 5 s behind a Kubernetes Service.',
  drainTimeout:
    'How long requests in flight may take to finish after that. Raise it when calls take longer; delay and limit together must fit into `terminationGracePeriodSeconds`.',
  obsLogin:
    'What happens when CTI-OBS logs in; set it to decide who may use the token of iSales. `answer`: whoever asks gets a ticket. `require`: only `OBS_USER` with `OBS_PASSWORD` does, and every call must carry a valid ticket. `forward`: login calls are refused, calls need no ticket.',
  obsUser:
    'The user that CTI-OBS is configured with (`userName` of its OBS URL resource); required with `OBS_LOGIN=require`.',
  obsPassword:
    'The password that CTI-OBS is configured with. It is not the one of `ISALES_USER`; required with `OBS_LOGIN=require`.',
  obsTicketKey:
    'A key for the tickets; replicas that share it and `OBS_PASSWORD` accept the tickets of all. Without it the key is derived from `OBS_PASSWORD` alone, or is a new one at each start. Make one with `openssl rand -base64 32`.',
  obsNumbers:
    'How `result` and lifetimes are written in our responses to login and refresh; the interface documents strings and shows numbers. Set it when CTI-OBS wants text.',
  adminListen:
    'Where metrics, probes and the status page are served, by default on all interfaces, IPv4 and IPv6. Set loopback when nothing scrapes from elsewhere. It gives no access to iSales.',
  instance:
    'What people call this proxy: it stands at the top of the status page and in `isales_proxy_info`. Unset, it is the user and the host name.',
  logLevel: 'The least severe lines that are written; `debug` while you look for a cause.',
  logFormat:
    'One JSON object a line, or lines for people; `auto` is pretty on a terminal and JSON elsewhere. Set it when people read the log of a service.',
  accessLog:
    'Log each request (`full`) or a share of them, to see what CTI-OBS calls. Lines hold neither headers nor bodies nor queries.',
}

/** How a value is written. */
const types = {
  address: 'address',
  authScheme: 'auth scheme',
  boolean: 'boolean',
  choice: 'choice',
  count: 'count',
  duration: 'duration',
  filePath: 'file path',
  headerName: 'header name',
  host: 'host',
  hostName: 'host name',
  hosts: 'list of hosts',
  origin: 'origin',
  path: 'path',
  proxyUrl: 'proxy URL',
  ratio: 'ratio',
  sampling: 'off, full or a share',
  secret: 'secret',
  size: 'size',
  status: 'status code',
  storeUrl: 'store URL',
  text: 'text',
  list: (of: string) => `list of ${of}s`,
  orOff: (of: string) => `${of} or off`,
  inFile: (of: string) => `${of} in a file`,
}

/** What is accepted. */
const limits = {
  /** Of a type whose limits are always the same. */
  of: {
    address: 'host:port, [v6]:port or :port',
    host: 'without port',
    hostName: 'no address, no port',
    hosts: 'hosts, .suffixes, host:port or *',
    origin: 'https (http to loopback), no path',
    proxyUrl: 'http or https',
    storeUrl: 'redis, rediss, valkey or valkeys; one host',
    path: 'starts with /; letters, digits and . _ ~ -',
    headerName: 'not one that frames or routes a message',
    status: '400 to 499',
    sampling: 'off, full, or 0 to 1',
    authScheme: 'may be empty',
  },
  choices: (choices: readonly string[]) => choices.join(', '),
  maybeEmpty: 'may be empty',
  atLeastOne: 'at least one',
  range: (min: string, max: string, zero: boolean) =>
    `${min} to ${max}${zero ? '; 0 turns it off' : ''}`,
  text: (maxBytes: number) => `1 to ${maxBytes} bytes of UTF-8`,
  secret: (minBytes: number) =>
    `${minBytes === 1 ? 'not empty' : `at least ${minBytes} bytes`}, at most 64KiB`,
  both: (one: string, other: string) => `${one}; ${other}`,
}

/** What is wrong with a value: completes `NAME ...`, and never repeats the value. */
const wrong = {
  portAlone: 'is a port without an address',
  addressAlone: 'is an address without a port',
  notAddress: 'is not an address: host:port, [v6]:port or :port',
  overPort: (max: number) => `has a port over ${max}`,
  noHost: 'has no valid host before its port',
  notHost: 'is not a host name or address (without port)',
  notHostName: 'is not a host name (no address, no port)',
  quotes: (odd: string, number: string) =>
    `contains ${odd} (${number}): the quotes of an env file are part of the value`,
  otherWidth: (odd: string, number: string, plain: string) =>
    `contains ${odd} (${number}): write ${plain} instead`,
  separator: (odd: string, number: string) =>
    `contains ${odd} (${number}): its entries are separated by commas`,
  oddInUrl: (odd: string, number: string) => `contains ${odd} (${number}): no URL has it`,
  notUrl: 'is not an http or https URL',
  login:
    'contains a user name or password, which would show; ISALES_USER and ISALES_PASSWORD are for those of iSales',
  query: 'has a query or a fragment; give scheme, host, port',
  pathInUrl: 'has a path; give scheme, host and port only',
  notDecoded: 'has a user or password that cannot be decoded; a % in one is written %25',
  hashInProxy: 'contains ? or #, which in a password are written %3F and %23',
  notProxy: 'is not the URL of an HTTP proxy',
  pathInProxy: 'has a path; an HTTP proxy has none',
  notStore: 'is not a redis, rediss, valkey or valkeys URL',
  notStoreHost: 'is not host:port after the scheme; @ / ? # in a password are written %40',
  noStoreHost: 'has a host or port that is none',
  noSlash: 'does not start with /',
  tooManyCharacters: (max: number) => `is longer than ${max} characters`,
  emptySegment: 'has an empty segment (//)',
  oddInPath: (odd: string, number: string) =>
    `contains ${odd} (${number}): a path has letters, digits and . _ ~ - between its slashes, and a call with anything else is refused`,
  dotSegment: 'has a segment that begins or ends with a dot',
  notHeader: 'is not a header name',
  framing: 'is a header that frames or routes a message',
  notScheme: 'is not an authentication scheme such as Bearer',
  outside: (min: string, max: string, zero: boolean) =>
    `is outside ${limits.range(min, max, zero)}`,
  notDuration: 'is not a duration such as 250ms, 2.8s, 5m or 1h (a bare number is seconds)',
  tooFine: 'is finer than one millisecond',
  notSize: 'is not a size such as 64KiB, 1MiB or 4096 (bytes)',
  notBytes: 'is not a whole number of bytes',
  notCount: 'is not a whole number',
  notRatio: 'is not a share such as 0.8',
  notSampling: 'is neither off, full, nor a share such as 0.01',
  notStatus: 'is not a status from 400 to 499',
  notBoolean: 'is neither true nor false',
  notChoice: (choices: readonly string[]) => `is none of ${limits.choices(choices)}`,
  control: 'contains a control character',
  tooManyBytes: (bytes: number, max: number) => `has ${bytes} bytes; at most ${max} fit`,
  nul: 'contains a NUL byte',
  tooFewBytes: (min: number) => `is shorter than ${min} bytes`,
  notFile: 'is not a file path',
  twice: 'has an entry twice',
  empty: 'is empty',
  entry: (problem: string) => `has an entry that ${problem}`,
  inFile: (problem: string) => `holds a value that ${problem}`,
  /** The value, where it may be shown. */
  shown: (problem: string, value: string) => `${problem} (it is ${value})`,

  /** Of a file that a setting names. */
  file: {
    missing: 'names a file that does not exist',
    denied: 'names a file that this user may not read',
    unreadable: 'names a file that cannot be read',
    directory: 'names a directory',
    'not-regular': 'names something that is not a regular file',
    'too-large': 'names a file that is too large',
    empty: 'names an empty file',
    'not-text': 'names a file that is not UTF-8 text',
  },
  over: (limit: string) => ` (over ${limit})`,
  owner: (uid: number, gid: number, mode: string) =>
    ` (it belongs to uid ${uid} and gid ${gid}, mode ${mode})`,
  notReached: (path: string, directory: string) =>
    `names a file that cannot be reached: ${path}; this user may not enter ${directory}`,
  /** Behind a problem, or behind `Correct the file`. */
  at: (path: string) => `: ${path}`,
  copy: (path: string, original: string) => `: ${path}, a copy of ${original}`,
  noCertificate: 'names a file without a PEM certificate',
  damagedCertificate: 'names a file with a damaged certificate',
  noKey: 'names a file without a PEM private key',
  encryptedKey: 'names a file with an encrypted key',
  damagedKey: 'names a file with a damaged private key',
}

/** What to do about a value. */
const cures = {
  like: (assignment: string) => `Write it like ${assignment}`,
  correctFile: (where: string) => `Correct the file${where}`,
  readable: 'Give the path of a file that this user may read and that holds the value alone',
  pem: 'Give the path of a PEM file that this user may read',
  makePem:
    'It has to be PEM: `openssl x509 -inform der` makes it of a DER certificate, `openssl pkcs12 -nodes` of a .pfx or .p12 file, `openssl pkcs7 -print_certs` of a .p7b file, `openssl pkey` of an encrypted key',
  readAs: (uid: number) => `Files are read as uid ${uid}.`,
}

/** What is wrong with a setting, whatever its value is. */
const given = {
  notSet: (assignment: string, file: string): Said => [
    'is not set',
    `Set it${file && `, or ${file} to a file that holds it`}, for example ${assignment}`,
  ],
  fileOnly: (file: string): Said => ['is read from a file only', `Unset it and set ${file}`],
  twice: (file: string): Said => [`and ${file} are both set`, 'Unset one of them'],
  notUtf8: ['is not valid UTF-8', 'Write it in UTF-8'] as Said,
  windows: ['has a Windows line ending', 'Save the env file with Unix line endings'] as Said,
  fileNotUtf8: (problem: string): Said => [problem, 'Write the value in UTF-8'],
  fileEmpty: (problem: string): Said => [problem, 'Put the value into it'],
  unknown: (near: string): Said => [
    'is not a setting',
    near === '' ? 'docs/configuration.md lists them all' : `Did you mean ${near}?`,
  ],
}

const certificates = {
  otherKey: (certificate: string): Said => [
    `holds a key that is not the one of ${certificate}`,
    'Give the two files of one pair; the own certificate comes first in a chain',
  ],
  refused: (code: string): Said => [
    `names a certificate that this OpenSSL refuses (${code})`,
    'Have one issued with a longer key and a newer signature',
  ],
  ended: (day: string): Said => [
    `names a certificate that ended on ${day}`,
    'Renew it, or set the clock',
  ],
  begins: (day: string): Said => [
    `names a certificate that begins on ${day} only`,
    'Renew it, or set the clock',
  ],
}

/** Rules between settings: completes `NAME ...`, and says what to do. */
const rules = {
  plainHttp: [
    'is plain http to a host that is not loopback',
    'Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens',
  ],
  itself: [
    'names this proxy itself',
    'Give the address of iSales, which is neither LISTEN nor ADMIN_LISTEN',
  ],
  httpAllowed: [
    'is on: the password and the token cross the network in the clear',
    'Use https as soon as iSales has it',
  ],
  samePath: ['is the same as ISALES_LOGIN_PATH', 'Give the path of the refresh call, or off'],
  open: [
    'is reachable from other machines, and nothing keeps others out',
    'Listen on 127.0.0.1, or set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE; UNSAFE_LISTEN=true overrides this',
  ],
  unsafe: [
    'is on: whoever reaches LISTEN calls iSales as ISALES_USER',
    'Set OBS_LOGIN=require or LISTEN_CLIENT_CA_FILE instead when you can',
  ],
  storeWithoutTls: [
    'or SESSION_STORE_CLIENT_CERT_FILE is set, and SESSION_STORE_URL is not rediss or valkeys',
    'Use TLS, or unset it',
  ],
  plainStore: [
    'is without TLS to a host that is not loopback',
    'Use rediss or valkeys: the token is sealed, the password of the store is not',
  ],
  samePort: ['takes the port of LISTEN', 'Give the two listeners different ports'],
  unusedUser: [
    'is set but not used, since OBS_LOGIN is not require',
    'Set OBS_LOGIN=require if only that user may log in',
  ],
  plainListen: [
    'takes passwords in the clear from other machines',
    'Set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
  ],
  fewConnections: [
    'is not above MAX_IN_FLIGHT: at that many calls, new connections are closed without a 503',
    'Raise it, or lower MAX_IN_FLIGHT',
  ],
  longDeadline: [
    'is 3 s or more: CTI-OBS gives up after 3 s unless its `timeout` was raised',
    'Lower it, unless the `timeout` of the OBS URL resource is longer',
  ],
  noDeadline: [
    'is off: CTI-OBS may give up before it gets a response',
    'Set it below the `timeout` of the OBS URL resource',
  ],
  unusedForHttp: ['is not used, since ISALES_URL is plain http', 'Unset it, or use https'],
  otherPaths: [
    'does not hold the paths beside ISALES_LOGIN_PATH, so calls to them get 403',
    'Add the prefix of the paths of your iSales',
  ],
  manyAttempts: [
    'is over 5: many systems lock an account after 5 wrong passwords',
    'Keep it below the number that locks yours',
  ],
  whiteSpace: ['begins or ends with white space', 'Correct it, unless it is meant to be so'],
  quotes: [
    'is in quotes, which systemd and `docker --env-file` keep',
    'Correct it, unless it is meant to be so',
  ],
  unseen: [
    'has a full-width or an invisible character, which input methods and copied texts bring',
    'Correct it, unless it is meant to be so',
  ],
  named: ['begins with its own name and =', 'Keep only what follows, unless it is meant to be so'],
  lines: ['has more than one line', 'Correct it, unless it is meant to be so'],
  insecureNode: [
    'is 0, which accepts any certificate',
    'Unset it, and trust your own authority with ISALES_CA_FILE',
  ],
} as const satisfies Readonly<Record<string, Said>>

/** Why CTI-OBS must log in. */
const needed = (local: boolean): string =>
  local ? 'OBS_LOGIN is require' : 'a login is needed because other machines can reach LISTEN'

/** Those that name something. */
const rulesAbout = {
  path: (file: string): Said => [
    'looks like the path of a file',
    `Set ${file} to it instead, unless it is meant to be so`,
  ],
  without: (other: string): Said => [`is set without ${other}`, 'Set both, or neither'],
  noUser: (local: boolean): Said => [
    `is not set, although ${needed(local)}`,
    'Set OBS_USER or OBS_USER_FILE to the user that CTI-OBS is configured with',
  ],
  noPassword: (local: boolean): Said => [
    `is not set, although ${needed(local)}`,
    'Set OBS_PASSWORD_FILE (or OBS_PASSWORD) to the password that CTI-OBS is configured with',
  ],
  weak: (store: boolean): Said => [
    `is easy to guess, and ${store ? 'the store' : 'LISTEN'} is reachable from other machines`,
    'Use 12 or more characters, 4 of them different, such as `openssl rand -base64 32` gives',
  ],
}

export const settings = {
  groups: {
    isales: 'CC-iSales',
    token: 'Token life',
    sharing: 'One token for many replicas',
    listener: 'Listener',
    obs: 'CTI-OBS',
    admin: 'Metrics, health and log',
  },
  docs,
  /** A default that depends on other settings. */
  derived: {
    allowedPaths:
      'what stands before `auth/login` in `ISALES_LOGIN_PATH`: `/rest/isales/v1/openapi/obs/`',
    obsLogin: '`answer` on loopback, `require` elsewhere',
  },
  types,
  limits,
  wrong,
  cures,
  given,
  certificates,
  rules: { ...(rules as Readonly<Record<keyof typeof rules, Said>>), ...rulesAbout },
}
