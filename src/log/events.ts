/** How loud a line is; `LOG_LEVEL` sets the least that is written. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

interface LogEventKind {
  readonly level: LogLevel
  /** The sentence in `msg`; it never changes with the case, so that it can be searched for. */
  readonly text: string
  /** When the line is written and what to do about it, for docs/operations.md. */
  readonly doc: string
}

/** Every line that is ever written has one of these names in `event`. Names are stable: alerts are built on them. */
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
    text: 'Shutting down: requests under way are finished',
    doc: 'A signal came; `inFlight` says how many requests are finished first.',
  },
  stopped: {
    level: 'info',
    text: 'Stopped',
    doc: 'The process ends; `inFlight` counts the requests that were cut, 0 when all were finished.',
  },
  unexpected: {
    level: 'error',
    text: 'An error that was not foreseen',
    doc: 'A fault of the program itself; `error` names it and says where. Report it.',
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
    doc: 'A refresh gave a token. With `sameToken: true` iSales gave the one we had, with a new lifetime.',
  },
  recovered: {
    level: 'info',
    text: 'Logged in again after failures',
    doc: 'A login or refresh succeeded after `failures` in a row. Nothing is left to do.',
  },
  'renewal-failed': {
    level: 'warn',
    text: 'The token could not be renewed; the present one still serves',
    doc: 'iSales cannot be reached or answers with faults; `reason` and `detail` say how. Requests go on working for `budgetSeconds`.',
  },
  'login-failed': {
    level: 'error',
    text: 'No usable token: requests are answered 503',
    doc: 'As `renewal-failed`, and the token has ended or was never there. Restore the way to iSales.',
  },
  'refresh-refused': {
    level: 'warn',
    text: 'iSales refused to refresh; logging in instead',
    doc: 'The refresh token is not accepted; a login follows at once. If it comes back often, set `ISALES_REFRESH_PATH=off`.',
  },
  'login-rejected': {
    level: 'error',
    text: 'iSales refused the user or password',
    doc: 'Correct the secret; it is read anew at once. `budgetSeconds` says how long the present token still serves.',
  },
  guarded: {
    level: 'error',
    text: 'The credentials were refused again and again; attempts are rare now so that the account is not locked',
    doc: 'Correct the secret; it is tried at once. Until then one attempt in 15 min is made.',
  },
  'token-rejected': {
    level: 'warn',
    text: 'A business call found the token rejected before its end; replacing it',
    doc: 'iSales ended the session early: revoked, restarted, or another login by this user. Clients do not notice.',
  },
  'rejection-relayed': {
    level: 'warn',
    text: 'A brand-new token was rejected: the answer is passed on to the client',
    doc: 'A login does not cure this. Check that the account is in order and may call this interface, and that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales.',
  },
  conflict: {
    level: 'warn',
    text: 'Somebody else logs in as this user and ends our sessions: give each instance a user of its own, or run only one',
    doc: 'Three tokens a minute were rejected early. The next login is held off for `holdOffSeconds`. Find the other program or replica that uses this user.',
  },
  'lifetime-assumed': {
    level: 'warn',
    text: 'iSales gave no lifetime that can be believed; the default is taken',
    doc: 'Set TOKEN_DEFAULT_LIFETIME to what this iSales really grants.',
  },
  'secret-reloaded': {
    level: 'info',
    text: 'The secret changed; logging in with the new one',
    doc: 'A changed user or password was read from its file. The present token serves until the new login has succeeded.',
  },
  'secret-unreadable': {
    level: 'error',
    text: 'A secret file changed and cannot be used; the former secret stays in force',
    doc: 'The file is missing, empty, too large or not readable; `setting` names it, `error` says why.',
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
  'request-failed': {
    level: 'debug',
    text: 'A request was answered with an error of the proxy',
    doc: '`code` is the one in the body that the client got, `requestId` the same as there.',
  },
  access: {
    level: 'info',
    text: 'Request',
    doc: 'One for each request, or for a share of them, when ACCESS_LOG says so. Never a header, a body or a query. Written in batches, up to 100 ms late.',
  },
} as const satisfies Record<string, LogEventKind>

/** All but that of a request, whose line is made in a way of its own. */
export type LogEventName = Exclude<keyof typeof LOG_EVENTS, 'access'>
