/** From the least to the most severe; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface EventKind {
  readonly level: LogLevel
  /** In English in every language. It never varies, but for a finding, whose title and remedy are the message. */
  readonly msg: string
  /** Somebody did something to the proxy: its lines have `audit: true`, with `by` and `outcome` where they are known. */
  readonly audit?: true
}

/**
 * Every line has one of these names in `event`. Names are stable: alerts are built on them. docs/log.md explains each.
 */
// oxfmt-ignore
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
  'token-request-failed': { level: 'debug', msg: 'iSales granted no token' },
  'token-rejected': { level: 'warn', msg: 'A business call found the token rejected before its end; replacing it' },
  'rejection-relayed': { level: 'warn', msg: 'A call was rejected, and a login would not cure it: the response is relayed to the client' },
  'token-adopted': { level: 'info', msg: 'Using a token that another replica obtained' },
  'token-request-deferred': { level: 'debug', msg: 'Not asking iSales for a token now' },
  'shared-token-unreadable': { level: 'warn', msg: 'What is in the shared store cannot be read and is replaced' },
  'state-in-memory': { level: 'warn', msg: 'STATE_DIR is not set: attempts to log in are counted in memory only, and a restart forgets them' },
  'renew-asked': { level: 'info', audit: true, msg: 'SIGHUP: files are read again, and a pause of logins ends once' },
  'files-reloaded': { level: 'info', audit: true, msg: 'Changed files are in use' },
  'secret-unreadable': { level: 'error', audit: true, msg: 'A file changed and cannot be used; what it held before stays in use' },
  'finding-began': { level: 'warn', msg: 'A finding begins' },
  'finding-ended': { level: 'info', msg: 'A finding ends' },
  'client-refused': { level: 'warn', msg: 'A client was refused' },
  'client-handshake-failed': { level: 'warn', msg: 'The TLS handshake of a client failed' },
  'obs-logged-in': { level: 'info', msg: 'CTI-OBS logged in to the proxy' },
  'connections-full': { level: 'warn', msg: 'Too many connections' },
  'obs-login-refused': { level: 'warn', msg: 'A login of CTI-OBS was refused' },
  access: { level: 'debug', msg: 'Request' },
} as const satisfies Readonly<Record<string, EventKind>>

export type LogEventName = keyof typeof LOG_EVENTS

/** What a field holds; a value of another type is dropped. An error is reduced before it is written. */
interface FieldValues {
  readonly string: string
  readonly number: number
  readonly boolean: boolean
  readonly error: unknown
}

/** All that a line may hold besides time, level, event and its sentence, by what it holds. */
// oxfmt-ignore
const FIELDS = {
  string: [
    'by', 'outcome', 'version', 'listener', 'address', 'client', 'setting', 'operation',
    'reason', 'cause', 'detail', 'backoff', 'requestId', 'method', 'path', 'code', 'finding',
    'state', 'section',
  ],
  number: [
    'inFlight', 'generation', 'lifetimeSeconds', 'ageSeconds', 'durationMs', 'upstreamMs',
    'status', 'failures', 'retryInSeconds', 'budgetSeconds', 'attempts', 'count',
    'durationSeconds',
  ],
  boolean: ['audit', 'sameToken'],
  error: ['error'],
} as const satisfies Readonly<Record<keyof FieldValues, readonly string[]>>

type Kind = keyof typeof FIELDS
export type LogFieldName = (typeof FIELDS)[Kind][number]
export const LOG_FIELDS = Object.fromEntries(
  Object.entries(FIELDS).flatMap(([kind, names]) => names.map((name) => [name, kind])),
) as Readonly<Record<LogFieldName, Kind>>

export type LogFields = {
  readonly [Of in Kind as (typeof FIELDS)[Of][number]]?: FieldValues[Of] | undefined
}
