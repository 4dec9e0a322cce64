import type { messages } from '../words/index.ts'

/** From the least to the most severe; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface EventKind {
  readonly level: LogLevel
  /** Somebody did something to the proxy: its lines have `audit: true`, with `by` and `outcome` where they are known. */
  readonly audit?: true
}

/**
 * Every line has one of these names in `event`, and its sentence (`words/english-only`) in `msg`. Names are stable: alerts
 * are built on them.
 */
export const LOG_EVENTS = {
  starting: { level: 'info' },
  listening: { level: 'info' },
  'setting-wrong': { level: 'fatal' },
  'cannot-listen': { level: 'fatal' },
  'setting-doubtful': { level: 'warn' },
  'parser-doubtful': { level: 'warn' },
  draining: { level: 'info', audit: true },
  stopped: { level: 'info', audit: true },
  unexpected: { level: 'error' },
  'exchange-started': { level: 'debug' },
  'logged-in': { level: 'info' },
  renewed: { level: 'info' },
  recovered: { level: 'info' },
  'renewal-failed': { level: 'warn' },
  'login-failed': { level: 'error' },
  'refresh-refused': { level: 'warn' },
  'login-rejected': { level: 'error' },
  guarded: { level: 'error' },
  'token-rejected': { level: 'warn' },
  'rejection-relayed': { level: 'warn' },
  conflict: { level: 'warn' },
  'token-adopted': { level: 'info' },
  'token-request-deferred': { level: 'debug' },
  'sharing-alone': { level: 'warn' },
  'sharing-restored': { level: 'info' },
  'shared-token-unreadable': { level: 'warn' },
  'lifetime-assumed': { level: 'warn' },
  'lifetime-too-long': { level: 'warn' },
  'secret-reloaded': { level: 'info', audit: true },
  'state-in-memory': { level: 'warn' },
  'state-unusable': { level: 'error' },
  'state-restored': { level: 'info' },
  'renew-asked': { level: 'info', audit: true },
  'files-reloaded': { level: 'info', audit: true },
  'secret-unreadable': { level: 'error', audit: true },
  'upstream-failing': { level: 'warn' },
  'upstream-recovered': { level: 'info' },
  'client-refused': { level: 'warn' },
  'client-handshake-failed': { level: 'warn' },
  'obs-logged-in': { level: 'info' },
  'connections-full': { level: 'warn' },
  'obs-login-refused': { level: 'warn' },
  'request-failed': { level: 'debug' },
  access: { level: 'debug' },
} as const satisfies Readonly<Record<keyof typeof messages, EventKind>>

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
