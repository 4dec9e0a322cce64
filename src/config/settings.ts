// oxlint-disable max-lines -- one table of everything that can be set
import { hostName, listenAddress, noProxy } from './kinds-address.ts'
import {
  authScheme,
  headerName,
  headerNameOrOff,
  path,
  pathOrOff,
  rejectionStatus,
} from './kinds-http.ts'
import { origin, proxyUrl, url } from './kinds-url.ts'
import { count, duration, ratio, sampling, size } from './kinds-number.ts'
import { boolean, choice, filePath, list, octalMode, secret, text } from './kinds.ts'
import type { Setting } from './setting.ts'

const MS = 1
const S = 1000 * MS
const M = 60 * S
const H = 60 * M
const KIB = 1024
const GIB = 1024 ** 3

const TOKENS = ['token', 'refreshToken'] as const

/** Every setting, once: the program, its documentation, config/example.env and the chart are made from this. */
export const SETTINGS = {
  ISALES_URL: {
    group: 'isales',
    kind: origin(),
    required: true,
    doc: 'Where CC-iSales is: scheme, host and port. Plain http is accepted for loopback only, unless `ISALES_ALLOW_HTTP=true`.',
    example: 'https://service.besclouds.com',
  },
  ISALES_ALLOW_HTTP: {
    group: 'isales',
    kind: boolean(),
    default: 'false',
    doc: 'Accept an `http://` address that is not loopback. Password and token then cross the network in the clear; for test beds only.',
    example: 'true',
  },
  ISALES_USER: {
    group: 'isales',
    kind: text({ maxBytes: 49 }),
    required: true,
    file: 'too',
    doc: 'The user that logs in to CC-iSales. Use one that nobody else logs in with: iSales may end the session of the other.',
    example: 'obs-proxy',
  },
  ISALES_PASSWORD: {
    group: 'isales',
    kind: secret(),
    required: true,
    file: 'too',
    doc: 'The password of that user. Prefer the file: it is watched, and a changed password is taken over without a restart.',
    example: 'change-me',
  },
  ISALES_LOGIN_PATH: {
    group: 'isales',
    kind: path(),
    default: '/rest/isales/v1/openapi/obs/auth/login',
    doc: 'The path of the login call. Change it when your iSales stands behind a gateway that adds a prefix.',
    example: '/gateway/rest/isales/v1/openapi/obs/auth/login',
  },
  ISALES_REFRESH_PATH: {
    group: 'isales',
    kind: pathOrOff(),
    default: '/rest/isales/v1/openapi/obs/auth/refresh',
    doc: 'The path of the refresh call. `off` never refreshes and always logs in, for an iSales without a working refresh.',
    example: 'off',
  },
  ISALES_INTERFACE_PATH: {
    group: 'isales',
    kind: path(),
    default: '/rest/isales/v1/openapi/obs/business/interface',
    doc: 'The path of the call that tells CTI-OBS the other paths. It is read only with `OBS_REWRITE_INTERFACE=true`.',
    example: '/gateway/rest/isales/v1/openapi/obs/business/interface',
  },
  ISALES_TOKEN_HEADERS: {
    group: 'isales',
    kind: list(headerName(), { emptyAllowed: false }),
    default: 'Authorization',
    doc: 'The header fields that carry the token on business calls. The English edition of the interface asks for `Authorization`, the Chinese one for `Authentication`; both may be listed.',
    example: 'Authorization,Authentication',
  },
  ISALES_TOKEN_SCHEME: {
    group: 'isales',
    kind: authScheme(),
    default: 'Bearer',
    doc: 'The word before the token in those fields. Set it to nothing to send the bare token.',
    example: 'Bearer',
  },
  ISALES_TOKEN_FIELD: {
    group: 'isales',
    kind: choice(...TOKENS),
    default: 'token',
    doc: 'Which of the two tokens of a login goes into the header fields. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  },
  ISALES_REFRESH_HEADER: {
    group: 'isales',
    kind: headerNameOrOff(),
    default: 'Authentication',
    doc: 'The header field that carries a token on the refresh call; `off` sends none.',
    example: 'off',
  },
  ISALES_REFRESH_HEADER_TOKEN: {
    group: 'isales',
    kind: choice(...TOKENS),
    default: 'token',
    doc: 'Which token that field carries. The Chinese edition asks for `refreshToken`.',
    example: 'refreshToken',
  },
  ISALES_REJECTED_STATUSES: {
    group: 'isales',
    kind: list(rejectionStatus(), { emptyAllowed: false }),
    default: '401,403',
    doc: 'The statuses of a business call that mean that its token is bad: the token is replaced and the call sent once more.',
    example: '403',
  },
  ISALES_REJECTED_RESULTS: {
    group: 'isales',
    kind: list(text({ maxBytes: 64 }), { emptyAllowed: true }),
    default: '',
    doc: 'Values of `result` in a 200 that mean the same. When it is set, answers up to 64 KiB are looked into, which costs time; leave it empty unless your iSales answers so.',
    example: '100401,100403',
  },
  ISALES_CA_FILE: {
    group: 'isales',
    kind: filePath(),
    doc: 'PEM file with the certificate authorities to trust for iSales, instead of the public ones. Read again when it changes.',
    example: '/etc/isales/ca.pem',
  },
  ISALES_CLIENT_CERT_FILE: {
    group: 'isales',
    kind: filePath(),
    doc: 'PEM file with the client certificate (and its chain) to show to iSales. Read again when it changes.',
    example: '/etc/isales/client.pem',
  },
  ISALES_CLIENT_KEY_FILE: {
    group: 'isales',
    kind: filePath(),
    doc: 'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
    example: '/etc/isales/client-key.pem',
  },
  ISALES_CONNECT_TIMEOUT: {
    group: 'isales',
    kind: duration({ min: 10 * MS, max: 30 * S }),
    default: '1s',
    doc: 'How long connecting to iSales may take, TLS included. Raise it on slow links, but keep it below `CLIENT_DEADLINE`, so that connecting can be tried again.',
    example: '500ms',
  },
  ISALES_LOGIN_TIMEOUT: {
    group: 'isales',
    kind: duration({ min: 100 * MS, max: 60 * S }),
    default: '5s',
    doc: 'How long a whole login or refresh may take. Raise it when iSales is known to log in slowly.',
    example: '10s',
  },
  ISALES_KEEP_ALIVE: {
    group: 'isales',
    kind: duration({ min: 100 * MS, max: 10 * M }),
    default: '4s',
    doc: 'How long an idle connection to iSales is kept. Keep it below what iSales, or a load balancer in front of it, keeps.',
    example: '30s',
  },
  ISALES_MAX_CONNECTIONS: {
    group: 'isales',
    kind: count({ min: 1, max: 10_000 }),
    default: '256',
    doc: 'Most connections to iSales at once; further requests wait for one.',
    example: '64',
  },
  ISALES_CONNECTION_MAX_AGE: {
    group: 'isales',
    kind: duration({ min: 1 * S, max: 24 * H }),
    default: '5m',
    doc: 'A connection to iSales that is older is closed between two requests and replaced, so that a changed DNS record or load balancer is followed under load too.',
    example: '1m',
  },
  HTTPS_PROXY: {
    group: 'isales',
    kind: proxyUrl(),
    lowerCaseToo: true,
    doc: 'The HTTP proxy through which an https iSales is reached. It may hold a user and a password, and is treated as a secret.',
    example: 'http://egress.example:3128',
  },
  NO_PROXY: {
    group: 'isales',
    kind: noProxy(),
    lowerCaseToo: true,
    doc: 'Hosts that are reached without that proxy: names (with their subdomains), addresses, networks such as `10.0.0.0/8`, or `*`; a `:port` may follow.',
    example: '.svc,10.0.0.0/8,service.besclouds.com',
  },

  TOKEN_RENEW_AT: {
    group: 'token',
    kind: ratio({ min: 0.1, max: 0.95 }),
    default: '0.8',
    doc: 'The share of its life after which a token is renewed (with a jitter of ±5 %). Lower it to have more time for an iSales that is down.',
    example: '0.5',
  },
  TOKEN_DEFAULT_LIFETIME: {
    group: 'token',
    kind: duration({ min: 5 * S, max: 24 * H }),
    default: '5m',
    doc: 'The life of a token when iSales states none that can be believed.',
    example: '10m',
  },
  TOKEN_WAIT: {
    group: 'token',
    kind: duration({ min: 10 * MS, max: 60 * S }),
    default: '2.5s',
    doc: 'How long a request waits for a token before it is answered 503. Keep it below `CLIENT_DEADLINE`.',
    example: '1s',
  },
  TOKEN_WAITERS: {
    group: 'token',
    kind: count({ min: 1, max: 100_000 }),
    default: '1000',
    doc: 'Most requests that wait for a token at once; more are answered 503 at once.',
    example: '200',
  },
  LOGIN_BACKOFF: {
    group: 'token',
    kind: duration({ min: 100 * MS, max: 5 * M }),
    default: '500ms',
    doc: 'The first pause after a failure that may pass (network, timeout, 429, 5xx); it doubles, with full jitter.',
    example: '1s',
  },
  LOGIN_BACKOFF_MAX: {
    group: 'token',
    kind: duration({ min: 100 * MS, max: 1 * H }),
    default: '30s',
    doc: 'The longest such pause.',
    example: '1m',
  },
  LOGIN_REJECTED_BACKOFF: {
    group: 'token',
    kind: duration({ min: 1 * S, max: 1 * H }),
    default: '5s',
    doc: 'The first pause after iSales refused the user or password; it doubles.',
    example: '30s',
  },
  LOGIN_REJECTED_BACKOFF_MAX: {
    group: 'token',
    kind: duration({ min: 1 * S, max: 24 * H }),
    default: '5m',
    doc: 'The longest such pause.',
    example: '15m',
  },
  LOGIN_REJECTED_ATTEMPTS: {
    group: 'token',
    kind: count({ min: 1, max: 100 }),
    default: '3',
    doc: 'After so many refusals of the same credentials there is one attempt each `LOGIN_REJECTED_PAUSE` only, so that the account is not locked. Keep it below the number of wrong passwords that lock yours.',
    example: '2',
  },
  LOGIN_REJECTED_PAUSE: {
    group: 'token',
    kind: duration({ min: 10 * S, max: 24 * H }),
    default: '15m',
    doc: 'That pause. A changed password or user file ends it at once.',
    example: '1h',
  },
  LOGIN_REPLACE_PAUSE: {
    group: 'token',
    kind: duration({ min: 1 * S, max: 1 * H }),
    default: '30s',
    doc: 'A brand-new token that a business call finds rejected buys no second login within this time; the rejection is relayed to the caller.',
    example: '1m',
  },

  LISTEN: {
    group: 'listener',
    kind: listenAddress({ unix: true }),
    default: '127.0.0.1:8080',
    doc: 'Where CTI-OBS connects to. Anything but loopback or a Unix socket demands `OBS_LOGIN=require` or `LISTEN_CLIENT_CA_FILE`. Port 0 takes a free port and logs it.',
    example: 'unix:/run/isales/proxy.sock',
  },
  LISTEN_SOCKET_MODE: {
    group: 'listener',
    kind: octalMode(),
    default: '0600',
    doc: 'Permissions of the Unix socket. 0660 lets the group of the sidecar connect as well.',
    example: '0660',
  },
  LISTEN_TLS_CERT_FILE: {
    group: 'listener',
    kind: filePath(),
    doc: 'PEM file with the certificate (and its chain) to serve HTTPS with. Read again when it changes, without dropping a connection.',
    example: '/etc/isales/tls/tls.crt',
  },
  LISTEN_TLS_KEY_FILE: {
    group: 'listener',
    kind: filePath(),
    doc: 'PEM file with the private key of that certificate, not encrypted. Read again when it changes.',
    example: '/etc/isales/tls/tls.key',
  },
  LISTEN_CLIENT_CA_FILE: {
    group: 'listener',
    kind: filePath(),
    doc: 'PEM file with the certificate authorities of clients. When it is set, a client without a certificate of theirs is not served.',
    example: '/etc/isales/tls/ca.crt',
  },
  UNSAFE_LISTEN: {
    group: 'listener',
    kind: boolean(),
    default: 'false',
    doc: 'Serve anybody who reaches a `LISTEN` that is not loopback. Whoever does may then call iSales as `ISALES_USER`; only for networks that are closed by other means.',
    example: 'true',
  },
  ALLOWED_HOSTS: {
    group: 'listener',
    kind: list(hostName(), { emptyAllowed: true }),
    default: '',
    doc: 'Further names that may stand in the `Host` field of a request. Loopback names and the host of `LISTEN` always may; list here the name that `obsUrl` has when it is another.',
    example: 'isales-auth-proxy.telephony.svc',
  },
  ALLOWED_PATHS: {
    group: 'listener',
    kind: list(path(), { emptyAllowed: false }),
    default: '/rest/isales/',
    doc: 'Path prefixes that are forwarded; other paths are answered 403. `/` opens all.',
    example: '/rest/isales/,/rest/other/',
  },
  LISTEN_MAX_CONNECTIONS: {
    group: 'listener',
    kind: count({ min: 1, max: 100_000 }),
    default: '1024',
    doc: 'Most connections of clients that are served at once; those above it are answered 503.',
    example: '256',
  },
  MAX_IN_FLIGHT: {
    group: 'listener',
    kind: count({ min: 1, max: 100_000 }),
    default: '1024',
    doc: 'Most requests at once; more are answered 503 with `Retry-After`.',
    example: '256',
  },
  HEADER_TIMEOUT: {
    group: 'listener',
    kind: duration({ min: 100 * MS, max: 5 * M }),
    default: '15s',
    doc: 'How long a client may take to send the head of a request.',
    example: '5s',
  },
  BODY_IDLE_TIMEOUT: {
    group: 'listener',
    kind: duration({ min: 100 * MS, max: 1 * H }),
    default: '30s',
    doc: 'How long a body, either way, may stand still before the request is given up.',
    example: '1m',
  },
  MAX_BODY_SIZE: {
    group: 'listener',
    kind: size({ min: 1 * KIB, max: 100 * GIB }),
    default: '100MiB',
    doc: 'The largest body of a request; a larger one is answered 413.',
    example: '1MiB',
  },
  REPLAY_BODY_SIZE: {
    group: 'listener',
    kind: size({ min: 0, max: 1024 * KIB }),
    default: '64KiB',
    doc: 'The largest body that is kept, so that the request can be sent once more with a new token. Each request under way may hold so much memory.',
    example: '256KiB',
  },
  CLIENT_DEADLINE: {
    group: 'listener',
    kind: duration({ min: 100 * MS, max: 1 * H, zero: 'turns it off' }),
    default: '2.8s',
    doc: 'Within this time the client gets an answer, whatever happens. Keep it below the `timeout` of the OBS URL resource (3 s unless changed).',
    example: '9.5s',
  },
  DRAIN_DELAY: {
    group: 'listener',
    kind: duration({ min: 0, max: 10 * M }),
    default: '0s',
    doc: 'After SIGTERM, how long new connections are still accepted while readiness is off already. Raise it to 5 s behind a Kubernetes Service.',
    example: '5s',
  },
  DRAIN_TIMEOUT: {
    group: 'listener',
    kind: duration({ min: 0, max: 1 * H }),
    default: '25s',
    doc: 'How long requests under way may take to finish after that. Delay and limit together must fit into `terminationGracePeriodSeconds`.',
    example: '10s',
  },

  OBS_LOGIN: {
    group: 'obs',
    kind: choice('answer', 'require', 'forward'),
    derived: '`answer` on loopback and Unix sockets, `require` elsewhere',
    doc: 'What happens when CTI-OBS logs in. `answer`: whoever asks gets a ticket. `require`: only `OBS_USER` with `OBS_PASSWORD` does, and every call must carry a valid ticket. `forward`: login calls are refused, calls need no ticket.',
    example: 'require',
  },
  OBS_USER: {
    group: 'obs',
    kind: text({ maxBytes: 49 }),
    file: 'too',
    doc: 'The user that CTI-OBS is configured with (`userName` of its OBS URL resource).',
    example: 'cti-obs',
  },
  OBS_PASSWORD: {
    group: 'obs',
    kind: secret(),
    file: 'too',
    doc: 'The password that CTI-OBS is configured with. It is not the one of `ISALES_USER`.',
    example: 'change-me-too',
  },
  OBS_TICKET_KEY: {
    group: 'obs',
    kind: secret({ minBytes: 32 }),
    file: 'only',
    doc: 'A key for the tickets; replicas that share it accept the tickets of all. Without it the key is derived from `OBS_PASSWORD`, or is a new one at each start. Make one with `openssl rand -base64 32`.',
    example: '/etc/isales/obs/ticket-key',
  },
  OBS_TICKET_LIFETIME: {
    group: 'obs',
    kind: duration({ min: 10 * S, max: 24 * H }),
    default: '1h',
    doc: 'How long a ticket is good.',
    example: '8h',
  },
  OBS_NUMBERS: {
    group: 'obs',
    kind: choice('number', 'string'),
    default: 'number',
    doc: 'How `result` and lifetimes are written in our answers to login and refresh; the interface documents strings and shows numbers.',
    example: 'string',
  },
  OBS_REWRITE_INTERFACE: {
    group: 'obs',
    kind: boolean(),
    default: 'false',
    doc: 'Replace absolute URLs that name iSales in the answer to `business/interface` by the address that the client used. Turn it on when your iSales answers with URLs instead of paths.',
    example: 'true',
  },

  ADMIN_LISTEN: {
    group: 'admin',
    kind: listenAddress({ unix: false }),
    default: '0.0.0.0:9090',
    doc: 'Where metrics, probes and the status page are served. It gives no access to iSales.',
    example: '127.0.0.1:9090',
  },
  LOG_LEVEL: {
    group: 'admin',
    kind: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal'),
    default: 'info',
    doc: 'The least severe lines that are written.',
    example: 'debug',
  },
  LOG_FORMAT: {
    group: 'admin',
    kind: choice('auto', 'json', 'pretty'),
    default: 'auto',
    doc: 'One JSON object a line, or lines for people; `auto` is pretty on a terminal and JSON elsewhere.',
    example: 'json',
  },
  ACCESS_LOG: {
    group: 'admin',
    kind: sampling(),
    default: 'off',
    doc: 'Log each request (`full`) or a share of them. Lines hold neither headers nor bodies nor queries.',
    example: '0.01',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    group: 'admin',
    kind: url(),
    doc: 'Where traces are exported to, by OTLP over HTTP. Unset: no tracing, and nothing of it is loaded.',
    example: 'http://127.0.0.1:4318',
  },
  OTEL_SERVICE_NAME: {
    group: 'admin',
    kind: text({ maxBytes: 128 }),
    default: 'isales-auth-proxy',
    doc: 'The name of this service in traces.',
    example: 'isales-auth-proxy-blue',
  },
} as const satisfies Record<string, Setting>

/** The environment name of a setting. */
export type SettingName = keyof typeof SETTINGS

/** All settings in order, name by name. */
export const SETTING_LIST: readonly (readonly [SettingName, Setting])[] = Object.entries(
  SETTINGS,
) as [SettingName, Setting][]
