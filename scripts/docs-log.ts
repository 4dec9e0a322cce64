import {
  LOG_EVENTS,
  LOG_FIELDS,
  type LogEventName,
  type LogFieldName,
} from '../src/log/log-events.ts'
import { messages } from '../src/words/index.ts'
import { markdownTable } from './markdown.ts'

/** When each line is written and what to do about it; the compiler demands one for each. */
const EVENTS: Readonly<Record<LogEventName, string>> = {
  starting: 'The process starts; `version` says which.',
  listening:
    'A listener accepts connections; `listener` says which, `address` where, also for port 0.',
  'setting-wrong':
    'One line for each error of the configuration; `setting` names it, `detail` says what to do. The process ends with 2. At a terminal they are sentences on stderr.',
  'cannot-listen':
    '`setting` says which, `detail` why. The process ends with 1. At a terminal it is a sentence on stderr.',
  'setting-doubtful':
    'A variable looks like a misspelt setting, or a setting does nothing or weakens something beside the others; `setting` names it, `detail` says what to do.',
  'parser-doubtful':
    'Node before 20.19.2 takes a CR and any byte behind it for the end of a header (CVE-2025-23167), before this program sees it.',
  draining: 'A signal came; `inFlight` says how many requests are finished first.',
  stopped:
    'The process ends; `inFlight` counts the requests that were cut off, 0 when all were finished.',
  unexpected: 'A bug of the program itself; `error` names it and says where. Report it.',
  'exchange-started': 'A login or refresh begins; `operation` says which.',
  'logged-in':
    'A login gave a token; `lifetimeSeconds` says for how long, `durationMs` how long it took.',
  renewed:
    'A refresh gave a token. With `sameToken: true` iSales gave the same token with a new lifetime.',
  recovered:
    'A login or refresh succeeded after `failures` in a row, also when the secret was changed meanwhile. Nothing is left to do.',
  'renewal-failed':
    'iSales cannot be reached or responds with errors; `reason` and `detail` say how. Requests go on working for `budgetSeconds`.',
  'login-failed':
    'As `renewal-failed`, and the token has ended or was never there. Restore the connection to iSales.',
  'refresh-refused':
    'The refresh token is not accepted; a login follows immediately. If it comes back often, set `ISALES_REFRESH_PATH=off`.',
  'login-rejected':
    'Correct the secret; it is read again within 3 s. `budgetSeconds` says how long the current token can still be used.',
  guarded:
    'Correct the secret; it is tried within 3 s. Until then one attempt is made after 15 min, then one each 4 h (each 8 min where iSales does not say whether it refuses the secret); `renew` or SIGHUP makes one now.',
  'token-rejected':
    'iSales ended the session early: revoked, restarted, or another login by this user. Clients do not notice.',
  'rejection-relayed':
    'The token works for other calls, or is brand-new. Check that the account is in order and may call this interface, and that ISALES_TOKEN_HEADER suits this iSales.',
  conflict:
    'Three tokens within a minute were rejected early, and a newer one served each time. Calls go on. Find the other program or replica that uses this user.',
  'token-adopted':
    'The shared store had a newer token; `ageSeconds` says how old it is, `lifetimeSeconds` for how long it was granted.',
  'token-request-deferred':
    '`reason` says why: another replica asks, or may ask while the shared store is away (`busy`), all replicas wait after a failure of iSales (`paused`), or the account is spared (`guarded`). The next attempt is in `retryInSeconds`.',
  'sharing-alone':
    '`reason` says why, as the label of `isales_proxy_session_store_failures_total`. The token at hand serves; see docs/sharing.md.',
  'sharing-restored': 'Ends `sharing-alone`.',
  'shared-token-unreadable':
    'It was not sealed by a replica with this SESSION_STORE_KEY_FILE, or is damaged. If it comes back, find out who writes there.',
  'lifetime-assumed':
    'Ask the operator of iSales why a login states no lifetime; 5 min are assumed.',
  'lifetime-too-long':
    'Ask the operator of iSales whether `tokenExpirationTime` is in milliseconds. It counts as 5 min.',
  'secret-reloaded':
    'A changed user or password was read from its file. The current token is used until the new login has succeeded.',
  'state-in-memory':
    'Set `STATE_DIR`, so that restarts with a wrong password cannot lock the account.',
  'state-unusable':
    'It cannot be read, or not be written within a second, or was not written by this program; `detail` says why. Counting goes on in memory, no login waits for it, and the file is written anew when it can be.',
  'state-restored': 'Ends `state-unusable`.',
  'renew-asked':
    '`by`: SIGHUP, which the command `renew` sends. Secrets and certificates are read again. `outcome`: `pause-ended`, so a login is made unless it may be the fifth wrong one in 15 min; `nothing-paused`, and iSales is asked for nothing.',
  'files-reloaded':
    'Certificates, authorities, or what CTI-OBS logs in with; `setting` names those that changed. Open connections go on.',
  'secret-unreadable':
    'A secret, certificate or key is missing, damaged, too large or not readable; `setting` names the file, `detail` says why.',
  'upstream-failing':
    'Calls failed, most of the last ones because of `code`; `share` says how many of those of the last minute, from 0 to 1, or of the last 20 s when more than half of these failed; it is 1 when none has succeeded for 3 s. At `error` when it is more than half. The status page says what to do. Calls without a token, and rejected ones, are not among them: `login-failed`, `token-rejected` and their like say more.',
  'upstream-recovered':
    'No call has failed for a minute. `code` and `share` are those of `upstream-failing`, `durationSeconds` says how long that lasted.',
  'client-refused':
    'A request that is not valid or not allowed; `reason` is the label of `isales_proxy_requests_refused_total`, `code` the one that the client got, and `requestId` as there. At most one line a minute for each reason: the first immediately, then one with the `count` of the rest and the `requestId` of the last.',
  'client-handshake-failed':
    '`reason` is the label of `isales_proxy_client_handshake_failures_total`, and the run-book explains it (IsalesProxyClientHandshakesRefused). `closed` is counted and not logged. Throttled as `client-refused`.',
  'obs-logged-in':
    '`operation` says whether it was a login or a refresh. Throttled as `client-refused`.',
  'connections-full':
    'The connection that has been without a call in flight for longest is closed for a new one. `listener` says where. Throttled as `client-refused`. Find out who connects, as below, or raise `MAX_IN_FLIGHT`.',
  'obs-login-refused':
    '`operation` says whether it was a login or a refresh; `reason` is the label `outcome` of `isales_proxy_obs_logins_total` or `isales_proxy_obs_refreshes_total`. Throttled as `client-refused`. Check `OBS_USER` and `OBS_PASSWORD`, or who guesses. A refresh with a ticket that has expired, or of another password or key, is refused, and CTI-OBS logs in again.',
  'request-failed':
    '`code` is the one in the body that the client got, `requestId` the same as there. Without `upstreamMs` iSales did not respond.',
  access: 'One for each request, with `LOG_LEVEL=debug`. Never a header, a body or a query.',
}

const FIELDS: Readonly<Record<LogFieldName, string>> = {
  cause:
    'What is behind it, of a closed set: `expired`, `connection-refused`, `maintenance`. The status page, `check --live` and `detail` say it in a sentence.',
  audit:
    'Only `true`: somebody did something to the proxy. The lines with it are the audit trail: logins that were asked for, changed secrets and certificates, and the end of the process.',
  by: 'Of a line with `audit`: the signal, `command`, or the owner of the changed file (`file of uid 0`).',
  outcome: 'Of a line with `audit`: what came of it.',
  version: 'Version of this program.',
  listener: '`proxy` or `admin`.',
  address: 'Where it listens.',
  client: 'Address of the client, where `LISTEN` is not on loopback.',
  setting: 'The setting that the line is about.',
  inFlight: 'Requests in flight.',
  operation: '`login` or `refresh`.',
  generation: 'Number of the token, counted from 1 since the start.',
  lifetimeSeconds: 'For how long the token was granted.',
  ageSeconds: 'How long ago the token was requested.',
  durationMs: 'How long the login, refresh or request took.',
  upstreamMs: 'From sending the last attempt to the head of its response.',
  sameToken: 'iSales gave the same token again.',
  reason:
    'As the label `reason` of `isales_proxy_auth_failures_total`, unless the event says otherwise.',
  status: 'HTTP status; 0: the client left before a response began.',
  detail: 'A fixed sentence or an error code; never text of a response.',
  failures: 'Failed attempts in a row.',
  backoff: 'As the label `state` of `isales_proxy_auth_backoff_state`.',
  retryInSeconds: 'Until the next attempt.',
  budgetSeconds: 'How long requests go on working with the current token.',
  requestId: 'As in `X-Request-Id` and in the body of an error.',
  method: 'Of the request.',
  path: 'Of the request, without the query.',
  attempts: 'How often the request was sent; 0: never.',
  requests: 'Calls of CTI-OBS since the last token came.',
  errors: 'Of `requests`, those that failed: an error of the proxy, a relayed 401, 403 or 5xx.',
  code: 'As the label `code` of `isales_proxy_request_errors_total`; also `isales-error` (a relayed 5xx).',
  count: 'How many times it happened, of a line that is throttled.',
  share: 'Of the calls that failed, from 0 to 1.',
  durationSeconds: 'How long calls failed.',
  error:
    'Name, code, and where it was thrown. Its message may quote what nobody should see, and is left out.',
}

const KINDS = { string: 'text', number: 'number', boolean: 'flag', error: 'error' } as const

/** docs/log.md. */
export function logPage(): string {
  const events = Object.entries(LOG_EVENTS).map(([name, { level }]) => [
    `\`${name}\``,
    level,
    `${messages[name as LogEventName]}. ${EVENTS[name as LogEventName]}`,
  ])
  const fields = Object.entries(LOG_FIELDS).map(([name, type]) => [
    `\`${name}\``,
    KINDS[type],
    FIELDS[name as LogFieldName],
  ])
  return `<!-- Written by \`npm run docs\` from src/log/log-events.ts, src/words/english-only.ts and scripts/docs-log.ts. Do not edit. -->
# The log

One line for each change of state, on stdout. What only repeats a state, such as the tenth failed login of an outage, is written at
\`debug\`. \`LOG_LEVEL\` sets the least level that is written; on a terminal the lines are for people, elsewhere each is a JSON object.

\`\`\`json
{"level":"info","time":"2026-03-02T09:41:05.120Z","event":"renewed","operation":"refresh","generation":7,"lifetimeSeconds":300,"durationMs":42,"msg":"Token renewed"}
\`\`\`

Each line has \`level\`, \`time\` (UTC), \`event\` and \`msg\`. The names of events and fields are stable, so alerts may be built on
them; the sentences are for people and may change. The log never delays a request: when nobody reads it, or the disk is full, 1 MiB is kept, and further
lines are dropped and counted in \`isales_proxy_log_lines_dropped_total\`.

## Events

${markdownTable(['event', 'level', 'meaning'], events)}

\`client-refused\` and \`obs-login-refused\` have the address of the client, where \`LISTEN\` is not on loopback. \`ss -tnp 'sport = :8080'\` on the machine of the proxy lists those that are connected;
\`dport\` in place of \`sport\` names the programs on the same machine.

## Fields

Nothing but these is ever written: no header, no body, no query, no password, no token. Control characters are written like \`\\x1b\`, text is cut at 512 characters.

${markdownTable(['field', 'kind', 'meaning'], fields)}
`
}
