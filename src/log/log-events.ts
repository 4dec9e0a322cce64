/** From the least to the most severe; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface EventKind {
  readonly level: LogLevel
  readonly text: string
  /** Somebody did something to the proxy: its lines have `audit: true`, with `by` and `outcome` where they are known. */
  readonly audit?: true
}

/**
 * Every line has one of these names in `event`, and its sentence in `msg`. Names are stable: alerts are built on them.
 * A sentence never varies, so that it can be searched for. docs/log.md explains each.
 */
export const LOG_EVENTS = {
  starting: { level: 'info', text: 'Starting' },
  listening: { level: 'info', text: 'Listening' },
  'setting-wrong': { level: 'fatal', text: 'A setting is wrong: nothing was started' },
  'cannot-listen': { level: 'fatal', text: 'A listener cannot be opened: nothing was started' },
  'setting-doubtful': { level: 'warn', text: 'Check this setting' },
  'parser-doubtful': {
    level: 'warn',
    text: 'This Node has an HTTP parser in which a request can hide another; use a newer one',
  },
  draining: { level: 'info', text: 'Shutting down: requests in flight are finished', audit: true },
  stopped: { level: 'info', text: 'Stopped', audit: true },
  unexpected: { level: 'error', text: 'An error that was not foreseen' },
  'exchange-started': { level: 'debug', text: 'Asking iSales for a token' },
  'logged-in': { level: 'info', text: 'Logged in' },
  renewed: { level: 'info', text: 'Token renewed' },
  recovered: { level: 'info', text: 'Logged in again after failures' },
  'renewal-failed': {
    level: 'warn',
    text: 'The token could not be renewed; the current one is still used',
  },
  'login-failed': { level: 'error', text: 'No usable token: requests get 503' },
  'refresh-refused': { level: 'warn', text: 'iSales refused to refresh; logging in instead' },
  'login-rejected': { level: 'error', text: 'iSales refused the login' },
  guarded: {
    level: 'error',
    text: 'Logins failed again and again; attempts are rare now so that the account is not locked',
  },
  'token-rejected': {
    level: 'warn',
    text: 'A business call found the token rejected before its end; replacing it',
  },
  'rejection-relayed': {
    level: 'warn',
    text: 'A call was rejected, and a login would not cure it: the response is relayed to the client',
  },
  conflict: {
    level: 'warn',
    text: 'Somebody else logs in as this user and ends our sessions: give each instance a user of its own, or run only one',
  },
  'token-adopted': { level: 'info', text: 'Using a token that another replica obtained' },
  'token-request-deferred': { level: 'debug', text: 'Not asking iSales for a token now' },
  'sharing-alone': {
    level: 'warn',
    text: 'The shared store cannot be used; this replica renews its token alone',
  },
  'sharing-restored': { level: 'info', text: 'The shared store can be used; the token is shared' },
  'shared-token-unreadable': {
    level: 'warn',
    text: 'What is in the shared store cannot be read and is replaced',
  },
  'lifetime-assumed': {
    level: 'warn',
    text: 'iSales gave no lifetime that can be believed; the default is taken',
  },
  'lifetime-too-long': {
    level: 'warn',
    text: 'iSales gave a lifetime over 24 h, probably milliseconds for seconds',
  },
  'secret-reloaded': {
    level: 'info',
    text: 'The secret changed; logging in with the new one',
    audit: true,
  },
  'state-in-memory': {
    level: 'info',
    text: 'STATE_DIR is not set: attempts to log in are counted in memory only, and a restart forgets them',
  },
  'state-unusable': {
    level: 'error',
    text: 'STATE_DIR cannot be used: attempts to log in are counted in memory, and a restart forgets them',
  },
  'state-restored': { level: 'info', text: 'The book of logins is in STATE_DIR again' },
  'renew-asked': { level: 'info', text: 'An operator asked for a login now', audit: true },
  'renew-ended': {
    level: 'info',
    text: 'The login that an operator asked for has ended',
    audit: true,
  },
  'files-reloaded': { level: 'info', text: 'Changed files are in use', audit: true },
  'secret-unreadable': {
    level: 'error',
    text: 'A file changed and cannot be used; what it held before stays in use',
    audit: true,
  },
  'upstream-failing': { level: 'warn', text: 'Calls to iSales fail' },
  'upstream-recovered': { level: 'info', text: 'Calls to iSales succeed again' },
  'client-refused': { level: 'warn', text: 'A client was refused' },
  'client-handshake-failed': { level: 'warn', text: 'The TLS handshake of a client failed' },
  'obs-logged-in': { level: 'info', text: 'CTI-OBS logged in to the proxy' },
  'slow-client-closed': {
    level: 'warn',
    text: 'A client that took nothing of its response was closed',
  },
  'connections-full': { level: 'warn', text: 'Too many connections' },
  'obs-login-refused': { level: 'warn', text: 'A login of CTI-OBS was refused' },
  'request-failed': {
    level: 'debug',
    text: 'The proxy responded to a request with an error of its own',
  },
  access: { level: 'info', text: 'Request' },
} as const satisfies Record<string, EventKind>

export type LogEventName = keyof typeof LOG_EVENTS

/** What a field holds; a value of another type is dropped. */
interface FieldValues {
  readonly string: string
  readonly number: number
  readonly boolean: boolean
  /** Whatever was thrown; it is reduced before it is written. */
  readonly error: unknown
}

/** All that a line may hold besides time, level, event and its sentence. */
export const LOG_FIELDS = {
  audit: 'boolean',
  by: 'string',
  outcome: 'string',
  version: 'string',
  listener: 'string',
  address: 'string',
  setting: 'string',
  inFlight: 'number',
  operation: 'string',
  generation: 'number',
  lifetimeSeconds: 'number',
  ageSeconds: 'number',
  durationMs: 'number',
  upstreamMs: 'number',
  sameToken: 'boolean',
  reason: 'string',
  cause: 'string',
  status: 'number',
  detail: 'string',
  failures: 'number',
  backoff: 'string',
  retryInSeconds: 'number',
  budgetSeconds: 'number',
  requestId: 'string',
  method: 'string',
  path: 'string',
  attempts: 'number',
  requests: 'number',
  errors: 'number',
  code: 'string',
  count: 'number',
  share: 'number',
  durationSeconds: 'number',
  error: 'error',
} as const satisfies Record<string, keyof FieldValues>

export type LogFieldName = keyof typeof LOG_FIELDS

export type LogFields = {
  readonly [Name in LogFieldName]?: FieldValues[(typeof LOG_FIELDS)[Name]] | undefined
}
