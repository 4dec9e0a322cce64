/** From the least to the most severe; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface EventKind {
  readonly level: LogLevel
  /** It never varies, so that it can be searched for; in English in every language. */
  readonly msg: string
  /** Somebody did something to the proxy: its lines have `audit: true`, with `by` and `outcome` where they are known. */
  readonly audit?: true
}

/**
 * Every line has one of these names in `event`. Names are stable: alerts are built on them. docs/log.md explains each.
 */
export const LOG_EVENTS = {
  starting: { level: 'info', msg: 'Starting' },
  listening: { level: 'info', msg: 'Listening' },
  'setting-wrong': { level: 'fatal', msg: 'A setting is wrong: nothing was started' },
  'cannot-listen': { level: 'fatal', msg: 'A listener cannot be opened: nothing was started' },
  'setting-doubtful': { level: 'warn', msg: 'Check this setting' },
  draining: { level: 'info', audit: true, msg: 'Shutting down: requests in flight are finished' },
  stopped: { level: 'info', audit: true, msg: 'Stopped' },
  unexpected: { level: 'error', msg: 'An error that was not foreseen' },
  'exchange-started': { level: 'debug', msg: 'Asking iSales for a token' },
  'logged-in': { level: 'info', msg: 'Logged in' },
  renewed: { level: 'info', msg: 'Token renewed' },
  recovered: { level: 'info', msg: 'Logged in again after failures' },
  'renewal-failed': {
    level: 'warn',
    msg: 'The token could not be renewed; the current one is still used',
  },
  'login-failed': { level: 'error', msg: 'No usable token: requests get 503' },
  'refresh-refused': { level: 'warn', msg: 'iSales refused to refresh; logging in instead' },
  'login-rejected': { level: 'error', msg: 'iSales refused the login' },
  guarded: {
    level: 'error',
    msg: 'Logins failed again and again; attempts are rare now so that the account is not locked',
  },
  'token-rejected': {
    level: 'warn',
    msg: 'A business call found the token rejected before its end; replacing it',
  },
  'rejection-relayed': {
    level: 'warn',
    msg: 'A call was rejected, and a login would not cure it: the response is relayed to the client',
  },
  'token-adopted': { level: 'info', msg: 'Using a token that another replica obtained' },
  'token-request-deferred': { level: 'debug', msg: 'Not asking iSales for a token now' },
  'shared-token-unreadable': {
    level: 'warn',
    msg: 'What is in the shared store cannot be read and is replaced',
  },
  'lifetime-assumed': {
    level: 'warn',
    msg: 'iSales gave no lifetime that can be believed; the default is taken',
  },
  'state-in-memory': {
    level: 'warn',
    msg: 'STATE_DIR is not set: attempts to log in are counted in memory only, and a restart forgets them',
  },
  'renew-asked': {
    level: 'info',
    audit: true,
    msg: 'SIGHUP: files are read again, and a pause of logins ends once',
  },
  'files-reloaded': { level: 'info', audit: true, msg: 'Changed files are in use' },
  'secret-unreadable': {
    level: 'error',
    audit: true,
    msg: 'A file changed and cannot be used; what it held before stays in use',
  },
  'finding-began': { level: 'warn', msg: 'A finding of the status page begins' },
  'finding-ended': { level: 'info', msg: 'A finding of the status page ends' },
  'client-refused': { level: 'warn', msg: 'A client was refused' },
  'client-handshake-failed': { level: 'warn', msg: 'The TLS handshake of a client failed' },
  'obs-logged-in': { level: 'info', msg: 'CTI-OBS logged in to the proxy' },
  'connections-full': { level: 'warn', msg: 'Too many connections' },
  'obs-login-refused': { level: 'warn', msg: 'A login of CTI-OBS was refused' },
  access: { level: 'debug', msg: 'Request' },
} as const satisfies Readonly<Record<string, EventKind>>

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
  client: 'string',
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
  code: 'string',
  count: 'number',
  finding: 'string',
  state: 'string',
  section: 'string',
  durationSeconds: 'number',
  error: 'error',
} as const satisfies Record<string, keyof FieldValues>

export type LogFieldName = keyof typeof LOG_FIELDS

export type LogFields = {
  readonly [Name in LogFieldName]?: FieldValues[(typeof LOG_FIELDS)[Name]] | undefined
}
