/** From the least to the most severe; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

interface LogEventKind {
  readonly level: LogLevel
  /** The sentence in `msg`. It never varies, so that it can be searched for. */
  readonly text: string
  /** When the line is written and what to do about it, for docs/log.md. */
  readonly doc: string
}

/** Every line has one of these names in `event`. Names are stable: alerts are built on them. */
export const LOG_EVENTS = {
  starting: {
    level: 'info',
    text: 'Starting',
    doc: 'The process starts; `version` says which.',
  },
  listening: {
    level: 'info',
    text: 'Listening',
    doc: 'A listener accepts connections; `listener` says which, `address` where, also for port 0.',
  },
  'setting-wrong': {
    level: 'fatal',
    text: 'A setting is wrong: nothing was started',
    doc: 'One line for each error of the configuration; `setting` names it, `detail` says what to do. The process ends with 2. At a terminal they are sentences on stderr.',
  },
  'cannot-listen': {
    level: 'fatal',
    text: 'A listener cannot be opened: nothing was started',
    doc: '`setting` says which, `detail` why. The process ends with 1. At a terminal it is a sentence on stderr.',
  },
  'setting-doubtful': {
    level: 'warn',
    text: 'A setting may not be what was meant',
    doc: 'A variable looks like a misspelt setting, or a setting does nothing or weakens something beside the others; `setting` names it, `detail` says what to do.',
  },
  'parser-doubtful': {
    level: 'warn',
    text: 'This Node has an HTTP parser in which a request can hide another; use a newer one',
    doc: 'Node before 20.19.2 takes a CR and any byte behind it for the end of a header (CVE-2025-23167), before this program sees it.',
  },
  draining: {
    level: 'info',
    text: 'Shutting down: requests in flight are finished',
    doc: 'A signal came; `inFlight` says how many requests are finished first.',
  },
  stopped: {
    level: 'info',
    text: 'Stopped',
    doc: 'The process ends; `inFlight` counts the requests that were cut off, 0 when all were finished.',
  },
  unexpected: {
    level: 'error',
    text: 'An error that was not foreseen',
    doc: 'A bug of the program itself; `error` names it and says where. Report it.',
  },
  'exchange-started': {
    level: 'debug',
    text: 'Asking iSales for a token',
    doc: 'A login or refresh begins; `operation` says which.',
  },
  'logged-in': {
    level: 'info',
    text: 'Logged in',
    doc: 'A login gave a token; `lifetimeSeconds` says for how long, `durationMs` how long it took.',
  },
  renewed: {
    level: 'info',
    text: 'Token renewed',
    doc: 'A refresh gave a token. With `sameToken: true` iSales gave the same token with a new lifetime.',
  },
  recovered: {
    level: 'info',
    text: 'Logged in again after failures',
    doc: 'A login or refresh succeeded after `failures` in a row, also when the secret was changed meanwhile. Nothing is left to do.',
  },
  'renewal-failed': {
    level: 'warn',
    text: 'The token could not be renewed; the current one is still used',
    doc: 'iSales cannot be reached or responds with errors; `reason` and `detail` say how. Requests go on working for `budgetSeconds`.',
  },
  'login-failed': {
    level: 'error',
    text: 'No usable token: requests get 503',
    doc: 'As `renewal-failed`, and the token has ended or was never there. Restore the connection to iSales.',
  },
  'refresh-refused': {
    level: 'warn',
    text: 'iSales refused to refresh; logging in instead',
    doc: 'The refresh token is not accepted; a login follows immediately. If it comes back often, set `ISALES_REFRESH_PATH=off`.',
  },
  'login-rejected': {
    level: 'error',
    text: 'iSales refused the user or password',
    doc: 'Correct the secret; it is read again within 2 s. `budgetSeconds` says how long the current token can still be used.',
  },
  guarded: {
    level: 'error',
    text: 'The credentials were refused again and again; attempts are rare now so that the account is not locked',
    doc: 'Correct the secret; it is tried within 2 s. Until then one attempt is made after 15 min, then one each 4 h; `renew` or SIGHUP makes one now.',
  },
  'token-rejected': {
    level: 'warn',
    text: 'A business call found the token rejected before its end; replacing it',
    doc: 'iSales ended the session early: revoked, restarted, or another login by this user. Clients do not notice.',
  },
  'rejection-relayed': {
    level: 'warn',
    text: 'A call was rejected, and a login would not cure it: the response is relayed to the client',
    doc: 'The token works for other calls, or is brand-new. Check that the account is in order and may call this interface, and that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales.',
  },
  conflict: {
    level: 'warn',
    text: 'Somebody else logs in as this user and ends our sessions: give each instance a user of its own, or run only one',
    doc: 'Three tokens a minute were rejected early. The next login waits for `holdOffSeconds`. Find the other program or replica that uses this user.',
  },
  'token-adopted': {
    level: 'info',
    text: 'Using a token that another replica obtained',
    doc: 'The shared store had a newer token; `ageSeconds` says how old it is, `lifetimeSeconds` for how long it was granted.',
  },
  'token-request-held': {
    level: 'debug',
    text: 'Not asking iSales for a token now',
    doc: '`reason` says why: another replica asks (`busy`), met a failure (`held`), a refusal (`guarded`) or a login of somebody else (`conflict`), or the shared store is away and the token is good (`alone`). The next attempt is in `retryInSeconds`.',
  },
  'sharing-alone': {
    level: 'warn',
    text: 'The shared store cannot be used; this replica renews its token alone',
    doc: '`reason` says why, as the label of `isales_proxy_session_store_failures_total`. The token at hand serves; see docs/sharing.md.',
  },
  'sharing-restored': {
    level: 'info',
    text: 'The shared store can be used; the token is shared',
    doc: 'Ends `sharing-alone`.',
  },
  'shared-token-unreadable': {
    level: 'warn',
    text: 'What is in the shared store cannot be read and is replaced',
    doc: 'It was not sealed by a replica with this SESSION_STORE_KEY_FILE, or is damaged. If it comes back, find out who writes there.',
  },
  'lifetime-assumed': {
    level: 'warn',
    text: 'iSales gave no lifetime that can be believed; the default is taken',
    doc: 'Set TOKEN_DEFAULT_LIFETIME to what this iSales really grants.',
  },
  'secret-reloaded': {
    level: 'info',
    text: 'The secret changed; logging in with the new one',
    doc: 'A changed user or password was read from its file. The current token is used until the new login has succeeded.',
  },
  'state-in-memory': {
    level: 'info',
    text: 'STATE_DIR is not set: refused logins are counted in memory only, and a restart forgets them',
    doc: 'Set `STATE_DIR`, so that restarts with a wrong password cannot lock the account.',
  },
  'state-unusable': {
    level: 'warn',
    text: 'The file in STATE_DIR cannot be used; refused logins are counted in memory',
    doc: 'It cannot be read or written, or was not written by this program; `error` says why. Counting goes on in memory, and the file is written anew when it can be.',
  },
  'renew-asked': {
    level: 'info',
    text: 'An operator asked for a login now',
    doc: 'SIGHUP or the command `renew`. Secrets and certificates were read again; the back-off does not count for this attempt.',
  },
  'files-reloaded': {
    level: 'info',
    text: 'Changed files are in use',
    doc: 'Certificates, authorities, or what CTI-OBS logs in with; `setting` names those that changed. Open connections go on.',
  },
  'secret-unreadable': {
    level: 'error',
    text: 'A file changed and cannot be used; what it held before stays in use',
    doc: 'A secret, certificate or key is missing, damaged, too large or not readable; `setting` names the file, `detail` says why.',
  },
  'traces-lost': {
    level: 'warn',
    text: 'Traces cannot be delivered; requests are not affected',
    doc: 'The collector at OTEL_EXPORTER_OTLP_ENDPOINT does not take the spans. Written once, until it works again.',
  },
  'traces-delivered': {
    level: 'info',
    text: 'Traces are delivered again',
    doc: 'Ends `traces-lost`.',
  },
  'upstream-failing': {
    level: 'warn',
    text: 'Calls to iSales fail',
    doc: 'Calls failed, most of them because of `code`; `share` says how many of those of the last minute, from 0 to 1, or of the last 20 s when more than half of these failed. At `error` when it is more than half. The status page says what to do. Calls without a token, and rejected ones, are not among them: `login-failed`, `token-rejected` and their like say more.',
  },
  'upstream-recovered': {
    level: 'info',
    text: 'Calls to iSales succeed again',
    doc: 'No call has failed for a minute. `code` and `share` are those of `upstream-failing`, `durationSeconds` says how long that lasted.',
  },
  'client-refused': {
    level: 'warn',
    text: 'A client was refused',
    doc: 'A request that is not valid or not allowed; `reason` is the label of `isales_proxy_requests_refused_total`, `code` the one that the client got, and `requestId` as there. At most one line a minute for each reason: the first immediately, then one with the `count` of the rest and the `requestId` of the last.',
  },
  'client-handshake-failed': {
    level: 'warn',
    text: 'The TLS handshake of a client failed',
    doc: '`reason` is the label of `isales_proxy_client_handshake_failures_total`, and the run-book explains it (IsalesProxyClientHandshakesRefused). `closed` is counted and not logged. Throttled as `client-refused`.',
  },
  'obs-logged-in': {
    level: 'info',
    text: 'CTI-OBS logged in to the proxy',
    doc: '`operation` says whether it was a login or a refresh. Throttled as `client-refused`.',
  },
  'slow-client-closed': {
    level: 'warn',
    text: 'A client that took nothing of its response was closed',
    doc: '`reason` is `idle` (for `BODY_IDLE_TIMEOUT`) or `backlog` (for 2 s, and it was the slowest when more than 2 MiB waited for all clients). `listener` says where. Throttled as `client-refused`. Find out who asks and does not read.',
  },
  'connections-full': {
    level: 'warn',
    text: 'Too many connections, or too many requests on one',
    doc: 'At a cap the oldest connection without an accepted request is closed; if there is none, the new one gets 503. `listener` says where. Throttled as `client-refused`. Find out who connects, or raise `LISTEN_MAX_CONNECTIONS`.',
  },
  'obs-login-refused': {
    level: 'warn',
    text: 'A login of CTI-OBS was refused',
    doc: '`operation` says whether it was a login or a refresh; `reason` is the label `outcome` of `isales_proxy_obs_logins_total` or `isales_proxy_obs_refreshes_total`. Throttled as `client-refused`. Check `OBS_USER` and `OBS_PASSWORD`, or who guesses. A refresh with the ticket of an earlier process is refused, and CTI-OBS logs in again.',
  },
  'request-failed': {
    level: 'debug',
    text: 'The proxy responded to a request with an error of its own',
    doc: '`code` is the one in the body that the client got, `requestId` the same as there. Without `upstreamMs` iSales did not respond.',
  },
  access: {
    level: 'info',
    text: 'Request',
    doc: 'One for each request, or for a share of them, when ACCESS_LOG says so. Never a header, a body or a query.',
  },
} as const satisfies Record<string, LogEventKind>

/** The access line has a function of its own. */
export type LogEventName = Exclude<keyof typeof LOG_EVENTS, 'access'>

/** What a field holds; a value of another type is dropped. */
interface FieldValues {
  readonly text: string
  readonly number: number
  readonly flag: boolean
  /** Whatever was thrown; it is reduced before it is written. */
  readonly error: unknown
}

interface FieldKind {
  readonly kind: keyof FieldValues
  readonly doc: string
}

/** All that a line may hold besides time, level, event and its sentence. */
export const LOG_FIELDS = {
  version: { kind: 'text', doc: 'Version of this program.' },
  listener: { kind: 'text', doc: '`proxy` or `admin`.' },
  address: { kind: 'text', doc: 'Where it listens.' },
  setting: { kind: 'text', doc: 'The setting that the line is about.' },
  inFlight: { kind: 'number', doc: 'Requests in flight.' },
  operation: { kind: 'text', doc: '`login` or `refresh`.' },
  generation: { kind: 'number', doc: 'Number of the token, counted from 1 since the start.' },
  lifetimeSeconds: { kind: 'number', doc: 'For how long the token was granted.' },
  ageSeconds: { kind: 'number', doc: 'How long ago the token was requested.' },
  durationMs: { kind: 'number', doc: 'How long the login, refresh or request took.' },
  upstreamMs: { kind: 'number', doc: 'From sending the last attempt to the head of its response.' },
  sameToken: { kind: 'flag', doc: 'iSales gave the same token again.' },
  reason: {
    kind: 'text',
    doc: 'As the label `reason` of `isales_proxy_auth_failures_total`, unless the event says otherwise.',
  },
  status: { kind: 'number', doc: 'HTTP status; 0: the client left before a response began.' },
  detail: { kind: 'text', doc: 'A fixed sentence or an error code; never text of a response.' },
  failures: { kind: 'number', doc: 'Failed attempts in a row.' },
  backoff: { kind: 'text', doc: 'As the label `state` of `isales_proxy_auth_backoff_state`.' },
  retryInSeconds: { kind: 'number', doc: 'Until the next attempt.' },
  budgetSeconds: { kind: 'number', doc: 'How long requests go on working with the current token.' },
  holdOffSeconds: { kind: 'number', doc: 'How long the next login waits.' },
  requestId: { kind: 'text', doc: 'As in `X-Request-Id` and in the body of an error.' },
  method: { kind: 'text', doc: 'Of the request.' },
  path: { kind: 'text', doc: 'Of the request, without the query.' },
  attempts: { kind: 'number', doc: 'How often the request was sent; 0: never.' },
  requests: { kind: 'number', doc: 'Calls of CTI-OBS since the last token came.' },
  errors: {
    kind: 'number',
    doc: 'Of `requests`, those that failed: an error of the proxy, a relayed 401, 403 or 5xx.',
  },
  code: {
    kind: 'text',
    doc: 'As the label `code` of `isales_proxy_request_errors_total`; also `isales-error` (a relayed 5xx).',
  },
  count: { kind: 'number', doc: 'How many times it happened, of a line that is throttled.' },
  share: { kind: 'number', doc: 'Of the calls that failed, from 0 to 1.' },
  durationSeconds: { kind: 'number', doc: 'How long calls failed.' },
  error: {
    kind: 'error',
    doc: 'Name, code, and where it was thrown. Its message may quote what nobody should see, and is left out.',
  },
} as const satisfies Record<string, FieldKind>

export type LogFieldName = keyof typeof LOG_FIELDS

export type LogFields = {
  readonly [Name in LogFieldName]?: FieldValues[(typeof LOG_FIELDS)[Name]['kind']] | undefined
}

export function isLogField(name: string): name is LogFieldName {
  return Object.hasOwn(LOG_FIELDS, name)
}
