import type { Config } from '../config/index.ts'

export type LogLevel = Config['logLevel']

export interface EventKind {
  readonly level: LogLevel
  /** In English. A finding's message is its title and remedy; all others are fixed. Unlike names, they may change. */
  readonly msg: string
  /** An operator acted on the proxy: the line has `audit: true`, and `by` and `outcome` if known. */
  readonly audit?: true
}

/** Names in `event`, which must not change, because alerts rely on them. docs/log.md explains each name. */
// oxfmt-ignore
export const LOG_EVENTS = {
  starting: { level: 'info', msg: 'Starting' },
  listening: { level: 'info', msg: 'Listening' },
  'setting-wrong': { level: 'fatal', msg: 'Invalid setting; not starting' },
  'cannot-listen': { level: 'fatal', msg: 'Cannot open a listener; not starting' },
  'setting-doubtful': { level: 'warn', msg: 'Questionable setting' },
  draining: { level: 'info', audit: true, msg: 'Shutting down; finishing requests in flight' },
  stopped: { level: 'info', audit: true, msg: 'Stopped' },
  unexpected: { level: 'error', msg: 'Unexpected error' },
  'exchange-started': { level: 'debug', msg: 'Requesting a token from iSales' },
  'logged-in': { level: 'info', msg: 'Logged in' },
  renewed: { level: 'info', msg: 'Token renewed' },
  'token-request-failed': { level: 'debug', msg: 'Token request failed' },
  'token-rejected': { level: 'warn', msg: 'iSales rejected the token before it expired; replacing it' },
  'rejection-relayed': { level: 'warn', msg: 'iSales rejected a call that no login can fix; relaying the response' },
  'token-adopted': { level: 'info', msg: 'Adopted a token from another replica' },
  'token-request-deferred': { level: 'debug', msg: 'Postponed a token request' },
  'shared-token-unreadable': { level: 'warn', msg: 'Shared store contents are unreadable; replacing them' },
  'state-in-memory': { level: 'warn', msg: 'STATE_DIR is not set; login attempts are forgotten at a restart' },
  'renew-asked': { level: 'info', audit: true, msg: 'Received SIGHUP; reading files again and ending a login pause' },
  'files-reloaded': { level: 'info', audit: true, msg: 'Changed files are in use' },
  'secret-unreadable': { level: 'error', audit: true, msg: 'Cannot use a changed file; keeping the previous values' },
  'finding-began': { level: 'warn', msg: 'A finding begins' },
  'finding-ended': { level: 'info', msg: 'A finding ends' },
  'client-refused': { level: 'warn', msg: 'Refused a request' },
  'client-handshake-failed': { level: 'warn', msg: 'TLS handshake with a client failed' },
  'obs-logged-in': { level: 'info', msg: 'CTI-OBS logged in to the proxy' },
  'connections-full': { level: 'warn', msg: 'Too many connections; closing the longest-idle one' },
  'obs-login-refused': { level: 'warn', msg: 'Refused a login of CTI-OBS' },
  access: { level: 'debug', msg: 'Request' },
} as const satisfies Readonly<Record<string, EventKind>>

export type LogEventName = keyof typeof LOG_EVENTS

/** Fields that a line may have besides time, level, event and message. A value of another type is dropped. */
// oxfmt-ignore
export const LOG_FIELDS = {
  by: 'string', outcome: 'string', version: 'string', listener: 'string', address: 'string',
  client: 'string', setting: 'string', operation: 'string', reason: 'string', cause: 'string',
  detail: 'string', backoff: 'string', requestId: 'string', method: 'string', path: 'string',
  code: 'string', finding: 'string', state: 'string', section: 'string', inFlight: 'number',
  generation: 'number', lifetimeSeconds: 'number', ageSeconds: 'number', durationMs: 'number',
  upstreamMs: 'number', status: 'number', failures: 'number', retryInSeconds: 'number',
  budgetSeconds: 'number', attempts: 'number', count: 'number', durationSeconds: 'number',
  audit: 'boolean', sameToken: 'boolean', error: 'error',
} as const

/** An error is reduced before it is written. */
type FieldTypes = { string: string; number: number; boolean: boolean; error: unknown }
export type LogFieldName = keyof typeof LOG_FIELDS
export type LogFields = {
  readonly [Name in LogFieldName]?: FieldTypes[(typeof LOG_FIELDS)[Name]] | undefined
}
